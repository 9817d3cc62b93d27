-- Fails when a column is missing; answers with what else is missing.
select id, seq, mac, key_check from billing_chain limit 0;
with expected (name) as (values
    ('billing_chain_pkey'),
    ('billing_chain_single_check'),
    ('billing_chain_mac_check')
)
select name from expected
where not exists (
    select 1 from sqlite_schema
    where tbl_name = 'billing_chain'
      and (sqlite_schema.name = expected.name or instr(sqlite_schema.sql, 'constraint ' || expected.name || ' ') > 0
           or instr(sqlite_schema.sql, 'constraint ' || expected.name || char(10)) > 0)
);
