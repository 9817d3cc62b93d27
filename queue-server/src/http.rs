//! The HTTP surface: a map of paths.

mod auth;
mod body;
mod caller;
mod customer_list;
mod customers;
mod me;
mod mirror;
mod money;
mod openapi;
mod page;
mod plans;
mod probes;
mod problem;
mod reconcile;
mod records;
mod replay;
mod revenue;
mod switch;
mod webhook;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use billing_core::signature::MAX_BODY_BYTES;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use auth::InternalTokens;
pub use caller::CustomerTokens;
pub(crate) use openapi::vocabulary;
pub(crate) use problem::Problem;

use openapi::{BODY, COMMIT, DECLINE, PAGE, READ, Refusing, STRIPE};

use crate::app::App;

/// All paths of the server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut paths = openapi::outline()
        .merge(billing(&app))
        .merge(operations(&app))
        .merge(probes());
    openapi::refused_by_all(&mut paths, &[Problem::Panicked]);
    openapi::describe(paths)
        .fallback(|| async { Problem::NotFound })
        .method_not_allowed_fallback(|| async { Problem::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .with_state(app)
}

type Paths = OpenApiRouter<Arc<App>>;

/// What nobody gets while billing is off.
fn billing(app: &Arc<App>) -> Paths {
    let delivery = [
        Problem::SignatureInvalid,
        Problem::EventMalformed,
        Problem::BodyBroken,
        Problem::BodyTimeout,
        Problem::BodyTooLarge,
        Problem::TooManyDeliveries,
    ];
    let mut paths = Paths::default()
        .routes(routes!(webhook::receive).refusing(&[&delivery, COMMIT]))
        .routes(routes!(plans::read).refusing(&[STRIPE]))
        .merge(internal(app))
        .merge(customer(app));
    openapi::refused_by_all(&mut paths, &[Problem::BillingOff]);
    paths.route_layer(middleware::from_fn_with_state(
        Arc::clone(app),
        switch::require_billing,
    ))
}

/// What the seller's own services do and read.
fn internal(app: &Arc<App>) -> Paths {
    let id = [Problem::CustomerIdInvalid];
    let known = [Problem::CustomerIdInvalid, Problem::CustomerUnknown];
    let event = [Problem::EventIdInvalid, Problem::EventUnknown];
    let row = [Problem::CustomerUnknown, Problem::MirrorUnreadable];
    let no_query = [Problem::QueryUnexpected];
    let paths = Paths::default()
        .routes(routes!(customer_list::list).refusing(&[PAGE, READ]))
        .routes(routes!(customers::register).refusing(&[&id, COMMIT]))
        .routes(routes!(records::customer).refusing(&[&known, &no_query, READ]))
        .routes(routes!(records::subscriptions).refusing(&[&known, &no_query, READ]))
        .routes(routes!(records::invoices).refusing(&[&known, PAGE, READ]))
        .routes(routes!(records::timeline).refusing(&[&known, PAGE, READ]))
        .routes(routes!(revenue::read).refusing(&[PAGE, READ]))
        .routes(routes!(replay::replay).refusing(&[&event, STRIPE, COMMIT]))
        .routes(routes!(reconcile::ask).refusing(&[
            &no_query,
            &[Problem::StripeNotConfigured],
            READ,
        ]))
        .routes(routes!(mirror::sync).refusing(&[BODY, &row, COMMIT]));
    for_internal(paths, app)
}

/// The same, also while billing is off.
fn operations(app: &Arc<App>) -> Paths {
    let paths = Paths::default()
        .routes(routes!(records::quarantine).refusing(&[PAGE, READ]))
        .routes(routes!(reconcile::read).refusing(&[&[Problem::QueryUnexpected], READ]))
        .routes(routes!(mirror::feed).refusing(&[PAGE, READ]));
    for_internal(paths, app)
}

fn for_internal(mut paths: Paths, app: &Arc<App>) -> Paths {
    openapi::refused_by_all(&mut paths, &[Problem::Unauthenticated]);
    openapi::operations(&mut paths).for_each(|path| path.security = Some(openapi::internal()));
    paths.route_layer(middleware::from_fn_with_state(
        Arc::clone(app),
        auth::require_internal,
    ))
}

/// What a customer does and reads.
fn customer(app: &Arc<App>) -> Paths {
    let bought = [
        Problem::PlanUnknown,
        Problem::SubscriptionAlreadyActive,
        Problem::SubscribeInProgress,
    ];
    let changed = [
        Problem::PlanUnknown,
        Problem::SubscriptionMissing,
        Problem::PaymentDue,
        Problem::PlanChangeInPortal,
    ];
    let portal = [Problem::ReturnUrlRefused, Problem::StripeCustomerMissing];
    let (url, method) = ([Problem::ReturnUrlRefused], [Problem::PaymentMethodRefused]);
    let unknown = [Problem::CheckoutUnknown];
    let mut paths = Paths::default()
        .routes(routes!(me::read).refusing(&[READ]))
        .routes(
            routes!(money::subscribe).refusing(&[BODY, &bought, &method, DECLINE, STRIPE, COMMIT]),
        )
        .routes(routes!(money::checkout).refusing(&[BODY, &bought, &url, STRIPE, COMMIT]))
        .routes(routes!(money::sync_checkout).refusing(&[BODY, &unknown, STRIPE, COMMIT]))
        .routes(routes!(money::portal).refusing(&[BODY, &portal, STRIPE, COMMIT]))
        .routes(routes!(money::change_plan).refusing(&[BODY, &changed, DECLINE, STRIPE, COMMIT]));
    let everyone = [Problem::Unauthenticated, Problem::CustomerIdInvalid];
    openapi::refused_by_all(&mut paths, &everyone);
    openapi::operations(&mut paths).for_each(|path| path.security = Some(openapi::customer()));
    paths.route_layer(middleware::from_fn_with_state(
        Arc::clone(app),
        caller::require_customer,
    ))
}

/// What tells how the server does.
fn probes() -> Paths {
    Paths::default()
        .routes(routes!(probes::healthz))
        .routes(routes!(probes::readyz))
        .routes(routes!(probes::metrics))
}
