//! `POST /v1/subscriptions`

use serde_json::Value;

use super::{MissingPaymentMethod, Status, Subscription};
use crate::simulator::agenda::Task;
use crate::simulator::call::Call;
use crate::simulator::card::Charge;
use crate::simulator::customer::Customer;
use crate::simulator::error::ApiError;
use crate::simulator::form::{Metadata, Params};
use crate::simulator::invoice::BillingReason;
use crate::simulator::object::Object;
use crate::simulator::payment_method::PaymentMethod;
use crate::simulator::world::World;

/// What would change when and how much is charged.
const NOT_SIMULATED: &[&str] = &[
    "add_invoice_items",
    "backdate_start_date",
    "billing_cycle_anchor",
    "billing_cycle_anchor_config",
    "billing_thresholds",
    "pending_invoice_item_interval",
];

const DAY: i64 = 24 * 3600;
/// How long a first payment may be outstanding.
const INCOMPLETE_LIFETIME: i64 = 23 * 3600;

/// What `payment_behavior` makes of the first payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstPayment {
    /// `allow_incomplete`: it is tried, and may fail.
    Tried,
    /// `error_if_incomplete`: without it there is no subscription.
    Required,
    /// `default_incomplete`: it is left to the customer.
    Left,
}

impl FirstPayment {
    fn parse(params: &Params) -> Result<Self, ApiError> {
        match params.text("payment_behavior") {
            None | Some("allow_incomplete") => Ok(Self::Tried),
            Some("error_if_incomplete") => Ok(Self::Required),
            Some("default_incomplete") => Ok(Self::Left),
            Some(other) => {
                let message = format!("Invalid payment_behavior: {other}");
                Err(ApiError::refused(message).in_param("payment_behavior"))
            }
        }
    }
}

pub(in crate::simulator) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let customer = world.customer_in(&call.params)?;
    let id = world.subscribe(&call.params, &customer)?;
    Ok(world.subscriptions.find(&id)?.render(call.shape))
}

impl World {
    /// Makes the subscription that the parameters ask for and returns its id.
    pub(in crate::simulator) fn subscribe(
        &mut self,
        params: &Params,
        customer: &Customer,
    ) -> Result<String, ApiError> {
        let first = FirstPayment::parse(params)?;
        let mut subscription = self.new_subscription(params, customer)?;
        let total: i64 = subscription.items.iter().map(super::Item::amount).sum();
        let discount = subscription.discount.as_ref();
        let off = discount.map_or(0, |discount| discount.off(total, subscription.created));
        let due = total - off + customer.balance.min(0);
        let free = due <= 0 || subscription.status == Status::Trialing;
        let card = self.card_for(&subscription)?;
        let charge = card.as_ref().map(PaymentMethod::charge);
        let pays = charge == Some(Charge::Paid) && first != FirstPayment::Left;
        if !free && first == FirstPayment::Required {
            match charge {
                Some(Charge::Paid) => {}
                Some(Charge::Declined(decline)) => return Err(ApiError::card(&decline)),
                Some(Charge::Challenged) => {
                    return Err(ApiError::requires_action(
                        "subscription_payment_intent_requires_action",
                    ));
                }
                None => {
                    return Err(ApiError::invalid(
                        "resource_missing",
                        "This customer has no default payment method.",
                    ));
                }
            }
        }
        if !free && !pays {
            subscription.status = Status::Incomplete;
        }
        self.begin(subscription, first != FirstPayment::Left)
    }

    fn new_subscription(
        &mut self,
        params: &Params,
        customer: &Customer,
    ) -> Result<Subscription, ApiError> {
        if params
            .text("collection_method")
            .is_some_and(|method| method != "charge_automatically")
        {
            return Err(ApiError::not_simulated("collection_method=send_invoice")
                .in_param("collection_method"));
        }
        params.none_of(NOT_SIMULATED)?;
        let clock = customer.clock();
        let now = self.now(clock);
        let trial_end = trial_end(params, now)?;
        let default_payment_method = self.own_method(params, customer)?;
        let cancel_at = params.timestamp("cancel_at")?;
        if cancel_at.is_some_and(|at| at <= now) {
            return Err(ApiError::refused("cancel_at must be in the future.").in_param("cancel_at"));
        }
        let cancel_at_period_end = params.flag("cancel_at_period_end")?.unwrap_or(false);
        let missing_payment_method = missing_payment_method(params)?;
        let mut metadata = Metadata::new();
        params.merge_metadata(&mut metadata);
        let coupon = self.coupon_in(params)?;
        let items = self.new_items(params, now)?;
        let mut subscription = Subscription {
            id: self.ids.make("sub_"),
            created: now,
            clock: clock.map(str::to_owned),
            customer: customer.id().to_owned(),
            status: if trial_end.is_some() {
                Status::Trialing
            } else {
                Status::Active
            },
            items,
            period_start: now,
            period_end: now,
            billing_cycle_anchor: trial_end.unwrap_or(now),
            trial_start: trial_end.map(|_| now),
            trial_end,
            missing_payment_method,
            cancel_at,
            cancel_at_period_end,
            canceled_at: (cancel_at.is_some() || cancel_at_period_end).then_some(now),
            cancellation_reason: None,
            cancellation_comment: None,
            cancellation_feedback: None,
            ended_at: None,
            default_payment_method,
            saves_payment_method: saves_payment_method(params)?.unwrap_or(false),
            description: params.text("description").map(str::to_owned),
            latest_invoice: None,
            metadata,
            pause_collection: None,
            pending_update: None,
            scheduled: None,
            discount: None,
        };
        if let Some(coupon) = coupon {
            let discount = self.redeem(coupon, &subscription.id, customer.id(), now);
            subscription.discount = Some(discount);
        }
        subscription.period_end = trial_end.unwrap_or_else(|| subscription.period_from(now));
        if cancel_at_period_end {
            subscription.cancel_at = Some(subscription.period_end);
        }
        Ok(subscription)
    }

