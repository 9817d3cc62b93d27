drop table billing_invoice;
