drop table billing_action_log;
drop function billing_action_log_refuse();
