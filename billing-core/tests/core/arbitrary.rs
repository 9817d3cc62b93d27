//! Arbitrary events over small alphabets: most meet in the same second and the same few states,
//! for that is where order could leave a trace.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use billing_core::event::{
    Charge, Currency, CustomerFacts, Event, EventType, Facts, Interval, InvoiceFacts,
    InvoiceStatus, PauseCollection, PricedItem, Rate, Recurring, StateVector,
    SubscriptionEventKind as Kind, SubscriptionFacts, SubscriptionStatus, Terms,
};
use billing_core::id::{CustomerId, EventId, InvoiceId, PriceId, StripeCustomerId, SubscriptionId};
use billing_core::personal::{Personal, PersonalData};
use billing_core::time::StripeTime;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use crate::bodies::decode;

pub(crate) const DAY: i64 = 86_400;
/// When everything happens, give or take some days.
pub(crate) const BASE: i64 = 1_800_000_000;

const ACCOUNTS: [&str; 2] = ["cus_a", "cus_b"];
const INVOICES: [&str; 3] = ["in_1", "in_2", "in_3"];

/// Only decoding makes an event: this one is made into others.
static DECODED: LazyLock<Event> = LazyLock::new(|| {
    let body =
        r#"{"object":"event","id":"evt_1","type":"a","created":1800000000,"livemode":false}"#;
    decode(body).unwrap()
});

/// Deliveries of events: each at least once.
#[derive(Debug, Clone)]
pub(crate) struct Deliveries {
    pub(crate) events: Vec<Event>,
    /// Indices of events, in the order of arrival.
    pub(crate) orders: Vec<Vec<usize>>,
}

/// Sets of events, each with some orders of delivery with duplicates.
pub(crate) fn deliveries(orders: usize) -> impl Strategy<Value = Deliveries> {
    histories().prop_flat_map(move |events| {
        let order = (
            Just((0..events.len()).collect::<Vec<_>>()),
            prop::collection::vec(any::<Index>(), 0..4),
        )
            .prop_flat_map(|(mut order, again)| {
                let count = order.len();
                order.extend(again.iter().map(|index| index.index(count)));
                Just(order).prop_shuffle()
            });
        (Just(events), prop::collection::vec(order, orders))
            .prop_map(|(events, orders)| Deliveries { events, orders })
    })
}

/// Sets of events: usually few, sometimes more of one second than are kept.
fn histories() -> impl Strategy<Value = Vec<Event>> {
    let usual = palette().prop_flat_map(|states| {
        let said = prop_oneof![
            5 => subscription(states, 2),
            3 => invoice(),
            2 => customer(),
        ];
        prop::collection::vec((moment(), said), 1..14)
    });
    let crowded = palette().prop_flat_map(|states| {
        let moment = prop_oneof![9 => Just(at(0)), 1 => moment()];
        prop::collection::vec((moment, subscription(states, 1)), 30..45)
    });
    prop_oneof![12 => usual, 1 => crowded].prop_map(|said| {
        let numbered = said.into_iter().enumerate();
        numbered
            .map(|(number, (created, (event_type, facts)))| {
                let mut event = DECODED.clone();
                event.id = EventId::parse(format!("evt_{number:02}")).unwrap();
                event.event_type = event_type;
                event.created = Some(created);
                event.facts = facts;
                event
            })
            .collect()
    })
}

pub(crate) fn at(seconds: i64) -> StripeTime {
    StripeTime::from_seconds(BASE + seconds).unwrap()
}

fn moment() -> impl Strategy<Value = StripeTime> {
    prop_oneof![
        6 => select(vec![0, 1]),
        2 => select(vec![2, DAY, 3 * DAY, 8 * DAY]),
    ]
    .prop_map(at)
}

fn moments() -> impl Strategy<Value = Option<StripeTime>> {
    prop::option::of(select(vec![at(0), at(DAY), at(5 * DAY), at(30 * DAY)]))
}

/// A few states, so that events meet in them.
fn palette() -> impl Strategy<Value = Vec<StateVector>> {
    prop::collection::vec(state(), 2..5)
}

fn statuses() -> impl Strategy<Value = SubscriptionStatus> {
    use SubscriptionStatus as Status;
    prop_oneof![
        4 => Just(Status::Active),
        4 => Just(Status::PastDue),
        2 => select(vec![
            Status::Incomplete,
            Status::IncompleteExpired,
            Status::Trialing,
            Status::Unpaid,
            Status::Paused,
            Status::Canceled,
            Status::Unknown("frozen".to_owned()),
        ]),
    ]
}

pub(crate) fn price(name: &str, quantity: Option<i64>) -> PricedItem {
    PricedItem {
        price: PriceId::parse(name).unwrap(),
        quantity,
    }
}

