//! Histories of customers, with what must follow from them: `conformance/vectors/order`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use billing_core::event::Event;
use billing_core::policy::{GracePolicy, Policy};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::accounts::Accounts;
use crate::arbitrary::BASE;
use crate::bodies::{self, Shape};
use crate::test_ledger;

/// All that are kept, read once.
static ALL: LazyLock<Vec<History>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/vectors/order");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: &_| std::fs::read_to_string(file).unwrap();
    let text: String = files.iter().map(read).collect();
    // Every other one in the other of Stripe's shapes.
    let lines = text.lines().zip(Shape::BOTH.into_iter().cycle());
    lines
        .map(|(line, shape)| History::read(line, shape))
        .collect()
});

/// What happened at Stripe, and what follows from all or some of it.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) name: String,
    pub(crate) terms: Terms,
    pub(crate) events: Vec<Event>,
    pub(crate) cases: Vec<Case>,
    raw: Vec<HistoricEvent>,
    shape: Shape,
}

/// A line of a file.
#[derive(Deserialize)]
struct Line {
    name: String,
    #[serde(default)]
    policy: Terms,
    events: Vec<HistoricEvent>,
    cases: Vec<Case>,
}

/// The seller's choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Terms {
    grace_days: u32,
    grace_attempts: u32,
    pause_closes: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            grace_days: 7,
            grace_attempts: 2,
            pause_closes: true,
        }
    }
}

impl Terms {
    pub(crate) fn policy(self) -> Policy {
        Policy {
            grace: GracePolicy {
                period_days: self.grace_days,
                failed_attempts: self.grace_attempts,
            },
            pause_collection_closes: self.pause_closes,
            ..test_ledger::policy()
        }
    }
}

/// `[id, type, created, object, what changed]`.
#[derive(Debug, Deserialize)]
struct HistoricEvent(String, String, i64, String, Map<String, Value>);

/// What follows when some events are lost.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Case {
    #[serde(default)]
    pub(crate) lost: Vec<usize>,
    pub(crate) at: Vec<Moment>,
}

/// `[now, subscriptions, mirror rows]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Moment(pub(crate) i64, pub(crate) Rows, pub(crate) Rows);

/// Rows by the ids of whose they are, with times in seconds since [`BASE`].
pub(crate) type Rows = BTreeMap<String, Value>;

/// The instant so many seconds after [`BASE`].
pub(crate) fn after(seconds: i64) -> Timestamp {
    Timestamp::from_second(BASE + seconds).unwrap()
}

/// A time of the history as one of Stripe's.
fn time(offset: &Value) -> Value {
    json!(offset.as_i64().map(|offset| BASE + offset))
}

impl Case {
    /// The events that come, of so many.
    pub(crate) fn arriving(&self, count: usize) -> Vec<usize> {
        let all = 0..count;
        all.filter(|index| !self.lost.contains(index)).collect()
    }
}

impl History {
    /// All that are kept.
    pub(crate) fn all() -> &'static [Self] {
        &ALL
    }

    fn read(line: &str, shape: Shape) -> Self {
        let line: Line = serde_json::from_str(line).unwrap();
        let mut history = Self {
            events: Vec::new(),
            name: line.name,
            terms: line.policy,
            cases: line.cases,
            raw: line.events,
            shape,
        };
        let bodies = history.bodies().into_iter();
        let events = bodies.map(|body| bodies::decode(body.to_string()).unwrap());
        history.events = events.collect();
        history
    }

    /// The events as Stripe sends them.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let mut objects = BTreeMap::new();
        let events = self.raw.iter();
        events
            .map(|event| event.body(self.shape, &mut objects))
            .collect()
    }
}

impl HistoricEvent {
    /// The event's body. Objects stay as their last event left them.
    fn body(&self, shape: Shape, objects: &mut BTreeMap<String, Value>) -> Value {
        let Self(id, name, created, object, changes) = self;
        let state = objects
            .entry(object.clone())
            .or_insert_with(|| json!({ "customer": "cus_1" }));
        let before = state.clone();
        state.as_object_mut().unwrap().extend(changes.clone());
        let (family, draw): (_, fn(Shape, &str, &Value) -> Value) =
            match object.split_once('_').unwrap().0 {
                "sub" => ("customer.subscription", subscription),
                "in" => ("invoice", invoice),
                _ => ("customer", |shape, id, state| shape.customer(id, state)),
            };
        let after = draw(shape, object, state);
        // An update that does not say what was before.
        let is_snapshot = name == "snapshot";
        let name = if is_snapshot { "updated" } else { name };
        let event_type = format!("{family}.{name}");
        let (id, created) = (format!("evt_{id}"), BASE + created);
        let mut body = bodies::event(&id, &event_type, created, after.clone());
        if event_type == "customer.subscription.updated" && !is_snapshot {
            let was = draw(shape, object, &before);
            body["data"]["previous_attributes"] = bodies::previous_attributes(&was, &after);
        }
        body
    }
}

fn subscription(shape: Shape, id: &str, state: &Value) -> Value {
    let prices = state["price"].as_str().unwrap_or_default().split('+');
    let prices: Vec<String> = prices.map(|price| format!("price_{price}")).collect();
    let pause = match &state["pause"] {
        Value::Null => Value::Null,
        until => json!({ "behavior": "void", "resumes_at": time(until) }),
    };
    let pending = match state["pending"] == true {
        true => json!({ "expires_at": BASE }),
        false => Value::Null,
    };
    let state = json!({ "customer": state["customer"], "status": state["status"],
        "end": time(&state["end"]), "prices": prices, "cancel_at_period_end": state["ends"],
        "cancel_at": time(&state["cancel_at"]), "invoice": state["invoice"], "pause": pause,
        "pending": pending, "note": state["note"].to_string() });
    shape.subscription(id, &state)
}

fn invoice(shape: Shape, id: &str, state: &Value) -> Value {
    let mut state = state.clone();
    for name in ["created", "finalized", "paid"] {
        state[name] = time(&state[name]);
    }
    shape.invoice(id, &state)
}

/// What is told of accounts at a moment, in the form of the histories.
pub(crate) fn told(accounts: &Accounts, policy: &Policy, now: i64) -> Moment {
    let offset = |time: Option<billing_core::time::StripeTime>| time.map(|t| t.seconds() - BASE);
    let views = accounts.views(policy, after(now)).into_iter();
    let subscriptions = views.map(|((_, id), view)| {
        let prices: Vec<_> = view.prices.iter().map(|price| price.as_str()).collect();
        let row = json!([
            view.status,
            i32::from(view.entitled),
            prices.join("+").replace("price_", ""),
            offset(view.current_period_end),
            offset(view.grace_ends_at),
            offset(view.feature_locked_at),
            i32::from(view.in_doubt),
        ]);
        (id.to_string(), row)
    });
    let entitlements = accounts.entitlements(policy, after(now)).into_iter();
    let mirrors = entitlements.map(|(owner, entitlement)| {
        let row = json!([
            entitlement.plan_tier,
            entitlement.status,
            offset(entitlement.current_period_end),
            offset(entitlement.next_deadline),
        ]);
        (owner.to_string(), row)
    });
    Moment(now, subscriptions.collect(), mirrors.collect())
}
