//! Changes of plan in the middle of a period: credits, charges, and updates that wait for their payment.

use serde_json::{Value, json};

use crate::client::{DAY, FEBRUARY, HOUR, NEW_YEAR, TestStripe, id, types};
use crate::subscriptions::{give_card, last_invoice};

/// Half of January, of 31 days.
const MIDDLE: i64 = NEW_YEAR + 31 * DAY / 2;

/// A subscription at $29 a month in the middle of its first.
struct Subscribed {
    stripe: TestStripe,
    clock: String,
    customer: String,
    path: String,
    item: String,
}

impl Subscribed {
    async fn start() -> Self {
        let stripe = TestStripe::start().await;
        let clock = stripe.clock().await;
        let customer = stripe.customer(&clock, "pm_card_visa").await;
        let subscription = stripe.subscribe(&customer, &[]).await;
        stripe.advance(&clock, MIDDLE).await;
        Self {
            path: format!("/v1/subscriptions/{}", id(&subscription)),
            item: id(&subscription["items"]["data"][0]),
            stripe,
            clock,
            customer,
        }
    }

    async fn price(&self, amount: &str, interval: &str) -> String {
        let params = [
            ("product_data[name]", "Pro+"),
            ("unit_amount", amount),
            ("currency", "usd"),
            ("recurring[interval]", interval),
        ];
        id(&self.stripe.post("/v1/prices", &params).await)
    }

    /// Changes to a price a month, with more parameters as given.
    async fn change(&self, amount: &str, more: &[(&str, &str)]) -> (u16, Value) {
        let price = self.price(amount, "month").await;
        let mut params = vec![
            ("items[0][id]", self.item.as_str()),
            ("items[0][price]", &price),
        ];
        params.extend(more);
        self.stripe.try_post(&self.path, &params).await
    }

    async fn get(&self) -> Value {
        self.stripe.get(&self.path).await
    }

    fn amount_of(subscription: &Value) -> &Value {
        &subscription["items"]["data"][0]["price"]["unit_amount"]
    }

    async fn bad_card(&self) {
        give_card(&self.stripe, &self.customer, "pm_card_chargeCustomerFail").await;
    }
}

