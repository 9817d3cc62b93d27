drop table refresh_queue;
alter table billing_subscription drop column seen_until;
