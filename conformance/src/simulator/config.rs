//! What an embedding program can choose.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::delivery::DeliveryPolicy;
use super::shape::ApiVersion;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// How a simulator is set up. `..Default::default()` gives Stripe's own times and quick webhook retries.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Where the API listens; by default a free port of the loopback interface.
    pub listen: SocketAddr,
    /// All ids follow from this.
    pub seed: u64,
    /// The account's default version: of responses to requests without `Stripe-Version`, and of `GET /v1/events`.
    pub api_version: ApiVersion,
    /// How long a renewal's invoice stays a draft. Stripe: one hour.
    pub finalize_after_seconds: u64,
    /// The wait before each automatic retry of a failed payment, counted from the attempt before.
    pub retry_after_seconds: Vec<u64>,
    /// What becomes of a subscription whose last retry failed.
    pub after_last_retry: AfterLastRetry,
    /// How long requests take: each draws a time from this range, by the seed. The answer comes after it, and the
    /// effect too.
    pub latency: RangeInclusive<Duration>,
    /// So many requests within a second are answered, the rest refused (429); all of them when there is no limit.
    pub requests_per_second: Option<u32>,
    /// Takes live keys only (`sk_live_…`), and objects and events say `livemode: true`. All else is the same: test
    /// cards and test clocks work.
    pub livemode: bool,
    /// How webhooks are delivered and retried.
    pub delivery: DeliveryPolicy,
}

/// What becomes of a subscription whose last retry failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterLastRetry {
    /// It is canceled: `customer.subscription.deleted`.
    #[default]
    Cancel,
    /// It becomes `unpaid`; later invoices stay drafts.
    MarkUnpaid,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 0,
            api_version: ApiVersion::default(),
            finalize_after_seconds: HOUR,
            retry_after_seconds: vec![3 * DAY, 5 * DAY, 7 * DAY],
            after_last_retry: AfterLastRetry::default(),
            latency: Duration::ZERO..=Duration::ZERO,
            requests_per_second: None,
            livemode: false,
            delivery: DeliveryPolicy::default(),
        }
    }
}

/// The part of the configuration that billing follows.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) api_version: ApiVersion,
    pub(super) finalize_after: i64,
    pub(super) retry_after: Vec<i64>,
    pub(super) after_last_retry: AfterLastRetry,
    pub(super) livemode: bool,
    /// Where the pages are.
    pub(super) base_url: String,
}

impl Rules {
    pub(super) fn new(config: &SimulatorConfig, address: SocketAddr) -> Self {
        let seconds = |value: &u64| i64::try_from(*value).unwrap_or(i64::MAX / 2);
        Self {
            api_version: config.api_version.clone(),
            finalize_after: seconds(&config.finalize_after_seconds),
            retry_after: config.retry_after_seconds.iter().map(seconds).collect(),
            after_last_retry: config.after_last_retry,
            livemode: config.livemode,
            base_url: format!("http://{address}"),
        }
    }
}
