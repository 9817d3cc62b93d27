//! Personal data comes in with almost every event, and goes nowhere but into `billing_customer` (K2).

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde_json::{Value, json};
use test_database::dump;

use crate::support::{
    Installation, PRICE_PRO, Server, TOKEN, event, eventually, sign, subscription_created,
};

/// What every canary has in it, upper case or not.
const CANARY: &str = "canary";
/// A card's number, which has no room for a word.
const CARD: &str = "4242424242424242";

/// A person in every field that Stripe has for one, also those that nobody here reads.
pub(crate) fn person() -> Value {
    json!({
        "object": "customer", "id": "cus_1", "email": "canary@example.com", "name": "Canary Name",
        "phone": "+1 canary", "description": "canary of a description", "tax_exempt": "canary",
        "address": { "line1": "1 Canary Street", "line2": "canary floor", "city": "Canary Wharf",
            "state": "canary state", "postal_code": "canary-1", "country": "Canary Islands" },
        "shipping": { "name": "canary shipped", "phone": "canary", "address": { "line1": "canary" } },
        "metadata": { "note": "canary in metadata", "canary-key": CARD, "queue_customer_id": "user-1" },
        "default_source": { "object": "card", "number": CARD, "name": "Canary Holder", "last4": CARD },
        "invoice_settings": { "custom_fields": [{ "name": "canary", "value": CARD }], "footer": "canary" },
        "preferred_locales": ["canary"], "sources": { "data": [{ "owner": { "email": "canary@x" } }] },
    })
}

fn subscription() -> Value {
    let mut subscription =
        subscription_created("evt_0", "cus_1", "active")["data"]["object"].take();
    subscription["customer"] = person();
    subscription["description"] = json!("canary of a subscription");
    subscription["metadata"] = json!({ "gift to": "canary@example.com", "card": CARD });
    subscription["default_payment_method"] =
        json!({ "card": { "number": CARD }, "billing_details": person() });
    subscription["items"]["data"][0]["price"]["nickname"] = json!("canary's plan");
    subscription["cancellation_details"] = json!({ "comment": "canary is not amused" });
    subscription
}

fn invoice() -> Value {
    json!({
        "object": "invoice", "id": "in_1", "customer": person(), "status": "open", "created": 1_800_000_000,
        "subscription": subscription(), "attempt_count": 1, "account_name": "Canary Ltd",
        "customer_email": "canary@example.com", "customer_name": "Canary Name", "customer_phone": "canary",
        "customer_address": person()["address"], "footer": CARD, "statement_descriptor": "CANARY",
        "lines": { "data": [{ "description": "canary", "metadata": { "canary": CARD } }] },
    })
}

fn spoilt(mut object: Value, field: &str, value: Value) -> Value {
    object[field] = value;
    object
}

/// Events full of canaries, and what must come of each.
fn events() -> Vec<(Value, &'static str)> {
    let unreadable_items = json!({ "data": [{ "price": "canary with spaces", "note": CARD }] });
    let other_facts = spoilt(subscription(), "status", json!("unpaid"));
    let mut live = event("evt_9", "customer.updated", person());
    live["livemode"] = json!(true);
    let mut long_ago = event("evt_10", "customer.updated", person());
    long_ago["created"] = json!(1);
    let mut updated = event("evt_12", "customer.subscription.updated", subscription());
    updated["data"]["previous_attributes"] = json!({ "description": "canary before", "metadata": { "card": CARD },
        "items": { "data": [{ "price": { "id": PRICE_PRO, "nickname": "canary" }, "quantity": 2 }] } });
    updated["request"] = json!({ "id": "canary", "idempotency_key": CARD });
    let thin = json!({ "object": "v2.core.event", "id": "evt_11", "type": "v1.customer.updated", "livemode": false,
        "created": "canary", "related_object": { "id": "cus_1", "url": "/canary" }, "data": person() });
    vec![
        (event("evt_1", "customer.created", person()), "applied"),
        (event("evt_1", "customer.created", person()), "duplicate"),
        (
            event("evt_2", "customer.subscription.created", subscription()),
            "applied",
        ),
        (
            event("evt_2", "customer.subscription.created", other_facts),
            "duplicate",
        ),
        (
            event("evt_3", "invoice.payment_failed", invoice()),
            "applied",
        ),
        (
            event(
                "evt_4",
                "customer.subscription.updated",
                spoilt(subscription(), "items", unreadable_items),
            ),
            "quarantined",
        ),
        (
            event(
                "evt_5",
                "customer.updated",
                spoilt(person(), "name", json!(["canary"])),
            ),
            "quarantined",
        ),
        (
            event("evt_6", "customer.subscription.updated", person()),
            "quarantined",
        ),
        (
            event(
                "evt_7",
                "invoice.paid",
                spoilt(invoice(), "id", json!("canary in an id")),
            ),
            "quarantined",
        ),
        (
            event(
                "evt_8",
                "charge.refunded",
                json!({ "id": "ch_1", "billing_details": person(), "receipt_email": "canary@x" }),
            ),
            "ignored",
        ),
        (live, "quarantined"),
        (long_ago, "quarantined"),
        (thin, "quarantined"),
        (updated, "applied"),
        (
            event(
                "evt_13",
                "checkout.session.completed",
                json!({ "object": "checkout.session", "id": "cs_1",
            "customer_details": person(), "custom_fields": [CARD], "client_reference_id": "canary" }),
            ),
            "ignored",
        ),
        (event("evt_14", "customer.deleted", person()), "applied"),
    ]
}

