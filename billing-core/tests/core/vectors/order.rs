//! Histories that a model of the rules made, in random orders of delivery.

use billing_core::event::Event;
use billing_core::policy::Policy;

use crate::accounts::Accounts;
use crate::history::{Case, History, after, told};
use crate::shuffle::Shuffle;

/// Orders in which each case is delivered.
const ORDERS: usize = 5;

fn check(events: &[Event], case: &Case, policy: &Policy, order: &[usize]) -> Result<(), String> {
    let mut accounts = Accounts::default();
    for index in order {
        accounts.take(&events[*index], policy, after(case.at[0].0));
    }
    for expected in &case.at {
        let told = told(&accounts, policy, expected.0);
        if told != *expected {
            return Err(format!(
                "without {:?}, as {order:?}:\n  expected {expected:?}\n  told     {told:?}",
                case.lost
            ));
        }
    }
    Ok(())
}

#[test]
fn histories_end_as_the_model_of_the_rules_says_o1_a1() {
    let mut shuffle = Shuffle::new();
    let (mut wrong, mut deliveries) = (Vec::new(), 0);
    let histories = History::all();
    assert!(histories.len() >= 3000);
    for history in histories {
        let events = &history.events;
        let policy = history.terms.policy();
        for case in &history.cases {
            let arriving = case.arriving(events.len());
            let backwards: Vec<usize> = arriving.iter().rev().copied().collect();
            let mut orders = vec![arriving.clone(), backwards];
            orders.resize_with(ORDERS, || shuffle.with_duplicates(&arriving));
            for order in orders {
                deliveries += order.len();
                let checked = check(events, case, &policy, &order);
                wrong.extend(checked.err().map(|why| format!("{} {why}", history.name)));
            }
        }
    }
    let count = histories.len();
    eprintln!("{count} histories, {deliveries} deliveries");
    let shown = wrong.iter().take(5).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join("\n");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{shown}\n{shuffle}",
        wrong.len()
    );
}
