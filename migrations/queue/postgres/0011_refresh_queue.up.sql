-- Until when a subscription was looked at through Stripe's API.
alter table billing_subscription add column seen_until timestamptz;

-- Objects that are to be looked at again: what is in doubt, and what an event was about that could not be taken.
create table refresh_queue (
    object_id text not null,
    due_at timestamptz not null,
    tries bigint not null,
    marked_at timestamptz not null,
    constraint refresh_queue_pkey primary key (object_id)
);

create index refresh_queue_due_at_idx on refresh_queue (due_at);

insert into refresh_queue (object_id, due_at, tries, marked_at)
    select stripe_subscription_id, now(), 0, now() from billing_subscription where in_doubt
    union
    select object_id, now(), 0, now() from billing_quarantine
        where object_id is not null and reason not in ('wrong_livemode', 'wrong_account')
on conflict (object_id) do nothing;
