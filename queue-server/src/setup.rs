//! `queue-server stripe setup`: what an account at Stripe needs to have, made once and found again.
//!
//! Products are found by their ids, prices by their lookup keys, the endpoint by its URL and API version, the portal's
//! configuration by a mark in its metadata. So it may run any number of times, in test mode and in live mode alike: which
//! one it is lies in the key.

use anyhow::{Context, ensure};
use billing_core::event::EventType;
use clap::Args;
use reqwest::Url;

use crate::stripe::{
    Key, NewPrice, PortalPlan, Price, Recurring, Stripe, StripeConfig, StripeError,
};

const WEBHOOK_PATH: &str = "/api/v1/billing/webhook";
/// The metadata by which our portal configuration is known.
const MARK: (&str, &str) = ("queue", "portal");
/// Each paid plan: its tier, its name on Stripe's pages, the variable for its price.
const PLANS: [(&str, &str, &str); 2] = [
    ("pro", "Pro", "STRIPE_PRICE_ID_PRO"),
    ("pro_plus", "Pro+", "STRIPE_PRICE_ID_PRO_PLUS"),
];

/// What is to be there.
#[derive(Debug, Args)]
pub(crate) struct SetupOptions {
    /// Where this server is reached from outside: Stripe delivers to its webhook path.
    #[arg(long, value_name = "URL")]
    public_url: Url,
    /// What pro costs, in minor units of the currency.
    #[arg(long, value_name = "AMOUNT", default_value_t = 2900)]
    pro: i64,
    /// What pro_plus costs.
    #[arg(long, value_name = "AMOUNT", default_value_t = 7900)]
    pro_plus: i64,
    /// Three lower-case letters.
    #[arg(long, default_value = "usd")]
    currency: String,
    /// How often they are paid: day, week, month or year.
    #[arg(long, default_value = "month")]
    interval: String,
    /// Only say what would be made.
    #[arg(long)]
    dry_run: bool,
}

/// Sees to it that all of it is there, and prints the variables to set.
pub(crate) async fn setup(config: StripeConfig, options: SetupOptions) -> anyhow::Result<()> {
    let setup = Setup {
        stripe: Stripe::new(config)?,
        options,
    };
    let mut variables = Vec::new();
    let mut plans = Vec::new();
    for (tier, name, variable) in PLANS {
        let amount = match tier {
            "pro" => setup.options.pro,
            _ => setup.options.pro_plus,
        };
        let product = setup.product(tier, name).await.map_err(explain)?;
        if let Some(price) = setup.price(tier, &product, amount).await? {
            variables.push(format!("{variable}={}", price.id));
            plans.push(PortalPlan {
                product,
                price: price.id,
            });
        }
    }
    variables.extend(setup.endpoint().await?);
    variables.extend(setup.portal(&plans).await.map_err(explain)?);
    if setup.options.dry_run {
        eprintln!("nothing was made: this was a dry run");
        return Ok(());
    }
    eprintln!("set these variables:");
    for variable in variables {
        println!("{variable}");
    }
    Ok(())
}

struct Setup {
    stripe: Stripe,
    options: SetupOptions,
}

impl Setup {
    /// Says what is done, and whether it is to be done.
    fn makes(&self, what: &str) -> bool {
        let verb = if self.options.dry_run {
            "would make"
        } else {
            "makes"
        };
        eprintln!("  {verb} {what}");
        !self.options.dry_run
    }

    async fn product(&self, tier: &str, name: &str) -> Result<String, StripeError> {
        let id = format!("queue_{tier}");
        if self.stripe.product(&id).await?.is_some() {
            eprintln!("  found product {id}");
        } else if self.makes(&format!("product {id}, {name}")) {
            self.stripe.create_product(&id, name, Key::drawn()).await?;
        }
        Ok(id)
    }

