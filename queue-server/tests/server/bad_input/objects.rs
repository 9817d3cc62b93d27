//! The objects: statuses, prices, types, expanded, deleted, thin, and numbers beyond all use
//! (E2, E3, A2, A5).

use serde_json::{Value, json};

use super::PAYLOAD;
use super::request::{Request, Sheet};
use super::{Case, Expected, run};
use crate::support::PRICE_PRO;

const GOOD: Expected = Expected::Applied("pro active until");
const UNREADABLE: Expected = Expected::Quarantined("unreadable", Some("sub"));
const NAMELESS: Expected = Expected::Quarantined("unreadable", None);
/// A status that says nothing, which opens nothing.
const CLOSED: Expected = Expected::Applied("pro none until");
const FREE: Expected = Expected::Unpriced("free active until");
const NO_END: Expected = Expected::Applied("pro active");
const ITEM: &str = "/data/object/items/data/0";

#[rustfmt::skip]
const SUBSCRIPTIONS: &[Case] = &[
    ("a status that nobody knows", |s| s.status(json!("hibernating")), CLOSED),
    ("ACTIVE", |s| s.status(json!("ACTIVE")), CLOSED),
    ("Active", |s| s.status(json!("Active")), CLOSED),
    ("active with a Cyrillic letter", |s| s.status(json!("\u{430}ctive")), CLOSED),
    ("active with a space after", |s| s.status(json!("active ")), CLOSED),
    ("active with a space of no width", |s| s.status(json!("active\u{200b}")), CLOSED),
    ("active in full width", |s| s.status(json!("\u{ff41}ctive")), CLOSED),
    ("active and more", |s| s.status(json!("active,unpaid")), CLOSED),
    ("trialling", |s| s.status(json!("trialling")), CLOSED),
    ("an empty status", |s| s.status(json!("")), CLOSED),
    ("a status of 65 characters", |s| s.status(json!("a".repeat(65))), UNREADABLE),
    ("no status", |s| s.without("/data/object/status"), UNREADABLE),
    ("a status that is null", |s| s.status(Value::Null), UNREADABLE),
    ("a status that is true", |s| s.status(json!(true)), UNREADABLE),
    ("a status that is a list", |s| s.status(json!(["active"])), UNREADABLE),
    ("a price that nobody knows", |s| s.price(json!("price_unheard_of")), FREE),
    ("a price in upper case", |s| s.price(json!("PRICE_PRO")), FREE),
    ("a price and more", |s| s.price(json!("price_pro_")), FREE),
    ("a price with a space", |s| s.price(json!("price_pro ")), UNREADABLE),
    ("a price that is empty", |s| s.price(json!("")), UNREADABLE),
    ("a price that is a number", |s| s.price(json!(2900)), UNREADABLE),
    ("a price that is null", |s| s.price(Value::Null), UNREADABLE),
    ("several prices", |s| s.prices(&["price_pro", "price_pro_plus"]), Expected::Applied("pro_plus active until")),
    ("several prices, the higher one first", |s| s.prices(&["price_pro_plus", "price_pro"]), Expected::Applied("pro_plus active until")),
    ("a known and an unknown price", |s| s.prices(&["price_unheard_of", "price_pro"]), Expected::Unpriced("pro active until")),
    ("the same price twice", |s| s.prices(&["price_pro", "price_pro"]), GOOD),
    ("a thousand prices", |s| s.prices(&["price_unheard_of"; 1000]), FREE),
    ("no prices", |s| s.prices(&[]), Expected::Applied("free active")),
    ("no items", |s| s.without("/data/object/items"), UNREADABLE),
    ("items that are null", |s| s.but("/data/object/items", Value::Null), UNREADABLE),
    ("items that are text", |s| s.but("/data/object/items", json!("price_pro")), UNREADABLE),
    ("items without their list", |s| s.but("/data/object/items", json!([{"price": "price_pro"}])), UNREADABLE),
    ("an item that is text", |s| s.but("/data/object/items/data", json!(["price_pro"])), UNREADABLE),
    ("an item without a price", |s| s.without(&format!("{ITEM}/price")), UNREADABLE),
    ("a price as an id", |s| s.but(&format!("{ITEM}/price"), json!(PRICE_PRO)), GOOD),
    ("a quantity of 0", |s| s.item("quantity", json!(0)), GOOD),
    ("a quantity of none", |s| s.item("quantity", Value::Null), GOOD),
    ("a quantity below 0", |s| s.item("quantity", json!(-5)), GOOD),
    ("a quantity beyond 2^53", |s| s.item("quantity", json!((1_i64 << 53) + 1)), GOOD),
    ("a quantity beyond 2^63", |s| s.item("quantity", json!(1_u64 << 63)), GOOD),
    ("a quantity in text", |s| s.item("quantity", json!("1")), UNREADABLE),
    ("a quantity with a point", |s| s.item("quantity", json!(1.5)), UNREADABLE),
    ("an amount beyond 2^53", |s| s.amount("9007199254740993"), GOOD),
    ("an amount beyond 2^63", |s| s.amount("9223372036854775808"), GOOD),
    ("an amount beyond 2^64", |s| s.amount("-18446744073709551617"), GOOD),
    ("an amount beyond 2^128", |s| s.amount(&"9".repeat(40)), GOOD),
    ("an amount in decimals", |s| s.amount("\"0.000000000001\""), GOOD),
    ("no end of the period", |s| s.without(&format!("{ITEM}/current_period_end")), NO_END),
    ("an end of the period that is null", |s| s.item("current_period_end", Value::Null), NO_END),
    ("an end of the period in text", |s| s.item("current_period_end", json!("forever")), UNREADABLE),
    ("an end of the period with a point", |s| s.item("current_period_end", json!(1.8e9)), UNREADABLE),
    ("an end of the period in the year 10000", |s| s.item("current_period_end", json!(253_402_300_800_i64)), UNREADABLE),
    ("an end of the period before 1970", |s| s.item("current_period_end", json!(-1)), UNREADABLE),
    ("an end of the period beyond 2^63", |s| s.item("current_period_end", json!(u64::MAX)), UNREADABLE),
    ("cancel_at in text", |s| s.but("/data/object/cancel_at", json!("never")), UNREADABLE),
    ("cancel_at_period_end in text", |s| s.but("/data/object/cancel_at_period_end", json!("true")), UNREADABLE),
    ("collection paused", |s| s.but("/data/object/pause_collection", json!({"behavior": "void"})), Expected::Applied("pro paused until")),
    ("collection paused in an unknown way", |s| s.but("/data/object/pause_collection", json!({"behavior": "hibernate"})), Expected::Applied("pro paused until")),
    ("collection paused until text", |s| s.but("/data/object/pause_collection", json!({"resumes_at": "soon"})), UNREADABLE),
    ("a customer, expanded", |s| s.but("/data/object/customer", s.person()), GOOD),
    ("a customer, expanded and deleted", |s| s.but("/data/object/customer", json!({"id": s.customer(), "object": "customer", "deleted": true})), GOOD),
    ("a customer, expanded without an id", |s| s.but("/data/object/customer", json!({"object": "customer"})), UNREADABLE),
    ("an invoice, expanded", |s| s.but("/data/object/latest_invoice", s.invoice()), GOOD),
    ("an invoice that is a number", |s| s.but("/data/object/latest_invoice", json!(1)), UNREADABLE),
    ("a deep tree that is expanded", |s| s.but("/data/object/latest_invoice", json!({"id": "in_1", "customer": s.person(), "subscription": s.subscription()})), GOOD),
];

