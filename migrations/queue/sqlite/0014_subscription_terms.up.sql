-- What events told of what subscriptions charge: one row for each that told a change of it. Revenue of every month follows
-- from them.
create table subscription_terms (
    stripe_customer_id text not null,
    stripe_subscription_id text not null,
    created integer not null,
    event_id text not null,
    kind text not null,
    -- What it charges by the event, and what it charged before.
    post text not null,
    pre text,
    constraint subscription_terms_pkey
        primary key (stripe_customer_id, stripe_subscription_id, created, event_id),
    constraint subscription_terms_post_check check (json_valid(post)),
    constraint subscription_terms_pre_check check (json_valid(pre))
) strict, without rowid;

-- What is taken off by each of its discounts, as far as that was shown, as JSON.
alter table billing_subscription add column coupons text not null default '{}'
    constraint billing_subscription_coupons_check check (json_valid(coupons));
