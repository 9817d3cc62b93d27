//! `GET /api/v1/billing/revenue`: what subscriptions bring in a month, and what moved it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use billing_core::catalogue::Tier;
use billing_core::event::Currency;
use billing_core::ledger::LedgerError;
use billing_core::revenue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::openapi::vocabulary;
use super::problem::Problem;
use crate::app::App;
use crate::clock;

const MAX_MONTHS: u32 = 120;

/// Of when.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Months {
    /// How many months, up to the one that is.
    #[param(minimum = 1, maximum = 120, default = 12)]
    #[serde(default = "Months::default_months")]
    months: u32,
}

impl Months {
    fn default_months() -> u32 {
        12
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Months {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Self>::from_request_parts(parts, state).await;
        let Query(asked) = query.map_err(|_| Problem::QueryInvalid)?;
        let fits = (1..=MAX_MONTHS).contains(&asked.months);
        fits.then_some(asked).ok_or(Problem::QueryInvalid)
    }
}

/// Monthly recurring revenue (MRR). Amounts are whole minor units of their currency.
#[derive(Serialize, ToSchema)]
pub(crate) struct Revenue {
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// By tier and currency.
    mrr: Vec<TierRevenue>,
    /// The oldest month first.
    months: Vec<MonthlyRevenue>,
    /// How many subscriptions run of which is not known what they bring: they count as what they last were known to
    /// bring, if ever (docs/READING.md).
    unknown: u64,
}

/// What the subscriptions of one tier bring in a month, in one currency.
#[derive(Serialize, ToSchema)]
struct TierRevenue {
    /// `null`: none of their prices is in the catalogue.
    #[schema(value_type = Option<vocabulary::Tier>, required = true)]
    plan_tier: Option<Tier>,
    #[schema(value_type = vocabulary::Currency)]
    currency: Currency,
    mrr: i64,
    /// How many there are.
    subscriptions: u64,
}

/// What moved it in a month, in one currency: customers are compared as they were at its start and at its end, or now.
/// `start + new + reactivated + expansion - contraction - churned = end`.
#[derive(Serialize, ToSchema)]
struct MonthlyRevenue {
    /// In UTC.
    #[schema(value_type = vocabulary::Month)]
    month: String,
    #[schema(value_type = vocabulary::Currency)]
    currency: Currency,
    start: i64,
    /// Of customers who had never paid before.
    new: i64,
    /// Of those who had paid before, and did not at the start.
    reactivated: i64,
    /// By how much those paid more who paid at both ends.
    expansion: i64,
    /// By how much those paid less.
    contraction: i64,
    /// Of those who no longer paid at the end.
    churned: i64,
    end: i64,
}

/// Read the recurring revenue, and what moved it month by month.
///
/// All customers are read for it, page by page: it takes seconds where there are hundreds of thousands, and a minute or
/// two for a million.
#[utoipa::path(
    get,
    path = "/api/v1/billing/revenue",
    operation_id = "read_revenue",
    tag = "operations",
    params(Months),
    responses((status = 200, description = "What subscriptions bring in a month", body = Revenue)),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    asked: Months,
) -> Result<Json<Revenue>, Problem> {
    let as_of = clock::now();
    let revenue = app.store.revenue(&app.policy, as_of, asked.months).await;
    let revenue = revenue.map_err(|error| Problem::NotCommitted(LedgerError::Store(error)))?;
    Ok(Json(Revenue {
        as_of,
        mrr: revenue.mrr.into_iter().map(TierRevenue::from).collect(),
        months: revenue
            .months
            .into_iter()
            .map(MonthlyRevenue::from)
            .collect(),
        unknown: revenue.unknown,
    }))
}

impl From<revenue::TierRevenue> for TierRevenue {
    fn from(of: revenue::TierRevenue) -> Self {
        Self {
            plan_tier: of.plan_tier,
            currency: of.currency,
            mrr: of.mrr,
            subscriptions: of.subscriptions,
        }
    }
}

impl From<revenue::MonthlyRevenue> for MonthlyRevenue {
    fn from(of: revenue::MonthlyRevenue) -> Self {
        Self {
            month: of.month.to_string(),
            currency: of.currency,
            start: of.start,
            new: of.new,
            reactivated: of.reactivated,
            expansion: of.expansion,
            contraction: of.contraction,
            churned: of.churned,
            end: of.end,
        }
    }
}
