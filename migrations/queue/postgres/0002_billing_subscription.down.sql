drop table billing_subscription;
