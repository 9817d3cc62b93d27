//! The layer: what a paywall is configured with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use billing_core::alert::Alerts;
use billing_core::catalogue::NotAPaidTier;
use billing_core::decision::{Gate, RoutedGates, Routes};
use billing_core::mirror::MirrorReader;
use http::Request;
use jiff::Timestamp;
use tower_layer::Layer;

use crate::identity::{Identify, NoIdentity};
use crate::path::OriginalPath;
use crate::response::{DenialResponse, ProblemResponse};
use crate::service::Paywall;

/// How long the mirror may take, unless configured otherwise (P2).
pub const DEFAULT_READ_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) type Clock = dyn Fn() -> Timestamp + Send + Sync;

/// Puts a [`Paywall`] in front of services. See the [crate's docs](crate) for its rules.
#[must_use]
pub struct PaywallLayer<R, I = NoIdentity, D = ProblemResponse> {
    pub(crate) reader: Arc<R>,
    pub(crate) identity: Arc<I>,
    pub(crate) denial: Arc<D>,
    gates: RoutedGates,
    pub(crate) alerts: Alerts,
    pub(crate) clock: Arc<Clock>,
    pub(crate) read_timeout: Duration,
    pub(crate) observe: bool,
}

impl<R: MirrorReader> PaywallLayer<R> {
    /// A paywall that lets nobody below the gate's tier through to any path. It can be put on a
    /// service once it has an [`identity`](Self::identity).
    pub fn new(reader: R, gate: Gate) -> Self {
        Self {
            reader: Arc::new(reader),
            identity: Arc::new(NoIdentity),
            denial: Arc::new(ProblemResponse),
            gates: RoutedGates::everywhere(gate),
            alerts: Alerts::default(),
            clock: Arc::new(Timestamp::now),
            read_timeout: DEFAULT_READ_TIMEOUT,
            observe: false,
        }
    }
}

impl<R, I, D> PaywallLayer<R, I, D> {
    /// The same paywall that knows customers by this, and by nothing else (P4).
    pub fn identity<J: Identify>(self, identity: J) -> PaywallLayer<R, J, D> {
        PaywallLayer {
            reader: self.reader,
            identity: Arc::new(identity),
            denial: self.denial,
            gates: self.gates,
            alerts: self.alerts,
            clock: self.clock,
            read_timeout: self.read_timeout,
            observe: self.observe,
        }
    }

    /// The same paywall answering refused HTTP requests with this.
    pub fn on_denied<E: DenialResponse>(self, denial: E) -> PaywallLayer<R, I, E> {
        PaywallLayer {
            reader: self.reader,
            identity: self.identity,
            denial: Arc::new(denial),
            gates: self.gates,
            alerts: self.alerts,
            clock: self.clock,
            read_timeout: self.read_timeout,
            observe: self.observe,
        }
    }

    /// The same paywall with a tier, or none, per path. The routes say which tier; the order of
    /// tiers, the leeway, the upgrade URL and the answer for unknown stay the gate's.
    ///
    /// # Errors
    /// [`NotAPaidTier`] when a route asks for a tier that is not in the gate's order or is its
    /// lowest.
    pub fn routes(self, routes: Routes) -> Result<Self, NotAPaidTier> {
        let gates = self.gates.with_routes(routes)?;
        Ok(Self { gates, ..self })
    }

    /// The same paywall raising its alerts here: share it with the rest of the process, and call
    /// [`Alerts::flush`] there. Without it, alerts go to the log and the metric.
    pub fn alerts(self, alerts: Alerts) -> Self {
        Self { alerts, ..self }
    }

    /// The same paywall by another clock than the system's.
    pub fn clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self {
            clock: Arc::new(clock),
            ..self
        }
    }

    /// The same paywall waiting this long for the mirror, instead of a second.
    pub fn read_timeout(self, read_timeout: Duration) -> Self {
        Self {
            read_timeout,
            ..self
        }
    }

    /// The same paywall **refusing nothing**, for a roll-out: it decides, counts, alerts and logs
    /// what it would have refused, and lets everything pass (P6). Says so in the log at once, so
    /// set up the log before.
    pub fn observe(self) -> Self {
        tracing::warn!(
            "THE PAYWALL ONLY OBSERVES: it refuses nothing, and everyone reaches what is paid for"
        );
        Self {
            observe: true,
            ..self
        }
    }

    /// The gate before a request's path; `None` for an exempt one.
    pub(crate) fn gate<B>(&self, request: &Request<B>) -> Option<&Arc<Gate>> {
        let original = request.extensions().get::<OriginalPath>();
        self.gates.gate(
            request.uri().path(),
            original.map(OriginalPath::path),
            original.and_then(OriginalPath::mount),
        )
    }
}

impl<S, R, I, D> Layer<S> for PaywallLayer<R, I, D>
where
    R: MirrorReader,
    I: Identify,
    D: DenialResponse,
{
    type Service = Paywall<S, R, I, D>;

    fn layer(&self, inner: S) -> Self::Service {
        Paywall::new(inner, Arc::new(self.clone()))
    }
}

impl<R, I, D> Clone for PaywallLayer<R, I, D> {
    fn clone(&self) -> Self {
        Self {
            reader: Arc::clone(&self.reader),
            identity: Arc::clone(&self.identity),
            denial: Arc::clone(&self.denial),
            gates: self.gates.clone(),
            alerts: self.alerts.clone(),
            clock: Arc::clone(&self.clock),
            read_timeout: self.read_timeout,
            observe: self.observe,
        }
    }
}

impl<R, I, D> fmt::Debug for PaywallLayer<R, I, D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PaywallLayer")
            .field("gates", &self.gates)
            .field("alerts", &self.alerts)
            .field("read_timeout", &self.read_timeout)
            .field("observe", &self.observe)
            .finish_non_exhaustive()
    }
}
