drop table billing_action_log;
