//! What other services read of one customer; what was set aside, and how it is taken after all.

use conformance::simulator::{Failure, FailureKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::money::{Customer, Shop};
use crate::support::{
    Installation, Server, TOKEN, customer_created, event, eventually, subscription_created,
};

pub(crate) async fn get(server: &Server, path: &str) -> (StatusCode, Value) {
    let request = server.client.get(server.url(path)).bearer_auth(TOKEN);
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

pub(crate) async fn read(server: &Server, path: &str) -> Value {
    let (status, body) = get(server, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

fn invoice_paid(number: i64) -> Value {
    let created = jiff::Timestamp::now().as_second() - 1000 + number;
    let mut paid = event(
        &format!("evt_in_{number}"),
        "invoice.paid",
        json!({"id": format!("in_{number}"), "object": "invoice", "customer": "cus_1", "status": "paid",
               "created": created, "attempt_count": 1, "billing_reason": "subscription_cycle",
               "status_transitions": {"finalized_at": created, "paid_at": created},
               "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_of_cus_1"}}}),
    );
    paid["created"] = json!(created);
    paid
}

/// All entries of a list, a page at a time.
pub(crate) async fn pages(server: &Server, path: &str, limit: usize) -> Vec<Value> {
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = read(server, &format!("{path}?limit={limit}{cursor}")).await;
        let data = page["data"].as_array_mut().unwrap();
        assert!(data.len() <= limit);
        entries.append(data);
        let Some(next) = page["next"].as_str() else {
            return entries;
        };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn one_customer_is_shown_with_all_that_is_theirs_and_how_it_came_to_that() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let customer = "/api/v1/billing/customers/user-1";
    let (status, problem) = get(&server, customer).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("customer_unknown"))
    );
    server
        .outcome(&customer_created("evt_1", "cus_1", "user-1"))
        .await;
    let record = read(&server, customer).await;
    assert_eq!(record["access"]["open"], false);
    assert_eq!(record["access"]["decision"], "not_entitled");
    assert_eq!(record["mirror"]["plan_tier"], "free");
    server
        .outcome(&subscription_created("evt_2", "cus_1", "active"))
        .await;
    for number in 0..5 {
        assert_eq!(server.outcome(&invoice_paid(number)).await, "applied");
    }
    eventually("the mirror has the row", async || {
        read(&server, customer).await["mirror"]["waiting_since"].is_null()
    })
    .await;
    let record = read(&server, customer).await;
    assert_eq!(record["queue_customer_id"], "user-1");
    assert_eq!(record["accounts"][0]["stripe_customer_id"], "cus_1");
    assert_eq!(record["accounts"][0]["bound_by"], "evt_1");
    assert_eq!(record["mirror"]["status"], "active");
    let [subscription] = &record["subscriptions"].as_array().unwrap()[..] else {
        panic!("{record}");
    };
    assert_eq!(subscription["entitled"], true);
    assert_eq!(
        record["access"],
        json!({"open": true, "decision": "allow", "until": subscription["current_period_end"],
               "by": subscription["stripe_subscription_id"]})
    );
    let listed = read(&server, &format!("{customer}/subscriptions")).await;
    assert_eq!(listed["data"], record["subscriptions"]);
    let (status, problem) = get(&server, &format!("{customer}/subscriptions?limit=1")).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (StatusCode::BAD_REQUEST, Some("query_unexpected"))
    );
    let invoices = pages(&server, &format!("{customer}/invoices"), 2).await;
    let ids: Vec<_> = invoices.iter().map(|it| &it["stripe_invoice_id"]).collect();
    assert_eq!(ids, ["in_4", "in_3", "in_2", "in_1", "in_0"]);
    assert_eq!(invoices[0]["status"], "paid");
    let timeline = pages(&server, &format!("{customer}/timeline"), 3).await;
    let seqs: Vec<_> = timeline.iter().map(|it| it["seq"].as_u64()).collect();
    let rows = installation.count("select count(*) from billing_action_log");
    let all: Vec<_> = (1..=rows.await.cast_unsigned()).rev().map(Some).collect();
    // Nobody else is there: all that happened is theirs.
    assert_eq!(seqs, all);
    assert_eq!(timeline.last().unwrap()["event_id"], "evt_1");
    assert!(timeline.iter().all(|it| it["details"].is_object()));
}

