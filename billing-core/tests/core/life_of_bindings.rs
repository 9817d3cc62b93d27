//! More lives as tables: bindings, prices, pauses and endings.

use crate::script::{run, run_under};
use crate::test_ledger::policy;

#[test]
fn a_binding_that_comes_late_closes_the_row_under_the_old_id_e4() {
    run("
0 | evt_01 customer.subscription.created sub_1                                       | applied | stripe:cus_1 pro active 30d
1 | evt_02 customer.updated cus_1 user=ann                                           | applied | ann pro active 30d; stripe:cus_1 free none -
2 | evt_03 customer.updated cus_1 user=bob                                           | applied | ann pro active 30d; stripe:cus_1 free none -
3 | evt_04 customer.created cus_1 user=eve made=0                                    | applied | ann free none -; eve pro active 30d; stripe:cus_1 free none -
4 | evt_05 customer.updated cus_1 user=-                                             | applied | ann free none -; eve pro active 30d; stripe:cus_1 free none -
");
}

#[test]
fn several_stripe_customers_may_be_bound_to_one_id_e4() {
    run("
0 | evt_01 customer.created cus_1 user=ann                                           | applied | ann free none -
0 | evt_02 customer.created cus_2 user=ann                                           | applied | ann free none -
1 | evt_03 customer.subscription.created sub_1                                       | applied | ann pro active 30d
2 | evt_04 customer.subscription.created sub_2 customer=cus_2 prices=price_plus      | applied | ann pro_plus active 30d
3 | evt_05 customer.created cus_2 user=bob made=-1                                   | applied | ann pro active 30d; bob pro_plus active 30d
4 | evt_06 customer.subscription.deleted sub_1 status=canceled                       | applied | ann free canceled -; bob pro_plus active 30d
");
}

#[test]
fn an_id_of_the_reserved_form_binds_nothing_e4() {
    run("
0 | evt_01 customer.subscription.created sub_1                                       | applied | stripe:cus_1 pro active 30d
1 | evt_02 customer.created cus_2 user=stripe:cus_1                                  | applied | stripe:cus_1 pro active 30d; stripe:cus_2 free none -
");
}

#[test]
fn an_unknown_price_grants_nothing_and_alerts_a5() {
    run("
0 | evt_01 customer.subscription.created sub_1 prices=price_other                    | applied !billing.price.unknown | stripe:cus_1 free active 30d
1 | evt_02 customer.subscription.updated sub_1 note=x                                | applied | stripe:cus_1 free active 30d
2 | evt_03 customer.subscription.updated sub_1 prices=price_other,price_pro          | applied !billing.price.unknown | stripe:cus_1 pro active 30d
3 | evt_04 customer.subscription.updated sub_1 prices=price_pro                      | applied | stripe:cus_1 pro active 30d
");
}

#[test]
fn a_downgrade_locks_features_from_its_time_on_a5() {
    run("
0 | evt_01 customer.subscription.created sub_1 prices=price_plus                     | applied | stripe:cus_1 pro_plus active 30d
5 | evt_02 customer.subscription.updated sub_1 prices=price_pro                      | applied | stripe:cus_1 pro active 30d
        | sub_1 ?                                                                    | active entitled feature_locked_at=5 |
6 | evt_03 customer.subscription.updated sub_1 note=x                                | applied | stripe:cus_1 pro active 30d
        | sub_1 ?                                                                    | active entitled feature_locked_at=5 |
7 | evt_04 customer.subscription.updated sub_1 prices=price_plus                     | held    |
8 | evt_05 customer.subscription.updated sub_1 prices=price_pro                      | applied | stripe:cus_1 pro active 30d
        | sub_1 ?                                                                    | active entitled feature_locked_at=8 |
9 | evt_04 again                                                                     | stale   | stripe:cus_1 pro active 30d
10 | evt_06 customer.subscription.updated sub_1 prices=price_plus                    | held    |
11 | evt_07 customer.subscription.updated sub_1 note=y                               | applied | stripe:cus_1 pro_plus active 30d
        | sub_1 ?                                                                    | active entitled in_doubt |
12 | evt_06 again                                                                    | applied | stripe:cus_1 pro_plus active 30d
        | sub_1 ?                                                                    | active entitled |
13 | evt_08 customer.subscription.deleted sub_1 status=canceled                      | applied | stripe:cus_1 free canceled -
");
}

#[test]
fn a_missed_downgrade_locks_at_the_stamp_and_is_marked_a5() {
    run("
0  | evt_01 customer.subscription.created sub_1                                      | applied | stripe:cus_1 pro active 30d
1  | evt_02 customer.subscription.updated sub_1 prices=price_plus                    | applied | stripe:cus_1 pro_plus active 30d
2  | evt_03 customer.subscription.updated sub_1 prices=price_pro                     | held    |
3  | evt_04 customer.subscription.updated sub_1 note=x                               | applied | stripe:cus_1 pro active 30d
         | sub_1 ?                                                                   | active entitled in_doubt feature_locked_at=3 |
4  | evt_03 again                                                                    | applied | stripe:cus_1 pro active 30d
         | sub_1 ?                                                                   | active entitled feature_locked_at=2 |
");
}

#[test]
fn of_a_seconds_changes_the_one_that_can_have_come_last_locks_a5() {
    run("
0 | evt_1 customer.subscription.created sub_1 prices=price_other                     | applied !billing.price.unknown | stripe:cus_1 free active 30d
5 | evt_9 customer.subscription.updated sub_1 prices=price_pro                       | applied | stripe:cus_1 pro active 30d
5 | evt_5 customer.subscription.updated sub_1 prices=price_plus                      | applied | stripe:cus_1 pro_plus active 30d
5 | evt_3 customer.subscription.updated sub_1 prices=price_pro                       | applied | stripe:cus_1 pro active 30d
  | sub_1 ?                                                                          | active entitled feature_locked_at=5 |
");
}

#[test]
fn paused_collection_closes_until_it_resumes_a2_a6() {
    run("
0  | evt_01 customer.subscription.created sub_1                                      | applied | stripe:cus_1 pro active 30d
1  | evt_02 customer.subscription.updated sub_1 pause=on                             | applied | stripe:cus_1 pro paused 30d
2  | evt_03 customer.subscription.updated sub_1 pause=-                              | applied | stripe:cus_1 pro active 30d
3  | evt_04 customer.subscription.updated sub_1 pause=5d                             | applied | stripe:cus_1 pro paused 30d until 5d
5d | evt_05 customer.subscription.updated sub_1 note=x                               | applied | stripe:cus_1 pro active 30d
6d | evt_06 customer.subscription.updated sub_1 status=trialing pause=on             | applied | stripe:cus_1 pro paused 30d
7d | evt_07 customer.subscription.updated sub_1 status=past_due                      | applied | stripe:cus_1 pro paused 30d
8d | evt_08 customer.subscription.updated sub_1 status=unpaid                        | applied | stripe:cus_1 pro unpaid 30d
");
}

#[test]
fn paused_collection_changes_nothing_where_the_policy_says_so_a2() {
    let mut generous = policy();
    generous.pause_collection_closes = false;
    run_under(generous, "
0  | evt_01 customer.subscription.created sub_1                                      | applied | stripe:cus_1 pro active 30d
1  | evt_02 customer.subscription.updated sub_1 pause=on                             | applied | stripe:cus_1 pro active 30d
2  | evt_03 customer.subscription.updated sub_1 pause=5d                             | applied | stripe:cus_1 pro active 30d
3  | evt_04 customer.subscription.updated sub_1 status=paused pause=-                | applied | stripe:cus_1 pro paused 30d
");
}

#[test]
fn an_end_whose_time_has_come_closes_without_waiting_for_deleted_a2_a6() {
    run("
0   | evt_01 customer.subscription.created sub_1                                     | applied | stripe:cus_1 pro active 30d
1   | evt_02 customer.subscription.updated sub_1 cancel_at=9d                        | applied | stripe:cus_1 pro active 30d until 9d
2   | evt_03 customer.subscription.updated sub_1 cancel_at=- cancel_at_period_end=true | applied | stripe:cus_1 pro active 30d until 30d
3   | evt_04 customer.subscription.updated sub_1 cancel_at=31d                       | applied | stripe:cus_1 pro active 30d until 30d
29d | evt_05 customer.subscription.updated sub_1 note=x                              | applied | stripe:cus_1 pro active 30d until 30d
30d | evt_06 customer.subscription.updated sub_1 note=y                              | applied | stripe:cus_1 pro canceled 30d
31d | evt_07 customer.subscription.updated sub_1 cancel_at=- cancel_at_period_end=false end=60d | applied | stripe:cus_1 pro active 60d
");
}

#[test]
fn absent_is_neither_active_nor_for_ever_e2() {
    run("
0 | evt_01 customer.subscription.created sub_1 end=-                                 | applied | stripe:cus_1 pro active -
1 | evt_02 customer.subscription.updated sub_1 cancel_at_period_end=true             | applied | stripe:cus_1 pro active -
2 | evt_03 customer.subscription.updated sub_1 prices=-                              | applied | stripe:cus_1 free active -
3 | evt_04 customer.subscription.updated sub_1 status=frozen prices=price_pro        | applied | stripe:cus_1 pro none -
4 | evt_05 customer.subscription.updated sub_1 status=-                              | quarantined !billing.event.quarantined | stripe:cus_1 pro none -; evt_05: unreadable of sub_1
");
}
