//! `GET /api/v1/billing/plans`: what is sold, for whom to show it. Needs no token.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use billing_core::catalogue::Tier;
use serde::Serialize;

use super::problem::Problem;
use crate::app::App;
use crate::stripe::Recurring;

/// What is sold, the cheapest first.
#[derive(Serialize)]
pub(crate) struct PlanList {
    /// What Stripe.js is given in the browser.
    publishable_key: Option<String>,
    plans: Vec<PlanShown>,
}

/// A plan and what it costs.
#[derive(Serialize)]
pub(crate) struct PlanShown {
    plan_tier: Tier,
    /// In minor units of the currency, for each interval.
    unit_amount: i64,
    /// Three lower-case letters; the free plan costs nothing in any.
    currency: Option<String>,
    /// `day`, `week`, `month` or `year`.
    interval: Option<String>,
    interval_count: Option<u32>,
}

/// Answers everyone.
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
