//! The endpoints of the money path: what they take and answer. What they do is in `crate::money`.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use billing_core::id::PaymentMethodId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Exactly;
use super::caller::Caller;
use super::me::{self, Me};
use super::openapi::vocabulary;
use super::problem::Problem;
use crate::app::App;
use crate::money::{CheckoutOpened, Desk, PlanChange, Subscribed};

/// Which plan, and how it is paid for where that is known.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subscribe {
    plan_tier: String,
    #[schema(value_type = Option<vocabulary::PaymentMethodId>)]
    stripe_payment_method_id: Option<PaymentMethodId>,
}

/// Which plan, and where the customer comes back to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checkout {
    plan_tier: String,
    success_url: String,
    cancel_url: String,
}

/// From which session they came back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckoutReturn {
    session_id: String,
}

/// Where the customer comes back to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Portal {
    return_url: String,
}

/// The portal's page.
#[derive(Serialize, ToSchema)]
pub(crate) struct PortalOpened {
    url: String,
}

/// Which plan.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPlan {
    plan_tier: String,
}

/// Subscribe on your own page, with Stripe's Payment Element.
///
/// Called again, it finds the subscription that waits for its payment.
#[utoipa::path(
    post,
    path = "/api/v1/billing/subscribe",
    operation_id = "subscribe",
    tag = "subscribing",
    request_body = Subscribe,
    responses((status = 200, description = "What the page needs to take the payment", body = Subscribed)),
)]
pub(crate) async fn subscribe(
    State(app): State<Arc<App>>,
    Extension(Caller(customer)): Extension<Caller>,
    Exactly(body): Exactly<Subscribe>,
) -> Result<Json<Subscribed>, Problem> {
    let Subscribe {
        plan_tier,
        stripe_payment_method_id,
    } = body;
    let desk = Desk::new(app, customer);
    desk.run(|desk| desk.subscribe(plan_tier, stripe_payment_method_id))
        .await
        .map(Json)
}

/// Subscribe on Stripe's page.
///
/// Called again, it finds the session that is open. URLs are of the origins in `RETURN_URL_ORIGINS`.
#[utoipa::path(
    post,
    path = "/api/v1/billing/checkout",
    operation_id = "open_checkout",
    tag = "subscribing",
    request_body = Checkout,
    responses((status = 200, description = "Where the customer goes", body = CheckoutOpened)),
)]
pub(crate) async fn checkout(
    State(app): State<Arc<App>>,
    Extension(Caller(customer)): Extension<Caller>,
    Exactly(body): Exactly<Checkout>,
) -> Result<Json<CheckoutOpened>, Problem> {
    let Checkout {
        plan_tier,
        success_url,
        cancel_url,
    } = body;
    let desk = Desk::new(app, customer);
    desk.run(|desk| desk.checkout(plan_tier, success_url, cancel_url))
        .await
        .map(Json)
}

/// Come back from Stripe's page.
///
/// Nothing that the browser says grants anything: Stripe is asked.
#[utoipa::path(
    post,
    path = "/api/v1/billing/checkout/sync",
    operation_id = "sync_checkout",
    tag = "subscribing",
    request_body = CheckoutReturn,
    responses((status = 200, description = "What they have now", body = Me)),
)]
pub(crate) async fn sync_checkout(
    State(app): State<Arc<App>>,
    Extension(Caller(customer)): Extension<Caller>,
    Exactly(body): Exactly<CheckoutReturn>,
) -> Result<Json<Me>, Problem> {
    let desk = Desk::new(Arc::clone(&app), customer.clone());
    desk.run(|desk| desk.sync_checkout(body.session_id)).await?;
    me::of(&app, &customer).await.map(Json)
}

/// Open Stripe's customer portal.
///
/// For cards, invoices, a cheaper plan, cancelling.
#[utoipa::path(
    post,
    path = "/api/v1/billing/portal",
    operation_id = "open_portal",
    tag = "subscribing",
    request_body = Portal,
    responses((status = 200, description = "Where the customer goes", body = PortalOpened)),
)]
pub(crate) async fn portal(
    State(app): State<Arc<App>>,
    Extension(Caller(customer)): Extension<Caller>,
    Exactly(body): Exactly<Portal>,
) -> Result<Json<PortalOpened>, Problem> {
    let desk = Desk::new(app, customer);
    let url = desk.run(|desk| desk.portal(body.return_url)).await?;
    Ok(Json(PortalOpened { url }))
}

/// Change to a dearer plan, at once and with proration.
#[utoipa::path(
    post,
    path = "/api/v1/billing/plan",
    operation_id = "change_plan",
    tag = "subscribing",
    request_body = NewPlan,
    responses((status = 200, description = "What came of it", body = PlanChange)),
)]
pub(crate) async fn change_plan(
    State(app): State<Arc<App>>,
    Extension(Caller(customer)): Extension<Caller>,
    Exactly(body): Exactly<NewPlan>,
) -> Result<Json<PlanChange>, Problem> {
    let desk = Desk::new(app, customer);
    desk.run(|desk| desk.change_plan(body.plan_tier))
        .await
        .map(Json)
}
