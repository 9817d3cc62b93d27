//! The ways in which deliveries go astray, by name. Each script shows one order; then the same
//! events come in all others, once with a duplicate, and must end the same (O1).

use billing_core::event::Event;

use crate::every_order::Sets;
use crate::history::{Terms, after, told};
use crate::script;
use crate::shuffle::{Shuffle, all_orders, permutations};
use crate::stored_orders::{self, Copy};

/// The longest scenario that is delivered in every order.
const SHORT: usize = 6;
/// Orders in which a scenario is delivered to the store, unless all are asked for.
const SAMPLE: usize = 24;

/// Runs a script as it is written, and then its events in any order.
fn in_any_order(script: &str) {
    let terms = Terms::default();
    let policy = terms.policy();
    for ending in script::run_under(policy.clone(), script) {
        let events: Vec<Event> = ending.events.into_values().collect();
        assert!(events.len() <= SHORT, "too long for all orders");
        let every: Vec<usize> = (0..events.len()).collect();
        let sets = Sets::of(&events, &policy, after(ending.at[0].0));
        for moment in &ending.at {
            assert_eq!(told(sets.after(&every), &policy, moment.0), *moment);
        }
        let mut shuffle = Shuffle::new();
        let mut orders = permutations(events.len());
        if !all_orders() {
            orders = shuffle.shuffled(&orders);
            orders.truncate(SAMPLE);
        }
        let orders = orders.into_iter().map(|order| Copy {
            name: script,
            events: &events,
            order: shuffle.with_one_again(order),
            at: &ending.at,
        });
        let copies = orders.collect();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(stored_orders::check(terms, copies, &mut shuffle));
    }
}

