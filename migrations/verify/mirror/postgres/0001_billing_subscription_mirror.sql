-- Fails when a column is missing; answers with what else is missing.
select queue_customer_id, plan_tier, status, current_period_end, updated_at from billing_subscription_mirror limit 0;
with expected (name) as (values
    ('billing_subscription_mirror_pkey')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'billing_subscription_mirror'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'billing_subscription_mirror'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'billing_subscription_mirror'::regclass);
