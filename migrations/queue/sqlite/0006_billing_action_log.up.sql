-- The audit chain: insert-only rows, each sealed together with the one before it.
create table billing_action_log (
    seq integer not null,
    recorded_at text not null,
    actor text not null,
    action text not null,
    subject text not null,
    event_id text,
    details text not null,
    -- The exact bytes that the MAC is over, and the MAC in hexadecimal.
    preimage blob not null,
    mac text not null,
    key_id text not null,
    constraint billing_action_log_pkey primary key (seq),
    constraint billing_action_log_seq_check check (seq >= 1),
    constraint billing_action_log_mac_check check (length(mac) = 64)
) strict;

create index billing_action_log_subject_idx on billing_action_log (subject, seq);

-- SQLite has no roles to withhold rights from: the table itself refuses.
create trigger billing_action_log_no_update before update on billing_action_log
begin
    select raise(abort, 'billing_action_log is insert-only');
end;
-- "insert or replace" deletes without firing a trigger for it.
create trigger billing_action_log_no_replace before insert on billing_action_log
when exists (select 1 from billing_action_log where seq = new.seq)
begin
    select raise(abort, 'billing_action_log is insert-only');
end;
create trigger billing_action_log_no_delete before delete on billing_action_log
begin
    select raise(abort, 'billing_action_log is insert-only');
end;
