//! The HTTP surface: a map of paths.

mod auth;
mod body;
mod caller;
mod customer_list;
mod customers;
mod me;
mod mirror;
mod money;
mod page;
mod plans;
mod probes;
mod problem;
mod reconcile;
mod records;
mod replay;
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
pub use caller::CustomerTokens;
pub(crate) use problem::Problem;

use crate::app::App;

/// All paths of the server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let internal_only = || middleware::from_fn_with_state(Arc::clone(&app), auth::require_internal);
    let internal = Router::new()
        .route("/api/v1/billing/customers", get(customer_list::list))
        .route(
            "/api/v1/billing/customers/{id}",
            put(customers::register).get(records::customer),
        )
        .route(
            "/api/v1/billing/customers/{id}/subscriptions",
            get(records::subscriptions),
        )
        .route(
            "/api/v1/billing/customers/{id}/invoices",
            get(records::invoices),
        )
        .route(
            "/api/v1/billing/customers/{id}/timeline",
            get(records::timeline),
        )
        .route("/internal/v1/events/{id}/replay", post(replay::replay))
        .route("/internal/v1/reconcile", post(reconcile::ask))
        .route("/internal/v1/mirror-sync", post(mirror::sync))
        .route_layer(internal_only());
    let operations = Router::new()
        .route("/internal/v1/quarantine", get(records::quarantine))
        .route("/internal/v1/reconcile", get(reconcile::read))
        .route("/internal/v1/mirror", get(mirror::feed))
        .route_layer(internal_only());
    let customer = Router::new()
        .route("/api/v1/billing/me", get(me::read))
        .route("/api/v1/billing/subscribe", post(money::subscribe))
        .route("/api/v1/billing/checkout", post(money::checkout))
        .route("/api/v1/billing/checkout/sync", post(money::sync_checkout))
        .route("/api/v1/billing/portal", post(money::portal))
        .route("/api/v1/billing/plan", post(money::change_plan))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            caller::require_customer,
        ));
    let billing = Router::new()
        .route("/api/v1/billing/webhook", post(webhook::receive))
        .route("/api/v1/billing/plans", get(plans::read))
        .merge(internal)
        .merge(customer)
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            switch::require_billing,
        ));
    Router::new()
        .merge(billing)
        .merge(operations)
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        .fallback(|| async { Problem::NotFound })
        .method_not_allowed_fallback(|| async { Problem::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .with_state(app)
}
