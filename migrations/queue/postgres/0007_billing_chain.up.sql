-- Where the audit chain ends: a single row, locked by whoever appends.
create table billing_chain (
    id bigint not null default 1,
    seq bigint not null,
    mac text not null,
    key_check text,
    constraint billing_chain_pkey primary key (id),
    constraint billing_chain_single_check check (id = 1),
    constraint billing_chain_mac_check check (length(mac) = 64)
);

insert into billing_chain (seq, mac)
values (0, '0000000000000000000000000000000000000000000000000000000000000000');
