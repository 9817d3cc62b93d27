//! What costs no I/O: verification, decoding, the gate; each beside what it can't be faster than.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that can't go on should stop"
)]

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use benchmarks::event::{self, Kind};
use billing_core::decision::{RoutedGates, decide};
use billing_core::event::Event;
use billing_core::signature::{Delivery, SigningKeys, sign, verify};
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use http::{Request, Response};
use jiff::Timestamp;
use ring::hmac;
use serde::de::IgnoredAny;
use tower::{Layer, Service};
use tower_paywall::{
    CustomerId, Gate, MirrorError, MirrorReader, MirrorRow, PaywallLayer, Tier, UnverifiedRow,
};

/// A time within every tolerance of itself.
fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn keys() -> SigningKeys {
    SigningKeys::parse(event::SECRET).unwrap()
}

/// A delivery's body, shared as a server's buffers are, and its header.
fn delivery(body: &[u8]) -> (bytes::Bytes, String) {
    let header = sign(body, &keys(), now());
    (bytes::Bytes::copy_from_slice(body), header)
}

type Group<'c> = BenchmarkGroup<'c, criterion::measurement::WallTime>;

fn bare_mac(group: &mut Group<'_>, body: &[u8]) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, event::SECRET.as_bytes());
    group.bench_function("bare_mac", |bencher| {
        bencher.iter(|| {
            let mut mac = hmac::Context::with_key(&key);
            mac.update(b"1800000000.");
            mac.update(black_box(body));
            black_box(mac.sign())
        });
    });
}

fn verification(criterion: &mut Criterion) {
    let names = [0, 1, 4, 64].map(|kibibytes| match kibibytes {
        0 => (0, "verify_empty".to_owned()),
        _ => (kibibytes, format!("verify_{kibibytes}_kib")),
    });
    for (kibibytes, name) in names {
        let body = vec![b'x'; kibibytes * 1024];
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(body.len() as u64));
        bare_mac(&mut group, &body);
        let (keys, (body, header)) = (keys(), delivery(&body));
        group.bench_function("verify", |bencher| {
            bencher.iter(|| {
                let delivery = Delivery::new(body.clone(), [black_box(&header)]);
                verify(delivery, &keys, now()).unwrap()
            });
        });
        group.finish();
    }
}

fn decoding(criterion: &mut Criterion) {
    let text = event::Event {
        kind: Kind::SubscriptionUpdated,
        customer: 17,
        round: 1,
        created: now().as_second(),
    }
    .body();
    let mut group = criterion.benchmark_group("decode_subscription");
    group.throughput(Throughput::Bytes(text.len() as u64));
    bare_mac(&mut group, text.as_bytes());
    group.bench_function("json_tree", |bencher| {
        bencher.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(text.as_bytes())));
    });
    group.bench_function("pass_over", |bencher| {
        bencher.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(text.as_bytes())));
    });
    let (keys, (body, header)) = (keys(), delivery(text.as_bytes()));
    let payload = verify(Delivery::new(body.clone(), [&header]), &keys, now()).unwrap();
    group.bench_function("decode", |bencher| {
        bencher.iter(|| Event::decode(black_box(&payload)).unwrap());
    });
    group.bench_function("verify_and_decode", |bencher| {
        bencher.iter(|| {
            let delivery = Delivery::new(body.clone(), [black_box(&header)]);
            Event::decode(&verify(delivery, &keys, now()).unwrap()).unwrap()
        });
    });
    group.finish();
}

/// Everybody has paid.
#[derive(Clone)]
struct AllPaid(MirrorRow);

impl MirrorReader for AllPaid {
    fn read(
        &self,
        _: &CustomerId,
    ) -> impl Future<Output = Result<Option<MirrorRow>, MirrorError>> + Send {
        ready(Ok(Some(self.0.clone())))
    }
}

#[derive(Clone)]
struct Handler;

