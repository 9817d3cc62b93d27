//! The handler runs in none of these cases (P1, P2).

use std::time::{Duration, Instant};

use tower_paywall::{
    CustomerId, Gate, GateDecision, MalformedRow, MirrorError, PaywallLayer, TierOrder,
};

use crate::booth::{
    FOUR_DAYS_AGO, Says, TOMORROW, Who, anonymous, from_extensions, now, over_grpc,
    panicking_identity, paywall, pro, request, send, tier,
};

/// What the mirror says, and the code and status of the refusal.
fn cases() -> Vec<(Says, &'static str, u16)> {
    let malformed = MirrorError::Malformed(MalformedRow { column: "status" });
    let mut cases = vec![
        (Says::NoRow, "no_row", 402),
        (Says::row("free", "none", None), "not_entitled", 402),
        (
            Says::row("free", "active", Some(TOMORROW)),
            "tier_too_low",
            402,
        ),
        (
            Says::row("pro", "active", Some(FOUR_DAYS_AGO)),
            "period_over",
            402,
        ),
        (Says::row("pro", "active", None), "period_over", 402),
        (
            Says::Fails(MirrorError::Unavailable),
            "mirror_unavailable",
            402,
        ),
        (Says::Fails(malformed), "mirror_row_malformed", 402),
        (Says::paid("gold"), "mirror_row_malformed", 402),
        (Says::Hangs, "mirror_timed_out", 402),
        (Says::PanicsWhenCalled, "gate_panicked", 402),
        (Says::PanicsWhenPolled, "gate_panicked", 402),
    ];
    for status in [
        "past_due",
        "unpaid",
        "paused",
        "incomplete",
        "canceled",
        "none",
    ] {
        let row = Says::row("pro_plus", status, Some(TOMORROW));
        cases.push((row, "not_entitled", 402));
    }
    cases
}

#[tokio::test]
async fn nobody_reaches_the_handler_but_the_entitled() {
    for (says, code, status) in cases() {
        let (response, calls) = send(&paywall(says.clone()), request("/reports")).await;
        assert_eq!(calls, 0, "{says:?}");
        assert_eq!(response.status(), status, "{says:?}");
        let left = response.extensions().get::<GateDecision>().unwrap();
        assert_eq!(left.decision().code(), code, "{says:?}");
    }
}

#[tokio::test]
async fn nobody_reaches_the_handler_over_grpc_but_the_entitled() {
    for (says, code, _) in cases() {
        let grpc = over_grpc(request("/reports"));
        let (response, calls) = send(&paywall(says.clone()), grpc).await;
        assert_eq!(calls, 0, "{says:?}");
        assert_eq!(response.headers()["grpc-status"], "7", "{code}");
    }
}

#[tokio::test]
async fn a_request_without_identity_is_refused_and_the_mirror_is_not_asked() {
    let (response, calls) = send(&paywall(Says::PanicsWhenCalled), anonymous("/reports")).await;
    assert_eq!((response.status().as_u16(), calls), (401, 0));
    let left = response.extensions().get::<GateDecision>().unwrap();
    assert_eq!(left.decision().code(), "no_identity");
}

#[tokio::test]
async fn an_identity_that_panics_is_refused_as_unknown() {
    let layer = paywall(Says::paid("pro")).identity(panicking_identity);
    let (response, calls) = send(&layer, request("/reports")).await;
    assert_eq!((response.status().as_u16(), calls), (402, 0));
    assert_eq!(response.headers()["retry-after"], "5");
}

#[tokio::test]
async fn a_clock_that_panics_is_refused_as_unknown() {
    let layer = paywall(Says::paid("pro")).clock(|| panic!("asked to panic"));
    let (response, calls) = send(&layer, request("/reports")).await;
    assert_eq!((response.status().as_u16(), calls), (402, 0));
    assert_eq!(response.headers()["retry-after"], "5");
}

#[tokio::test]
async fn the_row_of_another_customer_lends_nothing() {
    let layer = paywall(Says::row_of("user-18", "pro", "active", Some(TOMORROW)));
    let (response, calls) = send(&layer, request("/reports")).await;
    assert_eq!((response.status().as_u16(), calls), (402, 0));
    let left = response.extensions().get::<GateDecision>().unwrap();
    assert_eq!(left.decision().code(), "mirror_row_malformed");
    assert_eq!(left.customer().map(CustomerId::as_str), Some("user-17"));
}

#[tokio::test]
async fn a_tier_of_another_order_is_ranked_by_that_order() {
    let order = TierOrder::new(["basic", "silver", "gold"].map(tier)).unwrap();
    let gate = Gate::within(order, tier("gold")).unwrap();
    for (plan_tier, passes) in [("basic", 0), ("silver", 0), ("gold", 1), ("pro", 0)] {
        let layer = PaywallLayer::new(Says::paid(plan_tier), gate.clone())
            .identity(from_extensions as Who)
            .clock(now);
        assert_eq!(send(&layer, request("/")).await.1, passes, "{plan_tier}");
    }
}

#[tokio::test]
async fn a_gate_may_answer_503_where_it_does_not_know() {
    let layer = PaywallLayer::new(Says::Hangs, pro().with_503_for_unknown())
        .identity(from_extensions as Who)
        .read_timeout(Duration::ZERO);
    let (response, calls) = send(&layer, request("/reports")).await;
    assert_eq!((response.status().as_u16(), calls), (503, 0));
}

#[tokio::test]
async fn the_mirror_has_a_second_to_answer() {
    let layer = PaywallLayer::new(Says::Hangs, pro()).identity(from_extensions as Who);
    let asked_at = Instant::now();
    let (response, calls) = send(&layer, request("/reports")).await;
    assert_eq!((response.status().as_u16(), calls), (402, 0));
    let waited = asked_at.elapsed().as_secs_f64();
    assert!((1.0..2.0).contains(&waited), "waited {waited} s");
}

#[test]
fn without_a_timer_everything_is_refused() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.build().unwrap();
    let (response, calls) =
        runtime.block_on(send(&paywall(Says::paid("pro")), request("/reports")));
    assert_eq!((response.status().as_u16(), calls), (402, 0));
}

#[test]
fn a_route_cannot_ask_for_a_tier_that_everyone_has_or_nobody_knows() {
    for name in ["free", "gold"] {
        let routes = tower_paywall::Routes::open_by_default();
        let routes = routes.gate("/reports", tier(name)).unwrap();
        let refused = paywall(Says::NoRow).routes(routes).unwrap_err();
        assert_eq!(refused.0, tier(name));
    }
}
