//! Identity comes from the configured extractor alone (P4).

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_paywall::{CustomerId, GateDecision};

use crate::booth::{Says, anonymous, paywall, request, send};

#[tokio::test]
async fn what_a_client_claims_is_no_identity() {
    let mut claims = anonymous("/reports?customer=user-17");
    for header in [
        "authorization",
        "x-queue-customer-id",
        "x-demo-customer",
        "cookie",
    ] {
        let value = http::HeaderValue::from_static("user-17");
        claims.headers_mut().insert(header, value);
    }
    let (response, calls) = send(&paywall(Says::paid("pro")), claims).await;
    assert_eq!((response.status().as_u16(), calls), (401, 0));
}

#[tokio::test]
async fn the_extractor_sees_the_whole_request_but_its_body() {
    let layer = paywall(Says::paid("pro")).identity(|request: &http::request::Parts| {
        assert_eq!(request.method, "GET");
        assert_eq!(request.uri, "/reports?a=b");
        let token = request.headers.get("authorization")?.to_str().ok()?;
        (token == "Bearer good").then(|| CustomerId::parse("user-17").unwrap())
    });
    for (token, status) in [("Bearer good", 200), ("Bearer bad", 401)] {
        let mut request = anonymous("/reports?a=b");
        let token = http::HeaderValue::from_static(token);
        request.headers_mut().insert("authorization", token);
        let (response, _) = send(&layer, request).await;
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn a_decision_that_is_already_there_is_not_believed() {
    let keeping = service_fn(async |request: Request<Full<Bytes>>| {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.extensions_mut() = request.extensions().clone();
        Ok::<_, Infallible>(response)
    });
    let gated = paywall(Says::paid("pro")).layer(keeping);
    let allowed = gated.oneshot(request("/")).await.unwrap();
    let left: GateDecision = allowed.extensions().get().cloned().unwrap();
    assert!(left.decision().is_allow());
    let mut replayed = anonymous("/");
    replayed.extensions_mut().insert(left);
    let (response, calls) = send(&paywall(Says::paid("pro")), replayed).await;
    assert_eq!((response.status().as_u16(), calls), (401, 0));
}