#[tokio::test]
async fn nothing_of_another_customer_is_shown_and_nothing_to_strangers() {
    let installation = Installation::new();
    let server = installation.serve().await;
    for (number, account) in [(1, "cus_1"), (2, "cus_2")] {
        let customer = format!("user-{number}");
        let id = format!("evt_{number}");
        server
            .outcome(&customer_created(&id, account, &customer))
            .await;
    }
    server
        .outcome(&subscription_created("evt_3", "cus_2", "active"))
        .await;
    server.outcome(&invoice_paid(1)).await;
    let timeline = pages(&server, "/api/v1/billing/customers/user-1/timeline", 100).await;
    let subjects = ["user-1", "cus_1", "in_1"];
    for row in &timeline {
        assert!(
            subjects.contains(&row["subject"].as_str().unwrap()),
            "{row}"
        );
    }
    assert!(timeline.iter().any(|row| row["subject"] == "in_1"));
    let others = read(&server, "/api/v1/billing/customers/user-2/invoices").await;
    assert_eq!(others, json!({"data": [], "next": null}));
    // An id of the seller's that looks like one of Stripe's is still nobody else's.
    let put = server
        .client
        .put(server.url("/api/v1/billing/customers/cus_2"));
    let put = put.bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(put.status(), StatusCode::OK);
    let timeline = pages(&server, "/api/v1/billing/customers/cus_2/timeline", 100).await;
    let actions: Vec<_> = timeline.iter().map(|row| &row["action"]).collect();
    assert_eq!(actions, ["mirror.changed"]);
    // Bound to somebody, the account has no row of its own.
    let (status, _) = get(&server, "/api/v1/billing/customers/stripe:cus_1").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for path in ["", "/subscriptions", "/invoices", "/timeline"] {
        let url = server.url(&format!("/api/v1/billing/customers/user-1{path}"));
        let response = server.client.get(&url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        let wrong = server.client.get(&url).bearer_auth("token-of-the-test");
        let response = wrong.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn a_customer_whom_only_stripe_knows_is_shown_under_their_account() {
    let installation = Installation::new();
    let server = installation.serve().await;
    server
        .outcome(&subscription_created("evt_1", "cus_7", "active"))
        .await;
    let record = read(&server, "/api/v1/billing/customers/stripe:cus_7").await;
    assert_eq!(record["accounts"][0]["stripe_customer_id"], "cus_7");
    assert_eq!(record["access"]["open"], true);
}

#[tokio::test]
async fn what_was_set_aside_is_listed_with_its_reason() {
    let installation = Installation::new().with("STRIPE_LIVEMODE", "false");
    let server = installation.serve().await;
    for number in 0..5 {
        let mut live = customer_created(&format!("evt_{number}"), "cus_1", "user-1");
        live["livemode"] = json!(true);
        assert_eq!(server.outcome(&live).await, "quarantined");
    }
    let path = "/internal/v1/quarantine";
    let listed = pages(&server, path, 2).await;
    let ids: Vec<_> = listed.iter().map(|it| &it["event_id"]).collect();
    assert_eq!(ids, ["evt_0", "evt_1", "evt_2", "evt_3", "evt_4"]);
    assert_eq!(listed[0]["reason"], "wrong_livemode");
    assert_eq!(listed[0]["type"], "customer.created");
    for query in [
        "limit=0",
        "limit=501",
        "limit=x",
        "cursor=x",
        "cursor=",
        "page=2",
        // ["\u0000","x"] and ["evt_1","nonsense"]
        "cursor=WyJcdTAwMDAiLCJ4Il0",
        "cursor=WyJldnRfMSIsIm5vbnNlbnNlIl0",
    ] {
        let (status, problem) = get(&server, &format!("{path}?{query}")).await;
        assert_eq!(
            (status, problem["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some("query_invalid")),
            "{query}"
        );
    }
    let stranger = server.client.get(server.url(path)).send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn no_personal_datum_is_shown() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let mut unreadable = subscription_created("evt_4", "cus_1", "active");
    unreadable["data"]["object"]["items"] = json!("canary");
    for mut event in [
        customer_created("evt_1", "cus_1", "user-1"),
        subscription_created("evt_2", "cus_1", "active"),
        invoice_paid(3),
        unreadable,
    ] {
        for field in ["email", "name", "description", "customer_email"] {
            event["data"]["object"][field] = json!("canary@example.com");
        }
        server.outcome(&event).await;
    }
    let stored = "select count(*) from billing_customer where email = 'canary@example.com'";
    assert_eq!(installation.count(stored).await, 1);
    let customer = "/api/v1/billing/customers/user-1";
    let aside = "/internal/v1/quarantine".to_owned();
    let shown = ["", "/subscriptions", "/invoices", "/timeline"];
    let shown = shown.iter().map(|path| format!("{customer}{path}"));
    for path in shown.chain([aside]) {
        let shown = read(&server, &path).await;
        assert!(!shown.to_string().contains("canary"), "{path}: {shown}");
        let empty = shown["data"].as_array().is_some_and(Vec::is_empty);
        assert!(!empty, "{path}");
    }
}

async fn replay(server: &Server, event: &str) -> (StatusCode, Value) {
    let url = server.url(&format!("/internal/v1/events/{event}/replay"));
    let response = server.client.post(url).bearer_auth(TOKEN).send().await;
    let response = response.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn an_event_that_never_came_is_read_from_stripe_and_taken_once() {
    let shop = Shop::open().await;
    // No webhook reaches it.
    let server = shop.installation.serve().await;
    let metadata = [("metadata[queue_customer_id]", "jenny")];
    shop.post_to_stripe("/v1/customers", &metadata).await;
    let events = shop.at_stripe("/v1/events?type=customer.created").await;
    let event = events["data"][0]["id"].as_str().unwrap();
    for expected in ["applied", "duplicate"] {
        let (status, replayed) = replay(&server, event).await;
        assert_eq!(status, StatusCode::OK, "{replayed}");
        assert_eq!(replayed, json!({"event_id": event, "outcome": expected}));
    }
    let jenny = read(&server, "/api/v1/billing/customers/jenny").await;
    assert_eq!(jenny["accounts"][0]["bound_by"], event);
    for (event, expected) in [
        ("evt_none", (StatusCode::NOT_FOUND, Some("event_unknown"))),
        (
            "cus_1",
            (StatusCode::UNPROCESSABLE_ENTITY, Some("event_id_invalid")),
        ),
        (
            "..%2Fcustomers",
            (StatusCode::UNPROCESSABLE_ENTITY, Some("event_id_invalid")),
        ),
    ] {
        let (status, problem) = replay(&server, event).await;
        assert_eq!((status, problem["code"].as_str()), expected, "{event}");
    }
    let url = server.url(&format!("/internal/v1/events/{event}/replay"));
    let stranger = server.client.post(url).send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn while_billing_is_off_what_was_set_aside_can_be_read_and_nothing_is_replayed() {
    let shop = Shop::open().await.with("FLAG_QUEUE_BILLING", "false");
    let server = shop.installation.serve().await;
    let listed = read(&server, "/internal/v1/quarantine").await;
    assert_eq!(listed, json!({"data": [], "next": null}));
    for (status, problem) in [
        replay(&server, "evt_1").await,
        get(&server, "/api/v1/billing/customers/jenny").await,
    ] {
        assert_eq!(
            (status, problem["code"].as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, Some("billing_off"))
        );
    }
    assert_eq!(shop.calls(), []);
}

#[tokio::test]
async fn an_event_that_was_set_aside_is_taken_once_what_stood_against_it_is_gone() {
    let shop = Shop::open().await.with("STRIPE_LIVEMODE", "true");
    let metadata = [("metadata[queue_customer_id]", "jenny")];
    let server = shop.serve().await;
    shop.post_to_stripe("/v1/customers", &metadata).await;
    eventually("it is set aside", async || {
        let listed = read(&server, "/internal/v1/quarantine").await;
        listed["data"]
            .as_array()
            .is_some_and(|data| data.len() == 1)
    })
    .await;
    let listed = read(&server, "/internal/v1/quarantine").await;
    assert_eq!(listed["data"][0]["reason"], "wrong_livemode");
    let event = listed["data"][0]["event_id"].as_str().unwrap().to_owned();
    drop(server);
    let server = shop.installation.with("STRIPE_LIVEMODE", "false");
    let server = server.serve().await;
    let (status, replayed) = replay(&server, &event).await;
    assert_eq!(status, StatusCode::OK, "{replayed}");
    assert_eq!(replayed["outcome"], "applied");
    let listed = read(&server, "/internal/v1/quarantine").await;
    assert_eq!(listed["data"], json!([]));
    let metrics = server.get("/metrics").await.text().await.unwrap();
    let counted = r#"billing_events_total{type="customer.created",outcome="applied"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn who_could_not_subscribe_has_a_history_though_no_row_was_made() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    shop.stripe
        .inject(Failure::new("POST", "/v1/customers", FailureKind::Html).times(20));
    let (status, _) = Customer("jenny").subscribe(&server, "pro").await;
    assert_ne!(status, 200);
    let timeline = pages(&server, "/api/v1/billing/customers/jenny/timeline", 100).await;
    assert_eq!(timeline[0]["action"], "claim.opened");
}
