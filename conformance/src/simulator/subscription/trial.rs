//! Trials: the notice three days before, the end, and what follows when there is no card.

use serde_json::Value;

use super::{Ending, MissingPaymentMethod, Status, Subscription};
use crate::simulator::agenda::Task;
use crate::simulator::call::Call;
use crate::simulator::error::ApiError;
use crate::simulator::invoice::BillingReason;
use crate::simulator::object::Object;
use crate::simulator::world::World;

/// `trial_will_end` comes three days before, or at once when the trial is shorter.
const NOTICE: i64 = 3 * 24 * 3600;

impl World {
    /// Plans the notice of a trial that ends more than three days from now.
    pub(super) fn plan_trial_notice(&mut self, subscription: &Subscription) {
        let (id, clock) = (&subscription.id, subscription.clock());
        let notice = subscription.trial_end.map(|end| end - NOTICE);
        if let Some(at) = notice.filter(|at| *at > self.now(clock)) {
            self.agenda
                .plan(clock, at, Task::AnnounceTrialEnd(id.clone()));
        }
    }

    /// Announces that the trial will end, unless that is more than three days away.
    pub(in crate::simulator) fn announce_trial_end(&mut self, id: &str) -> Result<(), ApiError> {
        let subscription = self.subscriptions.find(id)?.clone();
        let now = self.now(subscription.clock());
        let near = subscription
            .trial_end
            .is_some_and(|end| end > now && end - now <= NOTICE);
        if near && subscription.status == Status::Trialing {
            self.announce("customer.subscription.trial_will_end", &subscription);
        }
        Ok(())
    }

    /// The trial is over. `before` is what the update event compares with; at the end of its time the
    /// invoice waits as a draft like any other, ended by a request it is charged at once.
    pub(super) fn end_trial(
        &mut self,
        before: &Subscription,
        mut subscription: Subscription,
        at_once: bool,
    ) -> Result<(), ApiError> {
        let reason = if at_once {
            BillingReason::SubscriptionUpdate
        } else {
            BillingReason::SubscriptionCycle
        };
        let has_card = self.card_for(&subscription)?.is_some();
        match subscription.missing_payment_method {
            MissingPaymentMethod::Cancel if !has_card => {
                let id = subscription.id.clone();
                self.subscriptions.put(subscription);
                self.end_subscription(&id, Ending::NoPaymentMethod)
            }
            MissingPaymentMethod::Pause if !has_card => {
                subscription.status = Status::Paused;
                self.subscriptions.put(subscription.clone());
                self.announce_change("customer.subscription.updated", before, &subscription);
                self.announce("customer.subscription.paused", &subscription);
                Ok(())
            }
            _ => {
                subscription.status = Status::Active;
                self.begin_period(before, subscription, reason, at_once)
            }
        }
    }
}

/// `POST /v1/subscriptions/:id/resume`: a new period begins now; it is active once its invoice is paid.
pub(in crate::simulator) fn resume(
    world: &mut World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    let before = world.subscriptions.find(id)?.clone();
    if before.status != Status::Paused {
        return Err(ApiError::refused(
            "Only a paused subscription can be resumed.",
        ));
    }
    let now = world.now(before.clock());
    let mut after = before.clone();
    after.billing_cycle_anchor = now;
    after.period_end = now;
    world.begin_period(&before, after, BillingReason::SubscriptionUpdate, true)?;
    Ok(world.subscriptions.find(id)?.render(call.shape))
}
