//! The official Stripe CLI, unmodified, against the simulator.

use conformance::driver::TRIGGERS;
use conformance::stripe_cli::{Edit, StripeCli};
use serde_json::json;

use crate::client::TestStripe;

/// The binary that the developer command names; the tests below are skipped without it.
fn binary(test: &str) -> Option<String> {
    let binary = std::env::var("STRIPE_CLI_BIN").ok();
    if binary.is_none() {
        eprintln!("SKIPPED {test}: STRIPE_CLI_BIN does not name the official Stripe CLI");
    }
    binary
}

#[tokio::test]
async fn the_official_cli_triggers_all_eleven_events() {
    let Some(binary) = binary("the_official_cli_triggers_all_eleven_events") else {
        return;
    };
    let stripe = TestStripe::start().await;
    let cli = StripeCli::new(binary, stripe.simulator.base_url()).unwrap();
    eprintln!("{}", cli.version().await.unwrap());
    for (event_type, _) in TRIGGERS {
        let before = stripe.event_count();
        cli.trigger(event_type, &[]).await.unwrap();
        let events = stripe.events_since(before);
        let sent = events
            .iter()
            .filter(|event| event.event_type == *event_type)
            .count();
        assert_eq!(sent, 1, "{event_type}: {events:#?}");
    }
}

#[tokio::test]
async fn the_official_cli_takes_edits_and_fixture_files() {
    let Some(binary) = binary("the_official_cli_takes_edits_and_fixture_files") else {
        return;
    };
    let stripe = TestStripe::start().await;
    let cli = StripeCli::new(binary, stripe.simulator.base_url()).unwrap();
    cli.trigger(
        "customer.created",
        &[Edit::Add("customer:name=Ada".to_owned())],
    )
    .await
    .unwrap();
    assert_eq!(
        stripe.only_event("customer.created").body["data"]["object"]["name"],
        "Ada"
    );

    let price = stripe.monthly_price().await;
    let fixtures = json!({ "_meta": { "template_version": 0 }, "fixtures": [
        { "name": "customer", "path": "/v1/customers", "method": "post",
          "params": { "payment_method": "pm_card_visa", "invoice_settings": { "default_payment_method": "pm_card_visa" } } },
        { "name": "subscription", "path": "/v1/subscriptions", "method": "post",
          "params": { "customer": "${customer:id}", "items": [{ "price": "${.env:PRICE}" }] } },
    ] });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("subscribe.json");
    std::fs::write(&file, fixtures.to_string()).unwrap();
    cli.fixtures(&file, &[("PRICE", &price)]).await.unwrap();
    let created = stripe.only_event("customer.subscription.created");
    assert_eq!(
        created.body["data"]["object"]["items"]["data"][0]["price"]["id"],
        price.as_str()
    );
}

#[tokio::test]
async fn a_trigger_that_fails_is_an_error_with_the_clis_output() {
    let Some(binary) = binary("a_trigger_that_fails_is_an_error_with_the_clis_output") else {
        return;
    };
    let stripe = TestStripe::start().await;
    let cli = StripeCli::new(binary, stripe.simulator.base_url()).unwrap();
    let error = cli
        .trigger("no.such.event", &[])
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("is not supported"), "{error}");
}
