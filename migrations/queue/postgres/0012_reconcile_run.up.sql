-- The reconcile that runs, or ran last: one over all servers, which goes on where another one stopped.
create table reconcile_run (
    id bigint not null,
    holder text,
    lease_until timestamptz,
    -- Where it is and what it found, as JSON.
    progress text not null,
    ended_at timestamptz,
    constraint reconcile_run_pkey primary key (id),
    constraint reconcile_run_one_check check (id = 1),
    constraint reconcile_run_lease_check check ((lease_until is null) = (holder is null))
);

insert into reconcile_run (id, progress) values (1, '{}');
