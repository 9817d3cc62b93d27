//! `GET /api/v1/billing/me`: what a customer has.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use billing_core::catalogue::Tier;
use billing_core::id::CustomerId;
use billing_core::time::StripeTime;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::openapi::vocabulary;
use super::problem::Problem;
use crate::app::App;

/// A customer's own view of what they have. Instants are RFC 3339.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    #[schema(value_type = vocabulary::CustomerId)]
    queue_customer_id: CustomerId,
    /// What gates go by.
    #[schema(value_type = vocabulary::Tier)]
    plan_tier: Tier,
    /// `active`, `trialing`, `past_due` (in grace), `unpaid`, `paused`, `incomplete`, `canceled` or `none`.
    status: String,
    /// The end of the current period, as Stripe has it.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    current_period_end: Option<Timestamp>,
    /// The end of grace, while a payment has failed and the customer still has access.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    grace_ends_at: Option<Timestamp>,
    /// When the subscription ends, where that is decided.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    cancel_at: Option<Timestamp>,
    /// Since when features above the tier are locked (A5).
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    feature_locked_at: Option<Timestamp>,
}

/// What a customer has.
#[utoipa::path(
    get,
    path = "/api/v1/billing/me",
    operation_id = "read_me",
    tag = "subscribing",
    responses((status = 200, description = "What they have now", body = Me)),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    Extension(Caller(customer)): Extension<Caller>,
) -> Result<Json<Me>, Problem> {
    of(&app, &customer).await.map(Json)
}

/// What a customer has now.
pub(crate) async fn of(app: &App, customer: &CustomerId) -> Result<Me, Problem> {
    let records = app.records_of(customer).await?;
    let lowest = || app.policy.catalogue.tiers().lowest().clone();
    let plan_tier = records
        .mirror
        .as_ref()
        .map_or_else(lowest, |row| row.plan_tier.clone());
    let Some(row) = records.best(&app.policy) else {
        return Ok(Me {
            queue_customer_id: customer.clone(),
            plan_tier,
            status: "none".to_owned(),
            current_period_end: None,
            grace_ends_at: None,
            cancel_at: None,
            feature_locked_at: None,
        });
    };
    let view = &row.view;
    let instant = |time: Option<StripeTime>| time.map(StripeTime::timestamp);
    let cancel_at = view.cancel_at.or_else(|| {
        view.current_period_end
            .filter(|_| view.cancel_at_period_end)
    });
    Ok(Me {
        queue_customer_id: customer.clone(),
        plan_tier,
        status: if view.ended {
            "canceled".to_owned()
        } else {
            view.status.as_str().to_owned()
        },
        current_period_end: instant(view.current_period_end),
        grace_ends_at: instant(view.grace_ends_at),
        cancel_at: instant(cancel_at),
        feature_locked_at: instant(view.feature_locked_at),
    })
}
