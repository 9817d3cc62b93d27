-- One row per customer, free of personal data: what a gate reads.
create table billing_subscription_mirror (
    queue_customer_id text not null,
    plan_tier text not null,
    status text not null,
    current_period_end timestamptz,
    updated_at timestamptz not null,
    constraint billing_subscription_mirror_pkey primary key (queue_customer_id)
);
