-- Fails when a column is missing; answers with what else is missing.
select grace_ends_at, in_doubt from mirror_row limit 0;
with expected (name) as (values
    ('mirror_row_status_idx'),
    ('mirror_row_plan_tier_idx'),
    ('mirror_row_in_grace_idx'),
    ('mirror_row_in_doubt_idx')
)
select name from expected
where not exists (select 1 from pg_constraint where conname = name and conrelid = 'mirror_row'::regclass)
  and not exists (select 1 from pg_index join pg_class on oid = indexrelid where relname = name and indrelid = 'mirror_row'::regclass)
  and not exists (select 1 from pg_trigger where tgname = name and tgrelid = 'mirror_row'::regclass)
union all
select 'mirror_row.queue_customer_id collate "C"'
where not exists (select 1 from pg_attribute join pg_collation on pg_collation.oid = attcollation
                  where attrelid = 'mirror_row'::regclass and attname = 'queue_customer_id' and collname = 'C');
