-- Fails when a column is missing; answers with what else is missing.
select seq, recorded_at, actor, action, subject, event_id, details, preimage, mac, key_id from billing_action_log limit 0;
with expected (name) as (values
    ('billing_action_log_pkey'),
    ('billing_action_log_seq_check'),
    ('billing_action_log_mac_check'),
    ('billing_action_log_subject_idx'),
    ('billing_action_log_no_update'),
    ('billing_action_log_no_replace'),
    ('billing_action_log_no_delete')
)
select name from expected
where not exists (
    select 1 from sqlite_schema
    where tbl_name = 'billing_action_log'
      and (sqlite_schema.name = expected.name or instr(sqlite_schema.sql, 'constraint ' || expected.name || ' ') > 0
           or instr(sqlite_schema.sql, 'constraint ' || expected.name || char(10)) > 0)
);