    /// `default_payment_method`, which must belong to the customer.
    pub(super) fn own_method(
        &self,
        params: &Params,
        customer: &Customer,
    ) -> Result<Option<String>, ApiError> {
        let Some(id) = params.text("default_payment_method") else {
            return Ok(None);
        };
        let method = self.method_of(id, customer);
        Ok(Some(
            method
                .map_err(|error| error.in_param("default_payment_method"))?
                .id()
                .to_owned(),
        ))
    }

    /// Announces the subscription in the state that the first payment leaves it in, then invoices it.
    fn begin(&mut self, mut subscription: Subscription, charge: bool) -> Result<String, ApiError> {
        let id = subscription.id.clone();
        let period = (subscription.period_start, subscription.period_end);
        self.subscriptions.put(subscription.clone());
        let invoice = self.draft_for(&subscription, BillingReason::SubscriptionCreate, period)?;
        subscription.use_discount(&invoice);
        subscription.latest_invoice = Some(invoice.id().to_owned());
        self.subscriptions.put(subscription.clone());
        self.announce("customer.subscription.created", &subscription);
        self.announce("invoice.created", &invoice);
        self.plan_for(&subscription);
        let invoice = self.finalize(invoice.id())?;
        if charge || invoice.amount_due() == 0 {
            // The outcome is in the subscription's status; a decline is no error of this request.
            drop(self.collect_now(invoice.id()));
        }
        if subscription.status == Status::Trialing {
            self.announce_trial_end(&id)?;
        }
        Ok(id)
    }

    /// Puts on the agenda what the clock has to do for a new subscription.
    fn plan_for(&mut self, subscription: &Subscription) {
        let (id, clock) = (&subscription.id, subscription.clock());
        self.agenda
            .plan(clock, subscription.period_end, Task::EndPeriod(id.clone()));
        self.plan_trial_notice(subscription);
        if let Some(at) = subscription.cancel_at {
            self.agenda
                .plan(clock, at, Task::CancelSubscription(id.clone()));
        }
        if subscription.status == Status::Incomplete {
            let at = subscription.created + INCOMPLETE_LIFETIME;
            self.agenda
                .plan(clock, at, Task::ExpireIncomplete(id.clone()));
        }
    }
}

fn trial_end(params: &Params, now: i64) -> Result<Option<i64>, ApiError> {
    if let Some(days) = params.bounded("trial_period_days", 0..=730)? {
        return Ok((days > 0).then(|| now + days * DAY));
    }
    if params.text("trial_end") == Some("now") {
        return Ok(None);
    }
    let end = params.timestamp("trial_end")?;
    if end.is_some_and(|end| end <= now) {
        return Err(ApiError::refused("A trial must end in the future.").in_param("trial_end"));
    }
    Ok(end)
}

/// `payment_settings[save_default_payment_method]`
pub(super) fn saves_payment_method(params: &Params) -> Result<Option<bool>, ApiError> {
    let settings = params.group("payment_settings");
    match settings.text("save_default_payment_method") {
        None => Ok(None),
        Some("on_subscription") => Ok(Some(true)),
        Some("off") => Ok(Some(false)),
        Some(other) => {
            let message = format!("Invalid save_default_payment_method: {other}");
            Err(ApiError::refused(message)
                .in_param("payment_settings[save_default_payment_method]"))
        }
    }
}

fn missing_payment_method(params: &Params) -> Result<MissingPaymentMethod, ApiError> {
    let settings = params.group("trial_settings").group("end_behavior");
    match settings.text("missing_payment_method") {
        None | Some("create_invoice") => Ok(MissingPaymentMethod::CreateInvoice),
        Some("cancel") => Ok(MissingPaymentMethod::Cancel),
        Some("pause") => Ok(MissingPaymentMethod::Pause),
        Some(other) => {
            let message = format!("Invalid missing_payment_method: {other}");
            Err(ApiError::refused(message)
                .in_param("trial_settings[end_behavior][missing_payment_method]"))
        }
    }
}
