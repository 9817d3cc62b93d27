//! Subscriptions: what they are and how both API shapes show them.

use serde_json::{Value, json};

use super::coupon::Discount;
use super::form::Metadata;
use super::invoice::Invoice;
use super::object::Object;
use super::price::{Interval, Price};
use super::shape::Shape;
use super::shelf::Shelf;
use super::world::World;

mod change;
mod create;
mod cycle;
mod end;
mod item;
mod list;
mod proration;
mod schedule;
mod trial;
mod update;

use change::PendingUpdate;
use schedule::ScheduledChange;

pub(super) use create::create;
pub(super) use end::{Ending, cancel};
pub(super) use item::Item;
pub(super) use list::list;
pub(super) use proration::ProrationBehavior;
pub(super) use trial::resume;
pub(super) use update::update;

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Trialing,
    Active,
    Incomplete,
    IncompleteExpired,
    PastDue,
    Unpaid,
    Paused,
    Canceled,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Canceled => "canceled",
        }
    }

    /// Nothing more happens to it.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    /// The end of a period begins another.
    pub(super) fn renews(self) -> bool {
        matches!(
            self,
            Self::Trialing | Self::Active | Self::PastDue | Self::Unpaid
        )
    }
}

/// What happens to invoices while collection is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PausedInvoices {
    KeepAsDraft,
    MarkUncollectible,
    Void,
}

impl PausedInvoices {
    fn name(self) -> &'static str {
        match self {
            Self::KeepAsDraft => "keep_as_draft",
            Self::MarkUncollectible => "mark_uncollectible",
            Self::Void => "void",
        }
    }
}

/// `pause_collection`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PauseCollection {
    pub(super) behavior: PausedInvoices,
    pub(super) resumes_at: Option<i64>,
}

/// What to do when a trial ends and there is no card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MissingPaymentMethod {
    CreateInvoice,
    Cancel,
    Pause,
}

