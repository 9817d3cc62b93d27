-- Until when a subscription was looked at through Stripe's API.
alter table billing_subscription add column seen_until integer;

-- Objects that are to be looked at again: what is in doubt, and what an event was about that could not be taken.
create table refresh_queue (
    object_id text not null,
    due_at text not null,
    tries integer not null,
    marked_at text not null,
    constraint refresh_queue_pkey primary key (object_id)
) strict, without rowid;

create index refresh_queue_due_at_idx on refresh_queue (due_at);

insert into refresh_queue (object_id, due_at, tries, marked_at)
    select object_id, strftime('%Y-%m-%d %H:%M:%S.000000', 'now'), 0, strftime('%Y-%m-%d %H:%M:%S.000000', 'now')
    from (
        select stripe_subscription_id as object_id from billing_subscription where in_doubt = 1
        union
        select object_id from billing_quarantine
            where object_id is not null and reason not in ('wrong_livemode', 'wrong_account')
    );
