//! What Stripe brings, worked out another way than the server does.

use serde_json::Value;

/// What a subscription of Stripe's brings in a month, worked out from what the API shows; none that does not run.
pub(super) fn monthly(subscription: &Value) -> Option<(String, i64)> {
    let status = subscription["status"].as_str().unwrap();
    if !["active", "past_due"].contains(&status) {
        return None;
    }
    // In twelfths of hundredths of a per cent of a minor unit.
    let scale = 12 * 10_000;
    let a_month = |price: &Value| match price["recurring"]["interval"].as_str().unwrap() {
        "year" => 10_000,
        "month" => scale / price["recurring"]["interval_count"].as_i64().unwrap(),
        other => panic!("no price here is by the {other}"),
    };
    let items = subscription["items"]["data"].as_array().unwrap();
    let whole = items.iter().map(|item| {
        let price = &item["price"];
        price["unit_amount"].as_i64().unwrap() * item["quantity"].as_i64().unwrap() * a_month(price)
    });
    let mut left: i64 = whole.sum();
    for discount in subscription["discounts"].as_array().unwrap() {
        let coupon = &discount["coupon"];
        if coupon["duration"] != "forever" {
            continue;
        }
        left -= match coupon["amount_off"].as_i64() {
            Some(amount) => amount * a_month(&items[0]["price"]),
            None => left / 100 * coupon["percent_off"].as_i64().unwrap(),
        };
    }
    let rounded = (left.max(0) + scale / 2) / scale;
    let currency = subscription["currency"].as_str().unwrap().to_owned();
    (rounded > 0).then_some((currency, rounded))
}

/// What moved a currency in a month.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Moves(pub(super) [i64; 7]);

pub(super) const NAMES: [&str; 7] = [
    "start",
    "new",
    "reactivated",
    "expansion",
    "contraction",
    "churned",
    "end",
];

impl Moves {
    pub(super) fn of(shown: &Value) -> Self {
        Self(NAMES.map(|name| shown[name].as_i64().unwrap()))
    }

    pub(super) fn add(&mut self, start: i64, end: i64, paid_before: bool) {
        let (name, by) = match (start, end) {
            (0, end) if paid_before => ("reactivated", end),
            (0, end) => ("new", end),
            (start, 0) => ("churned", start),
            (start, end) if end > start => ("expansion", end - start),
            (start, end) => ("contraction", start - end),
        };
        for (name, by) in [("start", start), (name, by), ("end", end)] {
            self.0[NAMES.iter().position(|it| *it == name).unwrap()] += by;
        }
    }
}
