use std::collections::BTreeMap;

use billing_core::event::Event;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Vectors;
use crate::accounts::Accounts;
use crate::arbitrary::BASE;
use crate::bodies::{self, Shape};
use crate::test_ledger::policy;

#[derive(Deserialize)]
struct Input {
    events: Vec<HistoricEvent>,
}

/// `[id, type, created, object, state, previous?]`.
#[derive(Deserialize)]
struct HistoricEvent(
    String,
    String,
    i64,
    String,
    Vec<Value>,
    #[serde(default)] Option<BTreeMap<String, Value>>,
);

const STATE: [&str; 8] = [
    "status",
    "price",
    "period_end",
    "cape",
    "pause",
    "latest",
    "pending",
    "meta",
];

/// A time of the history as one of Stripe's.
fn time(offset: &Value) -> Value {
    json!(offset.as_i64().map(|offset| BASE + offset))
}

/// The state of a subscription, as the bodies describe one.
fn subscription(state: &BTreeMap<String, Value>) -> Value {
    let set = |name: &str, value: Value| if state[name] == 1 { value } else { Value::Null };
    json!({
        "customer": "cus_1", "status": state["status"], "end": time(&state["period_end"]),
        "prices": [format!("price_{}", state["price"].as_str().unwrap())],
        "cancel_at_period_end": state["cape"] == 1, "invoice": state["latest"],
        "pause": set("pause", json!({ "behavior": "void", "resumes_at": null })),
        "pending": set("pending", json!({ "expires_at": BASE })), "note": state["meta"].to_string(),
    })
}

impl HistoricEvent {
    fn body(&self, shape: Shape) -> Value {
        let Self(id, event_type, created, object, state, previous) = self;
        let created = BASE + created;
        if object.starts_with("in_") {
            let state = json!({ "customer": "cus_1", "status": state[0], "subscription": state[1],
                "created": time(&state[2]), "attempts": state[3], "finalized": time(&state[4]),
                "paid": time(&state[5]) });
            let event_type = format!("invoice.{event_type}");
            return bodies::event(id, &event_type, created, shape.invoice(object, &state));
        }
        let names = STATE.map(str::to_owned).into_iter();
        let after: BTreeMap<_, _> = names.zip(state.iter().cloned()).collect();
        let event_type = format!("customer.subscription.{event_type}");
        let now = shape.subscription(object, &subscription(&after));
        let mut body = bodies::event(id, &event_type, created, now.clone());
        if let Some(previous) = previous {
            let mut before = after;
            before.extend(previous.clone());
            let was = shape.subscription(object, &subscription(&before));
            body["data"]["previous_attributes"] = bodies::previous_attributes(&was, &now);
        }
        body
    }
}

/// Orders of delivery, some with duplicates: as it happened, backwards, and some shuffles.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let in_order: Vec<usize> = (0..count).collect();
    let backwards = in_order.iter().rev().copied().collect();
    let mut orders = vec![in_order.clone(), backwards];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..5 {
        let mut order = in_order.clone();
        order.extend((0..3).map(|n| (n * 7 + 1) % count));
        for at in (1..order.len()).rev() {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            order.swap(at, (random >> 33) as usize % (at + 1));
        }
        orders.push(order);
    }
    orders
}

/// The same answer in both of Stripe's shapes and in every order, or all answers that there were.
fn answer(input: Input, expected: &Value) -> Value {
    let mut answers: Vec<Value> = Vec::new();
    for shape in Shape::BOTH {
        let decoded = input.events.iter().map(|event| {
            let body = event.body(shape).to_string();
            bodies::decode(body).unwrap()
        });
        let events: Vec<Event> = decoded.collect();
        for order in orders(events.len()) {
            let answer = answer_in_order(&events, &order, expected);
            if !answers.contains(&answer) {
                answers.push(answer);
            }
        }
    }
    match answers.len() {
        1 => answers.remove(0),
        _ => json!({ "it depends": answers }),
    }
}

fn answer_in_order(events: &[Event], order: &[usize], expected: &Value) -> Value {
    let policy = policy();
    let offset = |time: Option<billing_core::time::StripeTime>| time.map(|t| t.seconds() - BASE);
    let mut accounts = Accounts::default();
    let late = Timestamp::from_second(BASE + 86_400 * 1000).unwrap();
    for index in order {
        accounts.take(&events[*index], &policy, late);
    }
    let moments = expected.as_array().unwrap().iter();
    let answers = moments.map(|expected| {
        let now = Timestamp::from_second(time(&expected[0]).as_i64().unwrap()).unwrap();
        let mut views = serde_json::Map::new();
        for ((_, id), view) in accounts.views(&policy, now) {
            // What is not said is not compared.
            let doubt = match &expected[1][id.as_str()][6] {
                Value::Null => Value::Null,
                _ => json!(i32::from(view.in_doubt)),
            };
            let price = view.prices[0].as_str().trim_start_matches("price_");
            let view = json!([
                view.status,
                i32::from(view.entitled),
                price,
                offset(view.current_period_end),
                i32::from(view.cancel_at_period_end),
                offset(view.feature_locked_at),
                doubt,
            ]);
            views.insert(id.to_string(), view);
        }
        json!([expected[0], views])
    });
    Value::Array(answers.collect())
}

#[test]
fn histories_end_as_the_model_of_the_rules_says_o1_a1() {
    Vectors::<Input>::read("order.json").check_knowing(answer);
}
