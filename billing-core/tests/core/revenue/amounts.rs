//! What one subscription brings in a month.

use serde_json::{Value, json};

use super::{
    amount_off, item, percent_off, plus, price, pro, revenue_of, subscription, told, with,
};

/// What one subscription brings in a month, by currency; and how many bring nobody knows what.
async fn monthly(object: Value) -> (Vec<(String, i64)>, u64) {
    let created = told("evt_1", "created", "2026-01-01T00:00:00Z", None, &object);
    let revenue = revenue_of(&[created], "2026-01-02T00:00:00Z", 1).await;
    let mrr = revenue.mrr.iter();
    let mrr = mrr.map(|row| (row.currency.as_str().to_owned(), row.mrr));
    (mrr.collect(), revenue.unknown)
}

#[tokio::test]
async fn a_subscription_brings_its_price_by_the_month() {
    let active = |items: &[Value]| subscription(1, "active", items);
    let usd = |amount: &str, interval, count| price("price_pro", "usd", amount, interval, count);
    let founders = price("price_founders", "usd", "900", "month", 1);
    let metered = json!({ "id": "price_m", "currency": "usd", "unit_amount": 5,
        "recurring": { "interval": "month", "interval_count": 1, "usage_type": "metered" } });
    let in_tiers = json!({ "id": "price_t", "currency": "usd", "unit_amount": null,
        "recurring": { "interval": "month", "interval_count": 1, "usage_type": "licensed" } });
    let packages = |round: &str| {
        let transform = json!({ "divide_by": 10, "round": round });
        item(with(pro(), "transform_quantity", transform), 25)
    };
    let nothing: &[(&str, i64)] = &[];
    for (object, expected, unknown) in [
        (active(&[item(pro(), 1)]), &[("usd", 2900)][..], 0),
        (active(&[item(pro(), 3)]), &[("usd", 8700)], 0),
        (active(&[item(founders, 1)]), &[("usd", 900)], 0),
        // 290.00 a year are 24.1666… a month; 289.98 are 24.165, half of a cent up.
        (
            active(&[item(usd("29000", "year", 1), 1)]),
            &[("usd", 2417)],
            0,
        ),
        (
            active(&[item(usd("28998", "year", 1), 1)]),
            &[("usd", 2417)],
            0,
        ),
        (
            active(&[item(usd("28997", "year", 1), 1)]),
            &[("usd", 2416)],
            0,
        ),
        // Twelve of them are rounded once.
        (
            active(&[item(usd("29000", "year", 1), 12)]),
            &[("usd", 29000)],
            0,
        ),
        (
            active(&[item(usd("8400", "month", 3), 1)]),
            &[("usd", 2800)],
            0,
        ),
        (
            active(&[item(usd("700", "week", 1), 1)]),
            &[("usd", 3033)],
            0,
        ),
        (
            active(&[item(usd("100", "day", 1), 1)]),
            &[("usd", 3042)],
            0,
        ),
        // A tenth of a cent each.
        (
            active(&[item(usd("0.1", "month", 1), 12_345)]),
            &[("usd", 1235)],
            0,
        ),
        (
            active(&[item(pro(), 1), item(plus(), 2)]),
            &[("usd", 18_700)],
            0,
        ),
        (
            active(&[item(pro(), 1), item(usd("12000", "year", 1), 1)]),
            &[("usd", 3900)],
            0,
        ),
        (active(&[packages("up")]), &[("usd", 8700)], 0),
        (active(&[packages("down")]), &[("usd", 5800)], 0),
        (
            active(&[item(pro(), 1), item(metered.clone(), 1)]),
            &[("usd", 2900)],
            0,
        ),
        (active(&[item(metered, 1)]), nothing, 0),
        (active(&[item(usd("0", "month", 1), 1)]), nothing, 0),
        (active(&[item(in_tiers, 1)]), nothing, 1),
        (active(&[item(usd("many", "month", 1), 1)]), nothing, 1),
        (active(&[item(usd("2900", "fortnight", 1), 1)]), nothing, 1),
        (active(&[item(usd("2900", "month", 0), 1)]), nothing, 1),
        // Shown in another currency than it is charged in.
        (
            with(active(&[item(pro(), 1)]), "currency", json!("eur")),
            nothing,
            1,
        ),
        (
            active(&[item(price("price_pro", "jpy", "3000", "month", 1), 1)]),
            &[("jpy", 3000)],
            0,
        ),
        (
            active(&[item(usd("9223372036854775807", "day", 1), i64::MAX)]),
            nothing,
            1,
        ),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .map(|(c, n)| ((*c).to_owned(), *n))
            .collect();
        assert_eq!(
            monthly(object.clone()).await,
            (expected, unknown),
            "{object}"
        );
    }
}

