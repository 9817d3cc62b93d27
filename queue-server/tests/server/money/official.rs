//! Stripe's official clients and ours make the same calls of the same account, and come to the same.

use std::process::Stdio;
use std::time::Duration;

use billing_core::id::{ClaimId, CustomerId, PriceId, SubscriptionId};
use conformance::simulator::{
    Failure, FailureKind, ReceivedRequest, Simulator, SimulatorConfig, When,
};
use queue_server::stripe::{
    Answer, Key, NewCheckout, NewSubscription, Pace, Stripe, StripeConfig, StripeError,
};
use reqwest::Url;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
const VERSION: &str = "2025-03-31.basil";
const CLAIM: &str = "0123456789abcdef0123456789abcdef";
const KEY: &str = "rk_test_alike";

/// What both meet on creating a customer, one after the other.
fn failures() -> Vec<FailureKind> {
    vec![
        FailureKind::Close(When::AfterEffect),
        FailureKind::LockTimeout { status: 409 },
        FailureKind::KeyInUse,
        FailureKind::ServerError {
            status: 503,
            when: When::BeforeEffect,
        },
    ]
}

/// An account with a price, in which creating a customer fails now and then.
async fn account() -> (Simulator, String) {
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    let price = [
        ("product_data[name]", "Pro"),
        ("unit_amount", "2900"),
        ("currency", "usd"),
        ("recurring[interval]", "month"),
    ];
    let url = format!("{}/v1/prices", simulator.base_url());
    let request = crate::support::client().post(url).form(&price);
    let made = request.bearer_auth(KEY).send().await.unwrap();
    let made: Value = made.json().await.unwrap();
    // Each of these calls succeeds at its second try; the first call of all is undisturbed.
    for (number, kind) in failures().into_iter().enumerate() {
        let skip = 1 + 2 * u32::try_from(number).unwrap();
        simulator.inject(Failure::new("POST", "/v1/customers", kind).skip(skip));
    }
    (simulator, made["id"].as_str().unwrap().to_owned())
}

/// What came of a call, in the official client's words.
fn word<T>(result: Result<Answer<T>, StripeError>, id: impl FnOnce(&T) -> String) -> String {
    match result {
        Ok(answer) => id(&answer.object),
        Err(StripeError::Missing | StripeError::Refused) => "InvalidRequestError".to_owned(),
        Err(error) => error.code().to_owned(),
    }
}

async fn ours(simulator: &Simulator, price: &str) -> Vec<String> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let stripe = Stripe::new(StripeConfig {
        base: Url::parse(&simulator.base_url()).unwrap(),
        key: HeaderValue::from_str(&format!("Bearer {KEY}")).unwrap(),
        version: VERSION.to_owned(),
        timeout: Duration::from_secs(5),
        pace: Pace::default(),
    })
    .unwrap();
    let (customer, claim) = (
        CustomerId::parse("jenny").unwrap(),
        ClaimId::parse(CLAIM).unwrap(),
    );
    let price = PriceId::parse(price).unwrap();
    let mut told = Vec::new();
    let mut account = None;
    for _ in 0..=failures().len() {
        let made = stripe
            .create_customer(&customer, Key::of_claim(&claim, "customer"))
            .await;
        account = made.as_ref().ok().map(|made| made.object.id.clone());
        told.push(word(made, |it| it.id.to_string()));
    }
    let account = account.unwrap();
    told.push(word(stripe.price(&price).await, |it| it.id.to_string()));
    let none = PriceId::parse("price_none").unwrap();
    told.push(word(stripe.price(&none).await, |it| it.id.to_string()));
    let new = NewSubscription {
        account: &account,
        customer: &customer,
        claim: &claim,
        price: &price,
        payment_method: None,
    };
    told.push(word(
        stripe.create_subscription(&new, Key::drawn()).await,
        |it| it.id.to_string(),
    ));
    let id = SubscriptionId::parse(told[told.len() - 1].as_str()).unwrap();
    told.push(word(stripe.subscription(&id).await, |it| it.id.to_string()));
    let listed = stripe.subscriptions_of(&account).await.unwrap();
    told.push(listed[0].id.to_string());
    let made = stripe.subscription(&id).await.unwrap().object;
    assert!(made.client_secret().is_some());
    let invoice = made.latest_invoice_id().unwrap();
    told.push(word(
        stripe.void_invoice(invoice, Key::drawn()).await,
        |it| it.id.to_string(),
    ));
    let new = NewCheckout {
        account: &account,
        customer: &customer,
        claim: &claim,
        price: &price,
        success_url: "https://app.example.com/done",
        cancel_url: "https://app.example.com/plans",
    };
    let session = stripe
        .create_checkout(&new, Key::drawn())
        .await
        .unwrap()
        .object;
    told.push(session.id.to_string());
    told.push(word(stripe.checkout(&session.id).await, |it| {
        it.id.to_string()
    }));
    for _ in 0..2 {
        let expired = stripe.expire_checkout(&session.id, Key::drawn()).await;
        told.push(word(expired, |it| it.id.to_string()));
    }
    let events = stripe.events(&[], None).await.unwrap().object;
    told.push(events.data[0]["id"].as_str().unwrap().to_owned());
    told
}

