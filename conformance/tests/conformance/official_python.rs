//! Stripe's official Python client against the simulator.

use std::process::Stdio;

use conformance::simulator::{Endpoint, Failure, FailureKind, When};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::client::TestStripe;
use crate::receiver::Receiver;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/python/official_client.py"
);

/// Runs one command of the script with a JSON input and returns its JSON output.
async fn python(python: &str, command: &str, input: Value) -> Value {
    let mut child = Command::new(python)
        .args([SCRIPT, command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(
        output.status.success(),
        "{command} failed; its output is above"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The interpreter that the developer command names; the tests below are skipped without it.
fn interpreter(test: &str) -> Option<String> {
    let interpreter = std::env::var("CONFORMANCE_PYTHON").ok();
    if interpreter.is_none() {
        eprintln!(
            "SKIPPED {test}: CONFORMANCE_PYTHON does not name a Python with `stripe` installed"
        );
    }
    interpreter
}

#[tokio::test]
async fn the_official_python_client_subscribes_a_customer_and_accepts_our_signature() {
    let Some(interpreter) = interpreter("the official Python client") else {
        return;
    };
    let secret = "whsec_for_python";
    let stripe = TestStripe::start().await;
    let receiver = Receiver::answering(&[]).await;
    stripe
        .simulator
        .add_endpoint(Endpoint::new(&receiver.url, secret));
    let input = json!({ "api_base": stripe.simulator.base_url(), "email": "ada@example.com" });
    let made = python(&interpreter, "subscribe", input).await;
    assert_eq!(made["status"], "active");
    assert_eq!(made["declined"], "card_declined");
    assert_eq!(made["missing"], "resource_missing");

    stripe.simulator.settled().await;
    let received = receiver.received();
    let created = received
        .iter()
        .find(|one| one.event()["type"] == "customer.subscription.created");
    let created = created.unwrap();
    let delivery = json!({
        "secret": secret,
        "header": created.header("stripe-signature"),
        "body": std::str::from_utf8(&created.body).unwrap(),
    });
    let verified = python(&interpreter, "verify", delivery).await;
    assert_eq!(verified["id"], created.event()["id"]);
    assert_eq!(verified["subscription"], made["subscription"]);
    assert_eq!(verified["forged_is_refused"], true);
}

#[tokio::test]
async fn the_official_python_client_confirms_checks_out_and_opens_the_portal() {
    let Some(interpreter) = interpreter("the official Python client's checkout") else {
        return;
    };
    let stripe = TestStripe::start().await;
    let base = stripe.simulator.base_url();
    let input = json!({ "api_base": base, "email": "ada@example.com" });
    let sold = python(&interpreter, "sell", input).await;
    assert_eq!(sold["before"], "incomplete");
    assert_eq!(sold["intent"], "succeeded");
    assert_eq!(sold["after"], "active");
    assert_eq!(sold["expired"], "expired");
    assert_eq!(sold["walked"], 2);
    for (page, path) in [("checkout", "/c/pay/cs_test_"), ("portal", "/p/session/")] {
        let url = sold[page].as_str().unwrap();
        assert!(url.starts_with(&format!("{base}{path}")), "{url}");
    }
}

#[tokio::test]
async fn the_official_python_client_retries_and_makes_one_customer() {
    let Some(interpreter) = interpreter("the official Python client's retries") else {
        return;
    };
    let stripe = TestStripe::start().await;
    let fail = |kind| Failure::new("POST", "/v1/customers", kind);
    stripe
        .simulator
        .inject(fail(FailureKind::LockTimeout { status: 409 }));
    let lost = FailureKind::Close(When::AfterEffect);
    stripe.simulator.inject(fail(lost).skip(1));
    let input = json!({ "api_base": stripe.simulator.base_url(), "email": "ada@example.com" });
    let made = python(&interpreter, "retry", input).await;
    assert_eq!(made["same"], true);
    assert_eq!(made["replayed"], json!([null, "true"]));
    let statuses: Vec<_> = stripe.simulator.requests();
    let statuses: Vec<_> = statuses.iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(409), None, Some(200), Some(200), Some(200)]);
    let customers = stripe.get("/v1/customers").await;
    assert_eq!(customers["data"].as_array().unwrap().len(), 2);
}
