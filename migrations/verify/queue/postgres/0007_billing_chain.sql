-- Fails when a column is missing; answers with what else is missing.
select id, seq, mac, key_check from billing_chain limit 0;
with expected (name) as (values
    ('billing_chain_pkey'),
    ('billing_chain_single_check'),
    ('billing_chain_mac_check')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'billing_chain'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'billing_chain'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'billing_chain'::regclass);
