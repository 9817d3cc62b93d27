-- What events told of what subscriptions charge: one row for each that told a change of it. Revenue of every month follows
-- from them.
create table subscription_terms (
    stripe_customer_id text not null,
    stripe_subscription_id text not null,
    created timestamptz not null,
    event_id text not null,
    kind text not null,
    -- What it charges by the event, and what it charged before.
    post jsonb not null,
    pre jsonb,
    constraint subscription_terms_pkey
        primary key (stripe_customer_id, stripe_subscription_id, created, event_id)
);

alter table billing_subscription
    -- What is taken off by each of its discounts, as far as that was shown.
    add column coupons jsonb not null default '{}';
