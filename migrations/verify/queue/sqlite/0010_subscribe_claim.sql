-- Fails when a column is missing; answers with what else is missing.
select queue_customer_id, claim_id, via, plan_tier, price_id, payment_method_id, success_url, cancel_url, stripe_customer_id, object_id, claimed_at, ended_at from subscribe_claim limit 0;
with expected (name) as (values
    ('subscribe_claim_pkey'),
    ('subscribe_claim_via_check')
)
select name from expected
where not exists (
    select 1 from sqlite_schema
    where tbl_name = 'subscribe_claim'
      and (sqlite_schema.name = expected.name or instr(sqlite_schema.sql, 'constraint ' || expected.name || ' ') > 0
           or instr(sqlite_schema.sql, 'constraint ' || expected.name || char(10)) > 0)
);
