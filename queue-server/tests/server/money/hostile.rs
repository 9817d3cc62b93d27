//! What somebody tried who meant harm, or had bad luck with the moment.

use std::time::{Duration, Instant};

use billing_core::alert::{AlertSink, Alerts};
use billing_core::audit::AuditKey;
use billing_core::catalogue::{Catalogue, Tier};
use billing_core::event::{Event, Look, Snapshot};
use billing_core::id::PriceId;
use billing_core::ledger::{Capacity, Command, Ledger};
use billing_core::policy::Policy;
use billing_core::signature::{self, Delivery, SigningKeys};
use billing_core::store::SqlStore;
use billing_core::time::StripeTime;
use conformance::simulator::SimulatorConfig;
use futures::future::join_all;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::StatusCode;
use serde_json::{Value, json};
use test_database::{Engine, TestDatabase};
use tokio::net::TcpListener;

use super::{Customer, KEY, Shop};
use crate::raw::Raw;
use crate::support::{Installation, SECRET, TOKEN, sign};

/// `GET /plans` needs no token. With a Stripe that takes connections and never answers, nobody may wait for the turns
/// of everybody before them: one call costs three tries of a second here, and pauses.
#[tokio::test]
async fn those_who_ask_for_plans_do_not_wait_for_each_other_while_stripe_hangs() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", silent.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    let installation = Installation::new()
        .with("STRIPE_API_BASE", &base)
        .with("STRIPE_RESTRICTED_KEY", KEY)
        .with("STRIPE_TIMEOUT_SECONDS", "1");
    let server = installation.serve().await;
    let began = Instant::now();
    let asked = join_all((0..6).map(|_| server.get("/api/v1/billing/plans"))).await;
    assert!(
        asked
            .iter()
            .all(|it| it.status() == StatusCode::SERVICE_UNAVAILABLE)
    );
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(10),
        "six callers waited {took:?}"
    );
}

/// A `customer.deleted` that never came must not keep anyone from subscribing for ever.
#[tokio::test]
async fn whose_account_was_deleted_at_stripe_unheard_can_subscribe_again() {
    let shop = Shop::open().await;
    // Nobody delivers webhooks.
    let server = shop.installation.serve().await;
    let jenny = Customer("jenny");
    let (_, first) = jenny.subscribe(&server, "pro").await;
    let id = first["subscription_id"].as_str().unwrap();
    let subscription = shop.at_stripe(&format!("/v1/subscriptions/{id}")).await;
    let account = subscription["customer"].as_str().unwrap();
    let url = format!("{}/v1/customers/{account}", shop.stripe.base_url());
    let delete = server.client.delete(url).bearer_auth(KEY);
    assert_eq!(delete.send().await.unwrap().status(), StatusCode::OK);
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(jenny.subscribe(&server, "pro").await);
    }
    assert!(
        answers.iter().any(|(status, _)| *status == 200),
        "{answers:?}"
    );
}

/// A card of one's own stays one's own: whoever chooses another plan, or subscribes again, may pay with it.
#[tokio::test]
async fn who_chooses_another_plan_pays_with_the_same_card() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    let body = |tier: &str, id: &str| json!({"plan_tier": tier, "stripe_payment_method_id": id});
    let (status, subscribed) = jenny
        .post(&server, "/subscribe", body("pro", "pm_card_visa"))
        .await;
    assert_eq!(status, 200, "{subscribed}");
    let live = shop.live_subscriptions().await;
    let hers = live[0]["default_payment_method"].as_str().unwrap();
    let (status, answer) = jenny
        .post(&server, "/subscribe", body("pro_plus", hers))
        .await;
    assert_eq!(status, 200, "{answer}");
}

/// A body that never ends is given up, as the webhook's is.
#[tokio::test]
async fn a_body_that_stops_coming_is_not_waited_for_without_end() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let mut raw = Raw::connect(&server).await;
    let head = format!(
        "POST /api/v1/billing/plan HTTP/1.1\r\nhost: queue\r\nauthorization: Bearer {TOKEN}\r\n\
         x-queue-customer-id: jenny\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    raw.send(head.as_bytes()).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(30), raw.answer()).await;
    let answer = answer.expect("an answer within thirty seconds").unwrap();
    assert_eq!((answer.status, answer.word()), (408, "body_timeout"));
}

/// One customer's calls must not take every place.
#[tokio::test]
async fn one_customer_does_not_keep_all_others_out() {
    let slow = SimulatorConfig {
        latency: Duration::from_millis(700)..=Duration::from_millis(800),
        ..SimulatorConfig::default()
    };
    let shop = Shop::open_with(slow).await;
    let server = shop.serve().await;
    let flood = join_all((0..300).map(|_| Customer("mallory").subscribe(&server, "pro")));
    let jenny = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        Customer("jenny").subscribe(&server, "pro").await
    };
    let (_, (status, answer)) = tokio::join!(flood, jenny);
    assert_eq!(status, 200, "{answer}");
}

