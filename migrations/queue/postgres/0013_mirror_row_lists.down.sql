drop index mirror_row_in_doubt_idx;
drop index mirror_row_in_grace_idx;
drop index mirror_row_plan_tier_idx;
drop index mirror_row_status_idx;
alter table mirror_row
    drop column in_doubt,
    drop column grace_ends_at,
    alter column queue_customer_id type text collate "default";
