-- Customers whose mirror row must still reach the mirror: one row each, however often it changed.
create table mirror_outbox (
    queue_customer_id text not null,
    version timestamptz not null,
    dirty_since timestamptz not null,
    due_at timestamptz not null,
    attempts bigint not null default 0,
    lease_until timestamptz,
    lease_holder text,
    constraint mirror_outbox_pkey primary key (queue_customer_id),
    constraint mirror_outbox_row_fkey
        foreign key (queue_customer_id) references mirror_row (queue_customer_id),
    constraint mirror_outbox_lease_check check ((lease_until is null) = (lease_holder is null))
);

create index mirror_outbox_due_at_idx on mirror_outbox (due_at);
create index mirror_outbox_lease_holder_idx
    on mirror_outbox (lease_holder) where lease_holder is not null;
