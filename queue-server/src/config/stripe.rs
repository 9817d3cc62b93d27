//! How Stripe is called, and what customers may do through it.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;

use super::{ConfigErrors, Environment};
use crate::origin::Origins;
use crate::stripe::{DEFAULT_API_VERSION, Pace, StripeConfig};

const KEY: &str = "STRIPE_RESTRICTED_KEY";
const KEY_REMEDY: &str = "set it to a restricted key, rk_…, or to a secret key";
const DEFAULT_BASE: &str = "https://api.stripe.com";
const DEFAULT_TIMEOUT_SECONDS: u64 = 10;

/// What the money path needs beyond what Stripe is called with.
#[derive(Debug, Clone, Default)]
pub struct MoneyConfig {
    /// What Stripe.js is given in the browser. No secret.
    pub publishable_key: Option<String>,
    /// Where customers may be sent back to.
    pub return_origins: Origins,
    /// The portal's configuration, where the account's default is not wanted.
    pub portal_configuration: Option<String>,
}

/// Reads how Stripe is called. `Ok(None)`: it is not to be.
pub(super) fn take_stripe(env: &mut Environment) -> Option<StripeConfig> {
    let key = env.optional(KEY, KEY_REMEDY, bearer);
    let base = env.defaulted(
        "STRIPE_API_BASE",
        DEFAULT_BASE,
        "set it to an address such as https://api.stripe.com",
        address,
    );
    let version = env.defaulted(
        "STRIPE_API_VERSION",
        DEFAULT_API_VERSION,
        "set it to a version such as 2025-03-31.basil",
        version,
    );
    let seconds = env.optional(
        "STRIPE_TIMEOUT_SECONDS",
        "set it to the seconds that one try may take, 1 to 60",
        |text| {
            text.parse()
                .ok()
                .filter(|seconds| (1..=60).contains(seconds))
        },
    );
    Some(StripeConfig {
        base: base?,
        key: key?,
        version: version?,
        timeout: Duration::from_secs(seconds.unwrap_or(DEFAULT_TIMEOUT_SECONDS)),
        pace: Pace::default(),
    })
}

/// Reads how Stripe is called, from the environment of a process that does nothing else.
///
/// # Errors
/// [`ConfigErrors`] names every bad variable.
pub fn stripe_from_env() -> Result<StripeConfig, ConfigErrors> {
    let mut env = Environment::of_process();
    env.required(KEY, KEY_REMEDY, bearer);
    let config = take_stripe(&mut env);
    env.finish()?;
    config.ok_or_else(ConfigErrors::default)
}

impl MoneyConfig {
    pub(super) fn take(env: &mut Environment) -> Self {
        let publishable_key = env.optional(
            "STRIPE_PUBLISHABLE_KEY",
            "set it to the key that browsers may see, pk_…",
            |text| {
                text.bytes()
                    .all(|b| b.is_ascii_graphic())
                    .then(|| text.to_owned())
            },
        );
        let return_origins = env.optional(
            "RETURN_URL_ORIGINS",
            "set it to origins such as https://app.example.com (several with commas between)",
            Origins::parse,
        );
        let portal_configuration = env.optional(
            "STRIPE_PORTAL_CONFIGURATION",
            "set it to a configuration of the customer portal, bpc_…",
            |text| text.starts_with("bpc_").then(|| text.to_owned()),
        );
        Self {
            publishable_key,
            return_origins: return_origins.unwrap_or_default(),
            portal_configuration,
        }
    }
}

fn bearer(key: &str) -> Option<HeaderValue> {
    let plain = key.len() >= 8 && key.bytes().all(|byte| byte.is_ascii_graphic());
    let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
        .ok()
        .filter(|_| plain)?;
    value.set_sensitive(true);
    Some(value)
}

/// An address without anything behind it that would be lost, and over TLS unless it is this machine's.
fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    (plain && (url.scheme() == "https" || (url.scheme() == "http" && local))).then_some(url)
}

fn version(text: &str) -> Option<String> {
    let date = text.split('.').next()?;
    let plain = text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    (plain && date.parse::<jiff::civil::Date>().is_ok()).then(|| text.to_owned())
}
