//! `GET /api/v1/billing/revenue`, against what the simulated Stripe knows to be true.

mod truth;
mod year;

use std::collections::BTreeMap;
use std::time::Duration;

use conformance::simulator::{Failure, FailureKind, When};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};

use crate::money::Shop;
use crate::records::read;
use crate::support::{Server, TOKEN, within};
use truth::{Moves, NAMES};
use year::Year;

const PATIENCE: Duration = Duration::from_secs(60);
const MONTHS: usize = 12;

/// What a customer brings in a month, by currency.
type Amounts = BTreeMap<String, i64>;

async fn revenue(server: &Server, months: usize) -> Value {
    read(server, &format!("/api/v1/billing/revenue?months={months}")).await
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

/// The first second of the month so many months ago.
fn month_start(now: Timestamp, ago: usize) -> Timestamp {
    let date: Date = now.to_zoned_datetime(TimeZone::UTC).date();
    let back = Span::new().try_months(i64::try_from(ago).unwrap()).unwrap();
    let start = date.first_of_month().checked_sub(back).unwrap();
    start.to_zoned_datetime(TimeZone::UTC).unwrap().timestamp()
}

#[tokio::test]
async fn a_year_is_told_as_it_was_in_whatever_order_it_came() {
    let now = Timestamp::now();
    let end = Timestamp::from_second(now.as_second() - 60).unwrap();
    let starts: Vec<Timestamp> = (0..MONTHS).rev().map(|ago| month_start(now, ago)).collect();
    let (mut year, server) = Year::begin(starts[0]).await;
    for month in 0..MONTHS {
        let act_at = Timestamp::from_second(starts[month].as_second() + 9 * 86_400).unwrap();
        let ends = starts.get(month + 1).map_or(end, |next| {
            Timestamp::from_second(next.as_second() - 1).unwrap()
        });
        if act_at < ends {
            year.advance(act_at).await;
            for account in year.accounts.clone() {
                year.act(&account).await;
            }
        }
        if ends > starts[month] {
            year.advance(ends).await;
        }
        year.note().await;
    }
    assert!(year.shop.stripe.wait_until_idle(PATIENCE).await);
    let expected = year.moves(&starts);
    let shown = revenue(&server, MONTHS).await;
    let months: Vec<String> = starts
        .iter()
        .map(|start| start.to_string()[..7].to_owned())
        .collect();
    let told = |shown: &Value| -> BTreeMap<(usize, String), Moves> {
        let rows = shown["months"].as_array().unwrap().iter();
        rows.map(|row| {
            let month = months
                .iter()
                .position(|it| row["month"] == json!(it))
                .unwrap();
            let currency = row["currency"].as_str().unwrap().to_owned();
            ((month, currency), Moves::of(row))
        })
        .collect()
    };
    assert_eq!(told(&shown), expected);
    assert_eq!(shown["unknown"], 0);
    // Something of every kind happened.
    for (name, at) in NAMES.iter().zip(0..) {
        let sum: i64 = expected.values().map(|moves| moves.0[at]).sum();
        assert!(sum > 0, "{name}");
    }
    let by_currency = |shown: &Value| {
        let mut sums = Amounts::new();
        for row in shown["mrr"].as_array().unwrap() {
            assert!(["pro", "pro_plus"].contains(&row["plan_tier"].as_str().unwrap()));
            *sums
                .entry(row["currency"].as_str().unwrap().to_owned())
                .or_default() += row["mrr"].as_i64().unwrap();
        }
        sums
    };
    let mut truth = Amounts::new();
    for (currency, amount) in year.ends[MONTHS - 1].iter().flatten() {
        *truth.entry(currency.clone()).or_default() += amount;
    }
    assert_eq!(by_currency(&shown), truth);
    // The same in any order, and some of it twice.
    let beside = year.shop.installation_beside();
    let beside = beside.serve().await;
    let mut events = year.shop.stripe.events();
    events.extend(events.clone().into_iter().step_by(3));
    while !events.is_empty() {
        let event = events.swap_remove(year.chance.number(0..events.len()));
        let answer = beside.deliver(&event.body).await;
        assert_eq!(answer.status().as_u16(), 200, "{}", event.event_type);
    }
    let again = revenue(&beside, MONTHS).await;
    assert_eq!(told(&again), expected);
    assert_eq!(again["mrr"], shown["mrr"]);
}

#[tokio::test]
async fn a_discount_of_which_an_event_shows_the_id_alone_is_looked_at_o4() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let half = [("percent_off", "50"), ("duration", "forever")];
    let coupon = id(&shop.post_to_stripe("/v1/coupons", &half).await);
    let customer = [
        ("metadata[queue_customer_id]", "ann"),
        ("payment_method", "pm_card_visa"),
        ("invoice_settings[default_payment_method]", "pm_card_visa"),
    ];
    let account = id(&shop.post_to_stripe("/v1/customers", &customer).await);
    let prices = shop.at_stripe("/v1/prices").await;
    let price = id(prices["data"].as_array().unwrap().last().unwrap());
    let form = [
        ("customer", account.as_str()),
        ("items[0][price]", &price),
        ("discounts[0][coupon]", &coupon),
    ];
    shop.post_to_stripe("/v1/subscriptions", &form).await;
    let half_of_it =
        json!([{ "plan_tier": "pro", "currency": "usd", "mrr": 1450, "subscriptions": 1 }]);
    within(PATIENCE, "the discount is known", async || {
        revenue(&server, 1).await["mrr"] == half_of_it
    })
    .await;
    // One who hears of it by an import knows at once.
    let deaf = shop.installation_beside();
    let output = deaf.run(&["reconcile"]).await;
    assert!(output.status.success());
    let deaf = deaf.serve().await;
    assert_eq!(revenue(&deaf, 1).await["mrr"], half_of_it);
    // A key that may not read coupons imports all the same, and what it does not see is counted.
    let kept_out = FailureKind::ServerError {
        status: 403,
        when: When::BeforeEffect,
    };
    let once = Failure::new("GET", "/v1/subscriptions", kept_out).times(1);
    shop.stripe.inject(once);
    let beside = shop.installation_beside();
    assert!(beside.run(&["reconcile"]).await.status.success());
    let beside = beside.serve().await;
    let shown = revenue(&beside, 1).await;
    assert_eq!((&shown["mrr"], &shown["unknown"]), (&json!([]), &json!(1)));
    for wrong in ["months=0", "months=121", "months=x", "year=1"] {
        let answer = server
            .client
            .get(server.url(&format!("/api/v1/billing/revenue?{wrong}")));
        let answer = answer.bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 400, "{wrong}");
    }
}
