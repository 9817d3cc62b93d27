-- Fails when a column is missing; answers with what else is missing.
select id, holder, lease_until, progress, ended_at from reconcile_run limit 0;
with expected (name) as (values
    ('reconcile_run_pkey'),
    ('reconcile_run_one_check'),
    ('reconcile_run_lease_check')
)
select name from expected
where not exists (
    select 1 from sqlite_schema
    where tbl_name = 'reconcile_run'
      and (sqlite_schema.name = expected.name or instr(sqlite_schema.sql, 'constraint ' || expected.name || ' ') > 0
           or instr(sqlite_schema.sql, 'constraint ' || expected.name || char(10)) > 0)
);
