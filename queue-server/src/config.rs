//! Configuration: the environment, read once at start, refused as a whole when any of it is bad.
//!
//! Every bad value is told at once, one line each, with the variable and the remedy and never the
//! value: it may be a secret in the wrong variable.

mod environment;
mod mirror;
mod plans;
mod stripe;

pub use environment::{BadValue, ConfigErrors, Environment};
pub use mirror::{MirrorConfig, ReceiverConfig};
pub use plans::{Plan, Plans};
pub use stripe::{MoneyConfig, stripe_from_env};

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use billing_core::audit::AuditKey;
use billing_core::catalogue::{Catalogue, Tier};
use billing_core::id::PriceId;
use billing_core::policy::{GracePolicy, Policy};
use billing_core::signature::{DEFAULT_TOLERANCE_SECONDS, SigningKeys};
use jiff::SignedDuration;

use crate::http::{CustomerTokens, InternalTokens};
use crate::stripe::StripeConfig;

const DEFAULT_DATABASE_URL: &str = "sqlite://queue.db";
const DEFAULT_PORT: u16 = 8080;
/// More than any proxy in front needs, less than the files that a process may have open.
const DEFAULT_CONNECTIONS: usize = 2048;
/// Longer than the 60 seconds for which proxies commonly keep theirs.
const DEFAULT_IDLE_SECONDS: u64 = 75;
/// Once a day.
const DEFAULT_HOURS: i64 = 24;
const DATABASE_REMEDY: &str =
    "set it to sqlite://PATH, such as sqlite://queue.db, or to postgres://USER@HOST/NAME";

/// What `serve` needs.
pub struct ServeConfig {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port to listen on; 0: any.
    pub port: u16,
    /// What clients may hold.
    pub connections: ConnectionBounds,
    /// The databases.
    pub database: DatabaseConfig,
    /// The secrets that Stripe signs with.
    pub signing_keys: SigningKeys,
    /// The key of the audit chain.
    pub audit_key: AuditKey,
    /// The tokens of the seller's own services.
    pub internal_tokens: InternalTokens,
    /// The keys of the tokens that customers' browsers carry; without any, only the seller's own services act for
    /// customers.
    pub customer_tokens: CustomerTokens,
    /// Prices, grace, which events are ours.
    pub policy: Policy,
    /// What is sold.
    pub plans: Plans,
    /// How Stripe is called; unset: it is not, and whatever needs it says so.
    pub stripe: Option<StripeConfig>,
    /// What customers may do.
    pub money: MoneyConfig,
    /// How long after a reconcile with Stripe ended the next begins; `None`: only when asked.
    pub reconcile_every: Option<SignedDuration>,
    /// How long after a comparison of the mirror the next begins; `None`: only when asked.
    pub compare_every: Option<SignedDuration>,
    /// Whether billing is on (K1).
    pub billing_on: bool,
}

/// Bounds of the connections of clients.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionBounds {
    /// How many may be open.
    pub max: usize,
    /// How long one may be open without a request.
    pub idle: Duration,
}

/// Which databases.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// Queue's own.
    pub url: String,
    /// The mirror's.
    pub mirror: MirrorConfig,
    /// How many connections to each, where the default is not wanted.
    pub max_connections: Option<NonZeroU32>,
}

/// What `audit verify` needs.
pub struct AuditConfig {
    /// The databases.
    pub database: DatabaseConfig,
    /// The key of the audit chain.
    pub audit_key: AuditKey,
}

// URLs may hold passwords, and the rest is secrets.
impl fmt::Debug for ServeConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ServeConfig({}:{})", self.host, self.port)
    }
}

impl ServeConfig {
    /// Reads the environment of the process.
    ///
    /// # Errors
    /// [`ConfigErrors`] names every bad variable.
    pub fn from_env() -> Result<Self, ConfigErrors> {
        Self::read(Environment::of_process())
    }

