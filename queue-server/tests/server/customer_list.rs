//! All customers in pages, and those whom somebody looks for.

use reqwest::StatusCode;
use serde_json::Value;

use crate::records::{get, pages, read};
use crate::support::{Installation, Server, TOKEN, customer_created, subscription_created};

const PATH: &str = "/api/v1/billing/customers";

/// Customers of every kind, with ids that sort otherwise than words do: the server.
async fn crowd(installation: &Installation) -> Server {
    let server = installation.serve().await;
    let register = async |id: &str| {
        let url = server.url(&format!("{PATH}/{id}"));
        let answer = server.client.put(url).bearer_auth(TOKEN).send().await;
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    };
    for id in ["Zoe", "adam", "user-10", "user-1", "user-2", "user~"] {
        register(id).await;
    }
    for (number, (id, status)) in [
        ("user-1", "active"),
        ("user-10", "past_due"),
        ("user-2", "active"),
        ("adam", "canceled"),
        ("", "trialing"),
    ]
    .into_iter()
    .enumerate()
    {
        let account = format!("cus_{number}");
        let subscribed = subscription_created(&format!("evt_s{number}"), &account, status);
        assert_eq!(server.outcome(&subscribed).await, "applied");
        if !id.is_empty() {
            let created = customer_created(&format!("evt_c{number}"), &account, id);
            server.outcome(&created).await;
        }
    }
    server
}

async fn ids(server: &Server, query: &str) -> Vec<String> {
    let listed = read(server, &format!("{PATH}{query}")).await;
    assert!(listed["next"].is_null(), "{listed}");
    let entries = listed["data"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["queue_customer_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn everybody_is_listed_once_in_the_order_of_their_ids_bytes() {
    let installation = Installation::new();
    let server = crowd(&installation).await;
    let everybody = [
        "Zoe",
        "adam",
        "stripe:cus_0",
        "stripe:cus_1",
        "stripe:cus_2",
        "stripe:cus_3",
        "stripe:cus_4",
        "user-1",
        "user-10",
        "user-2",
        "user~",
    ];
    assert_eq!(ids(&server, "").await, everybody);
    for limit in [1, 3, 11] {
        let listed = pages(&server, PATH, limit).await;
        let listed: Vec<_> = listed.iter().map(|it| &it["queue_customer_id"]).collect();
        assert_eq!(listed, everybody, "in pages of {limit}");
    }
}

#[tokio::test]
async fn customers_are_found_by_status_tier_grace_and_doubt() {
    let installation = Installation::new();
    let server = crowd(&installation).await;
    for (query, found) in [
        (
            "?status=active&plan_tier=pro",
            &["user-1", "user-10", "user-2"][..],
        ),
        ("?status=canceled", &["adam"]),
        ("?status=trialing", &["stripe:cus_4"]),
        (
            "?plan_tier=pro&in_grace=false",
            &["stripe:cus_4", "user-1", "user-2"],
        ),
        ("?in_grace=true", &["user-10"]),
        ("?in_doubt=true", &["user-10"]),
        ("?in_doubt=true&status=canceled", &[]),
        ("?status=unpaid", &[]),
        ("?plan_tier=pro_plus", &[]),
    ] {
        assert_eq!(ids(&server, query).await, found, "{query}");
    }
    let listed = read(&server, &format!("{PATH}?in_grace=true")).await;
    let listed = &listed["data"][0];
    assert_eq!(listed["grace_ends_at"], listed["changes_at"]);
    assert_eq!(listed["grace_ends_at"], listed["current_period_end"]);
    // What is no status, tier, truth or id of anybody's asks for nothing.
    for query in [
        "?status=ACTIVE",
        "?status=",
        "?plan_tier=Pro!",
        "?in_grace=yes",
        "?search=a%20b",
        "?search=%C3%A9",
        "?sort=id",
        "?limit=0",
        "?cursor=x",
    ] {
        let (status, problem) = get(&server, &format!("{PATH}{query}")).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &Value::from("query_invalid")),
            "{query}"
        );
    }
}

#[tokio::test]
async fn customers_are_found_by_what_their_id_begins_with_or_by_their_stripe_customer() {
    let installation = Installation::new();
    let server = crowd(&installation).await;
    for (query, found) in [
        ("?search=user-1", &["user-1", "user-10"][..]),
        ("?search=user~", &["user~"]),
        ("?search=USER", &[]),
        ("?search=cus_0", &["user-1"]),
        ("?search=cus_1&status=active", &["user-10"]),
        ("?search=cus_0&status=canceled", &[]),
        ("?search=cus_4", &["stripe:cus_4"]),
        ("?search=stripe:cus_4", &["stripe:cus_4"]),
        ("?search=cus_9", &[]),
        // Nothing personal is looked through.
        ("?search=jenny@example.com", &[]),
    ] {
        assert_eq!(ids(&server, query).await, found, "{query}");
    }
    let path = format!("{PATH}?search=user&limit=3");
    let first = read(&server, &path).await;
    let next = first["next"].as_str().unwrap();
    let rest = ids(&server, &format!("?search=user&limit=3&cursor={next}")).await;
    assert_eq!(rest, ["user~"]);
}

#[tokio::test]
async fn nobody_is_listed_to_strangers() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let answer = server.get(PATH).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}
