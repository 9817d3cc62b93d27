-- Fails when a column is missing; answers with what else is missing.
select stripe_customer_id, stripe_subscription_id, created, event_id, kind, post, pre from subscription_terms limit 0;
select coupons from billing_subscription limit 0;
with expected (name) as (values
    ('subscription_terms_pkey')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'subscription_terms'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'subscription_terms'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'subscription_terms'::regclass);