    /// Reads an environment.
    ///
    /// # Errors
    /// [`ConfigErrors`] names every bad variable.
    pub fn read(mut env: Environment) -> Result<Self, ConfigErrors> {
        let database = DatabaseConfig::take(&mut env);
        let host = env.optional(
            "HOST",
            "set it to an IP address, such as 127.0.0.1",
            |text| text.parse().ok(),
        );
        let port = env.optional("PORT", "set it to a port number, 0 to 65535", |text| {
            text.parse().ok()
        });
        let connections = ConnectionBounds::take(&mut env);
        let signing_keys = env.required(
            "STRIPE_WEBHOOK_SECRET",
            "set it to the endpoint's signing secret, whsec_… (several with commas between)",
            |text| SigningKeys::parse(text).ok(),
        );
        let tolerance = env.optional(
            "WEBHOOK_TOLERANCE_SECONDS",
            "set it to 1 to 3600 seconds",
            |text| {
                text.parse()
                    .ok()
                    .filter(|seconds| (1..=3600).contains(seconds))
            },
        );
        let audit_key = take_audit_key(&mut env);
        let internal_tokens = env.required(
            "QUEUE_INTERNAL_TOKEN",
            "set it to 16 to 4096 characters without spaces (several with commas between)",
            InternalTokens::parse,
        );
        let customer_tokens = env.optional(
            "CUSTOMER_TOKEN_SECRET",
            "set it to at least 32 characters: openssl rand -hex 32 (several with commas between)",
            CustomerTokens::parse,
        );
        let policy = take_policy(&mut env);
        let stripe = stripe::take_stripe(&mut env);
        let money = MoneyConfig::take(&mut env);
        let reconcile_every = take_hours(&mut env, "RECONCILE_EVERY_HOURS");
        let compare_every = take_hours(&mut env, "MIRROR_COMPARE_EVERY_HOURS");
        let billing_on = env
            .raw("FLAG_QUEUE_BILLING")
            .is_some_and(|flag| flag == "true");
        env.finish()?;
        let (
            Some(database),
            Some(signing_keys),
            Some(audit_key),
            Some(internal_tokens),
            Some((policy, plans)),
        ) = (database, signing_keys, audit_key, internal_tokens, policy)
        else {
            return Err(ConfigErrors::default());
        };
        Ok(Self {
            host: host.unwrap_or(IpAddr::from([0, 0, 0, 0])),
            port: port.unwrap_or(DEFAULT_PORT),
            connections,
            database,
            signing_keys: signing_keys
                .with_tolerance_seconds(tolerance.unwrap_or(DEFAULT_TOLERANCE_SECONDS)),
            audit_key,
            internal_tokens,
            customer_tokens: customer_tokens.unwrap_or_default(),
            reconcile_every,
            compare_every,
            policy: Policy {
                looks: stripe.is_some(),
                ..policy
            },
            plans,
            stripe,
            money,
            billing_on,
        })
    }
}

impl ConnectionBounds {
    fn take(env: &mut Environment) -> Self {
        let max = env.optional(
            "HTTP_MAX_CONNECTIONS",
            "set it to 1 to 65536 connections",
            |text| text.parse().ok().filter(|max| (1..=65_536).contains(max)),
        );
        let idle_seconds =
            env.optional("HTTP_IDLE_SECONDS", "set it to 1 to 3600 seconds", |text| {
                text.parse().ok().filter(|idle| (1..=3600).contains(idle))
            });
        Self {
            max: max.unwrap_or(DEFAULT_CONNECTIONS),
            idle: Duration::from_secs(idle_seconds.unwrap_or(DEFAULT_IDLE_SECONDS)),
        }
    }
}

impl DatabaseConfig {
    /// Reads the environment of the process.
    ///
    /// # Errors
    /// [`ConfigErrors`] names every bad variable.
    pub fn from_env() -> Result<Self, ConfigErrors> {
        let mut env = Environment::of_process();
        let config = Self::take(&mut env);
        env.finish()?;
        config.ok_or_else(ConfigErrors::default)
    }

    fn take(env: &mut Environment) -> Option<Self> {
        let url = env.defaulted(
            "DATABASE_URL",
            DEFAULT_DATABASE_URL,
            DATABASE_REMEDY,
            database_url,
        );
        let mirror = MirrorConfig::take(env);
        let max_connections = env.optional(
            "DATABASE_MAX_CONNECTIONS",
            "set it to the number of connections to each database, 1 to 1000",
            |text| {
                text.parse()
                    .ok()
                    .filter(|most: &NonZeroU32| most.get() <= 1000)
            },
        );
        Some(Self {
            url: url?,
            mirror: mirror?,
            max_connections,
        })
    }
}

