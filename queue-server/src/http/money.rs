//! The endpoints of the money path: what they take and answer. What they do is in `crate::money`.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use billing_core::id::PaymentMethodId;
use serde::{Deserialize, Serialize};

use super::body::Exactly;
use super::caller::Caller;
use super::me::{self, Me};
use super::problem::Problem;
use crate::app::App;
use crate::money::{CheckoutOpened, Desk, PlanChange, Subscribed};

/// `POST /api/v1/billing/subscribe`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subscribe {
    plan_tier: String,
    stripe_payment_method_id: Option<PaymentMethodId>,
}

/// `POST /api/v1/billing/checkout`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checkout {
    plan_tier: String,
    success_url: String,
    cancel_url: String,
}

/// `POST /api/v1/billing/checkout/sync`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckoutReturn {
    session_id: String,
}

/// `POST /api/v1/billing/portal`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Portal {
    return_url: String,
}

/// The portal's page.
#[derive(Serialize)]
pub(crate) struct PortalOpened {
    url: String,
}

/// `POST /api/v1/billing/plan`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPlan {
    plan_tier: String,
}

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

pub(crate) async fn sync_checkout(
    State(app): State<Arc<App>>,
    Extension(Caller(customer)): Extension<Caller>,
    Exactly(body): Exactly<CheckoutReturn>,
) -> Result<Json<Me>, Problem> {
    let desk = Desk::new(Arc::clone(&app), customer.clone());
    desk.run(|desk| desk.sync_checkout(body.session_id)).await?;
    me::of(&app, &customer).await.map(Json)
}

pub(crate) async fn portal(
    State(app): State<Arc<App>>,
    Extension(Caller(customer)): Extension<Caller>,
    Exactly(body): Exactly<Portal>,
) -> Result<Json<PortalOpened>, Problem> {
    let desk = Desk::new(app, customer);
    let url = desk.run(|desk| desk.portal(body.return_url)).await?;
    Ok(Json(PortalOpened { url }))
}

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
