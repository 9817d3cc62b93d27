//! `features` of a portal configuration: what customers may do.

use serde_json::{Value, json};

use crate::simulator::error::ApiError;
use crate::simulator::form::Params;
use crate::simulator::object::Object;
use crate::simulator::price::Price;
use crate::simulator::subscription::{Item, ProrationBehavior};
use crate::simulator::world::World;

/// A product whose prices customers may change to.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct Offer {
    product: String,
    pub(in crate::simulator) prices: Vec<String>,
}

/// Changes that wait for the end of the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    DecreasingItemAmount,
    ShorteningInterval,
}

impl Condition {
    fn name(self) -> &'static str {
        match self {
            Self::DecreasingItemAmount => "decreasing_item_amount",
            Self::ShorteningInterval => "shortening_interval",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(in crate::simulator) struct Features {
    pub(in crate::simulator) cancels: bool,
    /// At once, rather than at the end of the period.
    pub(in crate::simulator) cancels_immediately: bool,
    pub(in crate::simulator) asks_reason: bool,
    pub(in crate::simulator) reasons: Vec<String>,
    pub(in crate::simulator) changes: bool,
    allowed_updates: Vec<String>,
    pub(in crate::simulator) offers: Vec<Offer>,
    pub(in crate::simulator) proration: Option<ProrationBehavior>,
    conditions: Vec<Condition>,
    pub(in crate::simulator) changes_card: bool,
    pub(in crate::simulator) shows_invoices: bool,
    changes_details: bool,
    allowed_details: Vec<String>,
}

impl Features {
    /// Whether going from the item to the price waits for the end of the period.
    pub(in crate::simulator) fn waits(&self, item: &Item, price: &Price) -> bool {
        let is = |condition: &Condition| match condition {
            Condition::DecreasingItemAmount => price.unit_amount < item.price.unit_amount,
            Condition::ShorteningInterval => price.length() < item.price.length(),
        };
        self.conditions.iter().any(is)
    }

    pub(in crate::simulator) fn offers(&self, price: &str) -> bool {
        let mut prices = self.offers.iter().flat_map(|offer| &offer.prices);
        prices.any(|offered| offered == price)
    }

    /// Takes what is given of `features[…]`; what isn't stays.
    pub(super) fn take(&mut self, world: &World, params: &Params) -> Result<(), ApiError> {
        self.take_cancel(&params.group("subscription_cancel"))?;
        self.take_update(world, &params.group("subscription_update"))?;
        let enabled = |name: &str| params.group(name).flag("enabled");
        self.changes_card = enabled("payment_method_update")?.unwrap_or(self.changes_card);
        self.shows_invoices = enabled("invoice_history")?.unwrap_or(self.shows_invoices);
        self.changes_details = enabled("customer_update")?.unwrap_or(self.changes_details);
        let details = params.group("customer_update");
        if details.has("allowed_updates") {
            self.allowed_details = details.texts("allowed_updates");
        }
        Ok(())
    }

    fn take_cancel(&mut self, cancel: &Params) -> Result<(), ApiError> {
        self.cancels = cancel.flag("enabled")?.unwrap_or(self.cancels);
        match cancel.text("mode") {
            None => {}
            Some("at_period_end") => self.cancels_immediately = false,
            Some("immediately") => self.cancels_immediately = true,
            Some(other) => {
                let message = format!("Invalid mode: {other}");
                return Err(
                    ApiError::refused(message).in_param("features[subscription_cancel][mode]")
                );
            }
        }
        if ProrationBehavior::parse(cancel)?.is_some_and(|how| how != ProrationBehavior::None) {
            return Err(ApiError::not_simulated("proration when a customer cancels")
                .in_param("features[subscription_cancel][proration_behavior]"));
        }
        let reason = cancel.group("cancellation_reason");
        self.asks_reason = reason.flag("enabled")?.unwrap_or(self.asks_reason);
        if reason.has("options") {
            self.reasons = reason.texts("options");
        }
        Ok(())
    }

    fn take_update(&mut self, world: &World, update: &Params) -> Result<(), ApiError> {
        self.changes = update.flag("enabled")?.unwrap_or(self.changes);
        self.proration = ProrationBehavior::parse(update)?.or(self.proration);
        if update.has("default_allowed_updates") {
            self.allowed_updates = update.texts("default_allowed_updates");
        }
        if update.has("products") {
            let offers = update.list("products");
            let offers = offers.iter().map(|offer| Offer::parse(world, offer));
            self.offers = offers.collect::<Result<_, _>>()?;
        }
        let schedule = update.group("schedule_at_period_end");
        if schedule.has("conditions") {
            let conditions = schedule.list("conditions");
            let conditions = conditions.iter().map(condition);
            self.conditions = conditions.collect::<Result<_, _>>()?;
        }
        if self.changes && self.offers.is_empty() {
            return Err(ApiError::parameter_missing(
                "features[subscription_update][products]",
            ));
        }
        if self.changes && self.allowed_updates.is_empty() {
            return Err(ApiError::parameter_missing(
                "features[subscription_update][default_allowed_updates]",
            ));
        }
        Ok(())
    }

    pub(super) fn render(&self) -> Value {
        let conditions = self.conditions.iter();
        let conditions: Vec<Value> = conditions
            .map(|condition| json!({ "type": condition.name() }))
            .collect();
        let offers = self.offers.iter();
        let products: Vec<Value> = offers
            .map(|offer| json!({ "prices": offer.prices, "product": offer.product }))
            .collect();
        let mode = if self.cancels_immediately {
            "immediately"
        } else {
            "at_period_end"
        };
        json!({
            "customer_update": {
                "allowed_updates": self.allowed_details,
                "enabled": self.changes_details,
            },
            "invoice_history": { "enabled": self.shows_invoices },
            "payment_method_update": { "enabled": self.changes_card },
            "subscription_cancel": {
                "cancellation_reason": { "enabled": self.asks_reason, "options": self.reasons },
                "enabled": self.cancels,
                "mode": mode,
                "proration_behavior": "none",
            },
            "subscription_update": {
                "default_allowed_updates": self.allowed_updates,
                "enabled": self.changes,
                "products": products,
                "proration_behavior": self.proration.unwrap_or(ProrationBehavior::None).name(),
                "schedule_at_period_end": { "conditions": conditions },
            },
        })
    }
}

impl Offer {
    fn parse(world: &World, params: &Params) -> Result<Self, ApiError> {
        let param = "features[subscription_update][products]";
        let product = params.required("product")?.to_owned();
        world
            .products
            .find(&product)
            .map_err(|error| error.in_param(param))?;
        let prices = params.texts("prices");
        if prices.is_empty() {
            return Err(ApiError::parameter_missing(&format!("{param}[prices]")));
        }
        for id in &prices {
            let price = world.prices.find(id);
            let price = price.map_err(|error| error.in_param(param))?;
            if price.product != product || price.recurring.is_none() {
                let message = format!("{} is no recurring price of {product}.", price.id());
                return Err(ApiError::refused(message).in_param(param));
            }
        }
        Ok(Self { product, prices })
    }
}

fn condition(params: &Params) -> Result<Condition, ApiError> {
    match params.required("type")? {
        "decreasing_item_amount" => Ok(Condition::DecreasingItemAmount),
        "shortening_interval" => Ok(Condition::ShorteningInterval),
        other => Err(ApiError::refused(format!("Invalid condition: {other}"))
            .in_param("features[subscription_update][schedule_at_period_end][conditions][type]")),
    }
}
