//! Every order of delivery that there is, with duplicates and losses (O1).
//!
//! An account is what its events made of it, one after the other. So single steps prove all orders:
//! if every set of events makes the same account whichever of them came last, then each set makes
//! the same in all of its orders; and if an event that is there already changes nothing, duplicates
//! change nothing anywhere. Of n events that takes n·2ⁿ steps, for n! orders of all of them and all
//! orders of each set that lacks some.

use billing_core::event::Event;
use billing_core::policy::Policy;
use jiff::Timestamp;

use crate::accounts::Accounts;
use crate::history::{History, after, told};

/// The longest histories that are delivered in every order.
const LONGEST: usize = 6;

/// The accounts that each set of some events makes.
pub(crate) struct Sets(Vec<Accounts>);

impl Sets {
    /// Takes every step, and fails at the first that depends on order.
    pub(crate) fn of(events: &[Event], policy: &Policy, now: Timestamp) -> Self {
        let mut sets = vec![Accounts::default()];
        for set in 1..1_usize << events.len() {
            let members = || (0..events.len()).filter(move |index| set >> index & 1 == 1);
            let mut ways = members().map(|last| {
                let mut accounts = sets[set & !(1 << last)].clone();
                accounts.take(&events[last], policy, now);
                (last, accounts)
            });
            let (_, mut accounts) = ways.next().unwrap();
            for (last, other) in ways {
                assert_eq!(other, accounts, "of set {set:#b}, when {last} comes last");
            }
            let before = accounts.clone();
            for again in members() {
                accounts.take(&events[again], policy, now);
                assert_eq!(
                    accounts, before,
                    "of set {set:#b}, when {again} comes again"
                );
            }
            sets.push(accounts);
        }
        Self(sets)
    }

    /// What these events make, by their indices.
    pub(crate) fn after(&self, events: &[usize]) -> &Accounts {
        &self.0[events.iter().map(|index| 1 << index).sum::<usize>()]
    }
}

#[test]
fn every_order_of_a_short_history_ends_as_its_vector_says_o1() {
    let (mut histories, mut sets, mut orders) = (0, 0, 0);
    for history in History::all() {
        let count = history.events.len();
        if count > LONGEST {
            continue;
        }
        let policy = history.terms.policy();
        let of_all = Sets::of(&history.events, &policy, after(history.cases[0].at[0].0));
        for case in &history.cases {
            let accounts = of_all.after(&case.arriving(count));
            for moment in &case.at {
                let told = told(accounts, &policy, moment.0);
                assert_eq!(told, *moment, "{} without {:?}", history.name, case.lost);
            }
        }
        histories += 1;
        sets += of_all.0.len();
        orders += (1..=count).product::<usize>();
    }
    assert!(histories > 1000);
    eprintln!("{histories} histories in all {orders} orders, and {sets} sets of their events");
}
