-- One row per subscription: the record of its events, and what follows from it.
create table billing_subscription (
    stripe_customer_id text not null,
    stripe_subscription_id text not null,
    -- The record: the winning key, the events that have it, and the registers.
    terminal integer not null,
    stamp integer not null,
    contenders text not null,
    active_at integer,
    past_due_since integer,
    price_changed_at integer,
    price_changes text not null,
    -- What follows, as of the last change.
    status text not null,
    entitled integer not null,
    ended integer not null,
    mirror_status text not null,
    plan_tier text not null,
    prices text not null,
    current_period_end integer,
    grace_ends_at integer,
    cancel_at_period_end integer not null,
    cancel_at integer,
    resumes_at integer,
    latest_invoice text,
    feature_locked_at integer,
    in_doubt integer not null,
    next_deadline integer,
    constraint billing_subscription_pkey primary key (stripe_customer_id, stripe_subscription_id),
    constraint billing_subscription_customer_fkey
        foreign key (stripe_customer_id) references billing_customer (stripe_customer_id),
    constraint billing_subscription_terminal_check check (terminal in (0, 1)),
    constraint billing_subscription_entitled_check check (entitled in (0, 1)),
    constraint billing_subscription_ended_check check (ended in (0, 1)),
    constraint billing_subscription_cancel_check check (cancel_at_period_end in (0, 1)),
    constraint billing_subscription_doubt_check check (in_doubt in (0, 1)),
    constraint billing_subscription_contenders_check check (json_valid(contenders)),
    constraint billing_subscription_changes_check check (json_valid(price_changes)),
    constraint billing_subscription_prices_check check (json_valid(prices)),
    constraint billing_subscription_mirror_status_check check (mirror_status in
        ('active', 'trialing', 'past_due', 'unpaid', 'paused', 'incomplete', 'canceled', 'none'))
) strict, without rowid;

create index billing_subscription_subscription_id_idx
    on billing_subscription (stripe_subscription_id);
create index billing_subscription_in_doubt_idx
    on billing_subscription (stripe_subscription_id) where in_doubt = 1;