    async fn price(&self, tier: &str, product: &str, amount: i64) -> anyhow::Result<Option<Price>> {
        let SetupOptions {
            currency, interval, ..
        } = &self.options;
        let lookup_key = format!("queue_{tier}_{interval}");
        let found = self.stripe.price_with_lookup_key(&lookup_key).await;
        if let Some(price) = found.map_err(explain)? {
            let same = price.unit_amount == Some(amount)
                && price.currency == *currency
                && price.recurring.as_ref().is_some_and(|it: &Recurring| {
                    it.interval == *interval && it.interval_count == 1
                });
            ensure!(
                same,
                "price {} with lookup key {lookup_key} differs from what is wanted, and Stripe changes no amounts: \
                 move the lookup key to a new price in Stripe's Dashboard, or say what it costs with --{}",
                price.id,
                tier.replace('_', "-")
            );
            eprintln!("  found price {} ({lookup_key})", price.id);
            return Ok(Some(price));
        }
        let what = format!("price {lookup_key}: {amount} {currency} each {interval}");
        if !self.makes(&what) {
            return Ok(None);
        }
        let new = NewPrice {
            product,
            lookup_key: &lookup_key,
            unit_amount: amount,
            currency,
            interval,
        };
        let made = self.stripe.create_price(&new, Key::drawn()).await;
        Ok(Some(made.map_err(explain)?.object))
    }

    /// The endpoint that gets exactly the events that are handled, in the pinned version.
    async fn endpoint(&self) -> anyhow::Result<Option<String>> {
        let url = self.options.public_url.join(WEBHOOK_PATH)?;
        let events = EventType::handled();
        let endpoints = self.stripe.webhook_endpoints().await.map_err(explain)?;
        let mut of_ours = endpoints.iter().filter(|it| it.url == url.as_str());
        let version = self.stripe.version();
        let Some(endpoint) = of_ours.find(|it| it.api_version.as_deref() == Some(version)) else {
            if !self.makes(&format!("webhook endpoint {url} in version {version}")) {
                return Ok(None);
            }
            let made = self
                .stripe
                .create_webhook_endpoint(url.as_str(), &events, Key::drawn())
                .await
                .map_err(explain)?;
            if endpoints.iter().any(|it| it.url == url.as_str()) {
                eprintln!(
                    "  another endpoint delivers there in another version: delete it when this one is in use"
                );
            }
            let secret = made.object.secret;
            let secret = secret.context("Stripe did not tell the new endpoint's secret")?;
            return Ok(Some(format!("STRIPE_WEBHOOK_SECRET={secret}")));
        };
        let mut enabled: Vec<&str> = endpoint.enabled_events.iter().map(String::as_str).collect();
        let mut wanted = events.clone();
        enabled.sort_unstable();
        wanted.sort_unstable();
        if enabled == wanted && endpoint.status == "enabled" {
            eprintln!("  found webhook endpoint {}", endpoint.id);
        } else if self.makes(&format!(
            "the events of webhook endpoint {} right",
            endpoint.id
        )) {
            self.stripe
                .update_webhook_endpoint(&endpoint.id, &events, Key::drawn())
                .await
                .map_err(explain)?;
        }
        eprintln!(
            "  STRIPE_WEBHOOK_SECRET stays as it is: Stripe tells it once, when the endpoint is made"
        );
        Ok(None)
    }

    async fn portal(&self, plans: &[PortalPlan]) -> Result<Option<String>, StripeError> {
        let configurations = self.stripe.portal_configurations().await?;
        let marked = |it: &&crate::stripe::PortalConfiguration| {
            it.metadata.get(MARK.0).is_some_and(|mark| mark == MARK.1)
        };
        let found = configurations.iter().find(marked).map(|it| it.id.as_str());
        let what = match found {
            Some(id) => format!("the customer portal's configuration {id} right"),
            None => "a configuration of the customer portal".to_owned(),
        };
        if !self.makes(&what) {
            return Ok(None);
        }
        let saved = self
            .stripe
            .save_portal_configuration(found, plans, MARK, Key::drawn())
            .await?;
        Ok(Some(format!(
            "STRIPE_PORTAL_CONFIGURATION={}",
            saved.object.id
        )))
    }
}

/// What to do about an error of Stripe's.
fn explain(error: StripeError) -> anyhow::Error {
    let hint = match error {
        StripeError::Unauthenticated => "check STRIPE_RESTRICTED_KEY and STRIPE_API_BASE",
        StripeError::Forbidden => {
            "the restricted key needs write access to products, prices, webhook endpoints and the customer portal"
        }
        StripeError::Refused => {
            "Stripe does not take it: is the URL public, are the currency and the interval Stripe's?"
        }
        _ => "run it again: what is there by now is found again",
    };
    anyhow::Error::new(error).context(hint)
}
