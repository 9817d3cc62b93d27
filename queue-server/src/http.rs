//! The HTTP surface: a map of paths.

mod auth;
mod customers;
mod probes;
mod problem;
mod switch;
mod webhook;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post, put};
use billing_core::signature::MAX_BODY_BYTES;
use tower_http::catch_panic::CatchPanicLayer;

pub use auth::InternalTokens;

use crate::app::App;
use problem::Problem;

/// All paths of the server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let internal = Router::new()
        .route("/api/v1/billing/customers/{id}", put(customers::register))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            auth::require_internal,
        ));
    let billing = Router::new()
        .route("/api/v1/billing/webhook", post(webhook::receive))
        .merge(internal)
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            switch::require_billing,
        ));
    Router::new()
        .merge(billing)
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        .fallback(|| async { Problem::NotFound })
        .method_not_allowed_fallback(|| async { Problem::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .with_state(app)
}
