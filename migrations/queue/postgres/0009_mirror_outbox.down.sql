drop table mirror_outbox;
