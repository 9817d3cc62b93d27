-- Fails when a column is missing; answers with what else is missing.
select id, holder, lease_until, progress, ended_at from reconcile_run limit 0;
with expected (name) as (values
    ('reconcile_run_pkey'),
    ('reconcile_run_one_check'),
    ('reconcile_run_lease_check')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'reconcile_run'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'reconcile_run'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'reconcile_run'::regclass);
