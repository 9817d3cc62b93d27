//! Test clocks.

use serde_json::json;

use crate::client::{DAY, FEBRUARY, HOUR, NEW_YEAR, TestStripe, id};

#[tokio::test]
async fn a_clock_only_moves_forward() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let path = format!("/v1/test_helpers/test_clocks/{clock}/advance");
    let (status, _) = stripe
        .try_post(&path, &[("frozen_time", &(NEW_YEAR - 1).to_string())])
        .await;
    assert_eq!(status, 400);
    let moved = stripe.advance(&clock, NEW_YEAR + 1).await;
    assert_eq!(
        (&moved["frozen_time"], &moved["status"]),
        (&json!(NEW_YEAR + 1), &json!("ready"))
    );
}

#[tokio::test]
async fn a_clock_moves_only_the_customers_that_live_on_it() {
    let stripe = TestStripe::start().await;
    let (one, two) = (stripe.clock().await, stripe.clock().await);
    for clock in [&one, &two] {
        let customer = stripe.customer(clock, "pm_card_visa").await;
        stripe.subscribe(&customer, &[]).await;
    }
    stripe.advance(&one, FEBRUARY + DAY).await;
    let renewed = stripe.only_event("customer.subscription.updated");
    assert_eq!(renewed.body["data"]["object"]["test_clock"], one.as_str());
}

#[tokio::test]
async fn a_year_of_months_renews_twelve_times_on_the_day_it_began() {
    let stripe = TestStripe::start().await;
    let end_of_january = NEW_YEAR + 30 * DAY;
    let clock = stripe
        .post(
            "/v1/test_helpers/test_clocks",
            &[("frozen_time", &end_of_january.to_string())],
        )
        .await;
    let clock = id(&clock);
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    stripe.subscribe(&customer, &[]).await;
    stripe
        .advance(&clock, end_of_january + 365 * DAY + HOUR)
        .await;
    let events = stripe.simulator.events();
    let renewals = events
        .iter()
        .filter(|event| event.event_type == "customer.subscription.updated");
    let days: Vec<i64> = renewals
        .map(|event| (event.created - NEW_YEAR) / DAY + 1)
        .collect();
    // 28 February, 31 March, 30 April, … 31 January as days of the year.
    assert_eq!(
        days,
        [59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365, 396]
    );
    let paid = events
        .iter()
        .filter(|event| event.event_type == "invoice.paid");
    assert_eq!(paid.count(), 13);
}

#[tokio::test]
async fn a_deleted_clock_takes_its_customers_with_it() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    stripe.subscribe(&customer, &[]).await;
    stripe
        .delete(&format!("/v1/test_helpers/test_clocks/{clock}"))
        .await;
    assert_eq!(
        stripe.get(&format!("/v1/customers/{customer}")).await["deleted"],
        true
    );
    stripe.only_event("customer.subscription.deleted");
    stripe.only_event("test_helpers.test_clock.deleted");
}
