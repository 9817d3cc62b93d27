-- Fails when a column is missing; answers with what else is missing.
select queue_customer_id, claim_id, via, plan_tier, price_id, payment_method_id, success_url, cancel_url, stripe_customer_id, object_id, claimed_at, ended_at from subscribe_claim limit 0;
with expected (name) as (values
    ('subscribe_claim_pkey'),
    ('subscribe_claim_via_check')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'subscribe_claim'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'subscribe_claim'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'subscribe_claim'::regclass);
