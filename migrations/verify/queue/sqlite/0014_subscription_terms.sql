-- Fails when a column is missing; answers with what else is missing.
select stripe_customer_id, stripe_subscription_id, created, event_id, kind, post, pre from subscription_terms limit 0;
select coupons from billing_subscription limit 0;
with expected (name) as (values
    ('subscription_terms_pkey'),
    ('subscription_terms_post_check'),
    ('subscription_terms_pre_check'),
    ('billing_subscription_coupons_check')
)
select name from expected
where not exists (
    select 1 from sqlite_schema
    where tbl_name in ('subscription_terms', 'billing_subscription')
      and (sqlite_schema.name = expected.name or instr(sqlite_schema.sql, 'constraint ' || expected.name || ' ') > 0
           or instr(sqlite_schema.sql, 'constraint ' || expected.name || char(10)) > 0)
);
