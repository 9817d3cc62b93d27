//! It composes with other gates and never overrides them (P6).

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_paywall::{Gate, GateDecision, PaywallLayer, ResponseBody};

use crate::booth::{
    Paid, Says, Who, anonymous, from_extensions, now, paywall, request, send, tier,
};

/// Another gate, on trading results, say.
fn refuses_with_403() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from("losing streak")));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

#[tokio::test]
async fn a_gate_behind_keeps_its_refusal() {
    let other =
        service_fn(async |_: Request<_>| Ok::<_, std::convert::Infallible>(refuses_with_403()));
    let gated = paywall(Says::paid("pro_plus")).layer(other);
    let response = gated.oneshot(request("/")).await.unwrap();
    assert_eq!(response.status(), 403);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "losing streak");
}

#[tokio::test]
async fn a_gate_behind_is_not_asked_about_those_who_have_not_paid() {
    let (response, calls) = send(&paywall(Says::NoRow), request("/")).await;
    assert_eq!((response.status().as_u16(), calls), (402, 0));
}

#[tokio::test]
async fn a_gate_before_keeps_its_refusal_even_where_the_paywall_would_allow() {
    let paid = Paid::default();
    let gated = paywall(Says::paid("pro_plus")).layer(paid.clone());
    let other = service_fn(move |request: Request<Full<Bytes>>| {
        let gated = gated.clone();
        async move {
            if request.uri().path() == "/losing" {
                return Ok(refuses_with_403().map(ResponseBodyOr::Other));
            }
            let response = gated.oneshot(request).await;
            response.map(|response| response.map(ResponseBodyOr::Gated))
        }
    });
    let response = other.clone().oneshot(request("/losing")).await.unwrap();
    assert_eq!((response.status().as_u16(), paid.calls()), (403, 0));
    let response = other.oneshot(request("/winning")).await.unwrap();
    assert_eq!((response.status().as_u16(), paid.calls()), (200, 1));
}

#[expect(dead_code, reason = "only the type is wanted: the bodies are not read")]
enum ResponseBodyOr {
    Other(Full<Bytes>),
    Gated(ResponseBody<Full<Bytes>>),
}

#[tokio::test]
async fn of_two_paywalls_both_must_allow() {
    let gate = Gate::new(tier("pro_plus")).unwrap();
    for (plan_tier, passes) in [("free", 0), ("pro", 0), ("pro_plus", 1)] {
        let plus = PaywallLayer::new(Says::paid(plan_tier), gate.clone())
            .identity(from_extensions as Who)
            .clock(now);
        for swapped in [false, true] {
            let (paid, outer, inner) = (Paid::default(), paywall(Says::paid(plan_tier)), &plus);
            let response = if swapped {
                let both = ServiceBuilder::new().layer(inner.clone()).layer(outer);
                both.service(paid.clone()).oneshot(request("/")).await
            } else {
                let both = ServiceBuilder::new().layer(outer).layer(inner.clone());
                both.service(paid.clone()).oneshot(request("/")).await
            };
            let response = response.unwrap();
            assert_eq!(paid.calls(), passes, "{plan_tier}");
            let refused = response.extensions().get::<GateDecision>();
            assert_eq!(refused.is_none(), passes == 1, "{plan_tier}");
        }
    }
}

#[tokio::test]
async fn an_observing_paywall_does_not_lift_the_refusal_of_one_behind() {
    let service = ServiceBuilder::new()
        .layer(paywall(Says::paid("pro")).observe())
        .layer(paywall(Says::NoRow))
        .service(Paid::default());
    let response = service.oneshot(request("/")).await.unwrap();
    assert_eq!(response.status(), 402);
}

#[tokio::test]
async fn in_axum_it_goes_on_a_router_a_route_or_a_method() {
    async fn who(Extension(decision): Extension<GateDecision>) -> String {
        let tier = decision.tier().map(ToString::to_string);
        tier.unwrap_or_default()
    }
    let gated: [Router; 3] = [
        Router::new()
            .route("/", get(who))
            .layer(paywall(Says::paid("pro"))),
        Router::new()
            .route("/", get(who))
            .route_layer(paywall(Says::paid("pro"))),
        Router::new().route("/", get(who).layer(paywall(Says::paid("pro")))),
    ];
    for app in gated {
        let response = app
            .clone()
            .oneshot(request("/").map(Body::new))
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "pro");
        let refused = app.oneshot(anonymous("/").map(Body::new)).await.unwrap();
        assert_eq!(refused.status(), 401);
        let body = refused.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&body).unwrap()["code"],
            "unauthenticated"
        );
    }
}

#[tokio::test]
async fn paths_that_no_route_has_are_gated_too() {
    let app: Router = Router::new()
        .route("/", get(async || "root"))
        .layer(paywall(Says::NoRow));
    let response = app
        .oneshot(request("/nowhere").map(Body::new))
        .await
        .unwrap();
    assert_eq!(response.status(), 402);
}