/// Bodies full of canaries that are no events.
fn malformed() -> Vec<String> {
    let good = event("evt_20", "customer.created", person()).to_string();
    let no_id = event("canary@example.com", "customer.created", person()).to_string();
    vec![
        format!("{good}canary"),
        good[..good.len() - 1].to_owned(),
        good.replacen('{', "{\"canary\":1,\"canary\":2,", 1),
        good.replacen(
            '{',
            &format!("{{\"canary\":{}{},", "[".repeat(99), "]".repeat(99)),
            1,
        ),
        good.replacen('{', "{\"canary\":1e999,", 1),
        no_id,
        "canary@example.com".to_owned(),
    ]
}

/// Sends everything that holds personal data wherever it can stand, and gathers all answers.
async fn send_all(server: &Server) -> String {
    let mut answers = String::new();
    for (event, outcome) in events() {
        let answer = server.deliver(&event).await.text().await.unwrap();
        assert!(answer.contains(outcome), "{}: {answer}", event["id"]);
        answers += &answer;
    }
    for body in malformed() {
        let header = sign(body.as_bytes(), jiff::Timestamp::now());
        let answer = server.post(&[("stripe-signature", &header)], body).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        answers += &answer.text().await.unwrap();
    }
    let forged = [
        ("stripe-signature", "t=canary,v1=canary"),
        ("x-email", "canary@example.com"),
    ];
    let answer = server.post(&forged, person().to_string()).await;
    answers += &answer.text().await.unwrap();
    for (path, token) in [
        ("/api/v1/billing/customers/canary%20name", TOKEN),
        (
            "/api/v1/billing/customers/user-1?email=canary@example.com",
            TOKEN,
        ),
        ("/api/v1/billing/customers/user-1", "canary-token-of-nobody"),
        ("/canary@example.com?card=4242424242424242", TOKEN),
    ] {
        let request = server.client.put(server.url(path)).bearer_auth(token);
        let answer = request.body(person().to_string()).send().await.unwrap();
        answers += &answer.text().await.unwrap();
    }
    answers
}

/// Whether a canary is in a text, also as the hexadecimal digits of bytes.
pub(crate) fn sings(text: &str) -> bool {
    let text = text.to_lowercase();
    [CANARY, CARD]
        .iter()
        .any(|canary| text.contains(canary) || text.contains(&hex::encode(canary)))
}

#[tokio::test]
async fn nothing_personal_leaves_its_table_whatever_comes_and_however_much_is_logged_k2() {
    let installation = Installation::new()
        .with("RUST_LOG", "trace")
        .with("STRIPE_LIVEMODE", "false");
    let server = installation.serve().await;
    let mut outputs = BTreeMap::from([("an answer", send_all(&server).await)]);
    let pool = installation.database().await;
    let waiting = "select count(*) from mirror_outbox";
    eventually("the mirror has all rows", async || {
        installation.count(waiting).await == 0
    })
    .await;
    let metrics = server.get("/metrics").await.text().await.unwrap();
    let tables = dump(&pool, installation.engine()).await;
    pool.close().await;
    // A database that refuses a person's row must not be quoted either.
    let breakage = "alter table billing_customer rename to away";
    installation.meddle(breakage).await.unwrap();
    let refused = server
        .deliver(&event("evt_30", "customer.created", person()))
        .await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    outputs.insert("a 503", refused.text().await.unwrap());
    server.kill().await;
    let export = installation.run(&["audit", "export"]).await;
    assert!(export.status.success());
    outputs.insert("the metrics", metrics);
    outputs.insert(
        "the audit export",
        String::from_utf8(export.stdout).unwrap(),
    );
    outputs.insert(
        "what the export told",
        String::from_utf8(export.stderr).unwrap(),
    );
    let log = installation.log();
    // What the database's library tells of every statement is there, and not what it binds.
    assert!(log.contains("sqlx::query") && log.contains("billing_customer"));
    eprintln!("{} bytes of log", log.len());
    outputs.insert("the log", log);
    for (output, text) in &outputs {
        let lines: Vec<_> = text.lines().filter(|line| sings(line)).take(3).collect();
        assert!(lines.is_empty(), "a canary in {output}: {lines:#?}");
    }
    for (table, rows) in &tables {
        let held = rows.iter().any(|row| sings(row));
        assert_eq!(held, table == "billing_customer", "{table}: {rows:?}");
    }
    let outcomes = tables["processed_stripe_events"].len();
    assert_eq!((outcomes, tables["billing_quarantine"].len()), (14, 8));
}
