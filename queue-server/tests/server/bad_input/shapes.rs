//! The shapes of Stripe's API: both that are, and one that is not yet (E2).

use serde_json::{Value, json};

use super::PAYLOAD;
use super::request::{Request, Sheet};
use super::{Bench, Case, Expected, run};
use crate::support::PRICE_PRO;

const GOOD: Expected = Expected::Applied("pro active until");
const UNREADABLE: Expected = Expected::Quarantined("unreadable", Some("sub"));

/// What some version to come may do: rename, move, wrap, add.
#[rustfmt::skip]
const CASES: &[Case] = &[
    ("before 2025-03-31", |s| s.shaped(s.old()), GOOD),
    ("since 2025-03-31", |s| s.shaped(s.subscription()), GOOD),
    ("both at once", |s| s.shaped(with(s.subscription(), "current_period_end", json!(s.seconds()))), GOOD),
    ("to come: more of everything", |s| s.shaped(s.more()), GOOD),
    ("to come: the event has other fields", |s| s.event_with(json!({"object": "event.v3", "version": 3})), GOOD),
    ("to come: the period is wrapped", |s| s.shaped(s.of_item(json!({"price": {"id": PRICE_PRO}, "period": {"end": s.seconds() + 9999}}))), Expected::Applied("pro active")),
    ("to come: the price is moved", |s| s.shaped(s.of_item(json!({"pricing": {"price_details": {"price": PRICE_PRO}}}))), UNREADABLE),
    ("to come: the price is named otherwise", |s| s.shaped(s.of_item(json!({"rate": {"id": PRICE_PRO}}))), UNREADABLE),
    ("to come: the price's id is wrapped", |s| s.shaped(s.of_item(json!({"price": {"id": {"value": PRICE_PRO}}}))), UNREADABLE),
    ("to come: the items are named otherwise", |s| s.shaped(renamed(s.subscription(), "items", "lines")), UNREADABLE),
    ("to come: the items are a plain list", |s| s.shaped(with(s.subscription(), "items", json!([{"price": {"id": PRICE_PRO}}]))), UNREADABLE),
    ("to come: the customer is named otherwise", |s| s.shaped(renamed(s.subscription(), "customer", "customer_account")), UNREADABLE),
    ("to come: the customer is wrapped", |s| s.shaped(with(s.subscription(), "customer", json!({"type": "customer", "customer": {"id": s.customer()}}))), UNREADABLE),
    ("to come: the status is wrapped", |s| s.shaped(with(s.subscription(), "status", json!({"value": "active"}))), UNREADABLE),
    ("to come: the status is named otherwise", |s| s.shaped(renamed(s.subscription(), "status", "state")), UNREADABLE),
    ("to come: the object is named otherwise", |s| s.shaped(with(s.subscription(), "object", json!("billing.subscription"))), UNREADABLE),
    ("to come: the object is wrapped", |s| s.shaped(json!({"snapshot": s.subscription()})), Expected::Quarantined("unreadable", None)),
    ("to come: times are text", |s| s.shaped(s.of_item(json!({"price": {"id": PRICE_PRO}, "current_period_end": "2031-01-01T00:00:00Z"}))), UNREADABLE),
    ("to come: the time of the event is text", |s| s.but("/created", json!("2031-01-01T00:00:00Z")), Expected::Refused(400, "event_malformed")),
    ("to come: what was before is a list of patches", |s| s.but("/data/previous_attributes", json!([{"op": "replace", "path": "/status"}])), UNREADABLE),
];

#[tokio::test]
async fn every_shape_is_understood_or_set_aside_and_none_opens_by_what_is_absent_e2() {
    run(CASES).await;
}

#[tokio::test]
async fn an_invoice_finds_its_subscription_in_either_shape_and_ends_its_grace_e2_a3() {
    let bench = Bench::new().await;
    let shapes: [fn(&Sheet) -> Value; 4] = [
        |s| json!({ "subscription": s.subscription()["id"] }),
        |s| json!({ "subscription": s.subscription() }),
        |s| json!({ "parent": { "subscription_details": { "subscription": s.subscription()["id"] } } }),
        |s| json!({ "parent": { "subscription_details": { "subscription": s.subscription() } } }),
    ];
    for (number, shape) in shapes.iter().enumerate() {
        let sheet = bench.sheet(number);
        let past_due = sheet.but("/data/object/status", json!("past_due"));
        assert_eq!(bench.send(past_due).await.unwrap().word(), "applied");
        let open = bench.mirror_row(&sheet).await;
        assert_eq!(open, "pro active until", "in grace");
        let mut invoice = merged(sheet.invoice(), shape(&sheet));
        invoice["attempt_count"] = json!(2);
        let mut failed = sheet.event("invoice.payment_failed", invoice);
        failed["id"] = json!(format!("evt_failed_{number}"));
        let failed = sheet.signed(failed.to_string());
        assert_eq!(bench.send(failed).await.unwrap().word(), "applied");
        let closed = bench.mirror_row(&sheet).await;
        assert_eq!(closed, "pro past_due until", "shape {number}");
    }
    bench.end().await;
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn renamed(mut object: Value, from: &str, to: &str) -> Value {
    object[to] = object.as_object_mut().unwrap().remove(from).unwrap();
    object
}

fn merged(mut object: Value, more: Value) -> Value {
    let fields = more.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(fields);
    object
}

impl Sheet {
    fn shaped(&self, object: Value) -> Request {
        self.but("/data/object", object)
    }

    /// The period on the subscription, and not on its items.
    fn old(&self) -> Value {
        let mut old = self.of_item(json!({ "price": { "id": PRICE_PRO }, "quantity": 1 }));
        old["current_period_end"] = json!(self.seconds() + 2_592_000);
        old
    }

    fn of_item(&self, item: Value) -> Value {
        let items = json!({ "object": "list", "data": [item] });
        with(self.subscription(), "items", items)
    }

    /// Fields that nobody has heard of, on every level.
    fn more(&self) -> Value {
        let more = json!({ "entropy": { "level": 0.5, "note": PAYLOAD }, "flux": [1, null, {}] });
        let mut all = merged(self.subscription(), more.clone());
        all["items"] = merged(all["items"].clone(), more.clone());
        let item = &mut all["items"]["data"][0];
        *item = merged(item.clone(), more.clone());
        item["price"] = merged(item["price"].clone(), more);
        all
    }

    /// A good event with other fields of its own.
    fn event_with(&self, fields: Value) -> Request {
        let event = merged(self.good(), fields);
        let event = with(event, "api_version", json!("2031-01-01.quartz"));
        self.signed(with(event, "context", json!({ "workspace": [PAYLOAD] })).to_string())
    }
}
