-- What every customer's mirror row should be: the source of all mirrors.
-- updated_at is the row's version, minted at commit; next_deadline is when the row changes
-- without an event.
create table mirror_row (
    queue_customer_id text not null,
    plan_tier text not null,
    status text not null,
    current_period_end timestamptz,
    updated_at timestamptz not null,
    next_deadline timestamptz,
    constraint mirror_row_pkey primary key (queue_customer_id),
    constraint mirror_row_status_check check (status in
        ('active', 'trialing', 'past_due', 'unpaid', 'paused', 'incomplete', 'canceled', 'none'))
) with (fillfactor = 80);

create index mirror_row_next_deadline_idx
    on mirror_row (next_deadline) where next_deadline is not null;
