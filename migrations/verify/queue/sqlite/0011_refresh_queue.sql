-- Fails when a column is missing; answers with what else is missing.
select object_id, due_at, tries, marked_at from refresh_queue limit 0;
select seen_until from billing_subscription limit 0;
with expected (name) as (values
    ('refresh_queue_pkey'),
    ('refresh_queue_due_at_idx')
)
select name from expected
where not exists (
    select 1 from sqlite_schema
    where tbl_name = 'refresh_queue'
      and (sqlite_schema.name = expected.name or instr(sqlite_schema.sql, 'constraint ' || expected.name || ' ') > 0
           or instr(sqlite_schema.sql, 'constraint ' || expected.name || char(10)) > 0)
);
