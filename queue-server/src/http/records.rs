//! What other services read of one customer: what is theirs, what the mirror shows, and how it came to that; and what
//! was set aside. No personal datum is in any of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use billing_core::catalogue::Tier;
use billing_core::decision::{Gate, decide};
use billing_core::event::{InvoiceStatus, SubscriptionStatus};
use billing_core::id::{CustomerId, EventId, InvoiceId, PriceId, StripeCustomerId, SubscriptionId};
use billing_core::policy::Policy;
use billing_core::store::{
    CustomerRow, InvoicePlace, InvoiceRow, QuarantineRow, Records, StoreError, SubscriptionRow,
};
use billing_core::time::StripeTime;
use jiff::Timestamp;
use serde::Serialize;

use super::page::{Entries, NoQuery, Page};
use super::problem::Problem;
use crate::app::App;
use crate::clock;

/// Everything of a customer but invoices and history, at one moment. Instants are RFC 3339.
#[derive(Serialize)]
pub(crate) struct CustomerRecord {
    queue_customer_id: CustomerId,
    access: Access,
    /// `null` for whom no row was ever made: neither registered nor bound.
    mirror: Option<Mirror>,
    /// The Stripe customers that are bound to them.
    accounts: Vec<Account>,
    subscriptions: Vec<Subscription>,
}

/// Whether a gate for the customer's own tier lets them through, and why.
#[derive(Serialize)]
struct Access {
    open: bool,
    /// `allow`, or why not: the gate's own word (docs/READING.md).
    decision: &'static str,
    /// Until when, if nothing more is heard. Gates add their leeway.
    until: Option<Timestamp>,
    /// The subscription that counts (A1).
    by: Option<SubscriptionId>,
}

