//! A subscription's life by the clock: renewals, and what a payment or its failure does to the status.

use super::{Ending, Status, Subscription};
use crate::simulator::agenda::Task;
use crate::simulator::config::AfterLastRetry;
use crate::simulator::error::ApiError;
use crate::simulator::invoice::{BillingReason, Invoice};
use crate::simulator::object::Object;
use crate::simulator::world::World;

impl World {
    /// The period ended: cancel, leave the trial, or renew.
    pub(in crate::simulator) fn end_period(&mut self, id: &str) -> Result<(), ApiError> {
        let subscription = self.subscriptions.find(id)?.clone();
        let now = self.now(subscription.clock());
        if !subscription.status.renews() || subscription.period_end > now {
            return Ok(());
        }
        let cancels =
            subscription.cancel_at_period_end || subscription.cancel_at.is_some_and(|at| at <= now);
        if cancels {
            return self.end_subscription(id, Ending::Requested);
        }
        if subscription.status == Status::Trialing {
            return self.end_trial(&subscription, subscription.clone(), false);
        }
        self.begin_period(
            &subscription,
            subscription.clone(),
            BillingReason::SubscriptionCycle,
            false,
        )
    }

    /// Begins the period after `period_end`: the update first, then its draft invoice.
    ///
    /// The draft is finalized and charged after an hour (configurable), or `at_once`.
    pub(super) fn begin_period(
        &mut self,
        before: &Subscription,
        mut subscription: Subscription,
        reason: BillingReason,
        at_once: bool,
    ) -> Result<(), ApiError> {
        let ended = (before.period_start, subscription.period_end);
        subscription.take_scheduled_change();
        subscription.period_start = subscription.period_end;
        subscription.period_end = subscription.period_from(subscription.period_start);
        subscription.drop_discount_when_over(subscription.period_start);
        let invoice = self.draft_for(&subscription, reason, ended)?;
        subscription.use_discount(&invoice);
        subscription.latest_invoice = Some(invoice.id().to_owned());
        self.subscriptions.put(subscription.clone());
        self.announce_change("customer.subscription.updated", before, &subscription);
        self.announce("invoice.created", &invoice);
        let clock = subscription.clock();
        self.agenda.plan(
            clock,
            subscription.period_end,
            Task::EndPeriod(subscription.id.clone()),
        );
        if at_once {
            self.finalize(invoice.id())?;
            // A decline shows in the subscription's status; the request that began the period succeeded.
            drop(self.collect_now(invoice.id()));
        } else if invoice.auto_advance {
            let at = self.now(clock).saturating_add(self.rules.finalize_after);
            self.agenda
                .plan(clock, at, Task::FinalizeInvoice(invoice.id().to_owned()));
        }
        Ok(())
    }

    /// 23 hours have passed since the first payment failed.
    pub(in crate::simulator) fn expire_incomplete(&mut self, id: &str) -> Result<(), ApiError> {
        let subscription = self.subscriptions.find(id)?.clone();
        if subscription.status != Status::Incomplete {
            return Ok(());
        }
        if let Some(invoice) = &subscription.latest_invoice {
            self.void_invoice(invoice)?;
        }
        self.give_up_incomplete(id)
    }

    /// The first invoice will never be paid.
    pub(in crate::simulator) fn give_up_incomplete(&mut self, id: &str) -> Result<(), ApiError> {
        let now = self.now(self.subscriptions.find(id)?.clock());
        self.amend::<Subscription>(id, "customer.subscription.updated", |subscription| {
            if subscription.status == Status::Incomplete {
                subscription.status = Status::IncompleteExpired;
                subscription.ended_at = Some(now);
            }
        })?;
        Ok(())
    }

    /// `pause_collection[resumes_at]` has come.
    pub(in crate::simulator) fn resume_collection(&mut self, id: &str) -> Result<(), ApiError> {
        let now = self.now(self.subscriptions.find(id)?.clock());
        self.amend::<Subscription>(id, "customer.subscription.updated", |subscription| {
            let due = subscription
                .pause_collection
                .and_then(|pause| pause.resumes_at);
            if due.is_some_and(|at| at <= now) {
                subscription.pause_collection = None;
            }
        })?;
        Ok(())
    }

    /// An invoice was settled: the subscription that waited for it is active again.
    ///
    /// That takes its latest invoice, or an older one while the latest is still a draft.
    pub(in crate::simulator) fn recover(&mut self, invoice: &Invoice) -> Result<(), ApiError> {
        let Some(id) = invoice.subscription.as_deref() else {
            return Ok(());
        };
        let subscription = self.subscriptions.find(id)?.clone();
        if Self::is_awaited(&subscription, invoice) {
            return match invoice.is_paid() {
                true => self.apply_pending_update(id),
                false => self.forget_pending_update(id),
            };
        }
        let latest = subscription.latest_invoice.as_deref();
        let latest_is_draft =
            latest.is_some_and(|id| self.invoices.find(id).is_ok_and(Invoice::is_draft));
        if latest != Some(invoice.id()) && !latest_is_draft {
            return Ok(());
        }
        let was = subscription.status;
        if was.is_over() {
            return Ok(());
        }
        let waited = matches!(
            was,
            Status::Incomplete | Status::PastDue | Status::Unpaid | Status::Paused
        );
        let paid_with = self.saved_method(&subscription, invoice);
        let settled = self.amend(
            id,
            "customer.subscription.updated",
            |subscription: &mut Subscription| {
                if waited {
                    subscription.status = Status::Active;
                }
                if paid_with.is_some() {
                    subscription.default_payment_method = paid_with;
                }
            },
        )?;
        if was == Status::Paused {
            self.announce("customer.subscription.resumed", &settled);
        }
        Ok(())
    }

    /// The card that paid, where the subscription keeps it.
    fn saved_method(&self, subscription: &Subscription, invoice: &Invoice) -> Option<String> {
        if !subscription.saves_payment_method {
            return None;
        }
        let intent = invoice.payment_intent.as_deref()?;
        self.payment_intents
            .find(intent)
            .ok()?
            .payment_method
            .clone()
    }

    /// A renewal's payment failed; `exhausted` when no retry is left.
    pub(in crate::simulator) fn fall_behind(
        &mut self,
        invoice: &Invoice,
        exhausted: bool,
    ) -> Result<(), ApiError> {
        let Some(id) = invoice.subscription.as_deref() else {
            return Ok(());
        };
        let subscription = self.subscriptions.find(id)?;
        let runs = matches!(subscription.status, Status::Active | Status::PastDue);
        if !runs || Self::is_awaited(subscription, invoice) {
            return Ok(());
        }
        let next = match (exhausted, self.rules.after_last_retry) {
            (true, AfterLastRetry::Cancel) => {
                return self.end_subscription(id, Ending::PaymentFailed);
            }
            (true, AfterLastRetry::MarkUnpaid) => Status::Unpaid,
            (false, _) => Status::PastDue,
        };
        self.amend::<Subscription>(id, "customer.subscription.updated", |subscription| {
            subscription.status = next
        })?;
        Ok(())
    }
}
