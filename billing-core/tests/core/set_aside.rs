//! Events that are ignored, set aside, taken again, or contradicted, as tables (E1, E3, C2).

use billing_core::policy::Policy;

use crate::script::{run, run_under};
use crate::test_ledger::policy;

#[test]
fn what_we_keep_nothing_of_is_ignored_e1_e4() {
    run("
0 | evt_01 customer.created cus_1 user=ann                                           | applied   | ann free none -
0 | evt_02 checkout.session.completed cs_1 user=bob                                  | ignored   | ann free none -
0 | evt_02 again                                                                     | ignored   | ann free none -
0 | evt_03 charge.refunded ch_1                                                      | ignored   | ann free none -
0 | evt_04 charge.dispute.created dp_1                                               | ignored   | ann free none -
0 | evt_05 customer.tax_id.created txi_1                                             | ignored   | ann free none -
0 | evt_06 something.made_up                                                         | ignored   | ann free none -
");
}

#[test]
fn what_can_not_be_read_is_set_aside_until_it_can_e3_c2() {
    run("
0 | evt_01 customer.subscription.created sub_1                                       | applied   | stripe:cus_1 pro active 30d
1 | evt_02 customer.subscription.updated sub_1 prices=price_plus but=unreadable      | quarantined !billing.event.quarantined | stripe:cus_1 pro active 30d; evt_02: unreadable of sub_1
2 | evt_02 again but=unreadable                                                      | quarantined | stripe:cus_1 pro active 30d; evt_02: unreadable of sub_1
3 | evt_02 again                                                                     | applied   | stripe:cus_1 pro_plus active 30d
4 | evt_02 again                                                                     | duplicate | stripe:cus_1 pro_plus active 30d
");
}

#[test]
fn a_thin_event_is_set_aside_e3() {
    run("
0 | evt_01 customer.subscription.created sub_1 but=thin                              | quarantined !billing.event.quarantined | evt_01: thin_event of sub_1
1 | evt_01 again but=thin                                                            | quarantined | evt_01: thin_event of sub_1
2 | evt_01 again                                                                     | applied   | stripe:cus_1 pro active 30d
");
}

#[test]
fn an_event_of_another_mode_or_account_is_set_aside_e3() {
    let ours = Policy {
        livemode: Some(false),
        account: Some("acct_1".to_owned()),
        ..policy()
    };
    run_under(ours, "
0 | evt_01 customer.subscription.created sub_1 but=live                              | quarantined !billing.event.quarantined | evt_01: wrong_livemode of sub_1
1 | evt_01 again but=account:acct_2                                                  | quarantined | evt_01: wrong_livemode of sub_1
2 | evt_01 again but=account:acct_1                                                  | applied   | stripe:cus_1 pro active 30d
3 | evt_01 again but=live                                                            | duplicate | stripe:cus_1 pro active 30d
4 | evt_02 customer.subscription.updated sub_1 status=unpaid but=account:acct_2      | quarantined !billing.event.quarantined | stripe:cus_1 pro active 30d; evt_02: wrong_account of sub_1
5 | evt_03 charge.refunded ch_1 but=live                                             | quarantined !billing.event.quarantined | stripe:cus_1 pro active 30d; evt_02: wrong_account of sub_1; evt_03: wrong_livemode of -
6 | evt_02 again                                                                     | applied   | stripe:cus_1 pro unpaid 30d; evt_03: wrong_livemode of -
7 | evt_03 again                                                                     | ignored   | stripe:cus_1 pro unpaid 30d
8 | evt_04 charge.refunded ch_1 but=no_livemode                                      | quarantined !billing.event.quarantined | stripe:cus_1 pro unpaid 30d; evt_04: wrong_livemode of -
");
}

#[test]
fn where_no_mode_and_no_account_are_configured_all_are_taken_e3() {
    run("
0 | evt_01 customer.subscription.created sub_1 but=live                              | applied   | stripe:cus_1 pro active 30d
1 | evt_02 customer.subscription.updated sub_1 status=unpaid but=account:acct_2      | applied   | stripe:cus_1 pro unpaid 30d
");
}

#[test]
fn an_implausible_time_is_set_aside_until_it_is_plausible_e3() {
    run("
0    | evt_01 customer.subscription.created sub_1 made=1d                            | applied   | stripe:cus_1 pro active 30d
0    | evt_02 customer.subscription.updated sub_1 status=unpaid made=1d+1            | quarantined !billing.event.quarantined | stripe:cus_1 pro active 30d; evt_02: implausible_time of sub_1
1    | evt_02 again                                                                  | applied   | stripe:cus_1 pro unpaid 30d
2    | evt_03 customer.subscription.deleted sub_1 but=created:1262303999             | quarantined !billing.event.quarantined | stripe:cus_1 pro unpaid 30d; evt_03: implausible_time of sub_1
3    | evt_04 customer.subscription.created sub_2 but=created:1262304000             | applied   | stripe:cus_1 pro active 30d; evt_03: implausible_time of sub_1
4    | evt_05 customer.subscription.deleted sub_1 but=created:-1                     | quarantined !billing.event.quarantined | stripe:cus_1 pro active 30d; evt_03: implausible_time of sub_1; evt_05: implausible_time of sub_1
5    | evt_06 customer.subscription.deleted sub_1 but=created:9223372036854775807    | quarantined !billing.event.quarantined | stripe:cus_1 pro active 30d; evt_03: implausible_time of sub_1; evt_05: implausible_time of sub_1; evt_06: implausible_time of sub_1
");
}

#[test]
fn of_two_bodies_under_one_id_the_first_wins_and_the_other_alerts_c2() {
    run("
0 | evt_01 customer.subscription.created sub_1 status=past_due                       | applied   | stripe:cus_1 pro active 7d until 7d
1 | evt_01 again but=other_bytes                                                     | duplicate | stripe:cus_1 pro active 7d until 7d
2 | evt_01 again but=status:active                                                   | duplicate !billing.event.facts_differ | stripe:cus_1 pro active 7d until 7d; evt_01: facts_differ of sub_1
3 | evt_01 again                                                                     | duplicate | stripe:cus_1 pro active 7d until 7d; evt_01: facts_differ of sub_1
");
}

#[test]
fn a_contradiction_stays_on_record_when_the_event_is_released_c2() {
    run("
0 | evt_01 charge.refunded ch_1                                                      | ignored   |
1 | evt_01 customer.subscription.created sub_1                                       | applied   | stripe:cus_1 pro active 30d
2 | evt_01 customer.subscription.created sub_1 but=status:unpaid                     | duplicate !billing.event.facts_differ | stripe:cus_1 pro active 30d; evt_01: facts_differ of sub_1
");
}

#[test]
fn without_what_it_was_before_an_update_is_a_snapshot_o3() {
    run("
0 | evt_01 customer.subscription.created sub_1                                       | applied   | stripe:cus_1 pro active 30d
1 | evt_02 customer.subscription.updated sub_1 status=unpaid but=no_previous         | applied   | stripe:cus_1 pro unpaid 30d
  | sub_1 ?                                                                          | unpaid    |
1 | evt_03 customer.subscription.updated sub_1 status=active                         | applied   | stripe:cus_1 pro active 30d
  | sub_1 ?                                                                          | active entitled in_doubt |
");
}
