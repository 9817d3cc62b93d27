-- One row per subscription: the record of its events, and what follows from it.
create table billing_subscription (
    stripe_customer_id text not null,
    stripe_subscription_id text not null,
    -- The record: the winning key, the events that have it, and the registers.
    terminal boolean not null,
    stamp timestamptz not null,
    contenders jsonb not null,
    active_at timestamptz,
    past_due_since timestamptz,
    price_changed_at timestamptz,
    price_changes jsonb not null,
    -- What follows, as of the last change.
    status text not null,
    entitled boolean not null,
    ended boolean not null,
    mirror_status text not null,
    plan_tier text not null,
    prices jsonb not null,
    current_period_end timestamptz,
    grace_ends_at timestamptz,
    cancel_at_period_end boolean not null,
    cancel_at timestamptz,
    resumes_at timestamptz,
    latest_invoice text,
    feature_locked_at timestamptz,
    in_doubt boolean not null,
    next_deadline timestamptz,
    constraint billing_subscription_pkey primary key (stripe_customer_id, stripe_subscription_id),
    constraint billing_subscription_customer_fkey
        foreign key (stripe_customer_id) references billing_customer (stripe_customer_id),
    constraint billing_subscription_mirror_status_check check (mirror_status in
        ('active', 'trialing', 'past_due', 'unpaid', 'paused', 'incomplete', 'canceled', 'none'))
) with (fillfactor = 80);

create index billing_subscription_subscription_id_idx
    on billing_subscription (stripe_subscription_id);
create index billing_subscription_in_doubt_idx
    on billing_subscription (stripe_subscription_id) where in_doubt;