fn state() -> impl Strategy<Value = StateVector> {
    let prices = vec![
        price("price_plus", Some(1)),
        price("price_pro", Some(1)),
        price("price_pro", Some(2)),
        price("price_unheard_of", None),
    ];
    let pause = (prop::option::of(Just("void".to_owned())), moments()).prop_map(
        |(behavior, resumes_at)| PauseCollection {
            behavior,
            resumes_at,
        },
    );
    (
        statuses(),
        subsequence(prices, 0..=2),
        moments(),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.2, select(vec![at(DAY), at(30 * DAY)])),
        prop::option::weighted(0.2, pause),
        prop::option::of(select(INVOICES.to_vec())),
        prop::bool::weighted(0.2),
    )
        .prop_map(
            |(status, items, period_end, ends, cancel_at, pause, invoice, pending)| StateVector {
                status,
                items,
                period_end,
                cancel_at_period_end: ends,
                cancel_at,
                pause,
                latest_invoice: invoice.map(|id| InvoiceId::parse(id).unwrap()),
                pending_update: pending,
            },
        )
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        6 => Just(Kind::Updated),
        3 => select(vec![Kind::Created, Kind::TrialWillEnd, Kind::Paused, Kind::Resumed]),
        1 => select(vec![Kind::PendingUpdateApplied, Kind::PendingUpdateExpired, Kind::Deleted]),
    ]
}

fn subscription(
    states: Vec<StateVector>,
    accounts: usize,
) -> impl Strategy<Value = (EventType, Facts)> {
    let state = select(states);
    let which = select(vec![("sub_1", 0), ("sub_1", 0), ("sub_2", 0), ("sub_3", 1)]);
    (which, kinds(), state.clone(), prop::option::of(state)).prop_map(
        move |((id, account), kind, post, pre)| {
            let pre = pre.filter(|_| kind == Kind::Updated);
            let facts = SubscriptionFacts {
                id: SubscriptionId::parse(if accounts == 1 { "sub_1" } else { id }).unwrap(),
                customer: account_id(account % accounts),
                kind,
                terms: terms(&post),
                terms_before: pre.as_ref().map(terms),
                coupons: BTreeMap::new(),
                post,
                pre,
            };
            (
                EventType::Subscription(kind),
                Facts::Subscription(Box::new(facts)),
            )
        },
    )
}

/// What is charged in a state: ten of something a month for each unit.
pub(crate) fn terms(state: &StateVector) -> Terms {
    let currency = Currency::parse("usd").unwrap();
    let charge = |item: &PricedItem| Charge {
        price: item.price.clone(),
        quantity: item.quantity,
        rate: Rate::Recurring(Recurring {
            unit_amount: "1000".to_owned(),
            currency,
            interval: Interval::Month,
            interval_count: 1,
            package: None,
        }),
        discounts: Vec::new(),
    };
    Terms {
        status: state.status.clone(),
        since: StripeTime::from_seconds(BASE),
        trial_end: None,
        ended_at: None,
        currency: Some(currency),
        charges: state.items.iter().map(charge).collect(),
        discounts: Vec::new(),
    }
}

fn account_id(number: usize) -> StripeCustomerId {
    StripeCustomerId::parse(ACCOUNTS[number]).unwrap()
}

/// Also invoices whose facts contradict each other between events: no order may show even then.
fn invoice() -> impl Strategy<Value = (EventType, Facts)> {
    let bills = select(vec![Some("sub_1"), Some("sub_2"), Some("sub_3"), None]);
    let status = select(vec![
        InvoiceStatus::Draft,
        InvoiceStatus::Open,
        InvoiceStatus::Open,
        InvoiceStatus::Uncollectible,
        InvoiceStatus::Void,
        InvoiceStatus::Paid,
    ]);
    let attempt = prop::option::of(0_u32..3);
    let account = prop_oneof![4 => Just(0), 1 => Just(1)];
    let ids = (select(INVOICES.to_vec()), account, bills);
    (ids, status, moment(), moments(), moments(), attempt).prop_map(
        |((id, account, subscription), status, created, finalized_at, paid_at, failed_attempt)| {
            let facts = InvoiceFacts {
                id: InvoiceId::parse(id).unwrap(),
                customer: account_id(account),
                subscription: subscription.map(|id| SubscriptionId::parse(id).unwrap()),
                status,
                created,
                finalized_at,
                paid_at,
                billing_reason: subscription.map(|_| "subscription_cycle".to_owned()),
                failed_attempt,
            };
            let event_type = match failed_attempt {
                Some(_) => EventType::InvoicePaymentFailed,
                None => EventType::Invoice("invoice.updated".to_owned()),
            };
            (event_type, Facts::Invoice(facts))
        },
    )
}

/// Customers that are bound now to one id, now to another, both to the same, or gone.
fn customer() -> impl Strategy<Value = (EventType, Facts)> {
    let bound = prop::option::of(select(vec!["user-1", "user-2"]));
    let name = prop::option::of(select(vec!["Ada", "Bob"]));
    (0..2_usize, bound, name, prop::bool::weighted(0.1)).prop_map(
        |(account, bound, name, deleted)| {
            let facts = CustomerFacts {
                id: account_id(account),
                queue_customer_id: bound.map(|id| CustomerId::chosen(id).unwrap()),
                deleted,
                personal: PersonalData {
                    name: name.map(|name| Personal::new(name.to_owned())),
                    ..PersonalData::default()
                },
            };
            let event_type = match deleted {
                true => EventType::CustomerDeleted,
                false => EventType::Customer("customer.updated".to_owned()),
            };
            (event_type, Facts::Customer(facts))
        },
    )
}
