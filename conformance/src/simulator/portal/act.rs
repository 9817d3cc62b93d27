//! What customers do in the portal, as far as the configuration lets them.

use super::{Features, PortalSession};
use crate::simulator::card::TestCard;
use crate::simulator::customer::Customer;
use crate::simulator::error::ApiError;
use crate::simulator::form::Params;
use crate::simulator::object::Object;
use crate::simulator::subscription::{Ending, ProrationBehavior, Subscription};
use crate::simulator::world::World;

/// Something a customer asks for with a form.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::simulator) enum Act {
    /// Now or at the end of the period, as configured.
    Cancel {
        subscription: String,
        feedback: Option<String>,
        comment: Option<String>,
    },
    /// Takes a cancellation at the end of the period back.
    Keep {
        subscription: String,
    },
    Change {
        subscription: String,
        price: String,
    },
    /// Takes a change at the end of the period back.
    KeepPlan {
        subscription: String,
    },
    /// Pays with another card from now on.
    UseCard(String),
}

impl Act {
    pub(in crate::simulator) fn parse(form: &Params) -> Result<Self, ApiError> {
        let own = |name: &str| form.required(name).map(str::to_owned);
        let subscription = || own("subscription");
        match form.required("action")? {
            "cancel" => Ok(Self::Cancel {
                subscription: subscription()?,
                feedback: form.text("feedback").map(str::to_owned),
                comment: form.text("comment").map(str::to_owned),
            }),
            "keep" => Ok(Self::Keep {
                subscription: subscription()?,
            }),
            "change" => Ok(Self::Change {
                subscription: subscription()?,
                price: own("price")?,
            }),
            "keep_plan" => Ok(Self::KeepPlan {
                subscription: subscription()?,
            }),
            "card" => Ok(Self::UseCard(own("card")?)),
            _ => Err(ApiError::refused("There is no such form.").in_param("action")),
        }
    }
}

impl World {
    pub(in crate::simulator) fn act_in_portal(
        &mut self,
        session: &PortalSession,
        act: Act,
    ) -> Result<(), ApiError> {
        let customer = self.living_customer(&session.customer)?;
        let configuration = self.configurations.find(&session.configuration)?;
        let features = configuration.features.clone();
        match act {
            Act::Cancel {
                subscription,
                feedback,
                comment,
            } => {
                allow(features.cancels)?;
                let own = self.own_subscription(&customer, &subscription)?;
                let mut params = Params::default();
                for (name, text) in [("feedback", feedback), ("comment", comment)] {
                    if let Some(text) = text.filter(|_| features.asks_reason) {
                        params.set(&format!("cancellation_details[{name}]"), &text);
                    }
                }
                if features.cancels_immediately {
                    self.update_subscription(own.id(), &params)?;
                    return self.end_subscription(own.id(), Ending::Requested);
                }
                params.set("cancel_at_period_end", "true");
                self.unschedule_change(own.id())?;
                self.update_subscription(own.id(), &params)
            }
            Act::Keep { subscription } => {
                allow(features.cancels)?;
                let own = self.own_subscription(&customer, &subscription)?;
                let mut params = Params::default();
                params.set("cancel_at_period_end", "false");
                self.update_subscription(own.id(), &params)
            }
            Act::Change {
                subscription,
                price,
            } => {
                allow(features.changes)?;
                let own = self.own_subscription(&customer, &subscription)?;
                self.change_plan(&features, &own, &price)
            }
            Act::KeepPlan { subscription } => {
                allow(features.changes)?;
                let own = self.own_subscription(&customer, &subscription)?;
                self.unschedule_change(own.id())
            }
            Act::UseCard(card) => {
                allow(features.changes_card)?;
                self.use_card(&customer, &card)
            }
        }
    }

    /// A subscription that runs and belongs to the customer; of others not even that they exist is told.
    fn own_subscription(&self, customer: &Customer, id: &str) -> Result<Subscription, ApiError> {
        let found = self.subscriptions.find(id).ok();
        let own = found.filter(|subscription| {
            subscription.customer == customer.id() && !subscription.status.is_over()
        });
        own.cloned()
            .ok_or_else(|| ApiError::resource_missing(Subscription::NOUN, id))
    }

    /// An upgrade at once, paid with the card on file; a downgrade at the end of the period where configured so.
    fn change_plan(
        &mut self,
        features: &Features,
        subscription: &Subscription,
        price: &str,
    ) -> Result<(), ApiError> {
        let [item] = subscription.items.as_slice() else {
            return Err(ApiError::refused(
                "A subscription to several things can't be changed here.",
            ));
        };
        if !features.offers(price) {
            return Err(ApiError::refused("That plan is not offered here."));
        }
        let new = self.prices.find(price)?.clone();
        if features.waits(item, &new) {
            return self.schedule_change(subscription.id(), &new);
        }
        let proration = features.proration.unwrap_or(ProrationBehavior::None);
        let mut params = Params::default();
        params.set("items[0][id]", &item.id);
        params.set("items[0][price]", price);
        params.set("proration_behavior", proration.name());
        params.set("payment_behavior", "error_if_incomplete");
        self.update_subscription(subscription.id(), &params)
    }

    fn use_card(&mut self, customer: &Customer, card: &str) -> Result<(), ApiError> {
        let Some(card) = TestCard::by_payment_method(card) else {
            return Err(ApiError::refused("There is no such card."));
        };
        let method = self.put_payment_method_on(card.id(), customer)?;
        self.announce("payment_method.attached", &method);
        let id = method.id().to_owned();
        self.amend::<Customer>(customer.id(), "customer.updated", |customer| {
            customer.default_payment_method = Some(id.clone());
        })?;
        for subscription in self.running_subscriptions(customer.id()) {
            self.amend::<Subscription>(&subscription, "customer.subscription.updated", |own| {
                if own.default_payment_method.is_some() {
                    own.default_payment_method = Some(id.clone());
                }
            })?;
        }
        Ok(())
    }
}

fn allow(enabled: bool) -> Result<(), ApiError> {
    if enabled {
        return Ok(());
    }
    Err(ApiError::refused(
        "The portal's configuration does not allow this.",
    ))
}
