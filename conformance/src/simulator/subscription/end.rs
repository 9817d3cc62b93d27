//! The end of a subscription: by request, by its date, or because nobody pays.

use serde_json::Value;

use super::{Status, Subscription};
use crate::simulator::call::Call;
use crate::simulator::error::ApiError;
use crate::simulator::object::Object;
use crate::simulator::world::World;

/// Why a subscription ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Ending {
    Requested,
    PaymentFailed,
    NoPaymentMethod,
}

impl Ending {
    fn reason(self) -> Option<&'static str> {
        match self {
            Self::Requested => Some("cancellation_requested"),
            Self::PaymentFailed => Some("payment_failed"),
            Self::NoPaymentMethod => None,
        }
    }
}

/// `DELETE /v1/subscriptions/:id`. One that is over can't be found any more, as with Stripe.
pub(in crate::simulator) fn cancel(
    world: &mut World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    let mut subscription = world.subscriptions.find(id)?.clone();
    if subscription.status.is_over() {
        return Err(ApiError::resource_missing(Subscription::NOUN, id));
    }
    subscription.take_cancellation_details(&call.params);
    world.subscriptions.put(subscription);
    world.end_subscription(id, Ending::Requested)?;
    Ok(world.subscriptions.find(id)?.render(call.shape))
}

impl World {
    /// Cancels now. Invoices that are not paid stay as they are, but nobody tries to collect them any more.
    pub(in crate::simulator) fn end_subscription(
        &mut self,
        id: &str,
        ending: Ending,
    ) -> Result<(), ApiError> {
        let mut subscription = self.subscriptions.find(id)?.clone();
        if subscription.status.is_over() {
            return Ok(());
        }
        let now = self.now(subscription.clock());
        // What waited for a payment, or for the end of the period, will not come.
        subscription.pending_update = None;
        subscription.scheduled = None;
        subscription.status = Status::Canceled;
        subscription.ended_at = Some(now);
        subscription.canceled_at = subscription.canceled_at.or(Some(now));
        subscription.cancellation_reason = subscription.cancellation_reason.or(ending.reason());
        self.subscriptions.put(subscription.clone());
        self.announce("customer.subscription.deleted", &subscription);
        self.stop_collecting(id)
    }

    /// `cancel_at` has come.
    pub(in crate::simulator) fn cancel_when_reached(&mut self, id: &str) -> Result<(), ApiError> {
        let subscription = self.subscriptions.find(id)?;
        let now = self.now(subscription.clock());
        if subscription.cancel_at.is_some_and(|at| at <= now) {
            return self.end_subscription(id, Ending::Requested);
        }
        Ok(())
    }

    /// The subscriptions of a customer that are not over.
    pub(in crate::simulator) fn running_subscriptions(&self, customer: &str) -> Vec<String> {
        let running = |subscription: &&Subscription| {
            subscription.customer == customer && !subscription.status.is_over()
        };
        self.subscriptions
            .iter()
            .filter(running)
            .map(|subscription| subscription.id.clone())
            .collect()
    }
}
