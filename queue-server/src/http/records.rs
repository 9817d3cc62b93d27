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
use utoipa::ToSchema;

use super::openapi::vocabulary;
use super::page::{Entries, NoQuery, Page};
use super::problem::Problem;
use crate::app::App;
use crate::clock;

/// Everything of a customer but invoices and history, at one moment. Instants are RFC 3339.
#[derive(Serialize, ToSchema)]
pub(crate) struct CustomerRecord {
    #[schema(value_type = vocabulary::CustomerId)]
    queue_customer_id: CustomerId,
    access: Access,
    /// `null` for whom no row was ever made: neither registered nor bound.
    #[schema(required = true)]
    mirror: Option<Mirror>,
    /// The Stripe customers that are bound to them.
    accounts: Vec<Account>,
    subscriptions: Vec<Subscription>,
}

/// Whether a gate for the customer's own tier lets them through, and why.
#[derive(Serialize, ToSchema)]
struct Access {
    open: bool,
    /// `allow`, or why not: the gate's own word (docs/READING.md).
    #[schema(value_type = vocabulary::GateDecision)]
    decision: &'static str,
    /// Until when, if nothing more is heard. Gates add their leeway.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    until: Option<Timestamp>,
    /// The subscription that counts (A1).
    #[schema(value_type = Option<vocabulary::StripeId>, required = true)]
    by: Option<SubscriptionId>,
}

#[derive(Serialize, ToSchema)]
struct Mirror {
    #[schema(value_type = vocabulary::Tier)]
    plan_tier: Tier,
    #[schema(value_type = vocabulary::MirrorStatus)]
    status: &'static str,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    current_period_end: Option<Timestamp>,
    /// The row's version.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Since when the mirror waits for this row; `null`: it has it.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    waiting_since: Option<Timestamp>,
    /// When the row changes without an event.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    changes_at: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
struct Account {
    #[schema(value_type = vocabulary::StripeId)]
    stripe_customer_id: StripeCustomerId,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    bound_at: Option<Timestamp>,
    #[schema(value_type = Option<vocabulary::EventId>, required = true)]
    bound_by: Option<EventId>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    deleted_at: Option<Timestamp>,
}

/// A subscription as our policy sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Subscription {
    #[schema(value_type = vocabulary::StripeId)]
    stripe_subscription_id: SubscriptionId,
    #[schema(value_type = vocabulary::StripeId)]
    stripe_customer_id: StripeCustomerId,
    /// `past_due` in grace, `unpaid` after it, else Stripe's.
    #[schema(value_type = vocabulary::SubscriptionStatus)]
    status: SubscriptionStatus,
    #[schema(value_type = vocabulary::Tier)]
    plan_tier: Tier,
    #[schema(value_type = Vec<vocabulary::StripeId>)]
    prices: Vec<PriceId>,
    entitled: bool,
    ended: bool,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    current_period_end: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    grace_ends_at: Option<Timestamp>,
    cancel_at_period_end: bool,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    cancel_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    resumes_at: Option<Timestamp>,
    #[schema(value_type = Option<vocabulary::StripeId>, required = true)]
    latest_invoice: Option<InvoiceId>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    feature_locked_at: Option<Timestamp>,
    /// Whether what was heard of it can be read in another way too.
    in_doubt: bool,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    changes_at: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Invoice {
    #[schema(value_type = vocabulary::StripeId)]
    stripe_invoice_id: InvoiceId,
    #[schema(value_type = vocabulary::StripeId)]
    stripe_customer_id: StripeCustomerId,
    #[schema(value_type = Option<vocabulary::StripeId>, required = true)]
    stripe_subscription_id: Option<SubscriptionId>,
    #[schema(value_type = vocabulary::InvoiceStatus)]
    status: InvoiceStatus,
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    finalized_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    paid_at: Option<Timestamp>,
    #[schema(required = true)]
    billing_reason: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    first_failed_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_failed_at: Option<Timestamp>,
    #[schema(required = true)]
    failed_attempts: Option<u32>,
}

/// A row of the audit chain (docs/AUDIT.md).
#[derive(Serialize, ToSchema)]
pub(crate) struct Happening {
    seq: u64,
    #[schema(format = DateTime)]
    recorded_at: String,
    actor: String,
    action: String,
    subject: String,
    #[schema(required = true)]
    event_id: Option<String>,
    #[schema(value_type = Value)]
    details: serde_json::Value,
}

/// An event that was set aside.
#[derive(Serialize, ToSchema)]
pub(crate) struct SetAside {
    #[schema(value_type = vocabulary::EventId)]
    event_id: EventId,
    #[schema(value_type = vocabulary::QuarantineReason)]
    reason: &'static str,
    #[serde(rename = "type")]
    event_type: String,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    created: Option<Timestamp>,
    #[schema(required = true)]
    object_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

type Id = Result<Path<String>, PathRejection>;

/// Read a customer: open or closed, why, and until when.
#[utoipa::path(
    get,
    path = "/api/v1/billing/customers/{id}",
    operation_id = "read_customer",
    tag = "customers",
    params(("id" = inline(vocabulary::CustomerId), Path, description = "Your own id of the customer, or `stripe:cus_…`")),
    responses((status = 200, description = "The customer at one moment", body = CustomerRecord)),
)]
pub(crate) async fn customer(
    State(app): State<Arc<App>>,
    id: Id,
    _: NoQuery,
) -> Result<Json<CustomerRecord>, Problem> {
    let id = customer_id(id)?;
    let records = known(&app, &id).await?;
    Ok(Json(CustomerRecord::of(id, records, &app.policy)))
}

/// Read a customer's subscriptions.
#[utoipa::path(
    get,
    path = "/api/v1/billing/customers/{id}/subscriptions",
    operation_id = "list_subscriptions",
    tag = "customers",
    params(("id" = inline(vocabulary::CustomerId), Path, description = "Your own id of the customer, or `stripe:cus_…`")),
    responses((status = 200, description = "All of them", body = Entries<Subscription>)),
)]
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

/// Read a customer's invoices, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/billing/customers/{id}/invoices",
    operation_id = "list_invoices",
    tag = "customers",
    params(("id" = inline(vocabulary::CustomerId), Path, description = "Your own id of the customer, or `stripe:cus_…`"), Page),
    responses((status = 200, description = "A page of them", body = Entries<Invoice>)),
)]
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

/// Read what happened to a customer, the newest first.
///
/// These are the rows of the audit chain that concern them.
#[utoipa::path(
    get,
    path = "/api/v1/billing/customers/{id}/timeline",
    operation_id = "list_happenings",
    tag = "customers",
    params(("id" = inline(vocabulary::CustomerId), Path, description = "Your own id of the customer, or `stripe:cus_…`"), Page),
    responses((status = 200, description = "A page of it", body = Entries<Happening>)),
)]
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

/// Read which events were set aside, and why.
#[utoipa::path(
    get,
    path = "/internal/v1/quarantine",
    operation_id = "list_quarantine",
    tag = "operations",
    params(Page),
    responses((status = 200, description = "A page of them, in the order of events' ids", body = Entries<SetAside>)),
)]
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
