-- Who is listed, by what operators look for. Ids sort by their bytes, as in SQLite: a page begins where the one before
-- ended, and what begins alike stands together.
alter table mirror_row
    alter column queue_customer_id type text collate "C",
    -- Until when they are in grace, while they are.
    add column grace_ends_at timestamptz,
    -- Whether what was heard of any of their subscriptions can be read in another way too.
    add column in_doubt boolean not null default false;

update mirror_row set in_doubt = true
where queue_customer_id in (
    select coalesce(customer.queue_customer_id, 'stripe:' || subscription.stripe_customer_id)
    from billing_subscription as subscription
    left join billing_customer as customer
        on customer.stripe_customer_id = subscription.stripe_customer_id
    where subscription.in_doubt);

update mirror_row set grace_ends_at = grace.ends_at
from (
    select coalesce(customer.queue_customer_id, 'stripe:' || subscription.stripe_customer_id) as id,
           max(subscription.grace_ends_at) as ends_at
    from billing_subscription as subscription
    left join billing_customer as customer
        on customer.stripe_customer_id = subscription.stripe_customer_id
    where subscription.entitled and subscription.grace_ends_at is not null
    group by 1) as grace
where mirror_row.queue_customer_id = grace.id;

create index mirror_row_status_idx on mirror_row (status, queue_customer_id);
create index mirror_row_plan_tier_idx on mirror_row (plan_tier, queue_customer_id);
create index mirror_row_in_grace_idx on mirror_row (queue_customer_id) where grace_ends_at is not null;
create index mirror_row_in_doubt_idx on mirror_row (queue_customer_id) where in_doubt;
