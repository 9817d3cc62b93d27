-- Fails when a column is missing; answers with what else is missing.
select queue_customer_id, plan_tier, status, current_period_end, updated_at, next_deadline from mirror_row limit 0;
with expected (name) as (values
    ('mirror_row_pkey'),
    ('mirror_row_status_check'),
    ('mirror_row_next_deadline_idx')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'mirror_row'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'mirror_row'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'mirror_row'::regclass);