#[tokio::test]
async fn only_what_runs_brings_anything() {
    for (status, expected) in [
        ("active", 2900),
        ("past_due", 2900),
        ("trialing", 0),
        ("incomplete", 0),
        ("incomplete_expired", 0),
        ("unpaid", 0),
        ("paused", 0),
        ("canceled", 0),
        ("a_new_one", 0),
    ] {
        let (mrr, unknown) = monthly(subscription(1, status, &[item(pro(), 1)])).await;
        let sum: i64 = mrr.iter().map(|(_, mrr)| mrr).sum();
        assert_eq!((sum, unknown), (expected, 0), "{status}");
    }
}

#[tokio::test]
async fn only_discounts_for_ever_make_it_less() {
    let active = || subscription(1, "active", &[item(pro(), 1)]);
    let of_item = |discount: Value| {
        let reduced = with(item(pro(), 1), "discounts", json!([discount]));
        subscription(1, "active", &[reduced, item(plus(), 1)])
    };
    let discounts = |discounts: Value| with(active(), "discounts", discounts);
    let yearly = || {
        subscription(
            1,
            "active",
            &[item(price("p", "usd", "29000", "year", 1), 1)],
        )
    };
    for (object, expected, unknown) in [
        (discounts(json!([percent_off("once", json!(50))])), 2900, 0),
        (
            discounts(json!([percent_off("repeating", json!(50))])),
            2900,
            0,
        ),
        (
            discounts(json!([percent_off("forever", json!(50))])),
            1450,
            0,
        ),
        // 25.5 % of 29.00 are 7.395; 21.605 are left, half of a cent up.
        (
            discounts(json!([percent_off("forever", json!(25.5))])),
            2161,
            0,
        ),
        (discounts(json!([percent_off("forever", json!(100))])), 0, 0),
        (discounts(json!([amount_off(500, "usd")])), 2400, 0),
        (discounts(json!([amount_off(5000, "usd")])), 0, 0),
        (discounts(json!([amount_off(500, "eur")])), 0, 1),
        // One after the other.
        (
            discounts(json!([
                percent_off("forever", json!(50)),
                amount_off(500, "usd")
            ])),
            950,
            0,
        ),
        (
            discounts(json!([
                amount_off(500, "usd"),
                percent_off("forever", json!(50))
            ])),
            1200,
            0,
        ),
        // Taken off each bill, of which there is one a year.
        (
            with(yearly(), "discounts", json!([amount_off(5000, "usd")])),
            2000,
            0,
        ),
        (of_item(percent_off("forever", json!(50))), 9350, 0),
        (of_item(percent_off("once", json!(50))), 10_800, 0),
        // As it was before there could be several.
        (
            with(active(), "discount", percent_off("forever", json!(50))),
            1450,
            0,
        ),
        (
            with(
                discounts(json!(["di_1"])),
                "discount",
                percent_off("forever", json!(50)),
            ),
            1450,
            0,
        ),
        // Of which no more than the id is known.
        (discounts(json!(["di_1"])), 0, 1),
        (discounts(json!([percent_off("forever", json!(101))])), 0, 1),
        (
            discounts(json!([percent_off("forever", json!("half"))])),
            0,
            1,
        ),
    ] {
        let (mrr, found) = monthly(object.clone()).await;
        let sum: i64 = mrr.iter().map(|(_, mrr)| mrr).sum();
        assert_eq!((sum, found), (expected, unknown), "{object}");
    }
}
