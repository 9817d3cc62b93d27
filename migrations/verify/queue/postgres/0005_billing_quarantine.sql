-- Fails when a column is missing; answers with what else is missing.
select event_id, reason, type, created, object_id, received_at from billing_quarantine limit 0;
with expected (name) as (values
    ('billing_quarantine_pkey'),
    ('billing_quarantine_reason_check'),
    ('billing_quarantine_object_id_idx')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'billing_quarantine'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'billing_quarantine'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'billing_quarantine'::regclass);
