//! The whole way of an event, signed here: verify, decode, interpret, project.
//!
//! 1. What is signed is believed, and what is believed twice counts once.
//! 2. Any order ends in the same accounts, the same views and the same rows (O1).
//! 3. A row changes by time at its `next_deadline` and at no other instant (A6).
//! 4. A paid tier comes of a price that we know, or not at all (A5).
//! 5. Records are read from the store as they were written.
//!
//! Input: bodies, one a line.

#![no_main]

use std::collections::BTreeMap;
use std::fmt::Debug;

use billing_core::account::Entitlement;
use billing_core::catalogue::{Catalogue, Tier};
use billing_core::event::Event;
use billing_core::id::{CustomerId, EventId, PriceId};
use billing_core::policy::Policy;
use billing_core::signature::{self, Delivery, SigningKeys};
use billing_core::time::StripeTime;
use bstr::ByteSlice;
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use serde::Serialize;
use serde::de::DeserializeOwned;

use accounts::Accounts;

#[path = "../../../billing-core/tests/core/accounts.rs"]
mod accounts;
#[path = "pipeline/mutation.rs"]
mod mutation;

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;
/// All of their rotations are tried.
const MOST_EVENTS: usize = 6;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutation::mutate(data, size, max_size, seed)
});

fuzz_target!(|data: &[u8]| {
    let events = events(data);
    let policy = policy();
    let once = accounts_after(&events, &policy);
    let expected = Seen::of(&once, &policy);
    for turn in 0..events.len() {
        let mut order = [&events[turn..], &events[..turn], &events[..=turn]].concat();
        for _ in 0..2 {
            let accounts = accounts_after(&order, &policy);
            assert_eq!(accounts, once);
            assert_eq!(Seen::of(&accounts, &policy), expected);
            order.reverse();
        }
    }
    for day in [0, 1, 8, 40] {
        rows_change_at_their_deadlines(&once, &policy, at(NOW + day * DAY));
    }
    only_known_prices_grant(&events, &expected, &policy);
    for account in once.0.values() {
        is_stored_as_it_is(&account.customer);
        account.subscriptions.values().for_each(is_stored_as_it_is);
        account.invoices.values().for_each(is_stored_as_it_is);
    }
});

/// The events among the lines; of several bodies under one id the first, as the ledger has it (C2).
fn events(data: &[u8]) -> Vec<Event> {
    let keys = SigningKeys::parse("whsec_old,whsec_new").unwrap();
    let mut events: BTreeMap<EventId, Event> = BTreeMap::new();
    for body in data.split_str("\n").take(MOST_EVENTS) {
        let header = signature::sign(body, &keys, at(NOW));
        let delivery = Delivery::new(body.to_vec(), [header]);
        let payload = signature::verify(delivery, &keys, at(NOW)).unwrap();
        if let Ok(event) = Event::decode(&payload) {
            events.entry(event.id.clone()).or_insert(event);
        }
    }
    events.into_values().collect()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn policy() -> Policy {
    let [pro, plus] = ["pro", "pro_plus"].map(|name| Tier::parse(name).unwrap());
    let [low, high] = ["price_pro", "price_plus"].map(|name| PriceId::parse(name).unwrap());
    let catalogue = Catalogue::default().with_price(low, pro).unwrap();
    Policy::new(catalogue.with_price(high, plus).unwrap())
}

fn accounts_after(events: &[Event], policy: &Policy) -> Accounts {
    let mut accounts = Accounts::default();
    for event in events {
        accounts.take(event, policy, at(NOW));
    }
    accounts
}

/// What follows from accounts at some instants.
#[derive(Debug, PartialEq)]
struct Seen(Vec<(String, BTreeMap<CustomerId, Entitlement>)>);

impl Seen {
    fn of(accounts: &Accounts, policy: &Policy) -> Self {
        let instants = [0, 3, 8, 40].map(|day| at(NOW + day * DAY));
        let seen = instants.map(|now| {
            let views = format!("{:?}", accounts.views(policy, now));
            (views, accounts.entitlements(policy, now))
        });
        Self(seen.into())
    }
}

fn rows_change_at_their_deadlines(accounts: &Accounts, policy: &Policy, now: Timestamp) {
    let rows = accounts.entitlements(policy, now);
    let next = rows.values().filter_map(|row| row.next_deadline).min();
    let quiet_until = match next.map(StripeTime::timestamp) {
        Some(deadline) => {
            assert!(deadline > now, "a deadline that has come is none");
            deadline - SignedDuration::from_micros(1)
        }
        None => StripeTime::from_seconds(253_000_000_000)
            .unwrap()
            .timestamp(),
    };
    assert_eq!(accounts.entitlements(policy, quiet_until), rows);
}

fn only_known_prices_grant(events: &[Event], seen: &Seen, policy: &Policy) {
    let facts = format!("{events:?}");
    for row in seen.0.iter().flat_map(|(_, rows)| rows.values()) {
        let paid = row.plan_tier != *policy.catalogue.tiers().lowest();
        assert!(!paid || facts.contains("price_pro") || facts.contains("price_plus"));
    }
}

fn is_stored_as_it_is<T: Serialize + DeserializeOwned + PartialEq + Debug>(record: &T) {
    let written = serde_json::to_string(record).unwrap();
    assert_eq!(serde_json::from_str::<T>(&written).unwrap(), *record);
}
