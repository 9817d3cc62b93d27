-- Fails when a column is missing; answers with what else is missing.
select event_id, type, created, facts_digest, outcome, received_at from processed_stripe_events limit 0;
with expected (name) as (values
    ('processed_stripe_events_pkey'),
    ('processed_stripe_events_outcome_check'),
    ('processed_stripe_events_digest_check'),
    ('processed_stripe_events_received_at_idx')
)
select name from expected
where not exists (
    select 1 from sqlite_schema
    where tbl_name = 'processed_stripe_events'
      and (sqlite_schema.name = expected.name or instr(sqlite_schema.sql, 'constraint ' || expected.name || ' ') > 0
           or instr(sqlite_schema.sql, 'constraint ' || expected.name || char(10)) > 0)
);
