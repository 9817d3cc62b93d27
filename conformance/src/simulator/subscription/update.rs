//! `POST /v1/subscriptions/:id`
//!
//! What a change of items costs, and when, stands in [`change`](super::change).

use serde_json::Value;

use super::change::UpdatePayment;
use super::create::saves_payment_method;
use super::proration::ProrationBehavior;
use super::{PauseCollection, PausedInvoices, Status, Subscription};
use crate::simulator::agenda::Task;
use crate::simulator::call::Call;
use crate::simulator::error::ApiError;
use crate::simulator::form::Params;
use crate::simulator::object::Object;
use crate::simulator::world::World;

pub(in crate::simulator) fn update(
    world: &mut World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    world.update_subscription(id, &call.params)?;
    Ok(world.subscriptions.find(id)?.render(call.shape))
}

impl World {
    pub(in crate::simulator) fn update_subscription(
        &mut self,
        id: &str,
        params: &Params,
    ) -> Result<(), ApiError> {
        let before = self.subscriptions.find(id)?.clone();
        let now = self.now(before.clock());
        params.none_of(&["add_invoice_items", "billing_thresholds"])?;
        if params
            .text("billing_cycle_anchor")
            .is_some_and(|anchor| anchor != "unchanged")
        {
            return Err(ApiError::not_simulated("billing_cycle_anchor=now")
                .in_param("billing_cycle_anchor"));
        }
        let payment = UpdatePayment::parse(params)?;
        let proration = ProrationBehavior::parse(params)?.unwrap_or_default();
        let mut after = before.clone();
        params.merge_metadata(&mut after.metadata);
        after.take_cancellation_details(params);
        check_status(before.status, params)?;
        if !before.status.is_over() {
            params.merge_text("description", &mut after.description);
            if let Some(saves) = saves_payment_method(params)? {
                after.saves_payment_method = saves;
            }
            self.take_default_method(params, &mut after)?;
            after.take_cancellation(params, now)?;
            after.take_pause(params, now)?;
            if params.has("items") {
                after.items = self.changed_items(params, &before.items, now)?;
                after.scheduled = None;
            }
            self.take_discount(params, &mut after, now)?;
        }
        if params.text("trial_end") == Some("now") && before.status == Status::Trialing {
            after.trial_end = Some(now);
            after.period_end = now;
            after.billing_cycle_anchor = now;
            self.end_trial(&before, after, true)?;
            return Ok(());
        }
        after.take_trial_end(params, now)?;
        if params.has("items") && matches!(before.status, Status::Active | Status::PastDue) {
            self.change_items(&before, after, proration, payment)?;
        } else {
            self.subscriptions.put(after.clone());
            self.announce_change("customer.subscription.updated", &before, &after);
        }
        let after = self.subscriptions.find(id)?.clone();
        self.plan_changes(&before, &after);
        Ok(())
    }

    fn take_default_method(
        &self,
        params: &Params,
        subscription: &mut Subscription,
    ) -> Result<(), ApiError> {
        if params.has("default_payment_method") {
            let customer = self.living_customer(&subscription.customer)?;
            subscription.default_payment_method = self.own_method(params, &customer)?;
        }
        Ok(())
    }

    /// `discounts[0][coupon]` takes the place of the one before; sent empty it unsets it.
    fn take_discount(
        &mut self,
        params: &Params,
        subscription: &mut Subscription,
        now: i64,
    ) -> Result<(), ApiError> {
        if params.unsets("discounts") {
            subscription.discount = None;
        } else if let Some(coupon) = self.coupon_in(params)? {
            let (id, customer) = (&subscription.id, &subscription.customer);
            subscription.discount = Some(self.redeem(coupon, id, customer, now));
        }
        Ok(())
    }

    /// New dates go on the agenda; the reminders of the old ones find nothing to do.
    pub(super) fn plan_changes(&mut self, before: &Subscription, after: &Subscription) {
        let (id, clock) = (&after.id, after.clock());
        if before.period_end != after.period_end {
            self.agenda
                .plan(clock, after.period_end, Task::EndPeriod(id.clone()));
            self.plan_trial_notice(after);
        }
        if let Some(at) = after
            .cancel_at
            .filter(|_| before.cancel_at != after.cancel_at)
        {
            self.agenda
                .plan(clock, at, Task::CancelSubscription(id.clone()));
        }
        if let Some(at) = after.pause_collection.and_then(|pause| pause.resumes_at) {
            self.agenda
                .plan(clock, at, Task::ResumeCollection(id.clone()));
        }
    }
}