#[rustfmt::skip]
const OTHERS: &[Case] = &[
    ("a customer for a subscription", |s| s.but("/data/object", s.person()), Expected::Quarantined("unreadable", Some("cus"))),
    ("an invoice for a subscription", |s| s.but("/data/object", s.invoice()), Expected::Quarantined("unreadable", Some("in"))),
    ("a subscription for a customer", |s| s.signed(s.event("customer.updated", s.subscription()).to_string()), UNREADABLE),
    ("a subscription for an invoice", |s| s.signed(s.event("invoice.paid", s.subscription()).to_string()), UNREADABLE),
    ("a subscription for a checkout", |s| s.signed(s.event("checkout.session.completed", s.subscription()).to_string()), UNREADABLE),
    ("an object of no kind", |s| s.without("/data/object/object"), UNREADABLE),
    ("an object of a kind that nobody knows", |s| s.but("/data/object/object", json!("Subscription")), UNREADABLE),
    ("no data", |s| s.without("/data"), NAMELESS),
    ("data that is null", |s| s.but("/data", Value::Null), NAMELESS),
    ("data that is a list", |s| s.but("/data", json!([s.subscription()])), NAMELESS),
    ("no object", |s| s.without("/data/object"), NAMELESS),
    ("an object that is an id", |s| s.but("/data/object", json!("sub_1")), NAMELESS),
    ("an object that is a list", |s| s.but("/data/object", json!([s.subscription()])), NAMELESS),
    ("a thin event", |s| s.thin("v1.customer.updated", json!({"id": s.customer(), "type": "customer"})), Expected::Quarantined("thin_event", Some("cus"))),
    ("a thin event of an unknown type", |s| s.thin("v1.billing.meter.error_report_triggered", json!({"id": s.customer()})), Expected::Quarantined("thin_event", Some("cus"))),
    ("a thin event about nothing", |s| s.thin("v1.customer.updated", Value::Null), Expected::Quarantined("thin_event", None)),
    ("a thin event with an object", |s| s.but("/object", json!("v2.core.event")), Expected::Quarantined("thin_event", None)),
    ("an event that says it is none", |s| s.but("/object", json!("customer")), GOOD),
    ("an event that does not say what it is", |s| s.without("/object"), GOOD),
    ("an event in a list that Stripe's API gives", |s| s.signed(json!({"object": "list", "data": [s.good()]}).to_string()), BAD),
    ("a customer is deleted", |s| s.signed(s.event("customer.deleted", s.deleted()).to_string()), Expected::Applied("free none")),
    ("a customer is deleted that is text", |s| s.changed(s.event("customer.deleted", json!({})), "/data/object", json!(s.customer())), NAMELESS),
    ("a name that is a number", |s| s.changed(s.event("customer.updated", s.person()), "/data/object/name", json!(5)), Expected::Quarantined("unreadable", Some("cus"))),
    ("an invoice", |s| s.of_invoice("status", json!("open")), Expected::Applied("free none")),
    ("an invoice of a status that nobody knows", |s| s.of_invoice("status", json!("PAID")), INVOICE),
    ("an invoice of no status", |s| s.of_invoice("status", Value::Null), INVOICE),
    ("an invoice with an amount beyond 2^53", |s| s.of_invoice("amount_due", json!(u64::MAX)), Expected::Applied("free none")),
    ("an invoice made in text", |s| s.of_invoice("created", json!("now")), INVOICE),
    ("an invoice never made", |s| s.of_invoice("created", Value::Null), INVOICE),
    ("a failed attempt of 0", |s| s.of_invoice("attempt_count", json!(0)), Expected::Applied("free none")),
    ("a failed attempt below 0", |s| s.of_invoice("attempt_count", json!(-1)), INVOICE),
    ("a failed attempt beyond 2^32", |s| s.of_invoice("attempt_count", json!(1_u64 << 32)), INVOICE),
    ("a failed attempt beyond 2^53", |s| s.of_invoice("attempt_count", json!((1_u64 << 53) + 1)), INVOICE),
    ("a failed attempt in text", |s| s.of_invoice("attempt_count", json!("1")), INVOICE),
    ("an invoice of a subscription that is a number", |s| s.of_invoice("subscription", json!(1)), INVOICE),
    ("an invoice of a customer, expanded", |s| s.of_invoice("customer", s.person()), Expected::Applied("free none")),
    ("a refund", |s| s.signed(s.event("charge.refunded", json!({"id": "ch_1", "amount_refunded": u64::MAX, "description": PAYLOAD})).to_string()), Expected::Ignored),
    ("a dispute", |s| s.signed(s.event("charge.dispute.created", json!({"id": "dp_1", "customer": s.person()})).to_string()), Expected::Ignored),
    ("an unknown type with an unknown object", |s| s.signed(s.event("quasar.collapsed", json!([[[]]])).to_string()), Expected::Ignored),
    ("an unknown type without data", |s| s.changed(s.event("quasar.collapsed", json!({})), "/data", Value::Null), Expected::Ignored),
];

