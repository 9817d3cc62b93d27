drop table reconcile_run;