impl AuditConfig {
    /// Reads the environment of the process.
    ///
    /// # Errors
    /// [`ConfigErrors`] names every bad variable.
    pub fn from_env() -> Result<Self, ConfigErrors> {
        let mut env = Environment::of_process();
        let (database, audit_key) = (DatabaseConfig::take(&mut env), take_audit_key(&mut env));
        env.finish()?;
        match (database, audit_key) {
            (Some(database), Some(audit_key)) => Ok(Self {
                database,
                audit_key,
            }),
            _ => Err(ConfigErrors::default()),
        }
    }
}

/// A database that outlives the process: one in memory would forget what was acknowledged.
fn database_url(text: &str) -> Option<String> {
    let lasting = match text.split_once(':')? {
        ("sqlite", path) => {
            let path = path.trim_start_matches('/');
            !path.is_empty() && !path.starts_with(':') && !path.contains("mode=memory")
        }
        ("postgres" | "postgresql", rest) => rest.starts_with("//"),
        _ => false,
    };
    lasting.then(|| text.to_owned())
}

/// How often something is done by itself; `None`: only when asked.
fn take_hours(env: &mut Environment, variable: &'static str) -> Option<SignedDuration> {
    let remedy = "set it to 1 to 720 hours, or to 0 for only when asked";
    let hours = env.optional(variable, remedy, |text| {
        text.parse().ok().filter(|hours| (0..=720).contains(hours))
    });
    let every = SignedDuration::from_hours(hours.unwrap_or(DEFAULT_HOURS));
    Some(every).filter(|every| !every.is_zero())
}

fn take_audit_key(env: &mut Environment) -> Option<AuditKey> {
    let remedy = "set it to 64 hexadecimal digits: openssl rand -hex 32";
    env.required("BILLING_AUDIT_KEY", remedy, |text| {
        AuditKey::parse(text).ok()
    })
}

fn take_policy(env: &mut Environment) -> Option<(Policy, Plans)> {
    let remedy = "set it to the plan's price id, price_… and not the product's (several with commas between)";
    let plans = [
        ("STRIPE_PRICE_ID_PRO", "pro"),
        ("STRIPE_PRICE_ID_PRO_PLUS", "pro_plus"),
    ]
    .map(|(name, tier)| (name, tier, env.required(name, remedy, price_ids)));
    let days = env.optional("GRACE_PERIOD_DAYS", "set it to 1 to 365 days", |text| {
        text.parse().ok().filter(|days| (1..=365).contains(days))
    });
    let attempts = env.optional(
        "GRACE_FAILED_ATTEMPTS",
        "set it to the failed attempt that ends grace, or to 0 for days only",
        |text| text.parse().ok(),
    );
    let pause_closes = env.optional(
        "PAUSE_COLLECTION_CLOSES",
        "set it to true or false",
        boolean,
    );
    let livemode = env.optional("STRIPE_LIVEMODE", "set it to true or false", boolean);
    let account = env.optional(
        "STRIPE_ACCOUNT",
        "set it to an account id, acct_…",
        |text| text.starts_with("acct_").then(|| text.to_owned()),
    );
    let mut catalogue = Catalogue::default();
    let complete = plans.iter().all(|(_, _, prices)| prices.is_some());
    let mut sold = Plans {
        free: Some(catalogue.tiers().lowest().clone()),
        paid: Vec::new(),
    };
    for (name, tier, prices) in plans {
        let prices = prices.unwrap_or_default();
        let plan_tier = Tier::parse(tier).ok()?;
        sold.paid.extend(prices.first().map(|price| Plan {
            plan_tier: plan_tier.clone(),
            price: price.clone(),
        }));
        for price in prices {
            if catalogue.tier_of(&price).is_some() {
                env.refuse(name, "name each price id once: it buys one plan");
            }
            catalogue = catalogue.with_price(price, plan_tier.clone()).ok()?;
        }
    }
    if !complete {
        return None;
    }
    let default = GracePolicy::default();
    let policy = Policy {
        grace: GracePolicy {
            period_days: days.unwrap_or(default.period_days),
            failed_attempts: attempts.unwrap_or(default.failed_attempts),
        },
        pause_collection_closes: pause_closes.unwrap_or(true),
        livemode,
        account,
        ..Policy::new(catalogue)
    };
    Some((policy, sold))
}

fn price_ids(text: &str) -> Option<Vec<PriceId>> {
    text.split(',')
        .map(|id| {
            PriceId::parse(id.trim())
                .ok()
                .filter(|id| !id.as_str().starts_with("prod_"))
        })
        .collect()
}

fn boolean(text: &str) -> Option<bool> {
    text.parse().ok()
}
