//! A small language for lives of customers: a delivery a line, with what must come of it.
//!
//! ```text
//! when | event type object changes…      | outcome !alert | all mirror rows; events set aside
//! 0    | evt_1 customer.created cus_1 user=ann | applied  | ann free none -
//! ```
//!
//! Times count from [`BASE`]: `8d+5` is five seconds after eight days. An object stays as its last
//! line left it, and `customer.subscription.updated` carries what it was. `made=` is when Stripe
//! made the event, where that is not when it comes. The outcome `held` keeps an event back; `evt_1
//! again` delivers it (again). `but=` delivers it otherwise than it was made. `sub_1 ?` asks for a
//! subscription's row; `time passes` settles all rows, as the deadline worker would. Every script runs
//! in both of Stripe's shapes.

use std::collections::BTreeMap;

use billing_core::event::Event;
use billing_core::id::{CustomerId, EventId};
use billing_core::ledger::{Capacity, Command};
use billing_core::policy::Policy;
use serde_json::{Value, json};

use crate::arbitrary::{BASE, DAY};
use crate::bodies::{self, Shape};
use crate::canary::{Listener, address, assert_is_silent, canary};
use crate::history::{Moment, after};
use crate::state::{self, State};
use crate::test_ledger::{TestLedger, policy};

/// Runs a script, in both shapes, under the usual policy.
pub(crate) fn run(script: &str) {
    run_under(policy(), script);
}

/// Runs a script under a policy, and tells how it ended in each shape.
pub(crate) fn run_under(policy: Policy, script: &str) -> Vec<Ending> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let run = |shape| {
        let lines = script.trim().lines().map(Line::parse);
        let play = Play::of(shape, policy.clone());
        let (expected, actual, ending) = runtime.block_on(play.run(lines));
        assert!(
            expected == actual,
            "in the shape of {shape:?}, expected\n{expected}\nbut it went\n{actual}"
        );
        ending
    };
    Shape::BOTH.map(run).into()
}

/// What a script comes to.
#[derive(Default)]
pub(crate) struct Ending {
    /// The events that were delivered.
    pub(crate) events: BTreeMap<EventId, Event>,
    /// What followed from them all, and then from time that passed.
    pub(crate) at: Vec<Moment>,
}

/// Seconds since [`BASE`].
fn seconds(text: &str) -> i64 {
    text.split('+')
        .map(|part| match part.strip_suffix('d') {
            Some(days) => days.parse::<i64>().unwrap() * DAY,
            None => part.parse().unwrap(),
        })
        .sum()
}

fn offset(seconds: i64) -> String {
    match (seconds.div_euclid(DAY), seconds.rem_euclid(DAY)) {
        (0, seconds) => seconds.to_string(),
        (days, 0) => format!("{days}d"),
        (days, seconds) => format!("{days}d+{seconds}"),
    }
}

fn offset_of(time: &Value) -> String {
    state::offset(time).map_or_else(|| "-".to_owned(), offset)
}

struct Line<'a> {
    when: &'a str,
    what: Vec<&'a str>,
    outcome: String,
    rows: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [when, what, outcome, rows] = columns[..] else {
            panic!("not four columns: {line}");
        };
        Self {
            when,
            what: what.split_whitespace().collect(),
            outcome: outcome.to_owned(),
            rows,
        }
    }

    fn told(&self, outcome: &str, rows: &str) -> String {
        format!(
            "{} | {} | {outcome} | {rows}\n",
            self.when,
            self.what.join(" ")
        )
    }
}

/// A script as it is played: Stripe's objects and events on one side, a ledger on the other.
struct Play {
    shape: Shape,
    policy: Policy,
    objects: BTreeMap<String, Value>,
    events: BTreeMap<String, Value>,
    ending: Ending,
}

impl Play {
    fn of(shape: Shape, policy: Policy) -> Self {
        Self {
            shape,
            policy,
            objects: BTreeMap::new(),
            events: BTreeMap::new(),
            ending: Ending::default(),
        }
    }

