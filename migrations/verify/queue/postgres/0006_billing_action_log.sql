-- Fails when a column is missing; answers with what else is missing.
select seq, recorded_at, actor, action, subject, event_id, details, preimage, mac, key_id from billing_action_log limit 0;
with expected (name) as (values
    ('billing_action_log_pkey'),
    ('billing_action_log_seq_check'),
    ('billing_action_log_mac_check'),
    ('billing_action_log_subject_idx'),
    ('billing_action_log_no_update'),
    ('billing_action_log_no_delete')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'billing_action_log'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'billing_action_log'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'billing_action_log'::regclass);
