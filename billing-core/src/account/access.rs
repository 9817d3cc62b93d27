//! Whether one subscription gives access, until when, and what is shown of it (A2–A4, A6).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::customer::Customer;
use super::feature_lock;
use super::invoice::Invoice;
use super::subscription::Subscription;
use crate::catalogue::Tier;
use crate::event::{InvoiceStatus, StateVector, SubscriptionStatus};
use crate::id::{InvoiceId, PriceId};
use crate::mirror::MirrorStatus;
use crate::policy::Policy;
use crate::time::StripeTime;

/// What follows from a subscription's record at one moment. Stored beside the record, for readers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionView {
    /// Its status by our policy: `past_due` in grace, `unpaid` after it, else Stripe's.
    pub status: SubscriptionStatus,
    /// Whether it gives access.
    pub entitled: bool,
    /// Whether nothing can follow.
    pub ended: bool,
    /// What the mirror shows of it.
    pub mirror_status: MirrorStatus,
    /// The highest known tier among its prices.
    pub plan_tier: Tier,
    /// Its prices, sorted.
    pub prices: Vec<PriceId>,
    /// The end of the period as Stripe gives it.
    pub current_period_end: Option<StripeTime>,
    /// The end of grace, while in grace.
    pub grace_ends_at: Option<StripeTime>,
    /// Whether it ends with the period.
    pub cancel_at_period_end: bool,
    /// When it ends, where a time is set.
    pub cancel_at: Option<StripeTime>,
    /// When its collection resumes, where it is paused until a time.
    pub resumes_at: Option<StripeTime>,
    /// Its latest invoice.
    pub latest_invoice: Option<InvoiceId>,
    /// Since when features above the tier are locked: the last change of price was a downgrade (A5).
    pub feature_locked_at: Option<StripeTime>,
    /// Whether another reading of the same events is possible; it wants a refresh.
    pub in_doubt: bool,
    /// The next instant at which any of this changes without an event (A6).
    pub next_deadline: Option<StripeTime>,
}

/// A subscription with all that decides about it.
pub(super) struct Case<'a> {
    pub(super) record: &'a Subscription,
    pub(super) invoices: Vec<&'a Invoice>,
    pub(super) customer: &'a Customer,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
}

/// Access before tier and prices are looked at.
struct Access {
    status: SubscriptionStatus,
    entitled: bool,
    mirror_status: MirrorStatus,
    grace_ends_at: Option<StripeTime>,
    in_doubt: bool,
}

impl Access {
    fn closed(status: SubscriptionStatus, mirror_status: MirrorStatus) -> Self {
        Self {
            status,
            entitled: false,
            mirror_status,
            grace_ends_at: None,
            in_doubt: false,
        }
    }

    fn open(status: SubscriptionStatus, mirror_status: MirrorStatus) -> Self {
        Self {
            entitled: true,
            ..Self::closed(status, mirror_status)
        }
    }

    fn in_doubt(self) -> Self {
        Self {
            in_doubt: true,
            ..self
        }
    }
}

