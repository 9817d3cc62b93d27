-- Fails when a column is missing; answers with what else is missing.
select queue_customer_id, plan_tier, status, current_period_end, updated_at, next_deadline from mirror_row limit 0;
with expected (name) as (values
    ('mirror_row_pkey'),
    ('mirror_row_status_check'),
    ('mirror_row_updated_at_check'),
    ('mirror_row_next_deadline_idx')
)
select name from expected
where not exists (
    select 1 from sqlite_schema
    where tbl_name = 'mirror_row'
      and (sqlite_schema.name = expected.name or instr(sqlite_schema.sql, 'constraint ' || expected.name || ' ') > 0
           or instr(sqlite_schema.sql, 'constraint ' || expected.name || char(10)) > 0)
);
