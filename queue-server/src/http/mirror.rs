//! `POST /internal/v1/mirror-sync` and `GET /internal/v1/mirror`: rows for whoever has lost some (M4, M5).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use billing_core::catalogue::Tier;
use billing_core::id::CustomerId;
use billing_core::ledger::LedgerError;
use billing_core::mirror::MirrorTime;
use billing_core::store::{CustomerFilter, MirrorState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Exactly;
use super::openapi::vocabulary;
use super::page::{Entries, Page};
use super::problem::Problem;
use crate::app::App;
use crate::clock;
use crate::mirror::comparison;

/// Whose row to send; nobody: all that differ.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MirrorSync)]
pub(crate) struct Sync {
    #[schema(value_type = Option<vocabulary::CustomerId>)]
    queue_customer_id: Option<CustomerId>,
}

/// What is done.
#[derive(Serialize, ToSchema)]
#[schema(as = MirrorSynced)]
pub(crate) struct Synced {
    /// `sent`: the row goes to the mirror. `asked`: the comparison begins within seconds.
    #[schema(value_type = vocabulary::MirrorSyncOutcome)]
    outcome: &'static str,
}

/// A row, as the mirror should have it.
#[derive(Serialize, ToSchema)]
#[schema(as = MirrorRow)]
pub(crate) struct Row {
    #[schema(value_type = vocabulary::CustomerId)]
    queue_customer_id: CustomerId,
    #[schema(value_type = vocabulary::Tier)]
    plan_tier: Tier,
    #[schema(value_type = vocabulary::MirrorStatus)]
    status: &'static str,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    current_period_end: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Send one row of the mirror again, or compare all.
///
/// With a customer's id, their row is sent. Without, the mirror is compared with what it should be within seconds, and
/// what differs is repaired.
#[utoipa::path(
    post,
    path = "/internal/v1/mirror-sync",
    operation_id = "sync_mirror",
    tag = "operations",
    request_body = Sync,
    responses(
        (status = 200, description = "The row goes to the mirror", body = Synced),
        (status = 202, description = "The comparison begins within seconds", body = Synced),
    ),
)]
pub(crate) async fn sync(
    State(app): State<Arc<App>>,
    Exactly(Sync { queue_customer_id }): Exactly<Sync>,
) -> Result<(StatusCode, Json<Synced>), Problem> {
    let Some(customer) = queue_customer_id else {
        app.sync_asked.notify_one();
        return Ok((StatusCode::ACCEPTED, Json(Synced { outcome: "asked" })));
    };
    let known = app.records_of(&customer).await?;
    if known.mirror.is_none() && known.customers.is_empty() {
        return Err(Problem::CustomerUnknown);
    }
    let version = known.mirror.map(|row| row.updated_at);
    let command = comparison::send_again(&app, customer, version).await?;
    app.commit(command, clock::now()).await?;
    Ok((StatusCode::OK, Json(Synced { outcome: "sent" })))
}

/// Read every row, as the mirror should have it.
#[utoipa::path(
    get,
    path = "/internal/v1/mirror",
    operation_id = "list_mirror_rows",
    tag = "operations",
    params(Page),
    responses((status = 200, description = "A page of rows, in the order of ids", body = Entries<Row>)),
)]
pub(crate) async fn feed(
    State(app): State<Arc<App>>,
    page: Page,
) -> Result<Json<Entries<Row>>, Problem> {
    let after: Option<CustomerId> = page.after()?;
    let everybody = CustomerFilter::default();
    let rows = app
        .store
        .customers(&everybody, after.as_ref(), page.limit());
    let rows = rows.await;
    let rows = rows.map_err(|error| Problem::NotCommitted(LedgerError::Store(error)))?;
    Ok(Json(
        page.of(rows, Row::from, |row| row.queue_customer_id.clone()),
    ))
}

impl From<MirrorState> for Row {
    fn from(state: MirrorState) -> Self {
        Self {
            queue_customer_id: state.queue_customer_id,
            plan_tier: state.plan_tier,
            status: state.status.as_str(),
            current_period_end: state.current_period_end.map(MirrorTime::timestamp),
            updated_at: state.updated_at.timestamp(),
        }
    }
}
