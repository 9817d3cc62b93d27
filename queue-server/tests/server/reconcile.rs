//! Reconciling with Stripe: importing, finding what is wrong, one at a time, going on after a kill (B4).

use std::process::Stdio;
use std::time::Duration;

use conformance::simulator::{Failure, FailureKind, ReceivedRequest, When};
use serde_json::{Value, json};
use test_database::Engine;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::chance::Chance;
use crate::money::Shop;
use crate::records::read;
use crate::support::{Server, TOKEN, subscription_created, within};

const PATIENCE: Duration = Duration::from_secs(30);

impl Shop {
    /// A customer of the seller's who subscribes at Stripe; the ids of the two there.
    async fn subscriber(&self, customer: &str) -> (String, String) {
        let id = |object: Value| object["id"].as_str().unwrap().to_owned();
        let form = [
            ("metadata[queue_customer_id]", customer),
            ("payment_method", "pm_card_visa"),
            ("invoice_settings[default_payment_method]", "pm_card_visa"),
        ];
        let account = id(self.post_to_stripe("/v1/customers", &form).await);
        let prices = self.at_stripe("/v1/prices").await;
        let price = id(prices["data"].as_array().unwrap().last().unwrap().clone());
        let form = [("customer", account.as_str()), ("items[0][price]", &price)];
        let subscription = id(self.post_to_stripe("/v1/subscriptions", &form).await);
        (account, subscription)
    }

    /// Something that a customer or an operator may do at Stripe; whether the subscription is still there.
    async fn act(&self, subscription: &str, act: usize) -> bool {
        let path = format!("/v1/subscriptions/{subscription}");
        let form = match act {
            0 => {
                self.cancel(subscription).await;
                return false;
            }
            1 => vec![("cancel_at_period_end", "true".to_owned())],
            2 => vec![("cancel_at_period_end", "false".to_owned())],
            price => {
                let prices = self.at_stripe("/v1/prices").await;
                let shown = self.at_stripe(&path).await;
                let id = |object: &Value| object["id"].as_str().unwrap().to_owned();
                vec![
                    ("items[0][id]", id(&shown["items"]["data"][0])),
                    ("items[0][price]", id(&prices["data"][price % 2])),
                ]
            }
        };
        let form: Vec<_> = form.iter().map(|(name, it)| (*name, it.as_str())).collect();
        self.post_to_stripe(&path, &form).await;
        true
    }

    async fn cancel(&self, subscription: &str) {
        let url = format!("{}/v1/subscriptions/{subscription}", self.stripe.base_url());
        let request = crate::support::client()
            .delete(url)
            .bearer_auth("rk_test_of_the_tests");
        assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    }