    /// What the script says, what happened, and how it ended.
    async fn run<'a>(mut self, lines: impl Iterator<Item = Line<'a>>) -> (String, String, Ending) {
        let listener = Listener::new();
        let ledger = TestLedger::start_with(self.policy.clone(), Capacity::default()).await;
        let (mut expected, mut actual) = (String::new(), String::new());
        for line in lines {
            expected += &line.told(&line.outcome, line.rows);
            let (outcome, rows) = self.play(&line, &ledger).await;
            actual += &line.told(&outcome, &rows);
        }
        listener.assert_no_canary_is_out(&ledger).await;
        ledger.stop().await;
        (expected, actual, self.ending)
    }

    async fn play(&mut self, line: &Line<'_>, ledger: &TestLedger) -> (String, String) {
        if let [subscription, "?"] = line.what[..] {
            return (subscription_row(ledger, subscription).await, String::new());
        }
        if line.what == ["time", "passes"] {
            self.pass_time(line, ledger).await;
            return ("settled".to_owned(), all_rows(ledger).await);
        }
        let body = self.body(line);
        if line.outcome == "held" {
            return (line.outcome.clone(), String::new());
        }
        let now = after(seconds(line.when));
        let mut outcome = match bodies::decode(body.to_string()) {
            Ok(event) => {
                assert_is_silent("a debug print", &format!("{event:?}"));
                let outcome = ledger.ingest(&event, now).await.as_str().to_owned();
                self.ending.events.insert(event.id.clone(), event);
                outcome
            }
            Err(error) => {
                assert_is_silent("an error", &format!("{error} {error:?}"));
                error.code().to_owned()
            }
        };
        self.ending.at = vec![State::of(ledger).await.told(seconds(line.when))];
        for alert in ledger.take_alerts() {
            outcome = format!("{outcome} !{}", alert.name());
        }
        (outcome, all_rows(ledger).await)
    }

    async fn pass_time(&mut self, line: &Line<'_>, ledger: &TestLedger) {
        let now = seconds(line.when);
        for row in ledger.rows("mirror_row").await {
            let owner = CustomerId::parse(row["queue_customer_id"].as_str().unwrap()).unwrap();
            let settle = ledger.ledger.commit(Command::Settle(owner), after(now));
            settle.await.unwrap();
        }
        self.ending.at.push(State::of(ledger).await.told(now));
    }

    fn body(&mut self, line: &Line<'_>) -> Value {
        let (id, rest) = line.what.split_first().unwrap();
        let (words, changes): (Vec<&str>, Vec<&str>) = rest.iter().partition(|w| !w.contains('='));
        let mut changes: Vec<(&str, &str)> = changes
            .iter()
            .map(|change| change.split_once('=').unwrap())
            .collect();
        let mut take = |name: &str| {
            let at = changes.iter().position(|(known, _)| *known == name)?;
            Some(changes.remove(at).1)
        };
        let made = take("made").unwrap_or(line.when);
        let but = take("but");
        let mut body = match words[..] {
            ["again"] => self.events[*id].clone(),
            [event_type] => bodies::event(id, event_type, BASE + seconds(made), json!({})),
            [event_type, object] => {
                let (before, after) = self.change(object, &changes);
                let mut body = bodies::event(id, event_type, BASE + seconds(made), after.clone());
                if event_type == "customer.subscription.updated" {
                    body["data"]["previous_attributes"] =
                        bodies::previous_attributes(&before, &after);
                }
                body
            }
            _ => panic!("no such event: {words:?}"),
        };
        self.events.insert((*id).to_owned(), body.clone());
        if let Some(but) = but {
            distort(&mut body, but);
        }
        body
    }

    /// Changes an object, and gives its body before and after.
    fn change(&mut self, id: &str, changes: &[(&str, &str)]) -> (Value, Value) {
        let state = self.objects.entry(id.to_owned()).or_insert_with(|| {
            json!({ "customer": "cus_1", "status": "active", "prices": ["price_pro"],
                "subscription": "sub_1", "end": BASE + 30 * DAY, "created": BASE })
        });
        let before = state.clone();
        for (name, value) in changes {
            state[*name] = match *name {
                _ if *value == "-" => Value::Null,
                "prices" => value.split(',').collect(),
                "end" | "cancel_at" | "created" | "finalized" | "paid" => {
                    json!(BASE + seconds(value))
                }
                "pause" => match *value {
                    "on" => json!({ "behavior": "void", "resumes_at": null }),
                    until => json!({ "behavior": "void", "resumes_at": BASE + seconds(until) }),
                },
                "attempts" => json!(value.parse::<i64>().unwrap()),
                "cancel_at_period_end" => json!(*value == "true"),
                "pending" => json!({ "expires_at": BASE + DAY }),
                _ => json!(value),
            };
        }
        let body = |state: &Value| match id.split_once('_').unwrap().0 {
            "sub" => self.shape.subscription(id, state),
            "in" => self.shape.invoice(id, state),
            "cus" => self.shape.customer(id, state),
            "cs" => json!({ "id": id, "object": "checkout.session", "customer": "cus_1",
                "client_reference_id": state["user"], "payment_status": "paid",
                "customer_details": { "email": canary("email@example.com"), "address": address() } }),
            _ => json!({ "id": id, "receipt_email": canary("email@example.com") }),
        };
        (body(&before), body(state))
    }
}

