//! Coupons and the discounts they become.

use serde_json::{Value, json};

use crate::client::{DAY, FEBRUARY, HOUR, MARCH, NEW_YEAR, TestStripe, id};
use crate::subscriptions::last_invoice;

/// A customer with a good card.
struct Saver {
    stripe: TestStripe,
    clock: String,
    customer: String,
}

impl Saver {
    async fn start() -> Self {
        let stripe = TestStripe::start().await;
        let clock = stripe.clock().await;
        let customer = stripe.customer(&clock, "pm_card_visa").await;
        Self {
            stripe,
            clock,
            customer,
        }
    }

    async fn coupon(&self, params: &[(&str, &str)]) -> String {
        id(&self.stripe.post("/v1/coupons", params).await)
    }

    async fn subscribe(&self, coupon: &str) -> Value {
        let more = [("discounts[0][coupon]", coupon)];
        self.stripe.subscribe(&self.customer, &more).await
    }

    /// What was paid for each of the first three months.
    async fn three_months(&self) -> Vec<i64> {
        self.stripe.advance(&self.clock, FEBRUARY + HOUR).await;
        self.stripe.advance(&self.clock, MARCH + HOUR).await;
        let invoices = self.stripe.get("/v1/invoices").await;
        let invoices = invoices["data"].as_array().unwrap().iter().rev();
        invoices
            .map(|invoice| invoice["amount_paid"].as_i64().unwrap())
            .collect()
    }
}

type Params<'a> = &'a [(&'a str, &'a str)];

const HALF: (&str, &str) = ("percent_off", "50");

#[tokio::test]
async fn a_discount_lasts_as_long_as_its_coupon_says() {
    let cases: [(Params, [i64; 3]); 4] = [
        (&[HALF, ("duration", "once")], [1450, 2900, 2900]),
        (&[HALF, ("duration", "forever")], [1450, 1450, 1450]),
        (
            &[
                ("percent_off", "33.33"),
                ("duration", "repeating"),
                ("duration_in_months", "2"),
            ],
            [1933, 1933, 2900],
        ),
        (
            &[
                ("amount_off", "1000"),
                ("currency", "usd"),
                ("duration", "forever"),
            ],
            [1900, 1900, 1900],
        ),
    ];
    for (coupon, paid) in cases {
        let saver = Saver::start().await;
        let coupon = saver.coupon(coupon).await;
        saver.subscribe(&coupon).await;
        assert_eq!(saver.three_months().await, paid);
    }
}

#[tokio::test]
async fn the_discount_is_shown_on_the_subscription_and_the_invoice() {
    let saver = Saver::start().await;
    let coupon = saver
        .coupon(&[("id", "HALF"), HALF, ("duration", "forever")])
        .await;
    assert_eq!(coupon, "HALF");
    let subscription = saver.subscribe("HALF").await;
    let discount = &subscription["discounts"][0];
    assert!(discount.as_str().unwrap().starts_with("di_"));
    let invoice = last_invoice(&saver.stripe).await;
    assert_eq!(
        (&invoice["subtotal"], &invoice["total"]),
        (&json!(2900), &json!(1450))
    );
    assert_eq!(
        invoice["total_discount_amounts"],
        json!([{ "amount": 1450, "discount": discount }])
    );
    assert_eq!(&invoice["discounts"][0], discount);
    let path = format!("/v1/subscriptions/{}", id(&subscription));
    let expanded = saver
        .stripe
        .get(&format!("{path}?expand[]=discounts"))
        .await;
    assert_eq!(expanded["discounts"][0]["coupon"]["percent_off"], 50);
    let coupon = saver.stripe.get("/v1/coupons/HALF").await;
    assert_eq!(coupon["times_redeemed"], 1);
    let bare = saver.stripe.post(&path, &[("discounts", "")]).await;
    assert_eq!(bare["discounts"], json!([]));
}

#[tokio::test]
async fn prorations_are_reckoned_from_what_was_paid() {
    let saver = Saver::start().await;
    let coupon = saver.coupon(&[HALF, ("duration", "forever")]).await;
    let subscription = saver.subscribe(&coupon).await;
    saver
        .stripe
        .advance(&saver.clock, NEW_YEAR + 31 * DAY / 2)
        .await;
    let item = id(&subscription["items"]["data"][0]);
    let params = [
        ("items[0][id]", item.as_str()),
        ("items[0][quantity]", "3"),
        ("proration_behavior", "always_invoice"),
    ];
    let path = format!("/v1/subscriptions/{}", id(&subscription));
    saver.stripe.post(&path, &params).await;
    let invoice = last_invoice(&saver.stripe).await;
    assert_eq!(invoice["amount_paid"], 3 * 725 - 725);
}

#[tokio::test]
async fn checkout_takes_a_coupon() {
    let saver = Saver::start().await;
    let coupon = saver.coupon(&[HALF, ("duration", "forever")]).await;
    let price = saver.stripe.monthly_price().await;
    let params = [
        ("mode", "subscription"),
        ("customer", saver.customer.as_str()),
        ("line_items[0][price]", &price),
        ("discounts[0][coupon]", &coupon),
        ("success_url", "https://example.com/done"),
    ];
    let session = saver.stripe.post("/v1/checkout/sessions", &params).await;
    assert_eq!(session["amount_total"], 1450);
    assert_eq!(session["total_details"]["amount_discount"], 1450);
    let form = [("card", "pm_card_visa")];
    let url = session["url"].as_str().unwrap();
    assert_eq!(saver.stripe.submit(url, &form).await.0, 303);
    assert_eq!(last_invoice(&saver.stripe).await["amount_paid"], 1450);
}

#[tokio::test]
async fn coupons_that_mean_nothing_are_refused() {
    let saver = Saver::start().await;
    let cases: [Params; 6] = [
        &[],
        &[("percent_off", "0")],
        &[("percent_off", "101")],
        &[("amount_off", "5")],
        &[HALF, ("duration", "repeating")],
        &[HALF, ("amount_off", "5"), ("currency", "usd")],
    ];
    for case in cases {
        let (status, _) = saver.stripe.try_post("/v1/coupons", case).await;
        assert_eq!(status, 400, "{case:?}");
    }
    let price = saver.stripe.monthly_price().await;
    let params = [
        ("customer", saver.customer.as_str()),
        ("items[0][price]", &price),
        ("discounts[0][coupon]", "NONE"),
    ];
    let (status, _) = saver.stripe.try_post("/v1/subscriptions", &params).await;
    assert_eq!(status, 400);
    let coupon = saver.coupon(&[HALF]).await;
    let path = format!("/v1/coupons/{coupon}");
    assert_eq!(saver.stripe.delete(&path).await["deleted"], true);
    let list = saver.stripe.get("/v1/coupons").await;
    assert_eq!(list["data"], json!([]));
}