/// Only objects with the documented fields: an array is none.
#[tokio::test]
async fn an_array_is_no_object() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    for (path, body) in [
        ("/subscribe", json!(["pro", null])),
        ("/plan", json!(["pro"])),
        ("/portal", json!([super::ORIGIN])),
    ] {
        let (status, problem) = Customer("jenny").post(&server, path, body).await;
        assert_eq!(
            (status, problem["code"].as_str()),
            (422, Some("body_invalid")),
            "{path}"
        );
    }
}

/// RFC 7519, 4.1.5: a token must not be taken before its `nbf`; RFC 7515, 4.1.11: nor with a `crit` that is not
/// understood.
#[tokio::test]
async fn tokens_that_are_not_good_yet_or_ask_for_more_than_is_understood_are_refused() {
    const SECRET: &str = "the-secret-of-today-of-customer-tokens";
    let installation = Installation::new().with("CUSTOMER_TOKEN_SECRET", SECRET);
    let server = installation.serve().await;
    let now = Timestamp::now().as_second();
    let claims = json!({"sub": "jenny", "aud": "queue", "nbf": now + 200, "exp": now + 290});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let early = encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    let critical = {
        use base64::Engine as _;
        let encoded = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let claims = json!({"sub": "jenny", "aud": "queue", "exp": now + 290});
        let head = encoded(json!({"alg": "HS256", "crit": ["x"], "x": 1}).to_string());
        let message = format!("{head}.{}", encoded(claims.to_string()));
        let mac = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{mac}")
    };
    let mut taken = Vec::new();
    for (what, token) in [("nbf", early), ("crit", critical)] {
        let request = server.client.get(server.url("/api/v1/billing/me"));
        let response = request.bearer_auth(token).send().await.unwrap();
        if response.status() != StatusCode::UNAUTHORIZED {
            taken.push(what);
        }
    }
    assert!(taken.is_empty(), "{taken:?}");
}

struct Silent;

impl AlertSink for Silent {
    fn tell(&self, _: billing_core::alert::Alert, _: u64) {}
}

/// A subscription as the API and events show it.
fn subscription(price: &str, cancels: bool) -> Value {
    json!({"object": "subscription", "id": "sub_1", "customer": "cus_1", "status": "active",
        "cancel_at_period_end": cancels, "items": {"data": [
            {"id": "si_1", "price": {"id": price}, "quantity": 1, "current_period_end": 4_000_000_000_i64}]}})
}

fn updated(id: &str, created: i64, object: Value, previous: Value) -> Command {
    let body = json!({"object": "event", "id": id, "type": "customer.subscription.updated", "created": created,
        "livemode": false, "data": {"object": object, "previous_attributes": previous}})
    .to_string();
    let now = Timestamp::now();
    let header = sign(body.as_bytes(), now);
    let keys = SigningKeys::parse(SECRET).unwrap();
    let delivery = Delivery::new(body.into_bytes(), [header]);
    let payload = signature::verify(delivery, &keys, now).unwrap();
    Command::Ingest(Box::new(Event::decode(&payload).unwrap()))
}

fn shown(true_at: i64, object: Value) -> Command {
    let true_at = StripeTime::from_seconds(true_at).unwrap();
    let body = object.to_string();
    let look = Look {
        true_at,
        until: true_at,
        taken_at: Timestamp::now(),
    };
    let snapshot = Snapshot::decode(body.as_bytes(), look);
    Command::refresh(vec![snapshot.unwrap()])
}

