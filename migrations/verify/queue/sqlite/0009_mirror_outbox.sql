-- Fails when a column is missing; answers with what else is missing.
select queue_customer_id, version, dirty_since, due_at, attempts, lease_until, lease_holder from mirror_outbox limit 0;
with expected (name) as (values
    ('mirror_outbox_pkey'),
    ('mirror_outbox_lease_check'),
    ('mirror_outbox_due_at_idx')
)
select name from expected
where not exists (
    select 1 from sqlite_schema
    where tbl_name = 'mirror_outbox'
      and (sqlite_schema.name = expected.name or instr(sqlite_schema.sql, 'constraint ' || expected.name || ' ') > 0
           or instr(sqlite_schema.sql, 'constraint ' || expected.name || char(10)) > 0)
);
