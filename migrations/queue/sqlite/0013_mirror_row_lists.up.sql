-- Who is listed, by what operators look for.
-- Until when they are in grace, while they are; in seconds since 1970.
alter table mirror_row add column grace_ends_at integer;
-- Whether what was heard of any of their subscriptions can be read in another way too.
alter table mirror_row add column in_doubt integer not null default 0;

update mirror_row set in_doubt = 1
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
