-- Fails when a column is missing; answers with what else is missing.
select queue_customer_id, version, dirty_since, due_at, attempts, lease_until, lease_holder from mirror_outbox limit 0;
with expected (name) as (values
    ('mirror_outbox_pkey'),
    ('mirror_outbox_lease_check'),
    ('mirror_outbox_due_at_idx')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'mirror_outbox'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'mirror_outbox'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'mirror_outbox'::regclass);
