//! `queue-server stripe setup`.

use conformance::simulator::{Simulator, SimulatorConfig};
use serde_json::Value;

use crate::support::{Installation, client};

const SETUP: [&str; 4] = ["stripe", "setup", "--public-url", "http://127.0.0.1:9"];

async fn count(stripe: &Simulator, key: &str, path: &str) -> usize {
    let url = format!("{}{path}?limit=100", stripe.base_url());
    let page = client().get(url).bearer_auth(key).send().await.unwrap();
    let page: Value = page.json().await.unwrap();
    page["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn it_makes_everything_once_in_test_mode_and_in_live_mode() {
    for (livemode, key) in [(false, "rk_test_setup"), (true, "rk_live_setup")] {
        let config = SimulatorConfig {
            livemode,
            ..SimulatorConfig::default()
        };
        let stripe = Simulator::start(config).await.unwrap();
        let installation = Installation::new()
            .with("STRIPE_API_BASE", &stripe.base_url())
            .with("STRIPE_RESTRICTED_KEY", key);
        let dry: Vec<&str> = SETUP.into_iter().chain(["--dry-run"]).collect();
        let output = installation.run(&dry).await;
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout.is_empty());
        let posts = |stripe: &Simulator| {
            let requests = stripe.requests().into_iter();
            requests.filter(|request| request.method != "GET").count()
        };
        assert_eq!(posts(&stripe), 0);
        let mut printed = Vec::new();
        for _ in 0..2 {
            let output = installation.run(&SETUP).await;
            assert!(output.status.success(), "{output:?}");
            printed.push(String::from_utf8(output.stdout).unwrap());
            for (path, expected) in [
                ("/v1/products", 2),
                ("/v1/prices", 2),
                ("/v1/webhook_endpoints", 1),
                ("/v1/billing_portal/configurations", 1),
            ] {
                assert_eq!(count(&stripe, key, path).await, expected, "{path}");
            }
        }
        let first: Vec<&str> = printed[0].lines().collect();
        let names: Vec<_> = first
            .iter()
            .map(|line| line.split('=').next().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "STRIPE_PRICE_ID_PRO",
                "STRIPE_PRICE_ID_PRO_PLUS",
                "STRIPE_WEBHOOK_SECRET",
                "STRIPE_PORTAL_CONFIGURATION"
            ]
        );
        // The secret is told once.
        let again = first
            .into_iter()
            .filter(|line| !line.starts_with("STRIPE_WEBHOOK_SECRET"));
        assert_eq!(
            printed[1].lines().collect::<Vec<_>>(),
            again.collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn a_price_that_costs_something_else_stops_it() {
    let stripe = Simulator::start(SimulatorConfig::default()).await.unwrap();
    let installation = Installation::new()
        .with("STRIPE_API_BASE", &stripe.base_url())
        .with("STRIPE_RESTRICTED_KEY", "rk_test_setup");
    assert!(installation.run(&SETUP).await.status.success());
    let dearer: Vec<&str> = SETUP.into_iter().chain(["--pro", "3900"]).collect();
    let output = installation.run(&dearer).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("queue_pro_month differs")
    );
    let wrong = installation.with("STRIPE_RESTRICTED_KEY", "no-key-of-stripes");
    let output = wrong.run(&SETUP).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("check STRIPE_RESTRICTED_KEY") && !said.contains("no-key-of-stripes"),
        "{said}"
    );
    let unset = wrong.without("STRIPE_RESTRICTED_KEY");
    assert_eq!(unset.run(&SETUP).await.status.code(), Some(78));
}
