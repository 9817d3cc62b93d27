//! What an event says of itself: id, type, `created`, mode, account; and whom it is about (E3, E4).

use serde_json::{Value, json};

use super::request::{Request, Sheet};
use super::{Case, Expected, run};

const GOOD: Expected = Expected::Applied("pro active until");
const BAD: Expected = Expected::Refused(400, "event_malformed");
const IGNORED: Expected = Expected::Ignored;
const IMPLAUSIBLE: Expected = Expected::Quarantined("implausible_time", Some("sub"));
const LIVEMODE: Expected = Expected::Quarantined("wrong_livemode", Some("sub"));
const ACCOUNT: Expected = Expected::Quarantined("wrong_account", Some("sub"));
const UNREADABLE: Expected = Expected::Quarantined("unreadable", Some("sub"));
const DAY: i64 = 86_400;

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("no id", |s| s.without("/id"), BAD),
    ("an id that is null", |s| s.but("/id", Value::Null), BAD),
    ("an id that is a number", |s| s.but("/id", json!(1)), BAD),
    ("an id that is a list", |s| s.but("/id", json!(["evt_1"])), BAD),
    ("an id that is an object", |s| s.but("/id", json!({"id": "evt_1"})), BAD),
    ("an empty id", |s| s.but("/id", json!("")), BAD),
    ("only the prefix of an id", |s| s.but("/id", json!("evt_")), BAD),
    ("an id of another kind", |s| s.but("/id", json!("cus_1")), BAD),
    ("an id in upper case", |s| s.but("/id", json!("EVT_1")), BAD),
    ("an id with a space", |s| s.but("/id", json!("evt_1 ")), BAD),
    ("an id with a line feed", |s| s.but("/id", json!("evt_1\n")), BAD),
    ("an id with a dash", |s| s.but("/id", json!("evt_1-2")), BAD),
    ("an id with a quote", |s| s.but("/id", json!("evt_1'; drop table billing_chain; --")), BAD),
    ("an id with an accent", |s| s.but("/id", json!("evt_\u{e9}")), BAD),
    ("an id with a Cyrillic letter", |s| s.but("/id", json!("\u{435}vt_1")), BAD),
    ("an id of 256 characters", |s| s.but("/id", json!(format!("evt_{}", "a".repeat(252)))), BAD),
    ("an id of 255 characters", |s| s.but("/id", json!(format!("evt_{}", "a".repeat(251)))), GOOD),
    ("a huge id", |s| s.but("/id", json!(format!("evt_{}", "a".repeat(500_000)))), BAD),
    ("no type", |s| s.without("/type"), BAD),
    ("a type that is null", |s| s.but("/type", Value::Null), BAD),
    ("a type that is a number", |s| s.but("/type", json!(5)), BAD),
    ("an empty type", |s| s.but("/type", json!("")), BAD),
    ("a type of 256 characters", |s| s.but("/type", json!("a".repeat(256))), BAD),
    ("a type of 255 characters", |s| s.but("/type", json!("a".repeat(255))), IGNORED),
    ("a type that nobody knows", |s| s.but("/type", json!("customer.subscription.hibernated")), IGNORED),
    ("a type in upper case", |s| s.but("/type", json!("Customer.Subscription.Created")), IGNORED),
    ("a type with a space after", |s| s.but("/type", json!("customer.subscription.created ")), IGNORED),
    ("a type with a line feed", |s| s.but("/type", json!("a\nb")), IGNORED),
    ("a type in Cyrillic letters", |s| s.but("/type", json!("\u{441}ustomer.subscription.created")), IGNORED),
    ("a type with an emoji", |s| s.but("/type", json!("\u{1f600}")), IGNORED),
    ("no created", |s| s.without("/created"), BAD),
    ("created is null", |s| s.but("/created", Value::Null), BAD),
    ("created is text", |s| s.but("/created", json!(s.time())), BAD),
    ("created is a date", |s| s.but("/created", json!("2027-01-15T08:00:00Z")), BAD),
    ("created is a float", |s| s.made(&format!("{}.0", s.time())), BAD),
    ("created has an exponent", |s| s.made("1.8e9"), BAD),
    ("created is a boolean", |s| s.but("/created", json!(true)), BAD),
    ("created is a list", |s| s.but("/created", json!([s.seconds()])), BAD),
    ("created beyond 64 bits", |s| s.made("18446744073709551616"), BAD),
    ("created beyond 63 bits", |s| s.made("9223372036854775808"), IMPLAUSIBLE),
    ("created at the end of 63 bits", |s| s.made("9223372036854775807"), IMPLAUSIBLE),
    ("created at the beginning of 63 bits", |s| s.made("-9223372036854775808"), IMPLAUSIBLE),
    ("created in milliseconds", |s| s.but("/created", json!(s.seconds() * 1000)), IMPLAUSIBLE),
    ("created in 2106", |s| s.made("4294967296"), IMPLAUSIBLE),
    ("created two days ahead", |s| s.but("/created", json!(s.seconds() + 2 * DAY)), IMPLAUSIBLE),
    ("created an hour ahead", |s| s.but("/created", json!(s.seconds() + 3600)), GOOD),
    ("created in 2010", |s| s.made("1262304000"), GOOD),
    ("created in 2009", |s| s.made("1262303999"), IMPLAUSIBLE),
    ("created in 1970", |s| s.made("0"), IMPLAUSIBLE),
    ("created before 1970", |s| s.made("-1"), IMPLAUSIBLE),
    ("created at minus zero", |s| s.made("-0"), BAD),
    ("of the other mode", |s| s.but("/livemode", json!(true)), LIVEMODE),
    ("of no mode", |s| s.without("/livemode"), LIVEMODE),
    ("of a mode in text", |s| s.but("/livemode", json!("false")), LIVEMODE),
    ("of another account", |s| s.but("/account", json!("acct_theirs")), ACCOUNT),
    ("of an account in upper case", |s| s.but("/account", json!("ACCT_OURS")), ACCOUNT),
    ("of an account that is a number", |s| s.but("/account", json!(5)), ACCOUNT),
    ("of an account that is empty", |s| s.but("/account", json!("")), ACCOUNT),
    ("of no account", |s| s.without("/account"), GOOD),
    ("of an unknown type and another account", |s| s.changed(s.event("charge.refunded", json!({})), "/account", json!("acct_theirs")), Expected::Quarantined("wrong_account", None)),
    ("of no customer", |s| s.without("/data/object/customer"), UNREADABLE),
    ("of a customer that is null", |s| s.but("/data/object/customer", Value::Null), UNREADABLE),
    ("of a customer that is a number", |s| s.but("/data/object/customer", json!(1)), UNREADABLE),
    ("of a customer that is empty", |s| s.but("/data/object/customer", json!("")), UNREADABLE),
    ("of a customer with a space", |s| s.but("/data/object/customer", json!("cus 1")), UNREADABLE),
    ("of a customer of 256 characters", |s| s.but("/data/object/customer", json!("c".repeat(256))), UNREADABLE),
    ("of two customers", |s| s.but("/data/object/customer", json!(["cus_1", "cus_2"])), UNREADABLE),
    ("a subscription without an id", |s| s.without("/data/object/id"), Expected::Quarantined("unreadable", None)),
    ("a subscription whose id is a number", |s| s.but("/data/object/id", json!(7)), Expected::Quarantined("unreadable", None)),
    ("a subscription whose id has a space", |s| s.but("/data/object/id", json!("sub 1")), Expected::Quarantined("unreadable", None)),
    ("a huge id of a subscription", |s| s.but("/data/object/id", json!("s".repeat(500_000))), Expected::Quarantined("unreadable", None)),
    ("bound to an id", |s| s.bound(json!(s.user())), Expected::Applied("free none")),
    ("bound to an id that is empty", |s| s.bound(json!("")), Expected::Applied("free none")),
    ("bound to an id with a space", |s| s.bound(json!("user 1")), Expected::Applied("free none")),
    ("bound to an id that is too long", |s| s.bound(json!("u".repeat(249))), Expected::Applied("free none")),
    ("bound to somebody's row by Stripe's id", |s| s.bound(json!("stripe:cus_good_0")), Expected::Applied("free none")),
    ("bound to a number", |s| s.bound(json!(17)), Expected::Quarantined("unreadable", Some("cus"))),
    ("bound to a list", |s| s.bound(json!(["user-1"])), Expected::Quarantined("unreadable", Some("cus"))),
];

#[tokio::test]
async fn an_event_that_is_none_is_refused_and_one_that_is_not_ours_or_of_now_is_set_aside_e3_e4() {
    run(CASES).await;
}

impl Sheet {
    /// A good event with `created` as this JSON text.
    fn made(&self, created: &str) -> Request {
        let of_now = format!("\"created\":{}", self.good()["created"]);
        self.replaced(&of_now, &format!("\"created\":{created}"))
    }

    /// A customer whose metadata name this id.
    fn bound(&self, id: Value) -> Request {
        let created = self.event("customer.created", self.person());
        self.changed(created, "/data/object/metadata/queue_customer_id", id)
    }
}
