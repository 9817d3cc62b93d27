drop table billing_chain;
