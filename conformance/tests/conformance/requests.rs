//! Requests: forms, keys, versions, lists, and Stripe's errors.

use serde_json::{Value, json};

use crate::client::{TestStripe, id};

#[tokio::test]
async fn brackets_in_a_form_become_nested_fields() {
    let stripe = TestStripe::start().await;
    let params = [
        ("metadata[tier]", "pro"),
        ("metadata[with space]", "a & b"),
        ("address[city]", "Oslo"),
        ("name", "Ödön"),
    ];
    let customer = stripe.post("/v1/customers", &params).await;
    assert_eq!(
        customer["metadata"],
        json!({ "tier": "pro", "with space": "a & b" })
    );
    assert_eq!(customer["address"]["city"], "Oslo");
    assert_eq!(customer["name"], "Ödön");
    let path = format!("/v1/customers/{}", id(&customer));
    let emptied = stripe
        .post(&path, &[("metadata[tier]", ""), ("name", "")])
        .await;
    assert_eq!(emptied["metadata"], json!({ "with space": "a & b" }));
    assert_eq!(emptied["name"], Value::Null);
}

#[tokio::test]
async fn a_request_without_a_test_key_is_401() {
    let stripe = TestStripe::start().await;
    let url = stripe.url("/v1/customers");
    let bare = stripe.http.get(&url).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    assert!(bare.headers().contains_key("Request-Id"));
    let body: Value = bare.json().await.unwrap();
    assert_eq!(body["error"]["type"], "invalid_request_error");
    let live = stripe
        .http
        .get(&url)
        .bearer_auth("sk_live_1")
        .send()
        .await
        .unwrap();
    assert_eq!(live.status(), 401);
    let basic = stripe
        .http
        .get(&url)
        .basic_auth("sk_test_1", Some(""))
        .send()
        .await
        .unwrap();
    assert_eq!(basic.status(), 200);
}

/// A path, parameters, and the status, type and code of the answer.
type Refusal<'a> = (
    &'a str,
    &'a [(&'a str, &'a str)],
    u16,
    &'a str,
    Option<&'a str>,
);

#[tokio::test]
async fn errors_have_stripes_types_codes_and_statuses() {
    let stripe = TestStripe::start().await;
    let cases: &[Refusal] = &[
        ("/v1/nonsense", &[], 404, "invalid_request_error", None),
        (
            "/v1/customers/cus_none",
            &[],
            404,
            "invalid_request_error",
            Some("resource_missing"),
        ),
        (
            "/v1/customers",
            &[("colour", "red")],
            400,
            "invalid_request_error",
            Some("parameter_unknown"),
        ),
        (
            "/v1/prices",
            &[("unit_amount", "1")],
            400,
            "invalid_request_error",
            Some("parameter_missing"),
        ),
        (
            "/v1/subscriptions",
            &[("customer", "cus_none")],
            400,
            "invalid_request_error",
            Some("resource_missing"),
        ),
        (
            "/v1/prices",
            &[("currency", "usd"), ("unit_amount", "ten")],
            400,
            "invalid_request_error",
            Some("parameter_invalid_integer"),
        ),
        (
            "/v1/test_helpers/test_clocks",
            &[("frozen_time", "9223372036854775807")],
            400,
            "invalid_request_error",
            Some("parameter_invalid_integer"),
        ),
        (
            "/v1/customers",
            &[("payment_method", "pm_card_visa_chargeDeclined")],
            402,
            "card_error",
            Some("card_declined"),
        ),
    ];
    for (path, params, status, kind, code) in cases {
        let (answered, body) = stripe.try_post(path, params).await;
        assert_eq!(answered, *status, "{path}: {body}");
        assert_eq!(body["error"]["type"], *kind, "{path}: {body}");
        assert_eq!(body["error"]["code"].as_str(), *code, "{path}: {body}");
    }
    assert_eq!(stripe.event_count(), 0, "a refused request leaves no trace");
}

#[tokio::test]
async fn lists_are_newest_first_and_are_read_page_by_page() {
    let stripe = TestStripe::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(id(&stripe.post("/v1/customers", &[]).await));
    }
    made.reverse();
    let first = stripe.get("/v1/customers?limit=2").await;
    assert_eq!(ids(&first), made[..2]);
    assert_eq!(first["has_more"], true);
    let second = stripe
        .get(&format!("/v1/customers?limit=3&starting_after={}", made[1]))
        .await;
    assert_eq!(ids(&second), made[2..]);
    assert_eq!(second["has_more"], false);
    let back = stripe
        .get(&format!("/v1/customers?limit=2&ending_before={}", made[3]))
        .await;
    assert_eq!(ids(&back), made[1..3]);
}

#[tokio::test]
async fn events_are_listed_by_type_and_time() {
    let stripe = TestStripe::start().await;
    let customer = id(&stripe.post("/v1/customers", &[]).await);
    stripe
        .post(&format!("/v1/customers/{customer}"), &[("name", "Ada")])
        .await;
    let updates = stripe.get("/v1/events?type=customer.updated").await;
    assert_eq!(updates["data"].as_array().unwrap().len(), 1);
    let all = stripe
        .get("/v1/events?types[]=customer.updated&types[]=customer.created")
        .await;
    assert_eq!(all["data"].as_array().unwrap().len(), 2);
    let future = stripe.get("/v1/events?created[gt]=99999999999").await;
    assert_eq!(future["data"], json!([]));
    let first = id(&updates["data"][0]);
    assert_eq!(
        stripe.get(&format!("/v1/events/{first}")).await,
        updates["data"][0]
    );
}

#[tokio::test]
async fn expand_puts_the_object_where_its_id_was() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let more = [
        ("expand[]", "latest_invoice"),
        (
            "expand[]",
            "customer.invoice_settings.default_payment_method",
        ),
    ];
    let subscription = stripe.subscribe(&customer, &more).await;
    assert_eq!(subscription["latest_invoice"]["object"], "invoice");
    let card = &subscription["customer"]["invoice_settings"]["default_payment_method"];
    assert_eq!(card["card"]["last4"], "4242");
    let (status, body) = stripe
        .try_post("/v1/customers", &[("expand[]", "nonsense")])
        .await;
    assert_eq!(status, 400, "{body}");
}

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(id).collect()
}