    /// Runs the command, and gives what it reports.
    async fn reconcile(&self) -> Value {
        let output = self.installation.run(&["reconcile"]).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

async fn shown(server: &Server, customer: &str) -> Value {
    let mut record = read(server, &format!("/api/v1/billing/customers/{customer}")).await;
    // By which event something is known, and when a row was made, is told otherwise where an event is lost.
    for account in record["accounts"].as_array_mut().unwrap() {
        account["bound_at"].take();
        account["bound_by"].take();
    }
    record["mirror"]["updated_at"].take();
    record["mirror"]["waiting_since"].take();
    record
}

#[tokio::test]
async fn an_account_that_was_there_before_is_imported_as_if_every_event_had_come_b4() {
    let heard = Shop::open().await;
    let server = heard.serve().await;
    let deaf = heard.installation_beside();
    let customers = ["ann", "bob", "cyd"];
    let mut subscriptions = Vec::new();
    for customer in customers {
        subscriptions.push(heard.subscriber(customer).await.1);
    }
    heard.cancel(&subscriptions[1]).await;
    heard.assert_mirrored("ann", "pro/active").await;
    heard.assert_mirrored("bob", "free/canceled").await;
    let output = deaf.run(&["reconcile"]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["subscriptions"], &report["imported"]),
        (&json!(3), &json!(3))
    );
    assert!(
        told.contains("3 subscriptions (3 imported, 0 repaired)"),
        "{told}"
    );
    let beside = deaf.serve().await;
    for customer in customers {
        let expected = shown(&server, customer).await;
        assert_eq!(shown(&beside, customer).await, expected, "{customer}");
    }
}

/// Half of what happened is lost for ever, and the rest comes in any order.
#[tokio::test]
async fn what_was_lost_is_made_good_as_if_every_event_had_come_o4_b4() {
    let mut chance = Chance::new();
    let heard = Shop::open().await;
    let server = heard.serve().await;
    let customers: Vec<String> = (0..12).map(|number| format!("user-{number}")).collect();
    for customer in &customers {
        let (_, subscription) = heard.subscriber(customer).await;
        for _ in 0..chance.number(0..5) {
            if !heard.act(&subscription, chance.number(0..5)).await {
                break;
            }
        }
    }
    assert!(heard.stripe.wait_until_idle(PATIENCE).await);
    let deaf = heard.installation_beside();
    let beside = deaf.serve().await;
    let mut events = heard.stripe.events();
    let lost = events.len() / 2;
    while events.len() > lost {
        let event = events.swap_remove(chance.number(0..events.len()));
        let answer = beside.deliver(&event.body).await;
        assert_eq!(answer.status().as_u16(), 200, "{}", event.event_type);
    }
    let output = deaf.run(&["reconcile"]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    for customer in &customers {
        within(PATIENCE, "both tell the same of a customer", async || {
            shown(&beside, customer).await == shown(&server, customer).await
        })
        .await;
    }
    let doubts = "select count(*) from refresh_queue";
    within(PATIENCE, "nothing is in doubt any more", async || {
        deaf.count(doubts).await == 0
    })
    .await;
}

#[tokio::test]
async fn what_was_changed_by_hand_is_found_repaired_and_reported_by_field_b4() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let customers = ["ann", "bob", "cyd", "dan"];
    for customer in customers {
        shop.subscriber(customer).await;
        shop.assert_mirrored(customer, "pro/active").await;
    }
    let (_, over) = shop.subscriber("eve").await;
    shop.cancel(&over).await;
    shop.assert_mirrored("eve", "free/canceled").await;
    let quiet = shop.reconcile().await;
    assert_eq!(
        (&quiet["repaired"], &quiet["differences"]),
        (&json!(0), &json!([]))
    );
    let mut before = Vec::new();
    for customer in customers.into_iter().chain(["eve"]) {
        before.push(shown(&server, customer).await);
    }
    let yes = shop.installation.engine().pick("1", "true");
    let no = shop.installation.engine().pick("0", "false");
    let of = |customer: &str| {
        format!(
            "where stripe_customer_id =
             (select stripe_customer_id from billing_customer where queue_customer_id = '{customer}')"
        )
    };
    for change in [
        format!(
            "update billing_subscription set terminal = {yes}, ended = {yes}, entitled = {no}, status = 'canceled' {}",
            of("ann")
        ),
        format!(
            "update billing_subscription set plan_tier = 'pro_plus' {}",
            of("bob")
        ),
        format!("delete from billing_subscription {}", of("cyd")),
        format!(
            "update billing_subscription set terminal = {no}, ended = {no}, entitled = {yes}, status = 'active',
             mirror_status = 'active' {}",
            of("eve")
        ),
        "update mirror_row set plan_tier = 'pro', status = 'active', current_period_end = updated_at
         where queue_customer_id = 'eve'"
            .to_owned(),
        "update mirror_row set plan_tier = 'free', status = 'none' where queue_customer_id = 'dan'"
            .to_owned(),
    ] {
        shop.installation.meddle(&change).await.unwrap();
    }
    // Somebody invented one: Stripe has no such subscription.
    let invented = subscription_created("evt_invented", "cus_invented", "active");
    server.outcome(&invented).await;
    let report = shop.reconcile().await;
    assert_eq!(report["unknown"], json!(["sub_of_cus_invented"]));
    assert_eq!(report["imported"], 1);
    assert_eq!(report["repaired"], 3);
    assert_eq!(report["fields"]["status"], 2);
    assert_eq!(report["fields"]["plan_tier"], 1);
    let tiers = report["differences"].as_array().unwrap().iter();
    let tier: Vec<_> = tiers.filter(|it| it["field"] == "plan_tier").collect();
    assert_eq!(
        (&tier[0]["was"], &tier[0]["is"]),
        (&json!("pro_plus"), &json!("pro"))
    );
    for (customer, before) in customers.into_iter().zip(&before) {
        assert_eq!(&shown(&server, customer).await, before, "{customer}");
        shop.assert_mirrored(customer, "pro/active").await;
    }
    assert_eq!(shown(&server, "eve").await, before[customers.len()]);
    shop.assert_mirrored("eve", "free/canceled").await;
    let verified = shop.installation.run(&["audit", "verify"]).await;
    assert!(verified.status.success());
}

#[tokio::test]
async fn a_run_that_is_killed_goes_on_where_it_was_and_two_never_run_at_once_b4() {
    let shop = Shop::open().await;
    let mut subscribers = Vec::new();
    for number in 0..120 {
        subscribers.push(shop.subscriber(&format!("user-{number}")).await);
    }
    // Its second page does not come while somebody looks.
    let silent = FailureKind::Hang(When::BeforeEffect);
    let second_page = Failure::new("GET", "/v1/subscriptions", silent)
        .skip(1)
        .times(2);
    shop.stripe.inject(second_page);
    let mut command = shop.installation.command();
    let mut first = command
        .arg("reconcile")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut told = BufReader::new(first.stderr.take().unwrap()).lines();
    while let Some(line) = told.next_line().await.unwrap() {
        if line.starts_with("100 subscriptions") {
            break;
        }
    }
    let output = shop.installation.run(&["reconcile"]).await;
    let refused = String::from_utf8_lossy(&output.stderr);
    assert!(
        refused.contains("another reconcile is under way"),
        "{refused}"
    );
    first.kill().await.unwrap();
    // Its lease is over after a minute without a sign of life.
    let past = "update reconcile_run set lease_until = '2020-01-01 00:00:00.000000+00' where holder is not null";
    let past = match shop.installation.engine() {
        Engine::Sqlite => past.replace("+00", ""),
        Engine::Postgres => past.to_owned(),
    };
    shop.installation.meddle(&past).await.unwrap();
    let report = shop.reconcile().await;
    assert_eq!(
        (&report["subscriptions"], &report["imported"]),
        (&json!(120), &json!(120))
    );
    // The first page was asked for once, by the first run.
    let goes_on =
        |call: &&ReceivedRequest| call.params.iter().any(|(name, _)| name == "starting_after");
    let calls = shop.calls();
    let listed = calls.iter().filter(|call| call.path == "/v1/subscriptions");
    assert_eq!(listed.filter(|call| !goes_on(call)).count(), 1);
    let imported = shop
        .installation
        .count("select count(*) from mirror_row where status = 'active'")
        .await;
    assert_eq!(imported, 120);
}

#[tokio::test]
async fn a_running_server_reconciles_when_asked_and_tells_of_it_b4() {
    let shop = Shop::open().await;
    let server = shop.installation.serve().await;
    shop.subscriber("ann").await;
    let path = "/internal/v1/reconcile";
    let known = read(&server, path).await;
    assert_eq!(
        (&known["running"], &known["ended_at"]),
        (&json!(false), &json!(null))
    );
    let asked = server.client.post(server.url(path)).bearer_auth(TOKEN);
    assert_eq!(asked.send().await.unwrap().status().as_u16(), 202);
    within(PATIENCE, "it came to its end", async || {
        read(&server, path).await["ended_at"].is_string()
    })
    .await;
    assert_eq!(read(&server, path).await["report"]["imported"], 1);
    shop.assert_mirrored("ann", "pro/active").await;
}
