//! Who may pass reaches the handler, with the decision and the request as it was.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full, StreamBody};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_paywall::{
    CustomerId, Decision, Gate, GateDecision, PaywallLayer, ResponseBody, Routes, Tier, TierOrder,
};

use crate::booth::{
    Says, TOMORROW, Who, anonymous, from_extensions, now, paywall, request, send, tier,
};

#[tokio::test]
async fn the_entitled_pass() {
    for says in [
        Says::paid("pro"),
        Says::paid("pro_plus"),
        Says::row("pro", "trialing", Some(TOMORROW)),
        // Within the leeway of 72 hours.
        Says::row("pro", "active", Some("2027-01-12 08:00:00.000000")),
    ] {
        let (response, calls) = send(&paywall(says.clone()), request("/reports")).await;
        assert_eq!((response.status().as_u16(), calls), (200, 1), "{says:?}");
        let body = response.into_body();
        assert_eq!(body.size_hint().exact(), Some(8));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "paid for");
    }
}

#[tokio::test]
async fn the_handler_sees_the_decision_and_outer_layers_see_that_nothing_was_refused() {
    let handler = service_fn(async |request: Request<Full<Bytes>>| {
        let decision = request.extensions().get::<GateDecision>().unwrap();
        assert_eq!(*decision.decision(), Decision::Allow(tier("pro_plus")));
        assert_eq!(decision.customer().map(CustomerId::as_str), Some("user-17"));
        assert_eq!(decision.tier().map(Tier::as_str), Some("pro_plus"));
        assert_eq!(*decision.required_tier(), tier("pro"));
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let gated = paywall(Says::paid("pro_plus")).layer(handler);
    let response = gated.oneshot(request("/reports")).await.unwrap();
    assert!(response.extensions().get::<GateDecision>().is_none());
}

#[tokio::test]
async fn an_exempt_request_asks_nobody_and_carries_no_decision() {
    let routes = Routes::gated_by_default(tier("pro"))
        .exempt("/health")
        .unwrap();
    let layer = paywall(Says::PanicsWhenCalled).routes(routes).unwrap();
    let (response, calls) = send(&layer, anonymous("/health")).await;
    assert_eq!((response.status().as_u16(), calls), (200, 1));
    assert!(response.extensions().get::<GateDecision>().is_none());
}

#[tokio::test]
async fn each_route_asks_for_its_own_tier() {
    let routes = Routes::open_by_default()
        .gate("/reports/**", tier("pro"))
        .unwrap()
        .gate("/models/**", tier("pro_plus"))
        .unwrap();
    for (plan_tier, path, passes) in [
        ("pro", "/reports/7", 1),
        ("pro", "/models/7", 0),
        ("pro_plus", "/reports/7", 1),
        ("pro_plus", "/models/7", 1),
        ("free", "/reports/7", 0),
        ("free", "/models", 0),
        ("free", "/anything", 1),
    ] {
        let layer = paywall(Says::paid(plan_tier))
            .routes(routes.clone())
            .unwrap();
        let (_, calls) = send(&layer, request(path)).await;
        assert_eq!(calls, passes, "{plan_tier} at {path}");
    }
}

#[tokio::test]
async fn of_several_patterns_the_highest_tier_counts_in_the_order_of_the_gate() {
    let order = TierOrder::new(["basic", "silver", "gold"].map(tier)).unwrap();
    let gate = Gate::within(order, tier("silver")).unwrap();
    let (models, all) = (("/models/**", tier("gold")), ("/**", tier("silver")));
    for patterns in [[models.clone(), all.clone()], [all, models]] {
        let routes = patterns
            .into_iter()
            .try_fold(Routes::open_by_default(), |routes, (pattern, tier)| {
                routes.gate(pattern, tier)
            });
        let layer = PaywallLayer::new(Says::paid("silver"), gate.clone())
            .routes(routes.unwrap())
            .unwrap()
            .identity(from_extensions as Who)
            .clock(now);
        assert_eq!(send(&layer, request("/reports")).await.1, 1);
        assert_eq!(send(&layer, request("/models/7")).await.1, 0);
    }
}

#[tokio::test]
async fn no_method_is_special() {
    for method in [
        "GET", "HEAD", "OPTIONS", "POST", "TRACE", "CONNECT", "PURGE",
    ] {
        let mut request = request("/reports");
        *request.method_mut() = method.parse().unwrap();
        let (response, calls) = send(&paywall(Says::NoRow), request).await;
        assert_eq!((response.status().as_u16(), calls), (402, 0), "{method}");
    }
}

#[tokio::test]
async fn bodies_stream_through_in_both_directions_unread() {
    // A body of another type than the paywall's own: what comes in goes out again.
    let frames = [Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(
        "streamed",
    )))];
    let stream = StreamBody::new(futures::stream::iter(frames));
    let handler = service_fn(async |request: Request<_>| {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let gated = paywall(Says::paid("pro")).layer(handler);
    let (parts, _) = request("/reports").into_parts();
    let streamed = Request::from_parts(parts, stream);
    let response: Response<ResponseBody<_>> = gated.oneshot(streamed).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "streamed");
}
