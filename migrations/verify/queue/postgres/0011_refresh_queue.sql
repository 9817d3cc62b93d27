-- Fails when a column is missing; answers with what else is missing.
select object_id, due_at, tries, marked_at from refresh_queue limit 0;
select seen_until from billing_subscription limit 0;
with expected (name) as (values
    ('refresh_queue_pkey'),
    ('refresh_queue_due_at_idx')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'refresh_queue'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'refresh_queue'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'refresh_queue'::regclass);
