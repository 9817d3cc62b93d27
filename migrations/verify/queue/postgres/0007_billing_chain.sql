-- Fails when a column is missing; answers with what else is missing.
select id, seq, mac, key_check from billing_chain limit 0;
with expected (name) as (values
    ('billing_chain_pkey'),
    ('billing_chain_single_check'),
    ('billing_chain_mac_check')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'billing_chain'::regclass)
  and not exists (select 1 from pg_indexes where indexname = name and tablename = 'billing_chain')
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'billing_chain'::regclass);
