//! Recurring revenue against cases that were worked out by hand, and in any order.

mod amounts;
mod looks;
mod moves;

use billing_core::event::Event;
use billing_core::revenue::{MonthlyRevenue, Revenue};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bodies::{decode, event, previous_attributes};
use crate::test_ledger::{TestLedger, policy};

/// `2026-03-15T12:00:00Z`, or any other.
fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn price(id: &str, currency: &str, amount: &str, interval: &str, count: u32) -> Value {
    json!({ "id": id, "object": "price", "currency": currency, "unit_amount_decimal": amount,
        "unit_amount": amount.parse::<i64>().ok(),
        "recurring": { "interval": interval, "interval_count": count, "usage_type": "licensed" } })
}

fn pro() -> Value {
    price("price_pro", "usd", "2900", "month", 1)
}

fn plus() -> Value {
    price("price_plus", "usd", "7900", "month", 1)
}

fn item(price: Value, quantity: i64) -> Value {
    json!({ "id": "si_1", "object": "subscription_item", "price": price, "quantity": quantity,
        "current_period_end": 1_900_000_000, "discounts": [] })
}

/// A subscription of these items.
fn subscription(number: u32, status: &str, items: &[Value]) -> Value {
    json!({ "id": format!("sub_{number}"), "object": "subscription", "customer": format!("cus_{number}"),
        "created": 1_767_225_600, "status": status, "currency": items[0]["price"]["currency"],
        "items": { "object": "list", "data": items }, "discounts": [], "livemode": false })
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

/// An event of a time, which tells what was before where that is told.
fn told(id: &str, kind: &str, when: &str, before: Option<&Value>, object: &Value) -> Event {
    let kind = format!("customer.subscription.{kind}");
    let mut body = event(id, &kind, at(when).as_second(), object.clone());
    if let Some(before) = before {
        body["data"]["previous_attributes"] = previous_attributes(before, object);
    }
    decode(body.to_string()).unwrap()
}

/// What follows from these events by a time.
async fn revenue_of(events: &[Event], now: &str, months: u32) -> Revenue {
    let ledger = TestLedger::start().await;
    for event in events {
        ledger.ingest(event, at(now)).await;
    }
    let revenue = ledger.store.revenue(&policy(), at(now), months).await;
    ledger.stop().await;
    revenue.unwrap()
}

/// A month's moves: start, new, reactivated, expansion, contraction, churned, end.
fn moves(month: &MonthlyRevenue) -> (String, [i64; 7]) {
    let MonthlyRevenue {
        start,
        new,
        reactivated,
        expansion,
        contraction,
        churned,
        end,
        ..
    } = *month;
    assert_eq!(
        start + new + reactivated + expansion - contraction - churned,
        end
    );
    let name = format!("{} {}", month.month, month.currency.as_str());
    (
        name,
        [
            start,
            new,
            reactivated,
            expansion,
            contraction,
            churned,
            end,
        ],
    )
}

fn expect(revenue: &Revenue, expected: &[(&str, [i64; 7])]) {
    let found: Vec<_> = revenue.months.iter().map(moves).collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, it)| ((*name).to_owned(), *it))
        .collect();
    assert_eq!(found, expected);
}

fn coupon(duration: &str, percent: Value, amount: Value, currency: Value) -> Value {
    json!({ "id": "C", "object": "coupon", "duration": duration, "percent_off": percent, "amount_off": amount,
        "currency": currency })
}

fn percent_off(duration: &str, percent: Value) -> Value {
    json!({ "id": "di_1", "object": "discount", "coupon": coupon(duration, percent, json!(null), json!(null)) })
}

fn amount_off(amount: i64, currency: &str) -> Value {
    json!({ "id": "di_2", "object": "discount",
        "source": { "type": "coupon", "coupon": coupon("forever", json!(null), json!(amount), json!(currency)) } })
}
