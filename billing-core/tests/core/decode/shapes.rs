//! Both of Stripe's shapes, expanded objects, shapes to come, and objects that can't be read (E2).

use billing_core::event::{
    Event, EventType, Facts, InvoiceStatus, SubscriptionEventKind, SubscriptionStatus,
};
use serde_json::{Value, json};

use super::{subscription, updated};
use crate::arbitrary::BASE;
use crate::bodies::{self, Shape, decode};

fn subscription_facts(event: &Event) -> &billing_core::event::SubscriptionFacts {
    match &event.facts {
        Facts::Subscription(facts) => facts,
        other => panic!("not a subscription: {other:?}"),
    }
}

#[test]
fn both_shapes_and_expanded_objects_say_the_same_e2_c2() {
    let bodies = Shape::BOTH.map(|shape| updated(subscription(shape)));
    let mut expanded = bodies[1].clone();
    let object = &mut expanded["data"]["object"];
    object["customer"] = json!({ "id": "cus_1", "object": "customer", "email": "x@example.com" });
    object["latest_invoice"] = json!({ "id": "in_1", "object": "invoice", "status": "open" });
    object["items"]["data"][0]["price"] = json!("price_pro");
    let mut other = bodies[0].clone();
    other["api_version"] = json!("2019-01-01");
    other["request"] = json!({ "id": "req_1" });
    other["data"]["object"]["metadata"] = json!({ "anything": "else" });
    let [first, rest @ ..] =
        [&bodies[0], &bodies[1], &expanded, &other].map(|body| decode(body.to_string()).unwrap());
    for event in rest {
        assert_eq!(
            event.facts_digest().to_text(),
            first.facts_digest().to_text()
        );
        // Without what a price costs, which is not shown where its id alone is.
        let [facts, first] =
            [&event, &first].map(|event| serde_json::to_value(&event.facts).unwrap());
        assert_eq!(facts, first);
    }
    let facts = subscription_facts(&first);
    assert_eq!(facts.kind, SubscriptionEventKind::Updated);
    assert_eq!(facts.post.status, SubscriptionStatus::Active);
    assert_eq!(facts.post.period_end.unwrap().seconds(), BASE);
    assert_eq!(facts.post.latest_invoice.as_ref().unwrap().as_str(), "in_1");
}

#[test]
fn every_fact_counts_in_the_digest_and_nothing_personal_does_c2_k2() {
    let digest = |body: &Value| decode(body.to_string()).unwrap().facts_digest().to_text();
    let usual = updated(subscription(Shape::Basil));
    let but = |pointer: &str, value: Value| {
        let mut body = usual.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        digest(&body)
    };
    let mut digests = vec![
        digest(&usual),
        but("/id", json!("evt_2")),
        but("/type", json!("customer.subscription.created")),
        but("/created", json!(BASE + 1)),
        but("/data/object/status", json!("unpaid")),
        but("/data/object/customer", json!("cus_2")),
        but("/data/object/id", json!("sub_2")),
        but("/data/object/cancel_at", json!(BASE)),
        but("/data/object/cancel_at_period_end", json!(true)),
        but("/data/object/latest_invoice", json!("in_2")),
        but("/data/object/pending_update", json!({})),
        but(
            "/data/object/pause_collection",
            json!({ "behavior": "void" }),
        ),
        but(
            "/data/object/pause_collection",
            json!({ "behavior": "void", "resumes_at": BASE }),
        ),
        but("/data/object/items/data/0/price/id", json!("price_plus")),
        but("/data/object/items/data/0/quantity", json!(2)),
        but(
            "/data/object/items/data/0/current_period_end",
            json!(BASE + 1),
        ),
        but("/data/object/items/data", json!([])),
    ];
    let count = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), count);
    let customer = |email: &str| {
        let object = Shape::Basil.customer("cus_1", &json!({ "user": "ann", "email": email }));
        digest(&bodies::event("evt_1", "customer.updated", BASE, object))
    };
    assert_eq!(customer("a@example.com"), customer("b@example.com"));
}

#[test]
fn the_latest_period_end_of_the_items_counts_before_the_subscriptions_own_e2() {
    let mut body = updated(subscription(Shape::Basil));
    let item = |end: i64| json!({ "price": { "id": "price_pro" }, "quantity": 1, "current_period_end": end });
    body["data"]["object"]["items"]["data"] =
        json!([item(BASE + 5), item(BASE + 9), item(BASE + 1)]);
    body["data"]["object"]["current_period_end"] = json!(BASE + 99);
    let event = decode(body.to_string()).unwrap();
    assert_eq!(
        subscription_facts(&event)
            .post
            .period_end
            .unwrap()
            .seconds(),
        BASE + 9
    );
}

