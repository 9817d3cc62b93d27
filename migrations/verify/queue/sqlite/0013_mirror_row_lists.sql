-- Fails when a column is missing; answers with what else is missing.
select grace_ends_at, in_doubt from mirror_row limit 0;
with expected (name) as (values
    ('mirror_row_status_idx'),
    ('mirror_row_plan_tier_idx'),
    ('mirror_row_in_grace_idx'),
    ('mirror_row_in_doubt_idx')
)
select name from expected
where not exists (
    select 1 from sqlite_schema
    where tbl_name = 'mirror_row'
      and (sqlite_schema.name = expected.name or instr(sqlite_schema.sql, 'constraint ' || expected.name || ' ') > 0
           or instr(sqlite_schema.sql, 'constraint ' || expected.name || char(10)) > 0)
);
