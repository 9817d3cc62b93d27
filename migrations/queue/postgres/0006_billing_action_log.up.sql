-- The audit chain: insert-only rows, each sealed together with the one before it.
create table billing_action_log (
    seq bigint not null,
    recorded_at timestamptz not null,
    actor text not null,
    action text not null,
    subject text not null,
    event_id text,
    details text not null,
    -- The exact bytes that the MAC is over, and the MAC in hexadecimal.
    preimage bytea not null,
    mac text not null,
    key_id text not null,
    constraint billing_action_log_pkey primary key (seq),
    constraint billing_action_log_seq_check check (seq >= 1),
    constraint billing_action_log_mac_check check (length(mac) = 64)
);

create index billing_action_log_subject_idx on billing_action_log (subject, seq);

-- Beside the rights of the server's role, which should be insert and select only, the table itself
-- refuses: a statement trigger, so that not even an empty update passes.
create function billing_action_log_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'billing_action_log is insert-only';
end;
$$;
create trigger billing_action_log_no_update before update on billing_action_log
    for each statement execute function billing_action_log_refuse();
create trigger billing_action_log_no_delete before delete or truncate on billing_action_log
    for each statement execute function billing_action_log_refuse();