#[test]
fn an_invoice_names_its_subscription_in_either_shape_or_none_e2() {
    let state = json!({ "customer": "cus_1", "status": "open", "created": BASE, "attempts": 3,
        "subscription": "sub_1" });
    let of = |event_type: &str, object: Value| {
        let body = bodies::event("evt_1", event_type, BASE, object);
        match decode(body.to_string()).unwrap().facts {
            Facts::Invoice(facts) => facts,
            other => panic!("not an invoice: {other:?}"),
        }
    };
    let [old, new] =
        Shape::BOTH.map(|shape| of("invoice.payment_failed", shape.invoice("in_1", &state)));
    assert_eq!(old, new);
    assert_eq!(new.subscription.unwrap().as_str(), "sub_1");
    assert_eq!(
        (new.status, new.failed_attempt),
        (InvoiceStatus::Open, Some(3))
    );
    let paid = of("invoice.paid", Shape::Basil.invoice("in_1", &state));
    assert_eq!(
        paid.failed_attempt, None,
        "only a failed payment is an attempt that failed"
    );
    for parent in [
        json!(null),
        json!({ "type": "quote_details" }),
        json!({ "subscription_details": null }),
    ] {
        let mut object = Shape::Basil.invoice("in_1", &state);
        object["parent"] = parent;
        assert_eq!(of("invoice.paid", object).subscription, None);
    }
}

#[test]
fn a_made_up_future_shape_is_read_as_far_as_it_is_known_e2() {
    let mut body = updated(subscription(Shape::Basil));
    body["api_version"] = json!("2031-09-30.quinoa");
    body["context"] = json!({ "nested": [{ "id": "evt_9", "created": "then" }] });
    let object = &mut body["data"]["object"];
    object["status"] = json!("hibernating");
    object["items"]["data"][0]["quantity"] = json!(null);
    object["items"]["data"][0]["schedule"] = json!({ "price": { "id": "price_plus" } });
    object["billing_mode"] = json!({ "type": "quantum", "flags": [true, [false]] });
    let event = decode(body.to_string()).unwrap();
    let facts = subscription_facts(&event);
    assert_eq!(
        facts.post.status,
        SubscriptionStatus::Unknown("hibernating".to_owned())
    );
    assert_eq!(facts.post.prices().len(), 1);
}

#[test]
fn a_known_object_that_can_not_be_read_keeps_its_id_at_most_e3() {
    let but = |pointer: &str, value: Value| {
        let mut body = updated(subscription(Shape::Basil));
        *body.pointer_mut(pointer).unwrap() = value;
        decode(body.to_string()).unwrap().facts
    };
    let unreadable = |object_id: Option<&str>| Facts::Unreadable {
        object_id: object_id.map(str::to_owned),
        thin: false,
    };
    for (pointer, value) in [
        ("/data/object/object", json!("invoice")),
        ("/data/object/status", json!(null)),
        ("/data/object/status", json!(7)),
        ("/data/object/status", json!("x".repeat(65))),
        ("/data/object/customer", json!(null)),
        ("/data/object/customer", json!({ "object": "customer" })),
        ("/data/object/items", json!(null)),
        ("/data/object/items", json!([])),
        ("/data/object/items/data", json!({})),
        ("/data/object/items/data/0", json!("si_1")),
        ("/data/object/items/data/0/price", json!(null)),
        ("/data/object/items/data/0/quantity", json!("1")),
        ("/data/object/items/data/0/quantity", json!(1.5)),
        ("/data/object/items/data/0/current_period_end", json!(-1)),
        (
            "/data/object/items/data/0/current_period_end",
            json!("soon"),
        ),
        (
            "/data/object/items/data/0/current_period_end",
            json!(i64::MAX),
        ),
        ("/data/object/cancel_at_period_end", json!("yes")),
        ("/data/object/cancel_at", json!(1.5)),
        ("/data/object/latest_invoice", json!(5)),
        ("/data/object/latest_invoice", json!("in 1")),
    ] {
        assert_eq!(
            but(pointer, value.clone()),
            unreadable(Some("sub_1")),
            "{pointer} {value}"
        );
    }
    assert_eq!(but("/data/object", json!(null)), unreadable(None));
    assert_eq!(but("/data/object", json!("sub_1")), unreadable(None));
    assert_eq!(but("/data", json!([])), unreadable(None));
    assert_eq!(but("/data/object/id", json!("a b")), unreadable(None));
    let kept = EventType::Subscription(SubscriptionEventKind::Updated);
    assert_eq!(
        decode(updated(json!({})).to_string()).unwrap().event_type,
        kept
    );
}
