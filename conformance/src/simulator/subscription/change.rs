//! A change of a subscription's items, and the payment that it may need.
//!
//! 1. Prices of another interval begin a new period now, which is invoiced at once; others keep the period.
//! 2. What has to be paid at once is paid as `payment_behavior` says: tried, required, left to the customer, or the
//!    change itself waits for it as a pending update.

use super::proration::{ProrationBehavior, prorations};
use super::{Item, Status, Subscription};
use crate::simulator::agenda::Task;
use crate::simulator::card::Charge;
use crate::simulator::error::ApiError;
use crate::simulator::form::Params;
use crate::simulator::invoice::Invoice;
use crate::simulator::object::Object;
use crate::simulator::payment_method::PaymentMethod;
use crate::simulator::world::World;

/// How long an update waits for its payment.
const PENDING_LIFETIME: i64 = 23 * 3600;

/// What may be changed together with `payment_behavior=pending_if_incomplete`.
const PENDABLE: &[&str] = &["expand", "items", "payment_behavior", "proration_behavior"];

/// What `payment_behavior` makes of a payment that an update needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum UpdatePayment {
    /// `allow_incomplete`: tried; when it fails the subscription is past due.
    #[default]
    Tried,
    /// `error_if_incomplete`: without it nothing changes.
    Required,
    /// `default_incomplete`: left to the customer; until then the subscription is past due.
    Left,
    /// `pending_if_incomplete`: tried; when it fails the change waits.
    Awaited,
}

impl UpdatePayment {
    pub(super) fn parse(params: &Params) -> Result<Self, ApiError> {
        let behavior = match params.text("payment_behavior") {
            None | Some("allow_incomplete") => Self::Tried,
            Some("error_if_incomplete") => Self::Required,
            Some("default_incomplete") => Self::Left,
            Some("pending_if_incomplete") => Self::Awaited,
            Some(other) => {
                let message = format!("Invalid payment_behavior: {other}");
                return Err(ApiError::refused(message).in_param("payment_behavior"));
            }
        };
        if behavior == Self::Awaited {
            params.only(PENDABLE)?;
        }
        Ok(behavior)
    }
}

/// An update that waits for its payment.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct PendingUpdate {
    pub(super) expires_at: i64,
    pub(super) items: Vec<Item>,
    invoice: String,
    /// The period that the change begins; none when the present one goes on.
    new_period: Option<(i64, i64)>,
}

impl World {
    /// Changes the items of a subscription that is being paid for. `after` has them, and all else that changes.
    pub(super) fn change_items(
        &mut self,
        before: &Subscription,
        mut after: Subscription,
        proration: ProrationBehavior,
        payment: UpdatePayment,
    ) -> Result<(), ApiError> {
        let now = self.now(before.clock());
        after.pending_update = None;
        let restarts = before.interval() != after.interval();
        if restarts {
            after.billing_cycle_anchor = now;
            after.period_start = now;
            after.period_end = after.period_from(now);
        }
        let parts = match proration {
            ProrationBehavior::None => Vec::new(),
            _ => prorations(before, &after, now),
        };
        let at_once =
            restarts || (proration == ProrationBehavior::AlwaysInvoice && !parts.is_empty());
        if !at_once {
            let before = &self.without_pending_update(before)?;
            self.subscriptions.put(after.clone());
            self.add_prorations(&after, &parts);
            self.announce_change("customer.subscription.updated", before, &after);
            return Ok(());
        }
        let mut due: i64 = parts.iter().map(|part| part.amount).sum();
        if restarts {
            let full = after.items.iter().map(Item::amount).sum();
            let discount = after.discount.as_ref();
            due += full - discount.map_or(0, |discount| discount.off(full, now));
        }
        due += self.customers.find(&after.customer)?.balance.min(0);
        let card = self.card_for(&after)?;
        let charge = card.as_ref().map(PaymentMethod::charge);
        let pays = due <= 0 || charge == Some(Charge::Paid);
        if !pays && payment == UpdatePayment::Required {
            return Err(refusal(charge));
        }
        let before = &self.without_pending_update(before)?;
        self.add_prorations(&after, &parts);
        let invoice = self.draft_for_update(&after, restarts)?;
        after.use_discount(&invoice);
        if !pays && payment == UpdatePayment::Awaited {
            return self.hold(before, after, invoice, restarts, now);
        }
        after.latest_invoice = Some(invoice.id().to_owned());
        self.subscriptions.put(after.clone());
        self.announce_change("customer.subscription.updated", before, &after);
        self.announce("invoice.created", &invoice);
        let invoice = self.finalize(invoice.id())?;
        if payment == UpdatePayment::Left && invoice.amount_due() > 0 {
            return self.await_payment(&after.id);
        }
        // A decline shows in the subscription's status; the change itself succeeded.
        drop(self.collect_now(invoice.id()));
        Ok(())
    }

