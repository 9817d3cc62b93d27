drop table subscribe_claim;