/// What has not begun, or is over, can't be changed any more.
fn check_status(status: Status, params: &Params) -> Result<(), ApiError> {
    const CHANGES: [&str; 6] = [
        "items",
        "cancel_at",
        "cancel_at_period_end",
        "trial_end",
        "pause_collection",
        "discounts",
    ];
    let closed = status.is_over() || status == Status::Incomplete;
    match CHANGES.iter().find(|name| closed && params.has(name)) {
        None => Ok(()),
        Some(name) => {
            let message = format!(
                "A subscription that is {} can't change this.",
                status.name()
            );
            Err(ApiError::refused(message).in_param(name))
        }
    }
}

impl Subscription {
    pub(super) fn take_cancellation_details(&mut self, params: &Params) {
        let details = params.group("cancellation_details");
        details.merge_text("comment", &mut self.cancellation_comment);
        details.merge_text("feedback", &mut self.cancellation_feedback);
    }

    /// `cancel_at_period_end` and `cancel_at`; unsetting either forgets that a cancellation was asked for.
    fn take_cancellation(&mut self, params: &Params, now: i64) -> Result<(), ApiError> {
        let at_period_end = params.flag("cancel_at_period_end")?;
        let cancel_at = params.timestamp("cancel_at")?;
        if at_period_end.is_some() && cancel_at.is_some() {
            return Err(ApiError::refused(
                "Pass only one of cancel_at and cancel_at_period_end.",
            ));
        }
        if cancel_at.is_some_and(|at| at <= now) {
            return Err(ApiError::refused("cancel_at must be in the future.").in_param("cancel_at"));
        }
        let wanted = if at_period_end == Some(true) {
            Some(self.period_end)
        } else {
            cancel_at
        };
        if wanted.is_some() {
            self.cancel_at = wanted;
            self.cancel_at_period_end = at_period_end == Some(true);
            self.canceled_at = Some(now);
            self.cancellation_reason = Some("cancellation_requested");
        } else if at_period_end == Some(false) || params.unsets("cancel_at") {
            self.cancel_at = None;
            self.cancel_at_period_end = false;
            self.canceled_at = None;
            self.cancellation_reason = None;
        }
        Ok(())
    }

    fn take_pause(&mut self, params: &Params, now: i64) -> Result<(), ApiError> {
        if params.unsets("pause_collection") {
            self.pause_collection = None;
            return Ok(());
        }
        let pause = params.group("pause_collection");
        if pause.is_empty() {
            return Ok(());
        }
        let behavior = match pause.required("behavior")? {
            "keep_as_draft" => PausedInvoices::KeepAsDraft,
            "mark_uncollectible" => PausedInvoices::MarkUncollectible,
            "void" => PausedInvoices::Void,
            other => {
                let message = format!("Invalid pause_collection[behavior]: {other}");
                return Err(ApiError::refused(message).in_param("pause_collection[behavior]"));
            }
        };
        let resumes_at = pause.timestamp("resumes_at")?;
        if resumes_at.is_some_and(|at| at <= now) {
            return Err(ApiError::refused("resumes_at must be in the future.")
                .in_param("pause_collection[resumes_at]"));
        }
        self.pause_collection = Some(PauseCollection {
            behavior,
            resumes_at,
        });
        Ok(())
    }

    /// Moves the end of a trial, and with it the period and the day of the month that later ones count from.
    fn take_trial_end(&mut self, params: &Params, now: i64) -> Result<(), ApiError> {
        if params.text("trial_end") == Some("now") {
            return Ok(());
        }
        let Some(end) = params.timestamp("trial_end")? else {
            return Ok(());
        };
        if self.status != Status::Trialing {
            return Err(
                ApiError::not_simulated("a trial for a subscription that has begun")
                    .in_param("trial_end"),
            );
        }
        if end <= now {
            return Err(ApiError::refused("A trial must end in the future.").in_param("trial_end"));
        }
        self.trial_end = Some(end);
        self.period_end = end;
        self.billing_cycle_anchor = end;
        Ok(())
    }
}