/// The tier and whether it is in doubt, after these commands.
async fn after(commands: Vec<Command>) -> (String, i64) {
    let database = TestDatabase::new(Engine::Sqlite);
    let store = SqlStore::open(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    let price = |name: &str| PriceId::parse(name).unwrap();
    let catalogue = Catalogue::default()
        .with_price(price("price_pro"), Tier::parse("pro").unwrap())
        .and_then(|it| it.with_price(price("price_plus"), Tier::parse("pro_plus").unwrap()));
    let policy = Policy::new(catalogue.unwrap());
    let key = AuditKey::parse(&("0f".repeat(31) + "aa")).unwrap();
    let alerts = Alerts::new([Box::new(Silent) as Box<dyn AlertSink>]);
    let started = Ledger::start(store, policy, key, alerts, (), Capacity::default()).await;
    let (ledger, _task) = started.unwrap();
    for command in commands {
        ledger.commit(command, Timestamp::now()).await.unwrap();
    }
    let pool = database.connect().await;
    let row = sqlx::query_as("select plan_tier, in_doubt from billing_subscription");
    let row = row.fetch_one(&pool).await.unwrap();
    pool.close().await;
    row
}

/// O1: what is stored, doubt included, does not depend on the order in which a snapshot and the events of its second
/// come. (`Books::refresh` leaves out a snapshot that is no news *yet*.)
#[tokio::test]
async fn a_snapshot_counts_the_same_whenever_it_comes() {
    let second = Timestamp::now().as_second() - 60;
    let items = |price: &str| json!({ "items": subscription(price, true)["items"] });
    let first = || {
        updated(
            "evt_1",
            second,
            subscription("price_pro", true),
            json!({"cancel_at_period_end": false}),
        )
    };
    let last = || {
        updated(
            "evt_2",
            second,
            subscription("price_plus", true),
            items("price_pro"),
        )
    };
    let seen = || shown(second, subscription("price_pro", true));
    let early = after(vec![first(), seen(), last()]).await;
    let late = after(vec![first(), last(), seen()]).await;
    assert_eq!(early, late);
}

/// Only to a dearer plan: of a price that no plan has, nobody knows which of the two is dearer.
#[tokio::test]
async fn from_a_price_that_no_plan_has_the_plan_changes_in_the_portal_only() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    let (_, subscribed) = jenny.subscribe(&server, "pro_plus").await;
    assert_eq!(shop.pay(&subscribed, "pm_card_visa").await, StatusCode::OK);
    shop.assert_mirrored("jenny", "pro_plus/active").await;
    let dear = [
        ("product_data[name]", "Enterprise"),
        ("unit_amount", "50000"),
        ("currency", "usd"),
        ("recurring[interval]", "month"),
    ];
    let dear = shop.post_to_stripe("/v1/prices", &dear).await;
    let path = format!(
        "/v1/subscriptions/{}",
        subscribed["subscription_id"].as_str().unwrap()
    );
    let item = shop.at_stripe(&path).await["items"]["data"][0]["id"].take();
    let form = [
        ("items[0][id]", item.as_str().unwrap()),
        ("items[0][price]", dear["id"].as_str().unwrap()),
        ("proration_behavior", "always_invoice"),
    ];
    shop.post_to_stripe(&path, &form).await;
    let answer = jenny
        .post(&server, "/plan", json!({"plan_tier": "pro"}))
        .await;
    let price = shop.at_stripe(&path).await["items"]["data"][0]["price"]["id"].take();
    assert_eq!(price, dear["id"], "{answer:?}");
}

/// G11: whoever has a token of their own can't keep Stripe's webhooks out.
#[tokio::test]
async fn bodies_that_stop_coming_do_not_keep_webhooks_out() {
    let shop = Shop::open().await.with("HTTP_MAX_CONNECTIONS", "16");
    let server = shop.installation.serve().await;
    let head = format!(
        "POST /api/v1/billing/plan HTTP/1.1\r\nhost: queue\r\nauthorization: Bearer {TOKEN}\r\n\
         x-queue-customer-id: mallory\r\ncontent-length: 100\r\n\r\n{{"
    );
    let mut held = join_all((0..16).map(|_| Raw::connect(&server))).await;
    for raw in &mut held {
        raw.send(head.as_bytes()).await.unwrap();
    }
    let created = crate::support::customer_created("evt_1", "cus_1", "jenny");
    let delivered = server.deliver(&created);
    let delivered = tokio::time::timeout(Duration::from_secs(30), delivered).await;
    assert!(
        delivered.is_ok(),
        "no webhook was taken within thirty seconds"
    );
}

/// E4: many accounts may be bound to one customer. What runs in any of them counts, also where its events were lost.
#[tokio::test]
async fn a_subscription_in_another_account_of_theirs_is_found() {
    let shop = Shop::open().await;
    let server = shop.installation.serve().await;
    let mut accounts = Vec::new();
    for _ in 0..2 {
        let form = [("metadata[queue_customer_id]", "jenny")];
        let account = shop.post_to_stripe("/v1/customers", &form).await;
        accounts.push(account["id"].as_str().unwrap().to_owned());
    }
    for event in shop.stripe.events() {
        server.outcome(&event.body).await;
    }
    accounts.sort();
    let path = "/v1/payment_methods/pm_card_visa/attach";
    let card = shop
        .post_to_stripe(path, &[("customer", &accounts[1])])
        .await;
    let prices = shop.at_stripe("/v1/prices?limit=100").await;
    let prices = prices["data"].as_array().unwrap();
    let pro = prices.iter().find(|it| it["unit_amount"] == 2900).unwrap();
    let form = [
        ("customer", accounts[1].as_str()),
        ("items[0][price]", pro["id"].as_str().unwrap()),
        ("default_payment_method", card["id"].as_str().unwrap()),
    ];
    shop.post_to_stripe("/v1/subscriptions", &form).await;
    let (status, problem) = Customer("jenny").subscribe(&server, "pro").await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (409, Some("SUBSCRIPTION_ALREADY_ACTIVE"))
    );
    shop.assert_mirrored("jenny", "pro/active").await;
    assert_eq!(shop.live_subscriptions().await.len(), 1);
}
