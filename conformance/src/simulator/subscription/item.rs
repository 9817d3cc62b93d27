//! A subscription's items: so many of a price.

use serde_json::{Value, json};

use super::Subscription;
use crate::simulator::error::ApiError;
use crate::simulator::form::{Metadata, Params};
use crate::simulator::object::Object;
use crate::simulator::price::Price;
use crate::simulator::shape::Shape;
use crate::simulator::world::World;

#[derive(Clone, Debug)]
pub(in crate::simulator) struct Item {
    pub(in crate::simulator) id: String,
    created: i64,
    metadata: Metadata,
    pub(in crate::simulator) price: Price,
    pub(in crate::simulator) quantity: i64,
}

impl Item {
    pub(in crate::simulator) fn amount(&self) -> i64 {
        self.price.unit_amount.saturating_mul(self.quantity)
    }

    pub(super) fn render(&self, subscription: &Subscription, shape: Shape) -> Value {
        let mut item = json!({
            "id": self.id,
            "object": "subscription_item",
            "created": self.created,
            "discounts": [],
            "metadata": self.metadata,
            "price": self.price.render(shape),
            "quantity": self.quantity,
            "subscription": subscription.id,
            "tax_rates": [],
        });
        if shape == Shape::Basil {
            item["current_period_end"] = subscription.period_end.into();
            item["current_period_start"] = subscription.period_start.into();
        }
        item
    }
}

impl World {
    /// `items[…]` of a new subscription.
    pub(super) fn new_items(&mut self, params: &Params, now: i64) -> Result<Vec<Item>, ApiError> {
        let wanted = params.list("items");
        if wanted.is_empty() {
            return Err(ApiError::parameter_missing("items"));
        }
        // All are looked up before any gets an id: a request that is refused uses up none.
        let prices: Vec<(Price, i64)> = wanted
            .iter()
            .map(|item| Ok((self.recurring_price(item)?, item.quantity()?)))
            .collect::<Result<_, ApiError>>()?;
        let mixed = prices
            .iter()
            .any(|(price, _)| price.recurring != prices[0].0.recurring);
        if mixed {
            return Err(
                ApiError::not_simulated("items with different billing intervals").in_param("items"),
            );
        }
        let item = |(params, (price, quantity)): (&Params, (Price, i64))| {
            let mut metadata = Metadata::new();
            params.merge_metadata(&mut metadata);
            Item {
                id: self.ids.make("si_"),
                created: now,
                metadata,
                price,
                quantity,
            }
        };
        Ok(wanted.iter().zip(prices).map(item).collect())
    }

    /// `items[…]` of an update: swapped prices, quantities, additions and removals.
    pub(super) fn changed_items(
        &mut self,
        params: &Params,
        items: &[Item],
        now: i64,
    ) -> Result<Vec<Item>, ApiError> {
        let mut items = items.to_vec();
        for wanted in params.list("items") {
            let Some(id) = wanted.text("id") else {
                let (price, quantity) = (self.recurring_price(&wanted)?, wanted.quantity()?);
                let id = self.ids.make("si_");
                items.push(Item {
                    id,
                    created: now,
                    metadata: Metadata::new(),
                    price,
                    quantity,
                });
                continue;
            };
            let Some(at) = items.iter().position(|item| item.id == id) else {
                return Err(
                    ApiError::resource_missing("subscription_item", id).in_param("items[id]")
                );
            };
            if wanted.flag("deleted")? == Some(true) {
                items.remove(at);
                continue;
            }
            if wanted.has("price") {
                items[at].price = self.recurring_price(&wanted)?;
            }
            if wanted.has("quantity") {
                items[at].quantity = wanted.quantity()?;
            }
            wanted.merge_metadata(&mut items[at].metadata);
        }
        if items.is_empty() {
            return Err(
                ApiError::refused("A subscription must have at least one active item.")
                    .in_param("items"),
            );
        }
        if items
            .iter()
            .any(|item| item.price.recurring != items[0].price.recurring)
        {
            return Err(
                ApiError::not_simulated("items with different billing intervals").in_param("items"),
            );
        }
        Ok(items)
    }

    /// Items show their price as it is now.
    pub(in crate::simulator) fn show_price(&mut self, price: &Price) {
        let has = |subscription: &&Subscription| {
            let mut items = subscription.items.iter();
            items.any(|item| item.price.id() == price.id())
        };
        let holders: Vec<Subscription> = self.subscriptions.iter().filter(has).cloned().collect();
        for mut subscription in holders {
            for item in &mut subscription.items {
                if item.price.id() == price.id() {
                    item.price = price.clone();
                }
            }
            self.subscriptions.put(subscription);
        }
    }

    fn recurring_price(&self, item: &Params) -> Result<Price, ApiError> {
        if item.has("price_data") {
            return Err(
                ApiError::not_simulated("price_data in subscription items").in_param("items")
            );
        }
        let id = item.required("price")?;
        let price = self
            .prices
            .find(id)
            .map_err(|error| error.in_param("items[price]"))?;
        if !price.active {
            let message = "The price is inactive; only active ones are taken.";
            return Err(ApiError::refused(message).in_param("items[price]"));
        }
        if price.recurring.is_none() {
            let message =
                "The price is of type one_time; a subscription takes only recurring ones.";
            return Err(ApiError::refused(message).in_param("items"));
        }
        Ok(price.clone())
    }
}
