-- One row per event taken: what duplicates are known by.
create table processed_stripe_events (
    event_id text not null,
    type text not null,
    created timestamptz,
    facts_digest text not null,
    outcome text not null,
    received_at timestamptz not null,
    constraint processed_stripe_events_pkey primary key (event_id),
    constraint processed_stripe_events_outcome_check
        check (outcome in ('applied', 'stale', 'ignored', 'quarantined')),
    constraint processed_stripe_events_digest_check check (length(facts_digest) = 64)
);

create index processed_stripe_events_received_at_idx on processed_stripe_events (received_at);