/// Delivers an event otherwise than Stripe made it.
fn distort(body: &mut Value, but: &str) {
    match but.split_once(':').unwrap_or((but, "")) {
        ("unreadable", _) => body["data"]["object"]["items"] = json!("none"),
        ("thin", _) => {
            body["object"] = json!("v2.core.event");
            body["created"] = json!("2027-01-15T08:00:00Z");
            body["related_object"] = json!({ "id": "sub_1", "type": "subscription" });
        }
        ("no_livemode", _) => body["livemode"] = Value::Null,
        ("live", _) => body["livemode"] = json!(true),
        ("account", account) => body["account"] = json!(account),
        ("created", time) => body["created"] = json!(time.parse::<i64>().unwrap()),
        ("status", status) => body["data"]["object"]["status"] = json!(status),
        ("no_previous", _) => {
            body["data"]
                .as_object_mut()
                .unwrap()
                .remove("previous_attributes");
        }
        ("other_bytes", _) => body["pending_webhooks"] = json!(7),
        (other, _) => panic!("no such distortion: {other}"),
    }
}

async fn all_rows(ledger: &TestLedger) -> String {
    let mut told = Vec::new();
    for row in ledger.rows("mirror_row").await {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let mut line = [text("queue_customer_id"), text("plan_tier"), text("status")].join(" ");
        line += &format!(" {}", offset_of(&row["current_period_end"]));
        if !row["next_deadline"].is_null() {
            line += &format!(" until {}", offset_of(&row["next_deadline"]));
        }
        told.push(line);
    }
    for row in ledger.rows("billing_quarantine").await {
        let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
        told.push(format!(
            "{}: {} of {}",
            text("event_id"),
            text("reason"),
            text("object_id")
        ));
    }
    told.join("; ")
}

async fn subscription_row(ledger: &TestLedger, id: &str) -> String {
    let rows = ledger.rows("billing_subscription").await;
    let row = rows.iter().find(|row| row["stripe_subscription_id"] == id);
    let row = row.unwrap();
    let flag = |name: &str| {
        if row[name] == 1 {
            format!(" {name}")
        } else {
            String::new()
        }
    };
    let time = |name: &str| match offset_of(&row[name]).as_str() {
        "-" => String::new(),
        offset => format!(" {name}={offset}"),
    };
    [
        row["status"].as_str().unwrap().to_owned(),
        flag("entitled"),
        flag("ended"),
        flag("in_doubt"),
        time("grace_ends_at"),
        time("feature_locked_at"),
    ]
    .concat()
}
