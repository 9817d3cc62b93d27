//! A year of customers who come, change and go at the simulated Stripe, as chance will have it.

use std::collections::BTreeMap;

use conformance::simulator::{ApiVersion, SimulatorConfig};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::truth::{Moves, monthly};
use super::{Amounts, id};
use crate::chance::Chance;
use crate::money::Shop;
use crate::support::Server;

const CUSTOMERS: usize = 24;

/// A shop that has been there for a year, on a test clock.
pub(super) struct Year {
    pub(super) shop: Shop,
    clock: String,
    pub(super) accounts: Vec<String>,
    prices: Vec<(String, &'static str)>,
    coupons: BTreeMap<&'static str, Vec<String>>,
    pub(super) chance: Chance,
    /// What each customer brought at the end of each month.
    pub(super) ends: Vec<Vec<Amounts>>,
}

impl Year {
    pub(super) async fn begin(at: Timestamp) -> (Self, Server) {
        // In this version events show discounts whole; and nothing on a test clock is ever looked at.
        let version = "2024-06-20";
        let config = SimulatorConfig {
            api_version: ApiVersion::parse(version).unwrap(),
            ..SimulatorConfig::default()
        };
        let shop = Shop::open_with(config).await;
        let shown = shop.at_stripe("/v1/prices").await;
        let [plus, pro] = [0, 1].map(|number| id(&shown["data"][number]));
        let mut prices = vec![(pro.clone(), "usd"), (plus.clone(), "usd")];
        // The founders' price, a year's, a quarter's, and one in another currency.
        for (currency, amount, interval, count) in [
            ("usd", "900", "month", "1"),
            ("usd", "29000", "year", "1"),
            ("usd", "8000", "month", "3"),
            ("eur", "2700", "month", "1"),
            ("eur", "70001", "year", "1"),
        ] {
            let price = [
                ("product_data[name]", "Pro"),
                ("unit_amount", amount),
                ("currency", currency),
                ("recurring[interval]", interval),
                ("recurring[interval_count]", count),
            ];
            prices.push((
                id(&shop.post_to_stripe("/v1/prices", &price).await),
                currency,
            ));
        }
        let mut coupons = BTreeMap::<_, Vec<_>>::new();
        for (currency, coupon) in [
            ("", &[("percent_off", "50"), ("duration", "forever")][..]),
            ("", &[("percent_off", "25"), ("duration", "once")]),
            (
                "",
                &[
                    ("percent_off", "30"),
                    ("duration", "repeating"),
                    ("duration_in_months", "3"),
                ],
            ),
            (
                "usd",
                &[
                    ("amount_off", "333"),
                    ("currency", "usd"),
                    ("duration", "forever"),
                ],
            ),
        ] {
            let made = id(&shop.post_to_stripe("/v1/coupons", coupon).await);
            if currency.is_empty() {
                coupons.entry("eur").or_default().push(made.clone());
            }
            coupons.entry("usd").or_default().push(made);
        }
        let of_pro: Vec<_> = prices
            .iter()
            .map(|(price, _)| price.as_str())
            .filter(|it| *it != plus)
            .collect();
        let shop = shop
            .with("STRIPE_PRICE_ID_PRO", &of_pro.join(","))
            .with("STRIPE_API_VERSION", version);
        let server = shop.serve_in(version).await;
        let frozen = [("frozen_time", at.as_second().to_string())];
        let frozen = [(frozen[0].0, frozen[0].1.as_str())];
        let clock = id(&shop
            .post_to_stripe("/v1/test_helpers/test_clocks", &frozen)
            .await);
        let mut accounts = Vec::new();
        for number in 0..CUSTOMERS {
            let customer = [
                ("test_clock", clock.as_str()),
                ("metadata[queue_customer_id]", &format!("user-{number}")),
                ("payment_method", "pm_card_visa"),
                ("invoice_settings[default_payment_method]", "pm_card_visa"),
            ];
            accounts.push(id(&shop.post_to_stripe("/v1/customers", &customer).await));
        }
        let year = Self {
            shop,
            clock,
            accounts,
            prices,
            coupons,
            chance: Chance::new(),
            ends: Vec::new(),
        };
        (year, server)
    }

    pub(super) async fn advance(&self, to: Timestamp) {
        let path = format!("/v1/test_helpers/test_clocks/{}/advance", self.clock);
        let to = to.as_second().to_string();
        self.shop
            .post_to_stripe(&path, &[("frozen_time", &to)])
            .await;
    }

