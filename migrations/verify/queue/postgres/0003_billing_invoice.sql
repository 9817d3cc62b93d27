-- Fails when a column is missing; answers with what else is missing.
select stripe_customer_id, stripe_invoice_id, stripe_subscription_id, status, created, finalized_at, paid_at, billing_reason, first_failed_at, last_failed_at, first_failed_attempt, failed_attempts from billing_invoice limit 0;
with expected (name) as (values
    ('billing_invoice_pkey'),
    ('billing_invoice_customer_fkey'),
    ('billing_invoice_status_check'),
    ('billing_invoice_failed_attempts_check'),
    ('billing_invoice_subscription_id_idx')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'billing_invoice'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'billing_invoice'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'billing_invoice'::regclass);
