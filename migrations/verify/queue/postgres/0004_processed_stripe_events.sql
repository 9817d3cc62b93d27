-- Fails when a column is missing; answers with what else is missing.
select event_id, type, created, facts_digest, outcome, received_at from processed_stripe_events limit 0;
with expected (name) as (values
    ('processed_stripe_events_pkey'),
    ('processed_stripe_events_outcome_check'),
    ('processed_stripe_events_digest_check'),
    ('processed_stripe_events_received_at_idx')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'processed_stripe_events'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'processed_stripe_events'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'processed_stripe_events'::regclass);
