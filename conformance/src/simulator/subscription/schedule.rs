//! A change of plan that waits for the end of the period.
//!
//! Stripe keeps it in a subscription schedule; here only its id can be seen, on the subscription.

use super::{Item, Subscription};
use crate::simulator::error::ApiError;
use crate::simulator::price::Price;
use crate::simulator::world::World;

#[derive(Clone, Debug)]
pub(in crate::simulator) struct ScheduledChange {
    /// `sub_sched_…`
    pub(super) id: String,
    pub(in crate::simulator) items: Vec<Item>,
}

impl World {
    /// The one item of the subscription goes over to the price when the period ends.
    pub(in crate::simulator) fn schedule_change(
        &mut self,
        id: &str,
        price: &Price,
    ) -> Result<(), ApiError> {
        let schedule = self.ids.make("sub_sched_");
        self.amend::<Subscription>(id, "customer.subscription.updated", |subscription| {
            let mut items = subscription.items.clone();
            for item in &mut items {
                item.price = price.clone();
            }
            subscription.scheduled = Some(ScheduledChange {
                id: schedule,
                items,
            });
        })?;
        Ok(())
    }

    pub(in crate::simulator) fn unschedule_change(&mut self, id: &str) -> Result<(), ApiError> {
        self.amend::<Subscription>(id, "customer.subscription.updated", |subscription| {
            subscription.scheduled = None;
        })?;
        Ok(())
    }
}

impl Subscription {
    /// The period has ended: what waited for that is done. Another interval counts from here.
    pub(super) fn take_scheduled_change(&mut self) {
        if let Some(scheduled) = self.scheduled.take() {
            let interval = self.interval();
            self.items = scheduled.items;
            if self.interval() != interval {
                self.billing_cycle_anchor = self.period_end;
            }
        }
    }
}