#[test]
fn created_and_updated_in_one_second_with_ids_in_either_order_o3() {
    in_any_order("
0 | evt_1 customer.subscription.created sub_1 status=incomplete                    | applied | stripe:cus_1 pro incomplete 30d
0 | evt_2 customer.subscription.updated sub_1 status=active                        | applied | stripe:cus_1 pro active 30d
  | sub_1 ?                                                                        | active entitled |
");
    in_any_order("
0 | evt_2 customer.subscription.created sub_1 status=incomplete                    | applied | stripe:cus_1 pro incomplete 30d
0 | evt_1 customer.subscription.updated sub_1 status=active                        | applied | stripe:cus_1 pro active 30d
  | sub_1 ?                                                                        | active entitled |
");
}

#[test]
fn several_updates_in_one_second_o3() {
    in_any_order("
0  | evt_5 customer.subscription.created sub_1 status=trialing                      | applied | stripe:cus_1 pro trialing 30d
9  | evt_3 customer.subscription.updated sub_1 status=active end=60d                | held    |
9  | evt_9 customer.subscription.updated sub_1 prices=price_plus                    | held    |
9  | evt_1 customer.subscription.updated sub_1 cancel_at_period_end=true            | held    |
9  | evt_4 customer.subscription.updated sub_1 cancel_at_period_end=false           | held    |
10 | evt_9 again                                                                    | applied | stripe:cus_1 pro_plus active 60d
10 | evt_1 again                                                                    | applied | stripe:cus_1 pro_plus active 60d until 60d
10 | evt_4 again                                                                    | applied | stripe:cus_1 pro_plus active 60d
10 | evt_3 again                                                                    | applied | stripe:cus_1 pro_plus active 60d
   | sub_1 ?                                                                        | active entitled |
");
}

#[test]
fn of_changes_of_price_that_may_both_have_come_last_the_greatest_id_counts_a5() {
    in_any_order("
0  | evt_5 customer.subscription.created sub_1 prices=price_plus                    | applied | stripe:cus_1 pro_plus active 30d
5  | evt_9 customer.subscription.updated sub_1 prices=price_pro                     | applied | stripe:cus_1 pro active 30d
5  | evt_2 customer.subscription.updated sub_1 prices=price_plus                    | applied | stripe:cus_1 pro active 30d
5  | evt_3 customer.subscription.updated sub_1 prices=price_other                   | applied !billing.price.unknown | stripe:cus_1 free active 30d
5  | evt_1 customer.subscription.updated sub_1 prices=price_pro                     | applied | stripe:cus_1 pro active 30d
   | sub_1 ?                                                                        | active entitled feature_locked_at=5 |
");
}

#[test]
fn upgrade_and_pause_in_one_second_o3() {
    in_any_order("
0  | evt_1 customer.subscription.created sub_1                                      | applied | stripe:cus_1 pro active 30d
9  | evt_8 customer.subscription.updated sub_1 prices=price_plus                    | held    |
9  | evt_4 customer.subscription.updated sub_1 pause=on                             | applied | stripe:cus_1 pro_plus paused 30d
10 | evt_8 again                                                                    | applied | stripe:cus_1 pro_plus paused 30d
   | sub_1 ?                                                                        | paused |
");
}

#[test]
fn deleted_before_between_and_after_o5() {
    in_any_order("
0  | evt_1 customer.subscription.created sub_1                                      | held    |
5  | evt_2 customer.subscription.updated sub_1 prices=price_plus                    | held    |
9  | evt_3 customer.subscription.deleted sub_1 status=canceled                      | applied | stripe:cus_1 free canceled -
10 | evt_1 again                                                                    | applied | stripe:cus_1 free canceled -
11 | evt_2 again                                                                    | applied | stripe:cus_1 free canceled -
   | sub_1 ?                                                                        | canceled ended |
");
    in_any_order("
0  | evt_1 customer.subscription.created sub_1                                      | applied | stripe:cus_1 pro active 30d
5  | evt_2 customer.subscription.updated sub_1 prices=price_plus                    | held    |
9  | evt_3 customer.subscription.deleted sub_1 status=canceled                      | applied | stripe:cus_1 free canceled -
11 | evt_2 again                                                                    | applied | stripe:cus_1 free canceled -
   | sub_1 ?                                                                        | canceled ended |
");
    in_any_order("
0  | evt_1 customer.subscription.created sub_1                                      | applied | stripe:cus_1 pro active 30d
5  | evt_2 customer.subscription.updated sub_1 prices=price_plus                    | applied | stripe:cus_1 pro_plus active 30d
9  | evt_3 customer.subscription.deleted sub_1 status=canceled                      | applied | stripe:cus_1 free canceled -
   | sub_1 ?                                                                        | canceled ended |
");
}

#[test]
fn deleted_in_the_status_that_it_had_o2_o5() {
    in_any_order("
0  | evt_1 customer.subscription.created sub_1                                      | applied | stripe:cus_1 pro active 30d
9  | evt_3 customer.subscription.deleted sub_1                                      | applied | stripe:cus_1 free canceled -
9  | evt_2 customer.subscription.updated sub_1 cancel_at_period_end=true            | stale   | stripe:cus_1 free canceled -
9  | evt_4 customer.subscription.updated sub_1 cancel_at_period_end=false           | stale   | stripe:cus_1 free canceled -
   | sub_1 ?                                                                        | canceled ended |
");
}

#[test]
fn a_late_event_of_an_old_subscription_beside_a_new_one_o1_o5() {
    in_any_order("
0  | evt_1 customer.subscription.created sub_1 prices=price_plus end=40d            | applied | stripe:cus_1 pro_plus active 40d
5  | evt_2 customer.subscription.updated sub_1 status=past_due                      | held    |
6  | evt_3 customer.subscription.deleted sub_1 status=canceled                      | applied | stripe:cus_1 free canceled -
7  | evt_4 customer.subscription.created sub_2                                      | applied | stripe:cus_1 pro active 30d
8  | evt_2 again                                                                    | applied | stripe:cus_1 pro active 30d
   | sub_1 ?                                                                        | canceled ended |
   | sub_2 ?                                                                        | active entitled |
");
}

#[test]
fn a_binding_by_metadata_that_comes_after_the_subscription_e4() {
    in_any_order("
0  | evt_1 customer.created cus_1                                                   | held    |
1  | evt_2 customer.subscription.created sub_1                                      | applied | stripe:cus_1 pro active 30d
2  | evt_3 customer.updated cus_1 user=ann                                          | applied | ann pro active 30d; stripe:cus_1 free none -
3  | evt_1 again                                                                    | stale   | ann pro active 30d; stripe:cus_1 free none -
   | sub_1 ?                                                                        | active entitled |
");
}

#[test]
fn the_invoice_before_everything_o1_o6() {
    in_any_order("
0  | evt_1 customer.subscription.created sub_1 status=incomplete invoice=in_1       | held    |
0  | evt_2 invoice.finalized in_1 status=open created=0 finalized=0                 | held    |
1  | evt_3 invoice.paid in_1 status=paid paid=1 attempts=1                          | applied | stripe:cus_1 free none -
2  | evt_2 again                                                                    | stale   | stripe:cus_1 free none -
2  | evt_4 customer.subscription.updated sub_1 status=active                        | applied | stripe:cus_1 pro active 30d
3  | evt_1 again                                                                    | stale   | stripe:cus_1 pro active 30d
   | sub_1 ?                                                                        | active entitled |
");
}

#[test]
fn failed_then_paid_and_the_failure_comes_late_a2_o6() {
    in_any_order("
0     | evt_1 customer.subscription.created sub_1                                   | applied | stripe:cus_1 pro active 30d
30d   | evt_2 customer.subscription.updated sub_1 end=60d invoice=in_2              | applied | stripe:cus_1 pro active 60d
30d+5 | evt_3 invoice.payment_failed in_2 status=open created=30d attempts=2        | held    |
30d+5 | evt_4 customer.subscription.updated sub_1 status=past_due                   | held    |
31d   | evt_5 invoice.paid in_2 status=paid paid=31d attempts=3                     | applied | stripe:cus_1 pro active 60d
31d   | evt_6 customer.subscription.updated sub_1 status=active                     | applied | stripe:cus_1 pro active 60d
31d+1 | evt_3 again                                                                 | applied | stripe:cus_1 pro active 60d
31d+2 | evt_4 again                                                                 | applied | stripe:cus_1 pro active 60d
      | sub_1 ?                                                                     | active entitled |
");
}

#[test]
fn a_lost_paid_with_stripe_active_again_a4() {
    in_any_order("
0   | evt_1 customer.subscription.created sub_1                                     | applied | stripe:cus_1 pro active 30d
1d  | evt_2 invoice.payment_failed in_1 status=open created=1d attempts=1           | applied | stripe:cus_1 pro active 8d until 8d
1d  | evt_3 customer.subscription.updated sub_1 status=past_due                     | applied | stripe:cus_1 pro active 8d until 8d
    | sub_1 ?                                                                       | past_due entitled grace_ends_at=8d |
2d  | evt_4 invoice.paid in_1 status=paid paid=2d                                   | held    |
2d  | evt_5 customer.subscription.updated sub_1 status=active                       | applied | stripe:cus_1 pro active 30d
20d | time passes                                                                   | settled | stripe:cus_1 pro active 30d
    | sub_1 ?                                                                       | active entitled |
");
}

#[test]
fn pending_updates_whose_invoice_fails_a2() {
    in_any_order("
0  | evt_1 customer.subscription.created sub_1                                      | applied | stripe:cus_1 pro active 30d
1d | evt_2 customer.subscription.updated sub_1 pending=on                           | applied | stripe:cus_1 pro active 30d
1d | evt_3 invoice.finalized in_1 status=open created=1d finalized=1d               | applied | stripe:cus_1 pro active 30d
1d | evt_4 invoice.payment_failed in_1 attempts=2                                   | applied | stripe:cus_1 pro active 30d
   | sub_1 ?                                                                        | active entitled in_doubt |
2d | evt_5 invoice.voided in_1 status=void                                          | applied | stripe:cus_1 pro active 30d
2d | evt_6 customer.subscription.pending_update_expired sub_1 pending=-             | applied | stripe:cus_1 pro active 30d
   | sub_1 ?                                                                        | active entitled |
");
}

#[test]
fn past_due_with_no_failure_seen_a2_a6() {
    in_any_order("
0  | evt_1 customer.subscription.created sub_1                                      | applied | stripe:cus_1 pro active 30d
1d | evt_2 customer.subscription.updated sub_1 status=past_due                      | applied | stripe:cus_1 pro active 8d until 8d
   | sub_1 ?                                                                        | past_due entitled in_doubt grace_ends_at=8d |
5d | evt_3 customer.subscription.updated sub_1 prices=price_plus                    | applied | stripe:cus_1 pro_plus active 8d until 8d
8d | time passes                                                                    | settled | stripe:cus_1 pro_plus past_due 30d
   | sub_1 ?                                                                        | unpaid in_doubt |
");
}

#[test]
fn a_trial_ends_with_a_card_a2() {
    in_any_order("
0  | evt_1 customer.subscription.created sub_1 status=trialing end=7d               | applied | stripe:cus_1 pro trialing 7d
4d | evt_2 customer.subscription.trial_will_end sub_1                               | applied | stripe:cus_1 pro trialing 7d
7d | evt_3 customer.subscription.updated sub_1 status=active end=37d invoice=in_1   | applied | stripe:cus_1 pro active 37d
7d | evt_4 invoice.finalized in_1 status=open created=7d finalized=7d               | applied | stripe:cus_1 pro active 37d
7d | evt_5 invoice.paid in_1 status=paid paid=7d attempts=1                         | applied | stripe:cus_1 pro active 37d
   | sub_1 ?                                                                        | active entitled |
");
}

#[test]
fn a_trial_ends_without_a_card_a2() {
    // Stripe may be told to pause,
    in_any_order("
0  | evt_1 customer.subscription.created sub_1 status=trialing end=7d               | applied | stripe:cus_1 pro trialing 7d
4d | evt_2 customer.subscription.trial_will_end sub_1                               | applied | stripe:cus_1 pro trialing 7d
7d | evt_3 customer.subscription.updated sub_1 status=paused                        | applied | stripe:cus_1 pro paused 7d
7d | evt_4 customer.subscription.paused sub_1                                       | applied | stripe:cus_1 pro paused 7d
   | sub_1 ?                                                                        | paused |
");
    // to cancel,
    in_any_order("
0  | evt_1 customer.subscription.created sub_1 status=trialing end=7d               | applied | stripe:cus_1 pro trialing 7d
4d | evt_2 customer.subscription.trial_will_end sub_1                               | applied | stripe:cus_1 pro trialing 7d
7d | evt_3 customer.subscription.deleted sub_1 status=canceled                      | applied | stripe:cus_1 free canceled -
   | sub_1 ?                                                                        | canceled ended |
");
    // or to try and fail.
    in_any_order("
0   | evt_1 customer.subscription.created sub_1 status=trialing end=7d              | applied | stripe:cus_1 pro trialing 7d
7d  | evt_2 customer.subscription.updated sub_1 status=active end=37d invoice=in_1  | applied | stripe:cus_1 pro active 37d
7d  | evt_3 invoice.finalized in_1 status=open created=7d finalized=7d              | applied | stripe:cus_1 pro active 37d
7d  | evt_4 invoice.payment_failed in_1 attempts=1                                  | applied | stripe:cus_1 pro active 14d until 14d
    | sub_1 ?                                                                       | past_due entitled in_doubt grace_ends_at=14d |
7d  | evt_5 customer.subscription.updated sub_1 status=past_due                     | applied | stripe:cus_1 pro active 14d until 14d
    | sub_1 ?                                                                       | past_due entitled grace_ends_at=14d |
14d | time passes                                                                   | settled | stripe:cus_1 pro past_due 37d
    | sub_1 ?                                                                       | unpaid |
");
}

#[test]
fn cancel_at_period_end_is_reached_with_deleted_lost_a2_a6() {
    in_any_order("
0   | evt_1 customer.subscription.created sub_1 end=30d                             | applied | stripe:cus_1 pro active 30d
5d  | evt_2 customer.subscription.updated sub_1 cancel_at_period_end=true           | applied | stripe:cus_1 pro active 30d until 30d
29d | evt_3 customer.updated cus_1                                                  | applied | stripe:cus_1 pro active 30d until 30d
30d | evt_4 customer.subscription.deleted sub_1 status=canceled                     | held    |
30d | time passes                                                                   | settled | stripe:cus_1 pro canceled 30d
    | sub_1 ?                                                                       | canceled |
");
}
