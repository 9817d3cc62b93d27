-- Events set aside: ids and the reason, never a payload. A known object id wants a refresh.
create table billing_quarantine (
    event_id text not null,
    reason text not null,
    type text not null,
    created timestamptz,
    object_id text,
    received_at timestamptz not null,
    constraint billing_quarantine_pkey primary key (event_id, reason),
    constraint billing_quarantine_reason_check check (reason in
        ('thin_event', 'wrong_livemode', 'wrong_account', 'implausible_time', 'unreadable', 'facts_differ'))
);

create index billing_quarantine_object_id_idx
    on billing_quarantine (object_id) where object_id is not null;
