-- Customers whose mirror row must still reach the mirror: one row each, however often it changed.
-- Half of each page is left free, so that a lease changes no index. No foreign key: both rows are
-- written by one statement after the other, in one place.
create table mirror_outbox (
    queue_customer_id text not null,
    version timestamptz not null,
    dirty_since timestamptz not null,
    due_at timestamptz not null,
    attempts bigint not null default 0,
    lease_until timestamptz,
    lease_holder text,
    constraint mirror_outbox_pkey primary key (queue_customer_id),
    constraint mirror_outbox_lease_check check ((lease_until is null) = (lease_holder is null))
) with (fillfactor = 50);

create index mirror_outbox_due_at_idx on mirror_outbox (due_at);
