//! What tower asks of a middleware: readiness, clones, cancellation.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _};
use tower_paywall::{CustomerId, MirrorError, MirrorReader, MirrorRow};

use crate::booth::{Paid, Says, anonymous, paywall, request};

#[tokio::test]
async fn the_service_that_was_ready_is_the_one_that_is_called() {
    // `Paid` panics when called without having been ready, and its clones are not ready.
    let paid = Paid::default();
    let mut gated = paywall(Says::paid("pro")).layer(paid.clone());
    for _ in 0..3 {
        gated.ready().await.unwrap();
        let first = gated.call(request("/reports"));
        // Ready again while the first still waits for the mirror.
        gated.ready().await.unwrap();
        let second = gated.call(request("/reports"));
        let (first, second) = tokio::join!(second, first);
        assert_eq!(first.unwrap().status(), 200);
        assert_eq!(second.unwrap().status(), 200);
    }
    assert_eq!(paid.calls(), 6);
}

#[tokio::test]
async fn a_refused_request_leaves_the_service_ready_for_the_next() {
    let paid = Paid::default();
    let mut gated = paywall(Says::paid("pro")).layer(paid.clone());
    let refused = gated.ready().await.unwrap().call(anonymous("/")).await;
    assert_eq!(refused.unwrap().status(), 401);
    let passed = gated.ready().await.unwrap().call(request("/")).await;
    assert_eq!(passed.unwrap().status(), 200);
}

#[tokio::test]
async fn clones_of_the_gated_service_share_the_paywall_and_nothing_of_a_request() {
    let paid = Paid::default();
    let gated = paywall(Says::paid("pro")).layer(paid.clone());
    let requests = (0..50).map(|at| {
        let gated = gated.clone();
        let request = if at % 2 == 0 {
            request("/")
        } else {
            anonymous("/")
        };
        tokio::spawn(async move { gated.oneshot(request).await.unwrap().status() })
    });
    let mut passed = 0;
    for task in requests.collect::<Vec<_>>() {
        passed += usize::from(task.await.unwrap() == 200);
    }
    assert_eq!((passed, paid.calls()), (25, 25));
}

#[tokio::test]
async fn refusals_give_back_the_permits_they_hold() {
    let service = ServiceBuilder::new()
        .layer(paywall(Says::NoRow))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(Paid::default());
    for _ in 0..3 {
        let response = service.clone().oneshot(request("/"));
        let response = tokio::time::timeout(Duration::from_secs(5), response).await;
        assert_eq!(response.unwrap().unwrap().status(), 402);
    }
}

#[tokio::test]
async fn an_inner_service_that_is_not_ready_holds_requests_back() {
    #[derive(Clone)]
    struct Busy;
    impl tower::Service<Request<Full<Bytes>>> for Busy {
        type Response = Response<Full<Bytes>>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Err("overloaded"))
        }

        fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
            unreachable!("never ready")
        }
    }
    let gated = paywall(Says::paid("pro")).layer(Busy);
    assert_eq!(gated.oneshot(request("/")).await.unwrap_err(), "overloaded");
}

/// A mirror that never answers and counts the reads under way.
#[derive(Clone, Default)]
struct Stuck(Arc<AtomicUsize>);

struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl MirrorReader for Stuck {
    async fn read(&self, _: &CustomerId) -> Result<Option<MirrorRow>, MirrorError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let _under_way = UnderWay(Arc::clone(&self.0));
        pending().await
    }
}

#[tokio::test]
async fn a_request_that_is_cancelled_leaves_nothing_running() {
    let (stuck, paid) = (Stuck::default(), Paid::default());
    let layer = paywall(stuck.clone()).read_timeout(Duration::from_secs(60));
    let gated = layer.layer(paid.clone());
    {
        let mut response = pin!(gated.oneshot(request("/")));
        let polled = poll_fn(|context| Poll::Ready(response.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        assert_eq!(stuck.0.load(Ordering::SeqCst), 1);
    }
    assert_eq!(stuck.0.load(Ordering::SeqCst), 0);
    drop(layer);
    assert_eq!(
        Arc::strong_count(&stuck.0),
        1,
        "something still holds the reader"
    );
    assert_eq!(paid.calls(), 0);
}

#[tokio::test]
async fn a_read_that_took_too_long_is_dropped() {
    let stuck = Stuck::default();
    let gated = paywall(stuck.clone()).layer(Paid::default());
    assert_eq!(gated.oneshot(request("/")).await.unwrap().status(), 402);
    assert_eq!(stuck.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_reader_that_panics_when_it_is_dropped_opens_nothing() {
    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("asked to panic")
        }
    }
    struct Slow;
    impl MirrorReader for Slow {
        async fn read(&self, _: &CustomerId) -> Result<Option<MirrorRow>, MirrorError> {
            let _bomb = PanicsWhenDropped;
            pending().await
        }
    }
    let paid = Paid::default();
    let gated = paywall(Slow).layer(paid.clone());
    assert_eq!(gated.oneshot(request("/")).await.unwrap().status(), 402);
    assert_eq!(paid.calls(), 0);
}

#[tokio::test]
async fn nothing_is_read_before_the_future_is_polled() {
    let stuck = Stuck::default();
    let mut gated = paywall(stuck.clone()).layer(Paid::default());
    let response = gated.ready().await.unwrap().call(request("/"));
    assert_eq!(stuck.0.load(Ordering::SeqCst), 0);
    drop(response);
}
