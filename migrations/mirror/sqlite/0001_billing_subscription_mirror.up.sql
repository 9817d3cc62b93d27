-- One row per customer, free of personal data: what a gate reads.
-- Instants are UTC text of fixed width, so that text sorts as time does; other text is refused.
create table billing_subscription_mirror (
    queue_customer_id text not null,
    plan_tier text not null,
    status text not null,
    current_period_end text,
    updated_at text not null,
    constraint billing_subscription_mirror_pkey primary key (queue_customer_id),
    constraint billing_subscription_mirror_period_end_check check (current_period_end glob
        '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]'),
    constraint billing_subscription_mirror_updated_at_check check (updated_at glob
        '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]')
) strict, without rowid;
