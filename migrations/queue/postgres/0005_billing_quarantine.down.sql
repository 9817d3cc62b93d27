drop table billing_quarantine;
