drop table mirror_row;