fn amounts(invoice: &Value) -> Vec<i64> {
    let lines = invoice["lines"]["data"].as_array().unwrap();
    lines
        .iter()
        .map(|line| line["amount"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn by_default_the_parts_wait_for_the_renewal() {
    let subscribed = Subscribed::start().await;
    let before = subscribed.stripe.event_count();
    let (status, _) = subscribed.change("7900", &[]).await;
    assert_eq!(status, 200);
    let events = subscribed.stripe.events_since(before);
    let expected = [
        "product.created",
        "price.created",
        "invoiceitem.created",
        "invoiceitem.created",
        "customer.subscription.updated",
    ];
    assert_eq!(types(&events), expected);
    let credit = &events[2].body["data"]["object"];
    assert_eq!(
        (&credit["amount"], &credit["proration"]),
        (&json!(-1450), &json!(true))
    );
    assert_eq!(
        credit["period"],
        json!({ "end": FEBRUARY, "start": MIDDLE })
    );
    let clock = &subscribed.clock;
    subscribed.stripe.advance(clock, FEBRUARY + HOUR).await;
    let renewal = last_invoice(&subscribed.stripe).await;
    assert_eq!(amounts(&renewal), [7900, -1450, 3950]);
    assert_eq!(renewal["amount_paid"], 7900 - 1450 + 3950);
    assert_eq!(renewal["billing_reason"], "subscription_cycle");
    let proration = &renewal["lines"]["data"][1]["parent"]["invoice_item_details"];
    assert_eq!(proration["proration"], true);
}

#[tokio::test]
async fn always_invoice_bills_at_once() {
    let subscribed = Subscribed::start().await;
    let always = [("proration_behavior", "always_invoice")];
    let (_, changed) = subscribed.change("7900", &always).await;
    let invoice = last_invoice(&subscribed.stripe).await;
    assert_eq!(changed["latest_invoice"], invoice["id"]);
    assert_eq!(invoice["billing_reason"], "subscription_update");
    assert_eq!(amounts(&invoice), [-1450, 3950]);
    assert_eq!(
        (&invoice["status"], &invoice["amount_paid"]),
        (&json!("paid"), &json!(2500))
    );
    let clock = &subscribed.clock;
    subscribed.stripe.advance(clock, FEBRUARY + HOUR).await;
    assert_eq!(amounts(&last_invoice(&subscribed.stripe).await), [7900]);
}

#[tokio::test]
async fn what_is_left_over_becomes_credit_for_later_invoices() {
    let subscribed = Subscribed::start().await;
    let always = [("proration_behavior", "always_invoice")];
    subscribed.change("900", &always).await;
    let invoice = last_invoice(&subscribed.stripe).await;
    assert_eq!(
        (&invoice["total"], &invoice["amount_due"]),
        (&json!(-1000), &json!(0))
    );
    assert_eq!(
        (&invoice["status"], &invoice["ending_balance"]),
        (&json!("paid"), &json!(-1000))
    );
    let path = format!("/v1/customers/{}", subscribed.customer);
    assert_eq!(subscribed.stripe.get(&path).await["balance"], -1000);
    let clock = &subscribed.clock;
    subscribed.stripe.advance(clock, FEBRUARY + HOUR).await;
    let renewal = last_invoice(&subscribed.stripe).await;
    assert_eq!(
        (&renewal["total"], &renewal["amount_due"]),
        (&json!(900), &json!(0))
    );
    assert_eq!(subscribed.stripe.get(&path).await["balance"], -100);
}

#[tokio::test]
async fn a_voided_invoice_gives_back_the_credit_it_took() {
    let stripe = TestStripe::start().await;
    let credit = [("balance", "-1000")];
    let customer = id(&stripe.post("/v1/customers", &credit).await);
    let more = [
        ("payment_behavior", "default_incomplete"),
        ("expand[]", "latest_invoice"),
    ];
    let subscription = stripe.subscribe(&customer, &more).await;
    let invoice = &subscription["latest_invoice"];
    assert_eq!(
        (&invoice["total"], &invoice["amount_due"]),
        (&json!(2900), &json!(1900))
    );
    let path = format!("/v1/customers/{customer}");
    assert_eq!(stripe.get(&path).await["balance"], 0);
    let void = format!("/v1/invoices/{}/void", id(invoice));
    stripe.post(&void, &[]).await;
    assert_eq!(stripe.get(&path).await["balance"], -1000);
}

#[tokio::test]
async fn the_older_shape_names_what_a_proration_belongs_to() {
    let subscribed = Subscribed::start().await;
    let always = [("proration_behavior", "always_invoice")];
    subscribed.change("7900", &always).await;
    let stripe = &subscribed.stripe;
    let request = stripe.http.get(stripe.url("/v1/invoices?limit=1"));
    let request = request.header("Stripe-Version", "2024-06-20");
    let (_, list) = stripe.send(request).await;
    let line = &list["data"][0]["lines"]["data"][0];
    assert_eq!(
        (&line["proration"], &line["type"]),
        (&json!(true), &json!("invoiceitem"))
    );
    assert!(
        subscribed
            .path
            .ends_with(line["subscription"].as_str().unwrap())
    );
    assert_eq!(line["subscription_item"], subscribed.item.as_str());
}

#[tokio::test]
async fn none_charges_nothing_and_a_date_is_refused() {
    let subscribed = Subscribed::start().await;
    subscribed
        .change("7900", &[("proration_behavior", "none")])
        .await;
    let clock = &subscribed.clock;
    subscribed.stripe.advance(clock, FEBRUARY + HOUR).await;
    assert_eq!(amounts(&last_invoice(&subscribed.stripe).await), [7900]);
    let date = [("proration_date", "1767225600")];
    assert_eq!(subscribed.change("900", &date).await.0, 400);
}

#[tokio::test]
async fn another_interval_begins_a_new_period_that_is_billed_at_once() {
    let subscribed = Subscribed::start().await;
    let price = subscribed.price("29000", "year").await;
    let params = [
        ("items[0][id]", subscribed.item.as_str()),
        ("items[0][price]", &price),
    ];
    let changed = subscribed.stripe.post(&subscribed.path, &params).await;
    let item = &changed["items"]["data"][0];
    assert_eq!(item["current_period_start"], MIDDLE);
    assert_eq!(item["current_period_end"], MIDDLE + 365 * DAY);
    assert_eq!(changed["billing_cycle_anchor"], MIDDLE);
    let invoice = last_invoice(&subscribed.stripe).await;
    assert_eq!(amounts(&invoice), [-1450, 29000]);
    assert_eq!(invoice["status"], "paid");
}

#[tokio::test]
async fn a_failed_payment_makes_it_past_due_unless_it_was_required() {
    let always = ("proration_behavior", "always_invoice");
    let subscribed = Subscribed::start().await;
    subscribed.bad_card().await;
    let required = ("payment_behavior", "error_if_incomplete");
    let (status, body) = subscribed.change("7900", &[always, required]).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (402, &json!("card_declined"))
    );
    assert_eq!(Subscribed::amount_of(&subscribed.get().await), 2900);
    let (status, changed) = subscribed.change("7900", &[always]).await;
    assert_eq!((status, &changed["status"]), (200, &json!("past_due")));
    assert_eq!(Subscribed::amount_of(&changed), 7900);

    let subscribed = Subscribed::start().await;
    let left = ("payment_behavior", "default_incomplete");
    let (_, changed) = subscribed.change("7900", &[always, left]).await;
    assert_eq!(changed["status"], "past_due");
    let invoice = last_invoice(&subscribed.stripe).await;
    assert_eq!(invoice["status"], "open");
    let pay = format!("/v1/invoices/{}/pay", id(&invoice));
    subscribed.stripe.post(&pay, &[]).await;
    assert_eq!(subscribed.get().await["status"], "active");
}

const PENDING: [(&str, &str); 2] = [
    ("proration_behavior", "always_invoice"),
    ("payment_behavior", "pending_if_incomplete"),
];

#[tokio::test]
async fn a_pending_update_is_applied_when_its_invoice_is_paid() {
    let subscribed = Subscribed::start().await;
    subscribed.bad_card().await;
    let (status, held) = subscribed.change("7900", &PENDING).await;
    assert_eq!((status, &held["status"]), (200, &json!("active")));
    assert_eq!(Subscribed::amount_of(&held), 2900);
    let pending = &held["pending_update"];
    assert_eq!(pending["expires_at"], MIDDLE + 23 * HOUR);
    assert_eq!(
        pending["subscription_items"][0]["price"]["unit_amount"],
        7900
    );
    let invoice = last_invoice(&subscribed.stripe).await;
    assert_eq!(held["latest_invoice"], invoice["id"]);
    assert_eq!(invoice["status"], "open");
    give_card(&subscribed.stripe, &subscribed.customer, "pm_card_visa").await;
    let pay = format!("/v1/invoices/{}/pay", id(&invoice));
    subscribed.stripe.post(&pay, &[]).await;
    let applied = subscribed.get().await;
    assert_eq!(Subscribed::amount_of(&applied), 7900);
    assert_eq!(applied["pending_update"], Value::Null);
    subscribed
        .stripe
        .only_event("customer.subscription.pending_update_applied");
    let clock = &subscribed.clock;
    subscribed.stripe.advance(clock, MIDDLE + DAY).await;
    let events = subscribed.stripe.simulator.events();
    assert!(!types(&events).contains(&"customer.subscription.pending_update_expired"));
}

#[tokio::test]
async fn a_pending_update_expires_with_its_invoice() {
    let subscribed = Subscribed::start().await;
    subscribed.bad_card().await;
    subscribed.change("7900", &PENDING).await;
    let clock = &subscribed.clock;
    subscribed.stripe.advance(clock, MIDDLE + DAY).await;
    let event = subscribed
        .stripe
        .only_event("customer.subscription.pending_update_expired");
    assert_eq!(event.created, MIDDLE + 23 * HOUR);
    let subscription = subscribed.get().await;
    assert_eq!(subscription["pending_update"], Value::Null);
    assert_eq!(subscription["status"], "active");
    assert_eq!(Subscribed::amount_of(&subscription), 2900);
    assert_eq!(last_invoice(&subscribed.stripe).await["status"], "void");
}

#[tokio::test]
async fn a_cancelled_subscription_has_no_update_that_waits() {
    let subscribed = Subscribed::start().await;
    subscribed.bad_card().await;
    subscribed.change("7900", &PENDING).await;
    let cancelled = subscribed.stripe.delete(&subscribed.path).await;
    assert_eq!(cancelled["pending_update"], Value::Null);
    let before = subscribed.stripe.event_count();
    let clock = &subscribed.clock;
    subscribed.stripe.advance(clock, MIDDLE + DAY).await;
    let events = subscribed.stripe.events_since(before);
    assert!(
        events
            .iter()
            .all(|event| event.event_type.starts_with("test_helpers.")),
        "{events:#?}"
    );
}

#[tokio::test]
async fn another_update_takes_the_place_of_the_one_that_waits_unless_it_is_refused() {
    let subscribed = Subscribed::start().await;
    subscribed.bad_card().await;
    let (_, held) = subscribed.change("7900", &PENDING).await;
    let required = [PENDING[0], ("payment_behavior", "error_if_incomplete")];
    assert_eq!(subscribed.change("9900", &required).await.0, 402);
    assert_eq!(subscribed.get().await, held);
    let (_, again) = subscribed.change("8900", &PENDING).await;
    let pending = &again["pending_update"]["subscription_items"][0]["price"];
    assert_eq!(pending["unit_amount"], 8900);
    subscribed
        .stripe
        .only_event("customer.subscription.pending_update_expired");
    let first = format!("/v1/invoices/{}", held["latest_invoice"].as_str().unwrap());
    assert_eq!(subscribed.stripe.get(&first).await["status"], "void");
    let invoice = last_invoice(&subscribed.stripe).await;
    assert_eq!(amounts(&invoice), [-1450, 4450]);
    assert_eq!(again["latest_invoice"], invoice["id"]);
}

#[tokio::test]
async fn an_update_that_can_wait_changes_nothing_else_and_is_made_at_once_if_paid() {
    let subscribed = Subscribed::start().await;
    let mut more = PENDING.to_vec();
    more.push(("metadata[a]", "b"));
    assert_eq!(subscribed.change("7900", &more).await.0, 400);
    let (_, changed) = subscribed.change("7900", &PENDING).await;
    assert_eq!(Subscribed::amount_of(&changed), 7900);
    assert_eq!(changed["pending_update"], Value::Null);
}
