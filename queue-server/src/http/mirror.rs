//! `POST /internal/v1/mirror-sync` and `GET /internal/v1/mirror`: rows for whoever has lost some (M4, M5).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use billing_core::catalogue::Tier;
use billing_core::id::CustomerId;
use billing_core::ledger::LedgerError;
use billing_core::mirror::MirrorTime;
use billing_core::store::MirrorState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::body::Exactly;
use super::page::{Entries, Page};
use super::problem::Problem;
use crate::app::App;
use crate::clock;
use crate::mirror::comparison;

/// Whose row to send; nobody: all that differ.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sync {
    queue_customer_id: Option<CustomerId>,
}

/// What is done.
#[derive(Serialize)]
pub(crate) struct Synced {
    /// `sent`: the row goes to the mirror. `asked`: the comparison begins within seconds.
    outcome: &'static str,
}

/// A row, as the mirror should have it.
#[derive(Serialize)]
pub(crate) struct Row {
    queue_customer_id: CustomerId,
    plan_tier: Tier,
    status: &'static str,
    current_period_end: Option<Timestamp>,
    updated_at: Timestamp,
}

/// Sends one row, or compares all.
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
    let command = comparison::send_again(&app, customer).await?;
    app.commit(command, clock::now()).await?;
    Ok((StatusCode::OK, Json(Synced { outcome: "sent" })))
}

/// A page of all rows.
pub(crate) async fn feed(
    State(app): State<Arc<App>>,
    page: Page,
) -> Result<Json<Entries<Row>>, Problem> {
    let after: Option<CustomerId> = page.after()?;
    let rows = app.store.mirror_rows_after(after.as_ref(), page.limit());
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