impl Case<'_> {
    pub(super) fn view(&self) -> Option<SubscriptionView> {
        let settled = self.record.settle()?;
        let state = settled.state;
        let access = self.access(state);
        let prices: Vec<PriceId> = state
            .prices()
            .into_iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let lock = feature_lock::of(self.record, &state.prices(), &self.policy.catalogue);
        Some(SubscriptionView {
            entitled: access.entitled,
            ended: self.ended(),
            mirror_status: access.mirror_status,
            plan_tier: self.policy.catalogue.highest_tier(&prices).clone(),
            prices,
            current_period_end: state.period_end,
            grace_ends_at: access.grace_ends_at,
            cancel_at_period_end: state.cancel_at_period_end,
            cancel_at: state.cancel_at,
            resumes_at: state.pause.as_ref().and_then(|pause| pause.resumes_at),
            latest_invoice: state.latest_invoice.clone(),
            feature_locked_at: lock.locked_at,
            in_doubt: settled.in_doubt || access.in_doubt || lock.in_doubt,
            next_deadline: self.next_deadline(state, &access),
            status: access.status,
        })
    }

    /// Terminal by Stripe's word, or by the tombstone of the subscription or its customer (O5).
    fn ended(&self) -> bool {
        self.record.terminal || self.customer.deleted_at.is_some()
    }

    /// When it ends by its own settings.
    fn cancels_at(state: &StateVector) -> Option<StripeTime> {
        let at_period_end = state.period_end.filter(|_| state.cancel_at_period_end);
        at_period_end.into_iter().chain(state.cancel_at).min()
    }

    fn is_paused(&self, state: &StateVector) -> bool {
        self.policy.pause_collection_closes
            && state.pause.as_ref().is_some_and(|pause| {
                !pause
                    .resumes_at
                    .is_some_and(|resumes_at| resumes_at.has_come(self.now))
            })
    }

    fn access(&self, state: &StateVector) -> Access {
        use MirrorStatus as Shown;
        use SubscriptionStatus as Status;
        if self.ended() {
            let status = if state.status.is_terminal() {
                state.status.clone()
            } else {
                Status::Canceled
            };
            return Access::closed(status, Shown::Canceled);
        }
        if Self::cancels_at(state).is_some_and(|cancels_at| cancels_at.has_come(self.now)) {
            return Access::closed(Status::Canceled, Shown::Canceled);
        }
        match state.status.clone() {
            Status::Trialing | Status::Active | Status::PastDue if self.is_paused(state) => {
                Access::closed(Status::Paused, Shown::Paused)
            }
            Status::Trialing => Access::open(Status::Trialing, Shown::Trialing),
            Status::Active => self.access_while_active(state),
            Status::PastDue => self.access_while_past_due(),
            Status::Incomplete => Access::closed(Status::Incomplete, Shown::Incomplete),
            Status::Unpaid => Access::closed(Status::Unpaid, Shown::Unpaid),
            Status::Paused => Access::closed(Status::Paused, Shown::Paused),
            // A status that we don't know grants nothing, and is shown as nothing.
            other => Access::closed(other, Shown::None),
        }
    }

    /// Open invoices with a failure that no later payment made old: F in docs/RULES.md.
    fn failed_invoices(&self) -> Vec<&Invoice> {
        let paid = self
            .invoices
            .iter()
            .filter(|invoice| invoice.status == InvoiceStatus::Paid);
        let latest_paid = paid.map(|invoice| invoice.created).max();
        self.invoices
            .iter()
            .copied()
            .filter(|invoice| invoice.status == InvoiceStatus::Open)
            .filter(|invoice| {
                invoice.first_failed_at.is_some() && Some(invoice.created) >= latest_paid
            })
            .collect()
    }

    fn access_while_active(&self, state: &StateVector) -> Access {
        let mut failed = self.failed_invoices();
        failed.retain(|invoice| invoice.first_failed_at >= self.record.active_at);
        let open = Access::open(SubscriptionStatus::Active, MirrorStatus::Active);
        if failed.is_empty() {
            open
        } else if state.pending_update {
            // What failed is the update, not the subscription as it stands.
            open.in_doubt()
        } else {
            self.grace(&failed).in_doubt()
        }
    }

    fn access_while_past_due(&self) -> Access {
        let mut failed = self.failed_invoices();
        failed.retain(|invoice| invoice.last_failed_at >= self.record.active_at);
        if !failed.is_empty() {
            return self.grace(&failed);
        }
        let stamp = Some(self.record.stamp);
        let mut paid = self
            .invoices
            .iter()
            .filter(|invoice| invoice.status == InvoiceStatus::Paid);
        if paid.any(|invoice| invoice.paid_at >= stamp) {
            return Access::open(SubscriptionStatus::Active, MirrorStatus::Active).in_doubt();
        }
        // No failure was seen: invoices that are sent to be paid have none.
        let since = self.record.past_due_since.unwrap_or(self.record.stamp);
        self.grace_until(since.plus_days(self.policy.grace.period_days))
            .in_doubt()
    }

    /// A3 over invoices of which at least one has failed.
    fn grace(&self, failed: &[&Invoice]) -> Access {
        let limit = self.policy.grace.failed_attempts;
        let too_many = failed
            .iter()
            .any(|invoice| limit > 0 && invoice.failed_attempts >= Some(limit));
        let starts = failed
            .iter()
            .filter_map(|invoice| invoice.grace_starts_at());
        match starts
            .min()
            .map(|start| start.plus_days(self.policy.grace.period_days))
        {
            Some(end) if !too_many => self.grace_until(end),
            _ => Access::closed(SubscriptionStatus::Unpaid, MirrorStatus::PastDue),
        }
    }

    fn grace_until(&self, end: StripeTime) -> Access {
        if end.has_come(self.now) {
            return Access::closed(SubscriptionStatus::Unpaid, MirrorStatus::PastDue);
        }
        let open = Access::open(SubscriptionStatus::PastDue, MirrorStatus::Active);
        Access {
            grace_ends_at: Some(end),
            ..open
        }
    }

    fn next_deadline(&self, state: &StateVector, access: &Access) -> Option<StripeTime> {
        if self.ended() {
            return None;
        }
        let resumes_at = state.pause.as_ref().and_then(|pause| pause.resumes_at);
        [
            access.grace_ends_at,
            Self::cancels_at(state),
            resumes_at.filter(|_| self.is_paused(state)),
        ]
        .into_iter()
        .flatten()
        .filter(|deadline| !deadline.has_come(self.now))
        .min()
    }
}

impl Invoice {
    /// When grace began: at the first failure if that was seen, else when the invoice became final.
    fn grace_starts_at(&self) -> Option<StripeTime> {
        let first_was_seen = self.first_failed_attempt <= Some(1);
        if first_was_seen {
            self.first_failed_at
        } else {
            self.finalized_at.or(self.first_failed_at)
        }
    }
}