    async fn subscriptions(&self, account: &str) -> Vec<Value> {
        let path = format!(
            "/v1/subscriptions?status=all&limit=100&expand[]=data.discounts&customer={account}"
        );
        self.shop.at_stripe(&path).await["data"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// Something that a customer does, or a seller for them. What Stripe refuses has no effect.
    pub(super) async fn act(&mut self, account: &str) {
        let over = ["canceled", "incomplete_expired"];
        let all = self.subscriptions(account).await;
        let live = all
            .iter()
            .find(|it| !over.contains(&it["status"].as_str().unwrap()));
        let choice = self.chance.number(0..9);
        let quantity = (1 + self.chance.number(0..4)).to_string();
        match live {
            None if choice < 5 => {
                let (price, currency) =
                    self.prices[self.chance.number(0..self.prices.len())].clone();
                let mut form = vec![
                    ("customer", account.to_owned()),
                    ("items[0][price]", price),
                    ("items[0][quantity]", quantity),
                ];
                if self.chance.number(0..3) == 0 {
                    form.push(("discounts[0][coupon]", self.coupon(currency)));
                }
                if self.chance.number(0..4) == 0 {
                    form.push(("trial_period_days", "10".to_owned()));
                }
                self.ask("/v1/subscriptions", &form).await;
            }
            None => {}
            Some(live) => {
                let path = format!("/v1/subscriptions/{}", id(live));
                let item = ("items[0][id]", id(&live["items"]["data"][0]));
                let currency = live["currency"].as_str().unwrap();
                let form = match choice {
                    0 => vec![item, ("items[0][quantity]", quantity)],
                    1 | 2 => {
                        let (price, _) = self.price_in(currency);
                        vec![item, ("items[0][price]", price)]
                    }
                    3 => vec![("cancel_at_period_end", "true".to_owned())],
                    4 => vec![("cancel_at_period_end", "false".to_owned())],
                    5 => vec![("discounts[0][coupon]", self.coupon(currency))],
                    6 => vec![("discounts", String::new())],
                    7 => {
                        let card = ["pm_card_visa", "pm_card_chargeCustomerFail"]
                            [self.chance.number(0..2)];
                        return self.pay_with(account, card).await;
                    }
                    _ => {
                        let url = format!("{}{path}", self.shop.stripe.base_url());
                        let request = crate::support::client().delete(url);
                        request
                            .bearer_auth("rk_test_of_the_tests")
                            .send()
                            .await
                            .unwrap();
                        return;
                    }
                };
                self.ask(&path, &form).await;
            }
        }
    }

    /// Stripe has no subscription change its currency.
    fn price_in(&mut self, currency: &str) -> (String, &'static str) {
        let prices = self.prices.iter().filter(|(_, it)| *it == currency);
        let prices: Vec<_> = prices.cloned().collect();
        prices[self.chance.number(0..prices.len())].clone()
    }

    fn coupon(&mut self, currency: &str) -> String {
        let coupons = &self.coupons[currency];
        coupons[self.chance.number(0..coupons.len())].clone()
    }

    async fn pay_with(&self, account: &str, card: &str) {
        let path = format!("/v1/payment_methods/{card}/attach");
        let attached = self.ask(&path, &[("customer", account.to_owned())]).await;
        let default = ("invoice_settings[default_payment_method]", id(&attached));
        self.ask(&format!("/v1/customers/{account}"), &[default])
            .await;
    }

    async fn ask(&self, path: &str, form: &[(&str, String)]) -> Value {
        let url = format!("{}{path}", self.shop.stripe.base_url());
        let request = crate::support::client().post(url).form(form);
        let answer = request.bearer_auth("rk_test_of_the_tests").send().await;
        answer.unwrap().json().await.unwrap()
    }

    /// Notes what each customer brings now.
    pub(super) async fn note(&mut self) {
        let mut ends = Vec::new();
        for account in &self.accounts {
            let mut amounts = Amounts::new();
            for (currency, amount) in self.subscriptions(account).await.iter().filter_map(monthly) {
                *amounts.entry(currency).or_default() += amount;
            }
            ends.push(amounts);
        }
        self.ends.push(ends);
    }

    /// When each customer first paid in each currency, by all that ever happened.
    fn first_payments(&self) -> BTreeMap<(String, String), i64> {
        let mut firsts = BTreeMap::new();
        for event in self.shop.stripe.events() {
            let object = &event.body["data"]["object"];
            if object["object"] != "subscription" {
                continue;
            }
            // As the API shows it where discounts are expanded.
            let mut object = object.clone();
            object["discounts"] = match &object["discount"] {
                Value::Null => json!([]),
                discount => json!([discount]),
            };
            if let Some((currency, _)) = monthly(&object) {
                let customer = object["customer"].as_str().unwrap().to_owned();
                let created = event.body["created"].as_i64().unwrap();
                firsts.entry((customer, currency)).or_insert(created);
            }
        }
        firsts
    }

    /// What must be told of each month and currency, where its months begin.
    pub(super) fn moves(&self, starts: &[Timestamp]) -> BTreeMap<(usize, String), Moves> {
        let firsts = self.first_payments();
        let mut moves = BTreeMap::<_, Moves>::new();
        for (month, ends) in self.ends.iter().enumerate() {
            for (number, account) in self.accounts.iter().enumerate() {
                for ((customer, currency), first) in &firsts {
                    if customer != account {
                        continue;
                    }
                    let amount = |amounts: &Amounts| amounts.get(currency).copied().unwrap_or(0);
                    let start = match month {
                        0 => 0,
                        month => amount(&self.ends[month - 1][number]),
                    };
                    let paid_before = *first < starts[month].as_second();
                    let moves = moves.entry((month, currency.clone())).or_default();
                    moves.add(start, amount(&ends[number]), paid_before);
                }
            }
        }
        moves
    }
}