impl Service<Request<()>> for Handler {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

fn request() -> Request<()> {
    Request::builder().uri("/reports/17").body(()).unwrap()
}

/// Calls a service that has nothing to wait for.
fn call<S: Service<Request<()>>>(service: &mut S) -> Result<S::Response, S::Error> {
    let context = &mut Context::from_waker(Waker::noop());
    assert!(
        service.poll_ready(context).is_ready(),
        "it is ready at once"
    );
    match pin!(service.call(request())).poll(context) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("nothing has to be waited for"),
    }
}

fn paid_row() -> MirrorRow {
    let row = UnverifiedRow {
        queue_customer_id: "user-17".to_owned(),
        plan_tier: "pro".to_owned(),
        status: "active".to_owned(),
        current_period_end: Some("2027-02-15 08:00:00.000000".to_owned()),
        updated_at: "2027-01-15 08:00:00.000000".to_owned(),
    };
    MirrorRow::try_from(row).unwrap()
}

fn gate(criterion: &mut Criterion) {
    let customer = CustomerId::parse("user-17").unwrap();
    let paywall = PaywallLayer::new(
        AllPaid(paid_row()),
        Gate::new(Tier::parse("pro").unwrap()).unwrap(),
    )
    .clock(now)
    .identity(move |_: &http::request::Parts| Some(customer.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _timers = runtime.enter();
    gate_parts(criterion);
    let mut gated = paywall.layer(Handler);
    assert_eq!(call(&mut gated).unwrap().status(), 200);
    let mut group = criterion.benchmark_group("gate");
    group.bench_function("handler", |bencher| bencher.iter(|| call(&mut Handler)));
    group.bench_function("gated_handler", |bencher| bencher.iter(|| call(&mut gated)));
    group.finish();
}

/// What a gated call is made of, one by one.
fn gate_parts(criterion: &mut Criterion) {
    let gate = Gate::new(Tier::parse("pro").unwrap()).unwrap();
    let gates = RoutedGates::everywhere(gate.clone());
    let row = paid_row();
    let mut group = criterion.benchmark_group("gate_parts");
    group.bench_function("route", |bencher| {
        bencher.iter(|| gates.gate(black_box("/reports/17"), None, None).is_some());
    });
    let read = Ok(Some(row.clone()));
    group.bench_function("decide", |bencher| {
        bencher.iter(|| decide(black_box(&read), &gate, now()))
    });
    group.bench_function("row", |bencher| bencher.iter(|| black_box(&row).clone()));
    let left = std::sync::Arc::new(17);
    group.bench_function("extensions", |bencher| {
        bencher.iter(|| {
            let mut extensions = http::Extensions::new();
            extensions.insert(std::sync::Arc::clone(black_box(&left)));
            extensions
        });
    });
    group.bench_function("boxed", |bencher| {
        bencher.iter(|| -> Box<dyn Future<Output = [usize; 16]>> {
            Box::new(ready(black_box([0; 16])))
        });
    });
    group.bench_function("counter", |bencher| {
        bencher.iter(|| {
            metrics::counter!("paywall_decisions_total", "decision" => "allow").increment(1)
        });
    });
    let reader = std::sync::Arc::new(AllPaid(row));
    let customer = CustomerId::parse("user-17").unwrap();
    group.bench_function("together", |bencher| {
        bencher.iter(|| all_parts(&gates, &reader, black_box(&customer)));
    });
    group.finish();
}

/// What a gated call can't do without, in one function that no middleware framework is between.
fn all_parts(
    gates: &RoutedGates,
    reader: &std::sync::Arc<AllPaid>,
    customer: &CustomerId,
) -> (Request<()>, Response<()>) {
    let (mut parts, ()) = request().into_parts();
    let gate = gates.gate(parts.uri.path(), None, None).unwrap();
    let (reader, asked) = (std::sync::Arc::clone(reader), customer.clone());
    let mut read: std::pin::Pin<Box<dyn Future<Output = _> + Send>> =
        Box::pin(async move { reader.read(&asked).await });
    let Poll::Ready(row) = read.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        unreachable!("nothing has to be waited for")
    };
    let left = std::sync::Arc::new((decide(&row, gate, now()), customer.clone()));
    parts.extensions.insert(left);
    (Request::from_parts(parts, ()), Response::new(()))
}

criterion_group!(benches, verification, decoding, gate);
criterion_main!(benches);
