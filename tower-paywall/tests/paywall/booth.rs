//! A booth in front of something paid for: a paywall, a mirror that says what a test wants, and a
//! handler that counts its calls.

use std::convert::Infallible;
use std::future::{Future, Ready, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer, Service, ServiceExt as _};
use tower_paywall::{
    CustomerId, Gate, MirrorError, MirrorReader, MirrorRow, PaywallLayer, ResponseBody, Tier,
    Timestamp, UnverifiedRow,
};

/// 2027-01-15 08:00:00 UTC, the time of every test.
pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const TOMORROW: &str = "2027-01-16 08:00:00.000000";
pub(crate) const FOUR_DAYS_AGO: &str = "2027-01-11 07:59:59.000000";

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

pub(crate) fn tier(name: &str) -> Tier {
    Tier::parse(name).unwrap()
}

pub(crate) fn pro() -> Gate {
    Gate::new(tier("pro")).unwrap()
}

/// What a mirror answers.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    Row(MirrorRow),
    NoRow,
    Fails(MirrorError),
    Hangs,
    PanicsWhenCalled,
    PanicsWhenPolled,
}

impl Says {
    /// The row of `user-17`.
    pub(crate) fn row(plan_tier: &str, status: &str, period_end: Option<&str>) -> Self {
        Self::row_of("user-17", plan_tier, status, period_end)
    }

    pub(crate) fn row_of(
        customer: &str,
        plan_tier: &str,
        status: &str,
        period_end: Option<&str>,
    ) -> Self {
        let row = UnverifiedRow {
            queue_customer_id: customer.to_owned(),
            plan_tier: plan_tier.to_owned(),
            status: status.to_owned(),
            current_period_end: period_end.map(str::to_owned),
            updated_at: "2027-01-01 00:00:00.000000".to_owned(),
        };
        Self::Row(row.try_into().unwrap())
    }

    pub(crate) fn paid(plan_tier: &str) -> Self {
        Self::row(plan_tier, "active", Some(TOMORROW))
    }
}

impl MirrorReader for Says {
    fn read(
        &self,
        _customer: &CustomerId,
    ) -> impl Future<Output = Result<Option<MirrorRow>, MirrorError>> + Send {
        assert!(!matches!(self, Self::PanicsWhenCalled), "asked to panic");
        let says = self.clone();
        async move {
            // Not at once, so that the future is polled more than once.
            tokio::task::yield_now().await;
            match says {
                Self::Row(row) => Ok(Some(row)),
                Self::NoRow => Ok(None),
                Self::Fails(error) => Err(error),
                Self::Hangs => pending().await,
                Self::PanicsWhenCalled | Self::PanicsWhenPolled => panic!("asked to panic"),
            }
        }
    }
}

/// The customer that a test's layer left in the extensions.
pub(crate) fn from_extensions(request: &Parts) -> Option<CustomerId> {
    request.extensions.get().cloned()
}

pub(crate) type Who = fn(&Parts) -> Option<CustomerId>;

pub(crate) fn paywall<R: MirrorReader>(reader: R) -> PaywallLayer<R, Who> {
    PaywallLayer::new(reader, pro())
        .identity(from_extensions as Who)
        .clock(now)
        .read_timeout(Duration::from_millis(20))
}

/// What is paid for: counts its calls, and panics if called without having been ready.
#[derive(Debug, Default)]
pub(crate) struct Paid {
    calls: Arc<AtomicUsize>,
    ready: bool,
}

impl Paid {
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Clone for Paid {
    /// As with a permit: readiness is not cloned.
    fn clone(&self) -> Self {
        Self {
            calls: Arc::clone(&self.calls),
            ready: false,
        }
    }
}

impl Service<Request<Full<Bytes>>> for Paid {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Full<Bytes>>) -> Self::Future {
        assert!(self.ready, "called without having been ready");
        self.ready = false;
        self.calls.fetch_add(1, Ordering::SeqCst);
        ready(Ok(Response::new(Full::new(Bytes::from("paid for")))))
    }
}

/// A request of `user-17`.
pub(crate) fn request(path: &str) -> Request<Full<Bytes>> {
    let mut request = anonymous(path);
    let customer = CustomerId::parse("user-17").unwrap();
    request.extensions_mut().insert(customer);
    request
}

pub(crate) fn anonymous(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

pub(crate) fn over_grpc(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let grpc = http::HeaderValue::from_static("application/grpc+proto");
    request.headers_mut().insert("content-type", grpc);
    request
}

/// Sends a request to a paid service behind a layer; answers with the response and how often the
/// service was called.
pub(crate) async fn send<L>(
    layer: &L,
    request: Request<Full<Bytes>>,
) -> (Response<ResponseBody<Full<Bytes>>>, usize)
where
    L: Layer<Paid>,
    L::Service: Service<
            Request<Full<Bytes>>,
            Response = Response<ResponseBody<Full<Bytes>>>,
            Error = Infallible,
        >,
{
    let paid = Paid::default();
    let response = layer.layer(paid.clone()).oneshot(request).await.unwrap();
    (response, paid.calls())
}

/// A response as it goes over the wire.
pub(crate) async fn wire<B>(response: Response<B>) -> String
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let (parts, body) = response.into_parts();
    let mut text = format!("{}\n", parts.status);
    for (name, value) in &parts.headers {
        text += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    let body = body.collect().await.unwrap().to_bytes();
    text + "\n" + std::str::from_utf8(&body).unwrap()
}

/// An identity that panics.
pub(crate) fn panicking_identity(_request: &Parts) -> Option<CustomerId> {
    panic!("asked to panic")
}
