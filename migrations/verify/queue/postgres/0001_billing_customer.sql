-- Fails when a column is missing; answers with what else is missing.
select stripe_customer_id, queue_customer_id, bound_at, bound_by, deleted_at, personal_at, personal_by, email, name, address_line1, address_line2, address_city, address_state, address_postal_code, address_country from billing_customer limit 0;
with expected (name) as (values
    ('billing_customer_pkey'),
    ('billing_customer_bound_check'),
    ('billing_customer_queue_customer_id_idx')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'billing_customer'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'billing_customer'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'billing_customer'::regclass);