async fn official(program: &mut Command, simulator: &Simulator, price: &str) -> Vec<String> {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let input = json!({"api_base": simulator.base_url(), "key": KEY, "version": VERSION, "claim": CLAIM,
                       "price": price, "failures": failures().len()});
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "its output is above");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A request without what each draws for itself. The official client numbers the parts of a list.
fn alike(request: ReceivedRequest) -> Value {
    let numbered = |name: &str| {
        let parts = name.split_inclusive('[');
        let without = |part: &str| {
            part.trim_start_matches(|digit: char| digit.is_ascii_digit())
                .to_owned()
        };
        parts.map(without).collect::<String>()
    };
    let mut params: Vec<(String, String)> = request
        .params
        .into_iter()
        .map(|(name, value)| (numbered(&name), value))
        .collect();
    params.sort();
    let keyed = request.idempotency_key.filter(|key| key.contains(CLAIM));
    json!([
        request.method,
        request.path,
        params,
        keyed,
        request.api_version,
        request.status
    ])
}

/// The same calls to two equal accounts: the official client's, which the program runs, and ours.
async fn assert_alike(program: &mut Command) {
    let (one, price) = account().await;
    let (other, same_price) = account().await;
    assert_eq!(price, same_price);
    let (told, by_them) = (
        ours(&one, &price).await,
        official(program, &other, &price).await,
    );
    assert_eq!(told, by_them);
    let requests = |simulator: &Simulator| -> Vec<Value> {
        simulator.requests().into_iter().map(alike).collect()
    };
    assert_eq!(requests(&one), requests(&other));
}

/// What the developer command says of an official client; a test is skipped without it.
fn named(variable: &str, test: &str) -> Option<String> {
    let value = std::env::var(variable).ok();
    if value.is_none() {
        eprintln!("SKIPPED {test}: {variable} does not name Stripe's official client");
    }
    value
}

#[tokio::test]
async fn the_official_client_for_python_and_ours_behave_alike() {
    let test = "the_official_client_for_python_and_ours_behave_alike";
    if let Some(python) = named("CONFORMANCE_PYTHON", test) {
        let script = format!("{SCRIPTS}/python/official_client.py");
        assert_alike(Command::new(python).arg(script)).await;
    }
}

#[tokio::test]
async fn the_official_client_for_node_and_ours_behave_alike() {
    let test = "the_official_client_for_node_and_ours_behave_alike";
    if let Some(library) = named("STRIPE_NODE_LIBRARY", test) {
        let script = format!("{SCRIPTS}/node/official_client.cjs");
        assert_alike(Command::new("node").args([script, library])).await;
    }
}