impl MissingPaymentMethod {
    fn name(self) -> &'static str {
        match self {
            Self::CreateInvoice => "create_invoice",
            Self::Cancel => "cancel",
            Self::Pause => "pause",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Subscription {
    id: String,
    created: i64,
    clock: Option<String>,
    pub(super) customer: String,
    pub(super) status: Status,
    pub(super) items: Vec<Item>,
    pub(super) period_start: i64,
    pub(super) period_end: i64,
    billing_cycle_anchor: i64,
    trial_start: Option<i64>,
    trial_end: Option<i64>,
    missing_payment_method: MissingPaymentMethod,
    cancel_at: Option<i64>,
    cancel_at_period_end: bool,
    canceled_at: Option<i64>,
    cancellation_reason: Option<&'static str>,
    cancellation_comment: Option<String>,
    cancellation_feedback: Option<String>,
    ended_at: Option<i64>,
    pub(super) default_payment_method: Option<String>,
    /// `payment_settings[save_default_payment_method]=on_subscription`
    saves_payment_method: bool,
    description: Option<String>,
    pub(super) latest_invoice: Option<String>,
    pub(super) metadata: Metadata,
    pub(super) pause_collection: Option<PauseCollection>,
    pending_update: Option<PendingUpdate>,
    /// What the end of the period changes.
    pub(super) scheduled: Option<ScheduledChange>,
    pub(super) discount: Option<Discount>,
}

impl Subscription {
    /// The price that sets the rhythm; all recurring prices of a subscription share an interval.
    fn leading_price(&self) -> Option<&Price> {
        self.items.first().map(|item| &item.price)
    }

    pub(super) fn currency(&self) -> &str {
        self.leading_price().map_or("usd", |price| &price.currency)
    }

    pub(super) fn cancels_at_period_end(&self) -> bool {
        self.cancel_at_period_end
    }

    /// A discount that is used up, or past its time, is no longer shown.
    fn drop_discount_when_over(&mut self, now: i64) {
        self.discount = self
            .discount
            .take()
            .filter(|discount| !discount.is_over(now));
    }

    /// The invoice was reduced by the discount.
    fn use_discount(&mut self, invoice: &Invoice) {
        if let Some(discount) = self.discount.as_mut().filter(|_| invoice.is_discounted()) {
            discount.used = true;
        }
    }

    /// How often it is billed.
    fn interval(&self) -> Option<Interval> {
        self.leading_price().and_then(|price| price.recurring)
    }

    /// The end of the period that begins at `start`.
    fn period_from(&self, start: i64) -> i64 {
        self.interval().map_or(i64::MAX, |interval| {
            interval.boundary_after(self.billing_cycle_anchor, start)
        })
    }

    fn render_each(&self, items: &[Item], shape: Shape) -> Vec<Value> {
        let render = |item: &Item| item.render(self, shape);
        items.iter().map(render).collect()
    }

    fn render_pending_update(&self, shape: Shape) -> Value {
        self.pending_update.as_ref().map_or(Value::Null, |pending| {
            json!({
                "billing_cycle_anchor": null,
                "expires_at": pending.expires_at,
                "subscription_items": self.render_each(&pending.items, shape),
                "trial_end": null,
                "trial_from_plan": null,
            })
        })
    }

    fn render_items(&self, shape: Shape) -> Value {
        let items = self.render_each(&self.items, shape);
        json!({
            "object": "list",
            "data": items,
            "has_more": false,
            "total_count": items.len(),
            "url": format!("/v1/subscription_items?subscription={}", self.id),
        })
    }
}

impl Object for Subscription {
    const NOUN: &'static str = "subscription";

    fn id(&self) -> &str {
        &self.id
    }

    fn clock(&self) -> Option<&str> {
        self.clock.as_deref()
    }

    fn customer(&self) -> Option<&str> {
        Some(&self.customer)
    }

    fn shelf(world: &mut World) -> &mut Shelf<Self> {
        &mut world.subscriptions
    }

    fn render(&self, shape: Shape) -> Value {
        let pause = self.pause_collection.map(
            |pause| json!({ "behavior": pause.behavior.name(), "resumes_at": pause.resumes_at }),
        );
        let mut subscription = json!({
            "id": self.id,
            "object": "subscription",
            "application": null,
            "automatic_tax": { "enabled": false, "liability": null },
            "billing_cycle_anchor": self.billing_cycle_anchor,
            "cancel_at": self.cancel_at,
            "cancel_at_period_end": self.cancel_at_period_end,
            "canceled_at": self.canceled_at,
            "cancellation_details": {
                "comment": self.cancellation_comment,
                "feedback": self.cancellation_feedback,
                "reason": self.cancellation_reason,
            },
            "collection_method": "charge_automatically",
            "created": self.created,
            "currency": self.currency(),
            "customer": self.customer,
            "days_until_due": null,
            "default_payment_method": self.default_payment_method,
            "default_source": null,
            "description": self.description,
            "discounts": self.discount.iter().map(|discount| &discount.id).collect::<Vec<_>>(),
            "ended_at": self.ended_at,
            "items": self.render_items(shape),
            "latest_invoice": self.latest_invoice,
            "livemode": false,
            "metadata": self.metadata,
            "pause_collection": pause,
            "payment_settings": {
                "payment_method_options": null,
                "payment_method_types": null,
                "save_default_payment_method": if self.saves_payment_method { "on_subscription" } else { "off" },
            },
            "pending_setup_intent": null,
            "pending_update": self.render_pending_update(shape),
            "schedule": self.scheduled.as_ref().map(|scheduled| &scheduled.id),
            "start_date": self.created,
            "status": self.status.name(),
            "test_clock": self.clock,
            "trial_end": self.trial_end,
            "trial_settings": { "end_behavior": { "missing_payment_method": self.missing_payment_method.name() } },
            "trial_start": self.trial_start,
        });
        if shape == Shape::Legacy {
            subscription["discount"] = self
                .discount
                .as_ref()
                .map(|discount| discount.render(shape))
                .into();
            subscription["current_period_end"] = self.period_end.into();
            subscription["current_period_start"] = self.period_start.into();
        }
        subscription
    }
}
