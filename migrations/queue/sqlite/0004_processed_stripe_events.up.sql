-- One row per event taken: what duplicates are known by.
-- received_at is our clock, as YYYY-MM-DD HH:MM:SS.ffffff in UTC.
create table processed_stripe_events (
    event_id text not null,
    type text not null,
    created integer,
    facts_digest text not null,
    outcome text not null,
    received_at text not null,
    constraint processed_stripe_events_pkey primary key (event_id),
    constraint processed_stripe_events_outcome_check
        check (outcome in ('applied', 'stale', 'ignored', 'quarantined')),
    constraint processed_stripe_events_digest_check check (facts_digest like 'v%:%')
) strict, without rowid;

create index processed_stripe_events_received_at_idx on processed_stripe_events (received_at);
