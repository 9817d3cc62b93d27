-- Fails when a column is missing; answers with what else is missing.
select stripe_customer_id, stripe_subscription_id, terminal, stamp, contenders, active_at, past_due_since, price_changed_at, price_changes, status, entitled, ended, mirror_status, plan_tier, prices, current_period_end, grace_ends_at, cancel_at_period_end, cancel_at, resumes_at, latest_invoice, feature_locked_at, in_doubt, next_deadline from billing_subscription limit 0;
with expected (name) as (values
    ('billing_subscription_pkey'),
    ('billing_subscription_customer_fkey'),
    ('billing_subscription_mirror_status_check'),
    ('billing_subscription_subscription_id_idx'),
    ('billing_subscription_in_doubt_idx')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'billing_subscription'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'billing_subscription'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'billing_subscription'::regclass);