    /// The customer is to pay for a change that has been made.
    fn await_payment(&mut self, id: &str) -> Result<(), ApiError> {
        self.amend::<Subscription>(id, "customer.subscription.updated", |subscription| {
            subscription.status = Status::PastDue;
        })?;
        Ok(())
    }

    /// The change waits for its invoice, which nobody tries to collect again.
    fn hold(
        &mut self,
        before: &Subscription,
        after: Subscription,
        mut invoice: Invoice,
        restarts: bool,
        now: i64,
    ) -> Result<(), ApiError> {
        let expires_at = (now + PENDING_LIFETIME).min(before.period_end);
        invoice.auto_advance = false;
        self.invoices.put(invoice.clone());
        let mut held = before.clone();
        held.latest_invoice = Some(invoice.id().to_owned());
        held.pending_update = Some(PendingUpdate {
            expires_at,
            new_period: restarts.then_some((after.period_start, after.period_end)),
            items: after.items,
            invoice: invoice.id().to_owned(),
        });
        self.subscriptions.put(held.clone());
        self.announce_change("customer.subscription.updated", before, &held);
        self.announce("invoice.created", &invoice);
        let task = Task::ExpirePendingUpdate(held.id.clone());
        self.agenda.plan(held.clock(), expires_at, task);
        self.finalize(invoice.id())?;
        drop(self.collect_now(invoice.id()));
        Ok(())
    }

    /// True when the subscription has an update that waits for this invoice.
    pub(super) fn is_awaited(subscription: &Subscription, invoice: &Invoice) -> bool {
        let pending = subscription.pending_update.as_ref();
        pending.is_some_and(|pending| pending.invoice == invoice.id())
    }

    /// The invoice that an update waited for is paid.
    pub(super) fn apply_pending_update(&mut self, id: &str) -> Result<(), ApiError> {
        let before = self.subscriptions.find(id)?.clone();
        let mut after = before.clone();
        let Some(pending) = after.pending_update.take() else {
            return Ok(());
        };
        after.items = pending.items;
        if let Some((start, end)) = pending.new_period {
            after.billing_cycle_anchor = start;
            after.period_start = start;
            after.period_end = end;
        }
        self.subscriptions.put(after.clone());
        self.announce_change("customer.subscription.updated", &before, &after);
        self.announce("customer.subscription.pending_update_applied", &after);
        self.plan_changes(&before, &after);
        Ok(())
    }

    /// 23 hours have passed, and the update is still not paid for.
    pub(in crate::simulator) fn expire_pending_update(&mut self, id: &str) -> Result<(), ApiError> {
        let subscription = self.subscriptions.find(id)?;
        let now = self.now(subscription.clock());
        let pending = subscription.pending_update.as_ref();
        if pending.is_some_and(|pending| pending.expires_at <= now) {
            self.drop_pending_update(id)?;
        }
        Ok(())
    }

    /// The subscription as it is once the update that waits is forgotten: another takes its place.
    fn without_pending_update(
        &mut self,
        subscription: &Subscription,
    ) -> Result<Subscription, ApiError> {
        self.drop_pending_update(&subscription.id)?;
        self.subscriptions.find(&subscription.id).cloned()
    }

    /// Voids what an update waited for and forgets the update.
    fn drop_pending_update(&mut self, id: &str) -> Result<(), ApiError> {
        let pending = self.subscriptions.find(id)?.pending_update.clone();
        if let Some(pending) = pending {
            self.void_invoice(&pending.invoice)?;
            self.forget_pending_update(id)?;
        }
        Ok(())
    }

    /// The update will never be made.
    pub(in crate::simulator) fn forget_pending_update(&mut self, id: &str) -> Result<(), ApiError> {
        let forget = |subscription: &mut Subscription| subscription.pending_update = None;
        let rid = self.amend(id, "customer.subscription.updated", forget)?;
        self.announce("customer.subscription.pending_update_expired", &rid);
        Ok(())
    }
}

/// Why a payment that was required can't be made.
fn refusal(charge: Option<Charge>) -> ApiError {
    match charge {
        Some(Charge::Declined(decline)) => ApiError::card(&decline),
        Some(Charge::Challenged | Charge::Paid) => {
            ApiError::requires_action("subscription_payment_intent_requires_action")
        }
        None => ApiError::invalid(
            "resource_missing",
            "This customer has no default payment method.",
        ),
    }
}
