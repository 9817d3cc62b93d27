-- Fails when a column is missing; answers with what else is missing.
select queue_customer_id, plan_tier, status, current_period_end, updated_at from billing_subscription_mirror limit 0;
with expected (name) as (values
    ('billing_subscription_mirror_pkey'),
    ('billing_subscription_mirror_period_end_check'),
    ('billing_subscription_mirror_updated_at_check')
)
select name from expected
where not exists (
    select 1 from sqlite_schema
    where tbl_name = 'billing_subscription_mirror'
      and (sqlite_schema.name = expected.name or instr(sqlite_schema.sql, 'constraint ' || expected.name || ' ') > 0
           or instr(sqlite_schema.sql, 'constraint ' || expected.name || char(10)) > 0)
);
