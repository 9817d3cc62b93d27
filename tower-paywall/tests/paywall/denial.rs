//! What those get who may not pass, to the byte (P2, P3).

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body::Body as _;
use tower_paywall::{
    CustomerId, DenialResponse, GateDecision, MirrorError, PaywallLayer, Problem, ProblemResponse,
};

use crate::booth::{Says, Who, anonymous, from_extensions, over_grpc, pro, request, send, wire};

fn selling<R: tower_paywall::MirrorReader>(reader: R) -> PaywallLayer<R, Who> {
    PaywallLayer::new(
        reader,
        pro().with_upgrade_url("https://example.com/pricing"),
    )
    .identity(from_extensions as Who)
}

#[tokio::test]
async fn without_a_plan() {
    let (response, _) = send(&selling(Says::NoRow), request("/reports")).await;
    insta::assert_snapshot!(wire(response).await, @r##"
    402 Payment Required
    content-type: application/problem+json
    cache-control: no-store

    {"title":"Payment Required","status":402,"code":"payment_required","detail":"This needs a paid plan.","required_tier":"pro","upgrade_url":"https://example.com/pricing","retryable":false}
    "##);
}

#[tokio::test]
async fn without_an_identity() {
    let (response, _) = send(&selling(Says::NoRow), anonymous("/reports")).await;
    insta::assert_snapshot!(wire(response).await, @r##"
    401 Unauthorized
    content-type: application/problem+json
    cache-control: no-store
    www-authenticate: Bearer

    {"title":"Unauthorized","status":401,"code":"unauthenticated","retryable":false}
    "##);
}

#[tokio::test]
async fn without_a_mirror() {
    let blind = selling(Says::Fails(MirrorError::Unavailable));
    let (response, _) = send(&blind, request("/reports")).await;
    insta::assert_snapshot!(wire(response).await, @r##"
    402 Payment Required
    content-type: application/problem+json
    cache-control: no-store
    retry-after: 5

    {"title":"Payment Required","status":402,"code":"entitlement_unknown","detail":"Your plan could not be checked. Try again shortly.","required_tier":"pro","upgrade_url":"https://example.com/pricing","retryable":true}
    "##);
}

#[tokio::test]
async fn without_a_plan_over_grpc() {
    let (response, _) = send(&selling(Says::NoRow), over_grpc(request("/reports"))).await;
    assert!(response.body().is_end_stream(), "trailers only");
    insta::assert_snapshot!(wire(response).await, @r##"
    200 OK
    content-type: application/grpc
    cache-control: no-store
    grpc-status: 7
    grpc-message: payment_required
    "##);
}

#[tokio::test]
async fn without_an_identity_over_grpc() {
    let (response, _) = send(&selling(Says::NoRow), over_grpc(anonymous("/reports"))).await;
    insta::assert_snapshot!(wire(response).await, @r##"
    200 OK
    content-type: application/grpc
    cache-control: no-store
    grpc-status: 16
    grpc-message: unauthenticated
    "##);
}

#[tokio::test]
async fn without_a_mirror_over_grpc() {
    let blind = selling(Says::Fails(MirrorError::Unavailable));
    let (response, _) = send(&blind, over_grpc(request("/reports"))).await;
    insta::assert_snapshot!(wire(response).await, @r##"
    200 OK
    content-type: application/grpc
    cache-control: no-store
    grpc-status: 7
    grpc-message: entitlement_unknown
    "##);
}

#[tokio::test]
async fn every_reason_not_to_be_entitled_looks_the_same() {
    let mut seen = Vec::new();
    for says in [
        Says::NoRow,
        Says::row("pro", "past_due", None),
        Says::row("free", "active", Some(crate::booth::TOMORROW)),
        Says::row("pro", "active", None),
    ] {
        let (response, _) = send(&selling(says), request("/reports")).await;
        seen.push(wire(response).await);
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:#?}");
}

#[tokio::test]
async fn no_refusal_is_stored_or_asks_for_a_payment_scheme() {
    for layer in [
        selling(Says::NoRow),
        selling(Says::Hangs).read_timeout(std::time::Duration::ZERO),
    ] {
        for request in [request("/"), anonymous("/")] {
            for request in [request.clone(), over_grpc(request)] {
                let (response, _) = send(&layer, request).await;
                let headers = response.headers();
                assert_eq!(headers["cache-control"], "no-store");
                assert!(!headers.contains_key("payment-required"));
                let mut schemes = headers.get_all("www-authenticate").iter();
                assert!(!schemes.any(|scheme| scheme.as_bytes().starts_with(b"Payment")));
            }
        }
    }
}

#[tokio::test]
async fn a_custom_denial_changes_the_response_and_not_the_decision() {
    let layer = selling(Says::NoRow).on_denied(|problem: &Problem, request: &Parts| {
        let decision = request.extensions.get::<GateDecision>().unwrap();
        let customer = decision.customer().map_or("?", CustomerId::as_str);
        let mut response = Response::new(format!(
            "{} {} {customer} {}",
            problem.status,
            request.uri.path(),
            decision.decision().code(),
        ));
        *response.status_mut() = StatusCode::OK;
        response
    });
    let (response, calls) = send(&layer, request("/reports")).await;
    assert_eq!(calls, 0);
    assert!(response.extensions().get::<GateDecision>().is_some());
    insta::assert_snapshot!(wire(response).await, @r##"
    200 OK
    cache-control: no-store

    402 /reports user-17 no_row
    "##);
}

#[tokio::test]
async fn a_custom_denial_may_say_how_it_is_cached() {
    let layer = selling(Says::NoRow).on_denied(|problem: &Problem, request: &Parts| {
        let mut response = ProblemResponse.denial_response(problem, request);
        let private = http::HeaderValue::from_static("private, max-age=1");
        response.headers_mut().insert("cache-control", private);
        response
    });
    let (response, _) = send(&layer, request("/reports")).await;
    assert_eq!(response.status(), 402);
    assert_eq!(response.headers()["cache-control"], "private, max-age=1");
}

#[tokio::test]
async fn a_custom_denial_that_panics_refuses_all_the_same() {
    fn panics(_: &Problem, _: &Parts) -> Response<Bytes> {
        panic!("asked to panic")
    }
    for request in [request("/reports"), anonymous("/reports")] {
        let (expected, _) = send(&selling(Says::NoRow), request.clone()).await;
        let (response, calls) = send(&selling(Says::NoRow).on_denied(panics), request).await;
        assert_eq!(calls, 0);
        assert_eq!(wire(response).await, wire(expected).await);
    }
}

#[tokio::test]
async fn grpc_clients_never_get_a_custom_denial() {
    let layer = selling(Says::NoRow)
        .on_denied(|_: &Problem, _: &Parts| Response::new("<h1>Please subscribe</h1>"));
    let (response, _) = send(&layer, over_grpc(request("/reports"))).await;
    assert_eq!(response.headers()["grpc-status"], "7");
    assert_eq!(response.headers()["content-type"], "application/grpc");
}