#[derive(Serialize)]
struct Mirror {
    plan_tier: Tier,
    status: &'static str,
    current_period_end: Option<Timestamp>,
    /// The row's version.
    updated_at: Timestamp,
    /// Since when the mirror waits for this row; `null`: it has it.
    waiting_since: Option<Timestamp>,
    /// When the row changes without an event.
    changes_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Account {
    stripe_customer_id: StripeCustomerId,
    bound_at: Option<Timestamp>,
    bound_by: Option<EventId>,
    deleted_at: Option<Timestamp>,
}

/// A subscription as our policy sees it.
#[derive(Serialize)]
pub(crate) struct Subscription {
    stripe_subscription_id: SubscriptionId,
    stripe_customer_id: StripeCustomerId,
    /// `past_due` in grace, `unpaid` after it, else Stripe's.
    status: SubscriptionStatus,
    plan_tier: Tier,
    prices: Vec<PriceId>,
    entitled: bool,
    ended: bool,
    current_period_end: Option<Timestamp>,
    grace_ends_at: Option<Timestamp>,
    cancel_at_period_end: bool,
    cancel_at: Option<Timestamp>,
    resumes_at: Option<Timestamp>,
    latest_invoice: Option<InvoiceId>,
    feature_locked_at: Option<Timestamp>,
    /// Whether what was heard of it can be read in another way too.
    in_doubt: bool,
    changes_at: Option<Timestamp>,
}

#[derive(Serialize)]
pub(crate) struct Invoice {
    stripe_invoice_id: InvoiceId,
    stripe_customer_id: StripeCustomerId,
    stripe_subscription_id: Option<SubscriptionId>,
    status: InvoiceStatus,
    created: Timestamp,
    finalized_at: Option<Timestamp>,
    paid_at: Option<Timestamp>,
    billing_reason: Option<String>,
    first_failed_at: Option<Timestamp>,
    last_failed_at: Option<Timestamp>,
    failed_attempts: Option<u32>,
}

/// A row of the audit chain (docs/AUDIT.md).
#[derive(Serialize)]
pub(crate) struct Happening {
    seq: u64,
    recorded_at: String,
    actor: String,
    action: String,
    subject: String,
    event_id: Option<String>,
    details: serde_json::Value,
}

/// An event that was set aside.
#[derive(Serialize)]
pub(crate) struct SetAside {
    event_id: EventId,
    reason: &'static str,
    #[serde(rename = "type")]
    event_type: String,
    created: Option<Timestamp>,
    object_id: Option<String>,
    received_at: Timestamp,
}

type Id = Result<Path<String>, PathRejection>;

/// `GET /api/v1/billing/customers/{id}`
pub(crate) async fn customer(
    State(app): State<Arc<App>>,
    id: Id,
    _: NoQuery,
) -> Result<Json<CustomerRecord>, Problem> {
    let id = customer_id(id)?;
    let records = known(&app, &id).await?;
    Ok(Json(CustomerRecord::of(id, records, &app.policy)))
}

/// `GET /api/v1/billing/customers/{id}/subscriptions`
pub(crate) async fn subscriptions(
    State(app): State<Arc<App>>,
    id: Id,
    _: NoQuery,
) -> Result<Json<Entries<Subscription>>, Problem> {
    let records = known(&app, &customer_id(id)?).await?;
    Ok(Json(Entries::all(
        records.subscriptions.into_iter().map(Subscription::from),
    )))
}

/// `GET /api/v1/billing/customers/{id}/invoices`
pub(crate) async fn invoices(
    State(app): State<Arc<App>>,
    id: Id,
    page: Page,
) -> Result<Json<Entries<Invoice>>, Problem> {
    let id = customer_id(id)?;
    let before = page.after()?;
    let rows = app.store.invoices_of(&id, before.as_ref(), page.limit());
    let rows = rows.await.map_err(unreadable)?;
    if rows.is_empty() {
        known(&app, &id).await?;
    }
    Ok(Json(page.of(rows, Invoice::from, InvoicePlace::of)))
}

/// `GET /api/v1/billing/customers/{id}/timeline`
pub(crate) async fn timeline(
    State(app): State<Arc<App>>,
    id: Id,
    page: Page,
) -> Result<Json<Entries<Happening>>, Problem> {
    let id = customer_id(id)?;
    let before = page.after()?;
    let rows = app.store.timeline_of(&id, before, page.limit());
    let rows = rows.await.map_err(unreadable)?;
    if rows.is_empty() {
        known(&app, &id).await?;
    }
    Ok(Json(page.of(rows, Happening::from, |row| row.seq)))
}

/// `GET /internal/v1/quarantine`
pub(crate) async fn quarantine(
    State(app): State<Arc<App>>,
    page: Page,
) -> Result<Json<Entries<SetAside>>, Problem> {
    let after = page.after()?;
    let rows = app.store.quarantine(after.as_ref(), page.limit()).await;
    let rows = rows.map_err(unreadable)?;
    let place = |row: &QuarantineRow| (row.event_id.clone(), row.reason);
    Ok(Json(page.of(rows, SetAside::from, place)))
}

/// Also of a customer that only Stripe knows.
fn customer_id(id: Id) -> Result<CustomerId, Problem> {
    let Path(id) = id.map_err(|_| Problem::CustomerIdInvalid)?;
    CustomerId::parse(id).map_err(|_| Problem::CustomerIdInvalid)
}

async fn known(app: &App, id: &CustomerId) -> Result<Records, Problem> {
    let records = app.records_of(id).await?;
    if records.mirror.is_none() && records.customers.is_empty() {
        return Err(Problem::CustomerUnknown);
    }
    Ok(records)
}

fn unreadable(error: StoreError) -> Problem {
    Problem::NotCommitted(error.into())
}

fn instant(time: Option<StripeTime>) -> Option<Timestamp> {
    time.map(StripeTime::timestamp)
}

impl CustomerRecord {
    fn of(queue_customer_id: CustomerId, records: Records, policy: &Policy) -> Self {
        let access = Access::of(&records, policy);
        let waiting_since = records.waiting_since.map(|time| time.timestamp());
        Self {
            queue_customer_id,
            access,
            mirror: records.mirror.map(|row| Mirror {
                plan_tier: row.plan_tier,
                status: row.status.as_str(),
                current_period_end: row.current_period_end.map(|time| time.timestamp()),
                updated_at: row.updated_at.timestamp(),
                waiting_since,
                changes_at: instant(row.next_deadline),
            }),
            accounts: records.customers.into_iter().map(Account::from).collect(),
            subscriptions: records
                .subscriptions
                .into_iter()
                .map(Subscription::from)
                .collect(),
        }
    }
}

impl Access {
    fn of(records: &Records, policy: &Policy) -> Self {
        let tiers = policy.catalogue.tiers();
        let row = records.mirror.as_ref().map(|state| state.row());
        let own = row.as_ref().map(|row| row.plan_tier.clone());
        // Nobody has less than the lowest tier, and no gate asks for it: what is asked for then is the highest.
        let gate = Gate::within(tiers.clone(), own.unwrap_or(tiers.lowest().clone()))
            .or_else(|_| Gate::within(tiers.clone(), tiers.highest().clone()));
        let until = row.as_ref().and_then(|row| row.current_period_end);
        let decision = gate.map(|gate| decide(&Ok(row), &gate, clock::now()));
        let open = decision.as_ref().is_ok_and(|decision| decision.is_allow());
        Self {
            open,
            decision: decision.map_or("not_entitled", |decision| decision.code()),
            until: until.filter(|_| open).map(|end| end.timestamp()),
            by: records
                .best(policy)
                .map(|best| best.stripe_subscription_id.clone()),
        }
    }
}

impl From<CustomerRow> for Account {
    fn from(row: CustomerRow) -> Self {
        Self {
            stripe_customer_id: row.stripe_customer_id,
            bound_at: instant(row.record.bound_at),
            bound_by: row.record.bound_by,
            deleted_at: instant(row.record.deleted_at),
        }
    }
}

impl From<SubscriptionRow> for Subscription {
    fn from(row: SubscriptionRow) -> Self {
        let view = row.view;
        Self {
            stripe_subscription_id: row.stripe_subscription_id,
            stripe_customer_id: row.stripe_customer_id,
            status: view.status,
            plan_tier: view.plan_tier,
            prices: view.prices,
            entitled: view.entitled,
            ended: view.ended,
            current_period_end: instant(view.current_period_end),
            grace_ends_at: instant(view.grace_ends_at),
            cancel_at_period_end: view.cancel_at_period_end,
            cancel_at: instant(view.cancel_at),
            resumes_at: instant(view.resumes_at),
            latest_invoice: view.latest_invoice,
            feature_locked_at: instant(view.feature_locked_at),
            in_doubt: view.in_doubt,
            changes_at: instant(view.next_deadline),
        }
    }
}

impl From<InvoiceRow> for Invoice {
    fn from(row: InvoiceRow) -> Self {
        let record = row.record;
        Self {
            stripe_invoice_id: row.stripe_invoice_id,
            stripe_customer_id: row.stripe_customer_id,
            stripe_subscription_id: record.stripe_subscription_id,
            status: record.status,
            created: record.created.timestamp(),
            finalized_at: instant(record.finalized_at),
            paid_at: instant(record.paid_at),
            billing_reason: record.billing_reason,
            first_failed_at: instant(record.first_failed_at),
            last_failed_at: instant(record.last_failed_at),
            failed_attempts: record.failed_attempts,
        }
    }
}

impl From<billing_core::audit::Row> for Happening {
    fn from(row: billing_core::audit::Row) -> Self {
        Self {
            seq: row.seq,
            // RFC 3339, as everywhere in answers.
            recorded_at: row.recorded_at.replacen(' ', "T", 1) + "Z",
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            event_id: row.event_id,
            // A row that somebody meddled with is shown as it is: `audit verify` tells.
            details: serde_json::from_str(&row.details).unwrap_or(row.details.into()),
        }
    }
}

impl From<QuarantineRow> for SetAside {
    fn from(row: QuarantineRow) -> Self {
        Self {
            event_id: row.event_id,
            reason: row.reason.as_str(),
            event_type: row.event_type,
            created: instant(row.created),
            object_id: row.object_id,
            received_at: row.received_at.timestamp(),
        }
    }
}
