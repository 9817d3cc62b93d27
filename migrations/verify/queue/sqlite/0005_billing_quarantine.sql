-- Fails when a column is missing; answers with what else is missing.
select event_id, reason, type, created, object_id, received_at from billing_quarantine limit 0;
with expected (name) as (values
    ('billing_quarantine_pkey'),
    ('billing_quarantine_reason_check'),
    ('billing_quarantine_object_id_idx')
)
select name from expected
where not exists (
    select 1 from sqlite_schema
    where tbl_name = 'billing_quarantine'
      and (sqlite_schema.name = expected.name or instr(sqlite_schema.sql, 'constraint ' || expected.name || ' ') > 0
           or instr(sqlite_schema.sql, 'constraint ' || expected.name || char(10)) > 0)
);
