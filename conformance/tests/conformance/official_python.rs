//! Stripe's official Python client against the simulator.

use std::process::Stdio;

use conformance::simulator::Endpoint;
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

#[tokio::test]
async fn the_official_python_client_subscribes_a_customer_and_accepts_our_signature() {
    let Ok(interpreter) = std::env::var("CONFORMANCE_PYTHON") else {
        eprintln!(
            "SKIPPED the official Python client: CONFORMANCE_PYTHON does not name a Python with `stripe` installed"
        );
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
