alter table billing_subscription drop column coupons;
drop table subscription_terms;
