//! A service with two paid routes behind the paywall, over a mirror in SQLite.
//!
//! ```text
//! MIRROR_DATABASE_URL=sqlite://app.db PORT=8090 \
//!     cargo run -p tower-paywall --example gated_service --features sqlite
//! curl -i -H 'X-Demo-Customer: user-17' http://127.0.0.1:8090/reports
//! ```

use std::env;
use std::error::Error;
use std::io::{IsTerminal as _, Write as _};

use axum::routing::get;
use axum::{Extension, Json, Router};
use http::request::Parts;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tower_paywall::{
    Coalescing, CustomerId, Gate, GateDecision, PaywallLayer, Routes, SqlMirror, Tier,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let mirror = SqlMirror::open(&env::var("MIRROR_DATABASE_URL")?)?.coalescing(2);
    let app = app(mirror)?;

    let port: u16 = env::var("PORT").map_or(Ok(0), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on http://{}", listener.local_addr()?)?;
    stdout.flush()?;

    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        })
        .await?;
    Ok(())
}

fn app(mirror: Coalescing) -> Result<Router, Box<dyn Error>> {
    let (pro, pro_plus) = (Tier::parse("pro")?, Tier::parse("pro_plus")?);
    let gate = Gate::new(pro.clone())?.with_upgrade_url("/pricing");
    let routes = Routes::gated_by_default(pro)
        .gate("/models/**", pro_plus)?
        .exempt("/health")?;
    let paywall = PaywallLayer::new(mirror, gate)
        .routes(routes)?
        .identity(demo_customer);
    Ok(Router::new()
        .route("/health", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/reports", get(paid_for))
        .route("/models", get(paid_for))
        .layer(paywall))
}

/// FOR THE DEMO ONLY. ANYBODY CAN SET THIS HEADER AND BE ANYBODY. A real service takes the customer
/// from its verified session or token, and never from what a client claims.
fn demo_customer(request: &Parts) -> Option<CustomerId> {
    let header = request.headers.get("x-demo-customer")?;
    CustomerId::parse(header.to_str().ok()?).ok()
}

async fn paid_for(Extension(decision): Extension<GateDecision>) -> Json<Value> {
    Json(json!({
        "customer": decision.customer().map(CustomerId::as_str),
        "tier": decision.tier().map(Tier::as_str),
    }))
}
