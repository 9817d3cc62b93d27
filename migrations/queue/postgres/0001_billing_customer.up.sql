-- One row per Stripe customer: whom they are bound to, and what Stripe knows of the person.
-- The only table with personal data.
-- Stripe's instants are whole seconds, as Stripe gives them.
create table billing_customer (
    stripe_customer_id text not null,
    queue_customer_id text,
    bound_at timestamptz,
    bound_by text,
    deleted_at timestamptz,
    personal_at timestamptz,
    personal_by text,
    email text,
    name text,
    address_line1 text,
    address_line2 text,
    address_city text,
    address_state text,
    address_postal_code text,
    address_country text,
    constraint billing_customer_pkey primary key (stripe_customer_id),
    constraint billing_customer_bound_check
        check ((queue_customer_id is null) = (bound_at is null)
           and (queue_customer_id is null) = (bound_by is null))
);

create index billing_customer_queue_customer_id_idx
    on billing_customer (queue_customer_id) where queue_customer_id is not null;
