-- One row per invoice: facts that only grow.
create table billing_invoice (
    stripe_customer_id text not null,
    stripe_invoice_id text not null,
    stripe_subscription_id text,
    status text not null,
    created timestamptz not null,
    finalized_at timestamptz,
    paid_at timestamptz,
    billing_reason text,
    first_failed_at timestamptz,
    last_failed_at timestamptz,
    first_failed_attempt bigint,
    failed_attempts bigint,
    constraint billing_invoice_pkey primary key (stripe_customer_id, stripe_invoice_id),
    constraint billing_invoice_customer_fkey
        foreign key (stripe_customer_id) references billing_customer (stripe_customer_id),
    constraint billing_invoice_status_check
        check (status in ('draft', 'open', 'uncollectible', 'void', 'paid')),
    constraint billing_invoice_failed_attempts_check check (failed_attempts >= 1)
);

create index billing_invoice_subscription_id_idx
    on billing_invoice (stripe_subscription_id) where stripe_subscription_id is not null;
