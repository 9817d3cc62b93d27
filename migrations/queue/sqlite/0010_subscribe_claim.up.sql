-- Who is about to subscribe: one row per customer, made before Stripe is called, so that two calls, or
-- one that is made again after a crash, ask Stripe for the same thing under the same key. All that is
-- sent is kept here: the same key must come with the same parameters.
-- Instants are our clock, as YYYY-MM-DD HH:MM:SS.ffffff in UTC.
create table subscribe_claim (
    queue_customer_id text not null,
    claim_id text not null,
    via text not null,
    plan_tier text not null,
    price_id text not null,
    payment_method_id text,
    success_url text,
    cancel_url text,
    -- What Stripe made of it so far: the customer, and the subscription or the checkout session.
    stripe_customer_id text,
    object_id text,
    claimed_at text not null,
    ended_at text,
    constraint subscribe_claim_pkey primary key (queue_customer_id),
    constraint subscribe_claim_via_check check (via in ('subscribe', 'checkout'))
) strict, without rowid;
