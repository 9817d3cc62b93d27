//! Lives of customers as tables, in the language of [`script`](crate::script).

use crate::script::{run, run_under};
use crate::test_ledger::policy;

#[test]
fn a_customer_subscribes_pays_fails_recovers_and_cancels_a1_a2_a3() {
    run("
0        | evt_01 customer.created cus_1 user=ann                                        | applied | ann free none -
0        | evt_02 customer.subscription.created sub_1 status=incomplete invoice=in_1     | applied | ann pro incomplete 30d
0        | evt_03 invoice.finalized in_1 status=open created=0 finalized=0               | applied | ann pro incomplete 30d
1        | evt_04 invoice.paid in_1 status=paid paid=1 attempts=1                        | applied | ann pro incomplete 30d
2        | evt_05 customer.subscription.updated sub_1 status=active                      | applied | ann pro active 30d
         | sub_1 ?                                                                       | active entitled |
30d      | evt_06 customer.subscription.updated sub_1 end=60d invoice=in_2               | applied | ann pro active 60d
30d      | evt_07 invoice.finalized in_2 status=open created=30d finalized=30d           | applied | ann pro active 60d
30d+3600 | evt_08 invoice.payment_failed in_2 attempts=1                                 | applied | ann pro active 37d+3600 until 37d+3600
         | sub_1 ?                                                                       | past_due entitled in_doubt grace_ends_at=37d+3600 |
30d+3600 | evt_09 customer.subscription.updated sub_1 status=past_due                    | applied | ann pro active 37d+3600 until 37d+3600
         | sub_1 ?                                                                       | past_due entitled grace_ends_at=37d+3600 |
33d      | evt_10 invoice.payment_failed in_2 attempts=2                                 | applied | ann pro past_due 60d
         | sub_1 ?                                                                       | unpaid |
34d      | evt_11 invoice.paid in_2 status=paid paid=34d attempts=3                      | applied | ann pro active 60d
34d      | evt_12 customer.subscription.updated sub_1 status=active                      | applied | ann pro active 60d
         | sub_1 ?                                                                       | active entitled |
40d      | evt_13 customer.subscription.updated sub_1 cancel_at_period_end=true          | applied | ann pro active 60d until 60d
60d      | evt_14 customer.subscription.deleted sub_1 status=canceled                    | applied | ann free canceled -
         | sub_1 ?                                                                       | canceled ended |
");
}

#[test]
fn grace_ends_by_days_and_retries_never_extend_it_a3() {
    let mut patient = policy();
    patient.grace.failed_attempts = 0;
    run_under(patient, "
0   | evt_01 customer.created cus_1 user=ann                              | applied | ann free none -
0   | evt_02 customer.subscription.created sub_1 end=1d                   | applied | ann pro active 1d
1d  | evt_03 invoice.payment_failed in_1 status=open created=1d attempts=1 | applied | ann pro active 1d until 8d
1d  | evt_04 customer.subscription.updated sub_1 status=past_due end=31d  | applied | ann pro active 8d until 8d
3d  | evt_05 invoice.payment_failed in_1 attempts=2                       | applied | ann pro active 8d until 8d
7d  | evt_06 invoice.payment_failed in_1 attempts=3                       | applied | ann pro active 8d until 8d
8d  | evt_07 invoice.payment_failed in_1 attempts=4                       | applied | ann pro past_due 31d
9d  | evt_08 customer.subscription.updated sub_1 status=unpaid            | applied | ann pro unpaid 31d
10d | evt_09 invoice.paid in_1 status=paid paid=10d                       | applied | ann pro unpaid 31d
10d | evt_10 customer.subscription.updated sub_1 status=active            | applied | ann pro active 31d
");
}

#[test]
fn grace_begins_when_the_invoice_became_final_if_its_first_failure_was_missed_a3() {
    let mut patient = policy();
    patient.grace.failed_attempts = 0;
    run_under(patient, "
0  | evt_01 customer.subscription.created sub_1 status=past_due                           | applied | stripe:cus_1 pro active 7d until 7d
2d | evt_02 invoice.payment_failed in_1 status=open created=0 finalized=3600 attempts=2   | applied | stripe:cus_1 pro active 7d+3600 until 7d+3600
3d | evt_03 invoice.payment_failed in_1 attempts=1 made=1d                                | applied | stripe:cus_1 pro active 8d until 8d
");
}

#[test]
fn deliveries_are_not_attempts_a3() {
    run("
0  | evt_01 customer.subscription.created sub_1 status=past_due                     | applied   | stripe:cus_1 pro active 7d until 7d
0  | evt_02 invoice.payment_failed in_1 status=open created=0 attempts=1            | applied   | stripe:cus_1 pro active 7d until 7d
0  | evt_02 again                                                                   | duplicate | stripe:cus_1 pro active 7d until 7d
1d | evt_03 invoice.payment_failed in_1 attempts=1                                  | applied   | stripe:cus_1 pro active 7d until 7d
1d | evt_04 invoice.payment_failed in_1 attempts=0                                  | applied   | stripe:cus_1 pro active 7d until 7d
2d | evt_05 invoice.payment_failed in_1 attempts=2                                  | applied   | stripe:cus_1 pro past_due 30d
");
}

#[test]
fn past_due_without_a_failure_is_grace_from_when_it_began_a2() {
    run("
0  | evt_01 customer.subscription.created sub_1                                      | applied | stripe:cus_1 pro active 30d
1d | evt_02 customer.subscription.updated sub_1 status=past_due                      | applied | stripe:cus_1 pro active 8d until 8d
         | sub_1 ?                                                                   | past_due entitled in_doubt grace_ends_at=8d |
5d | evt_03 customer.subscription.updated sub_1 note=x                               | applied | stripe:cus_1 pro active 8d until 8d
8d | evt_04 customer.subscription.updated sub_1 note=y                               | applied | stripe:cus_1 pro past_due 30d
         | sub_1 ?                                                                   | unpaid in_doubt |
9d | evt_05 invoice.paid in_1 status=paid created=1d paid=9d                         | applied | stripe:cus_1 pro active 30d
");
}

#[test]
fn an_older_invoice_left_open_does_not_carry_its_clock_into_the_next_episode_a4() {
    run("
0   | evt_01 customer.subscription.created sub_1                                     | applied | stripe:cus_1 pro active 30d
1d  | evt_02 invoice.payment_failed in_1 status=open created=1d attempts=1           | applied | stripe:cus_1 pro active 8d until 8d
1d  | evt_03 customer.subscription.updated sub_1 status=past_due                     | applied | stripe:cus_1 pro active 8d until 8d
2d  | evt_04 customer.subscription.updated sub_1 status=active                       | applied | stripe:cus_1 pro active 30d
20d | evt_05 invoice.payment_failed in_2 status=open created=20d attempts=1          | applied | stripe:cus_1 pro active 27d until 27d
20d | evt_06 customer.subscription.updated sub_1 status=past_due                     | applied | stripe:cus_1 pro active 27d until 27d
");
}

#[test]
fn a_failed_update_that_waits_leaves_the_subscription_open_a2() {
    run("
0  | evt_01 customer.subscription.created sub_1                                      | applied | stripe:cus_1 pro active 30d
1d | evt_02 customer.subscription.updated sub_1 pending=on                           | applied | stripe:cus_1 pro active 30d
1d | evt_03 invoice.payment_failed in_1 status=open created=1d attempts=2            | applied | stripe:cus_1 pro active 30d
2d | evt_04 customer.subscription.pending_update_expired sub_1 pending=-             | applied | stripe:cus_1 pro active 30d
");
}

#[test]
fn duplicates_and_late_events_change_nothing_o1_o2_c2() {
    run("
0   | evt_01 customer.subscription.created sub_1 status=incomplete                   | applied   | stripe:cus_1 pro incomplete 30d
0   | evt_01 again                                                                   | duplicate | stripe:cus_1 pro incomplete 30d
10  | evt_02 customer.subscription.updated sub_1 status=active                       | held      |
20  | evt_03 customer.subscription.updated sub_1 note=x                              | held      |
30  | evt_04 customer.subscription.updated sub_1 status=past_due                     | applied   | stripe:cus_1 pro active 7d+30 until 7d+30
31  | evt_02 again                                                                   | applied   | stripe:cus_1 pro active 7d+30 until 7d+30
32  | evt_03 again                                                                   | applied   | stripe:cus_1 pro active 7d+30 until 7d+30
34  | evt_06 customer.subscription.trial_will_end sub_1 made=5                       | stale     | stripe:cus_1 pro active 7d+30 until 7d+30
34  | evt_06 again                                                                   | duplicate | stripe:cus_1 pro active 7d+30 until 7d+30
34  | evt_04 again but=other_bytes                                                   | duplicate | stripe:cus_1 pro active 7d+30 until 7d+30
");
}

#[test]
fn events_of_one_second_settle_in_any_order_o3() {
    run("
0 | evt_09 customer.subscription.created sub_1 status=incomplete                     | held    |
0 | evt_07 customer.subscription.updated sub_1 status=active                         | held    |
0 | evt_03 customer.subscription.updated sub_1 status=past_due                       | held    |
0 | evt_05 customer.subscription.updated sub_1 status=active                         | held    |
1 | evt_03 again                                                                     | applied | stripe:cus_1 pro active 7d until 7d
1 | evt_05 again                                                                     | applied | stripe:cus_1 pro active 30d
1 | evt_07 again                                                                     | applied | stripe:cus_1 pro active 30d
        | sub_1 ?                                                                    | active entitled |
1 | evt_09 again                                                                     | applied | stripe:cus_1 pro active 30d
        | sub_1 ?                                                                    | active entitled |
");
}

#[test]
fn nothing_reopens_what_was_deleted_o5() {
    run("
0  | evt_01 customer.subscription.created sub_1                                      | held      |
1  | evt_02 customer.subscription.updated sub_1 prices=price_plus                    | held      |
9  | evt_03 customer.subscription.deleted sub_1 status=canceled                      | applied   | stripe:cus_1 free canceled -
10 | evt_01 again                                                                    | applied   | stripe:cus_1 free canceled -
11 | evt_02 again                                                                    | applied   | stripe:cus_1 free canceled -
12 | evt_04 customer.subscription.updated sub_1 status=active made=12                | applied   | stripe:cus_1 free canceled -
         | sub_1 ?                                                                   | canceled ended |
13 | evt_05 customer.subscription.updated sub_1 status=canceled made=5               | stale     | stripe:cus_1 free canceled -
14 | evt_06 customer.subscription.created sub_2                                      | applied   | stripe:cus_1 pro active 30d
");
}

#[test]
fn deleting_a_customer_ends_all_of_their_subscriptions_o5() {
    run("
0 | evt_01 customer.created cus_1 user=ann                                           | applied | ann free none -
0 | evt_02 customer.subscription.created sub_1                                       | applied | ann pro active 30d
5 | evt_03 customer.deleted cus_1                                                    | applied | ann free canceled -
6 | evt_04 customer.subscription.updated sub_1 note=x                                | applied | ann free canceled -
7 | evt_05 customer.subscription.created sub_2                                       | applied | ann free canceled -
8 | evt_06 customer.updated cus_1                                                    | applied | ann free canceled -
");
}

#[test]
fn of_two_subscriptions_the_best_counts_a1() {
    run("
0  | evt_01 customer.subscription.created sub_1 end=20d                              | applied | stripe:cus_1 pro active 20d
1  | evt_02 customer.subscription.created sub_2 prices=price_plus end=10d            | applied | stripe:cus_1 pro_plus active 10d
1d | evt_03 invoice.payment_failed in_1 status=open created=1d attempts=2 subscription=sub_2 | applied | stripe:cus_1 pro active 20d
2d | evt_04 customer.subscription.deleted sub_1 status=canceled                      | applied | stripe:cus_1 pro_plus past_due 10d
3d | evt_05 customer.subscription.deleted sub_2 status=canceled                      | applied | stripe:cus_1 free canceled -
4d | evt_06 invoice.payment_failed in_9 status=open created=4d attempts=9 subscription=- | applied | stripe:cus_1 free canceled -
");
}
