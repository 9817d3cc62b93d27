//! `GET /api/v1/billing/plans`: what is sold, for whom to show it. Needs no token.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use billing_core::catalogue::Tier;
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::vocabulary;
use super::problem::Problem;
use crate::app::App;
use crate::stripe::Recurring;

/// What is sold, the cheapest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanList {
    /// What Stripe.js is given in the browser.
    #[schema(required = true)]
    publishable_key: Option<String>,
    plans: Vec<PlanShown>,
}

/// A plan and what it costs.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanShown {
    #[schema(value_type = vocabulary::Tier)]
    plan_tier: Tier,
    /// In minor units of the currency, for each interval.
    unit_amount: i64,
    /// Three lower-case letters; the free plan costs nothing in any.
    #[schema(required = true)]
    currency: Option<String>,
    /// `day`, `week`, `month` or `year`.
    #[schema(required = true)]
    interval: Option<String>,
    #[schema(required = true)]
    interval_count: Option<u32>,
}

/// What is sold, the cheapest first, with amounts as Stripe has them.
#[utoipa::path(
    get,
    path = "/api/v1/billing/plans",
    operation_id = "list_plans",
    tag = "subscribing",
    responses((status = 200, description = "All plans", body = PlanList)),
)]
pub(crate) async fn read(State(app): State<Arc<App>>) -> Result<Json<PlanList>, Problem> {
    let money = app.money.as_ref().ok_or(Problem::StripeNotConfigured)?;
    let free = money.plans.free.iter().map(|tier| PlanShown {
        plan_tier: tier.clone(),
        unit_amount: 0,
        currency: None,
        interval: None,
        interval_count: None,
    });
    let mut plans: Vec<PlanShown> = free.collect();
    for plan in &money.plans.paid {
        let price = money.prices.of(&plan.price).await?;
        let recurring = price.recurring.as_ref();
        plans.push(PlanShown {
            plan_tier: plan.plan_tier.clone(),
            unit_amount: price
                .unit_amount
                .ok_or(Problem::Stripe(crate::stripe::StripeError::Unreadable))?,
            currency: Some(price.currency.clone()),
            interval: recurring.map(|every: &Recurring| every.interval.clone()),
            interval_count: recurring.map(|every| every.interval_count),
        });
    }
    Ok(Json(PlanList {
        publishable_key: money.config.publishable_key.clone(),
        plans,
    }))
}
