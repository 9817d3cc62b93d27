-- Customers whose mirror row must still reach the mirror: one row each, however often it changed.
-- No foreign key: both rows are written by one statement after the other, in one place.
-- All instants are our clock, as YYYY-MM-DD HH:MM:SS.ffffff in UTC.
create table mirror_outbox (
    queue_customer_id text not null,
    version text not null,
    dirty_since text not null,
    due_at text not null,
    attempts integer not null default 0,
    lease_until text,
    lease_holder text,
    constraint mirror_outbox_pkey primary key (queue_customer_id),
    constraint mirror_outbox_lease_check check ((lease_until is null) = (lease_holder is null))
) strict, without rowid;

create index mirror_outbox_due_at_idx on mirror_outbox (due_at);
