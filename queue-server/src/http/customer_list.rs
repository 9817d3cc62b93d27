//! `GET /api/v1/billing/customers`: all customers, or those whom somebody looks for.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use billing_core::catalogue::Tier;
use billing_core::id::{CustomerId, StripeCustomerId};
use billing_core::mirror::{MirrorStatus, MirrorTime};
use billing_core::store::{CustomerFilter, MirrorState, StoreError};
use billing_core::time::StripeTime;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::openapi::vocabulary;
use super::page::{Entries, Page};
use super::problem::Problem;
use crate::app::App;

/// The longest id that a customer can have.
const MAX_SEARCH: usize = 255;

/// Whom to list, and which page of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Listing {
    /// How many at most.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// What `next` was on the page before.
    cursor: Option<String>,
    /// What the id begins with, or a Stripe customer's whole id.
    #[param(max_length = 255, pattern = "^[!-~]*$")]
    #[serde(default)]
    search: String,
    /// Only those whose row has this status.
    #[param(value_type = Option<vocabulary::MirrorStatus>)]
    status: Option<MirrorStatus>,
    /// Only those of this tier.
    #[param(value_type = Option<vocabulary::Tier>)]
    plan_tier: Option<Tier>,
    /// Only those who are in grace, or are not.
    in_grace: Option<bool>,
    /// Only those of whom something is in doubt, or nothing is.
    in_doubt: Option<bool>,
}

/// A customer, as their mirror row should be.
#[derive(Serialize, ToSchema)]
pub(crate) struct Listed {
    #[schema(value_type = vocabulary::CustomerId)]
    queue_customer_id: CustomerId,
    #[schema(value_type = vocabulary::Tier)]
    plan_tier: Tier,
    #[schema(value_type = vocabulary::MirrorStatus)]
    status: &'static str,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    current_period_end: Option<Timestamp>,
    /// Until when they are in grace; `null`: they are not.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    grace_ends_at: Option<Timestamp>,
    /// Whether what was heard of any of their subscriptions can be read in another way too.
    in_doubt: bool,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// When the row changes without an event.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    changes_at: Option<Timestamp>,
}

impl<S: Send + Sync> FromRequestParts<S> for Listing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Self>::from_request_parts(parts, state).await;
        let Query(listing) = query.map_err(|_| Problem::QueryInvalid)?;
        let search = &listing.search;
        let is_an_id = search.len() <= MAX_SEARCH && search.bytes().all(|it| it.is_ascii_graphic());
        is_an_id.then_some(listing).ok_or(Problem::QueryInvalid)
    }
}

/// List customers, all or those whom somebody looks for.
#[utoipa::path(
    get,
    path = "/api/v1/billing/customers",
    operation_id = "list_customers",
    tag = "customers",
    params(Listing),
    responses((status = 200, description = "A page of them, in the order of their ids' bytes", body = Entries<Listed>)),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    listing: Listing,
) -> Result<Json<Entries<Listed>>, Problem> {
    let page = Page::new(listing.limit, listing.cursor)?;
    let after: Option<CustomerId> = page.after()?;
    let mut filter = CustomerFilter {
        id_prefix: listing.search,
        status: listing.status,
        plan_tier: listing.plan_tier,
        in_grace: listing.in_grace,
        in_doubt: listing.in_doubt,
    };
    let unread = |error: StoreError| Problem::NotCommitted(error.into());
    // A Stripe customer's id finds whom it is bound to.
    if let Ok(account) = StripeCustomerId::parse(&filter.id_prefix)
        && let Some(owner) = app.store.owner_of(&account).await.map_err(unread)?
    {
        filter.id_prefix = owner.to_string();
        // Of those that begin so, it is the first; unless the filter leaves it out.
        let rows = app.store.customers(&filter, None, 1).await;
        let mut rows = rows.map_err(unread)?;
        rows.retain(|row| row.queue_customer_id == owner);
        return Ok(Json(Entries::all(rows.into_iter().map(Listed::from))));
    }
    let rows = app.store.customers(&filter, after.as_ref(), page.limit());
    let rows = rows.await.map_err(unread)?;
    Ok(Json(page.of(rows, Listed::from, |row| {
        row.queue_customer_id.clone()
    })))
}

impl From<MirrorState> for Listed {
    fn from(state: MirrorState) -> Self {
        Self {
            queue_customer_id: state.queue_customer_id,
            plan_tier: state.plan_tier,
            status: state.status.as_str(),
            current_period_end: state.current_period_end.map(MirrorTime::timestamp),
            grace_ends_at: state.grace_ends_at.map(StripeTime::timestamp),
            in_doubt: state.in_doubt,
            updated_at: state.updated_at.timestamp(),
            changes_at: state.next_deadline.map(StripeTime::timestamp),
        }
    }
}
