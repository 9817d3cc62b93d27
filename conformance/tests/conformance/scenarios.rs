//! The crate's own scenarios and the runner of fixture files.

use conformance::driver::{FixtureRunner, TRIGGERS};
use serde_json::json;

use crate::client::TestStripe;

#[tokio::test]
async fn every_scenario_sends_its_event() {
    assert_eq!(TRIGGERS.len(), 11);
    for (event_type, _) in TRIGGERS {
        let stripe = TestStripe::start().await;
        let runner = FixtureRunner::new(stripe.simulator.base_url()).unwrap();
        runner.trigger(event_type).await.unwrap();
        stripe.only_event(event_type);
    }
}

#[tokio::test]
async fn fixtures_use_earlier_answers_variables_and_defaults() {
    let stripe = TestStripe::start().await;
    let runner = FixtureRunner::new(stripe.simulator.base_url())
        .unwrap()
        .with_variable("NAME", "Ada");
    let file = json!({ "_meta": { "template_version": 0 }, "fixtures": [
        { "name": "first", "path": "/v1/customers", "method": "post",
          "params": { "name": "${.env:NAME}", "email": "${.env:NO_SUCH_VARIABLE|a@example.com}" } },
        { "name": "all", "path": "/v1/customers", "method": "get" },
        { "name": "again", "path": "/v1/customers/${all:data.[0].id}", "method": "get" },
    ] });
    let run = runner.run(&file.to_string()).await.unwrap();
    let again = run.response("again").unwrap();
    assert_eq!(
        (&again["name"], &again["email"]),
        (&json!("Ada"), &json!("a@example.com"))
    );
}

#[tokio::test]
async fn a_fixture_that_ends_otherwise_than_expected_fails_the_run() {
    let stripe = TestStripe::start().await;
    let runner = FixtureRunner::new(stripe.simulator.base_url()).unwrap();
    let refused = r#"{"fixtures": [{"name": "a", "path": "/v1/prices", "method": "post"}]}"#;
    assert!(runner.run(refused).await.is_err());
    let expected = r#"{"fixtures": [{"name": "a", "path": "/v1/customers", "method": "post", "expected_error_type": "card_error"}]}"#;
    assert!(runner.run(expected).await.is_err());
    let dangling =
        r#"{"fixtures": [{"name": "a", "path": "/v1/customers/${b:id}", "method": "get"}]}"#;
    assert!(runner.run(dangling).await.is_err());
}
