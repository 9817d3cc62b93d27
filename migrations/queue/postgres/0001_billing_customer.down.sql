drop table billing_customer;