const BAD: Expected = Expected::Refused(400, "event_malformed");
const INVOICE: Expected = Expected::Quarantined("unreadable", Some("in"));

#[tokio::test]
async fn a_subscription_that_can_not_be_read_is_set_aside_and_an_odd_one_opens_nothing_e2_e3() {
    run(SUBSCRIPTIONS).await;
}

#[tokio::test]
async fn an_object_of_another_kind_or_form_is_set_aside_and_what_is_not_kept_is_ignored_e1_e3() {
    run(OTHERS).await;
}

impl Sheet {
    fn status(&self, status: Value) -> Request {
        self.but("/data/object/status", status)
    }

    fn item(&self, name: &str, value: Value) -> Request {
        self.but(&format!("{ITEM}/{name}"), value)
    }

    fn price(&self, id: Value) -> Request {
        self.but(&format!("{ITEM}/price/id"), id)
    }

    fn prices(&self, prices: &[&str]) -> Request {
        let end = self.seconds() + 2_592_000;
        let items = prices.iter().map(
            |price| json!({ "price": { "id": price }, "quantity": 1, "current_period_end": end }),
        );
        self.but("/data/object/items/data", items.collect())
    }

    fn amount(&self, amount: &str) -> Request {
        self.replaced("\"unit_amount\":2900", &format!("\"unit_amount\":{amount}"))
    }

    fn thin(&self, event_type: &str, related: Value) -> Request {
        let thin = json!({ "object": "v2.core.event", "id": self.event_id(), "type": event_type,
            "created": "2027-01-15T08:00:00.000Z", "livemode": false, "related_object": related,
            "reason": PAYLOAD, "data": [] });
        self.signed(thin.to_string())
    }

    fn deleted(&self) -> Value {
        json!({ "object": "customer", "id": self.customer(), "deleted": true })
    }

    fn of_invoice(&self, name: &str, value: Value) -> Request {
        let failed = self.event("invoice.payment_failed", self.invoice());
        self.changed(failed, &format!("/data/object/{name}"), value)
    }
}
