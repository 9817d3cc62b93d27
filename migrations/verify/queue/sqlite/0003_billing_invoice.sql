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
where not exists (
    select 1 from sqlite_schema
    where tbl_name = 'billing_invoice'
      and (sqlite_schema.name = expected.name or instr(sqlite_schema.sql, 'constraint ' || expected.name || ' ') > 0
           or instr(sqlite_schema.sql, 'constraint ' || expected.name || char(10)) > 0)
);
