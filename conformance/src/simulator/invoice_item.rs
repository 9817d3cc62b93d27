//! Invoice items: amounts that wait for a customer's next invoice.

use serde_json::{Value, json};

use super::call::Call;
use super::error::ApiError;
use super::form::{Metadata, Params};
use super::object::Object;
use super::price::Price;
use super::shape::Shape;
use super::shelf::Shelf;
use super::subscription::{Item, Subscription};
use super::world::World;

/// What a proration belongs to, and which part of the period it is for.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) subscription: String,
    pub(super) subscription_item: String,
    pub(super) period: (i64, i64),
}

#[derive(Clone, Debug)]
pub(super) struct InvoiceItem {
    id: String,
    pub(super) date: i64,
    clock: Option<String>,
    customer: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) quantity: i64,
    pub(super) price: Option<Price>,
    pub(super) description: Option<String>,
    pub(super) invoice: Option<String>,
    /// Of a proration.
    pub(super) waiting: Option<Waiting>,
    metadata: Metadata,
}

impl Object for InvoiceItem {
    const NOUN: &'static str = "invoiceitem";

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
        &mut world.invoice_items
    }

    fn render(&self, shape: Shape) -> Value {
        let mut item = json!({
            "id": self.id,
            "object": "invoiceitem",
            "amount": self.amount,
            "currency": self.currency,
            "customer": self.customer,
            "date": self.date,
            "description": self.description,
            "discountable": true,
            "discounts": [],
            "invoice": self.invoice,
            "livemode": false,
            "metadata": self.metadata,
            "period": { "end": self.period().1, "start": self.period().0 },
            "proration": self.waiting.is_some(),
            "quantity": self.quantity,
            "tax_rates": [],
            "test_clock": self.clock,
        });
        match shape {
            Shape::Legacy => {
                item["price"] = self.price.as_ref().map(|price| price.render(shape)).into();
                item["subscription"] = json!(self.subscription());
            }
            Shape::Basil => {
                item["parent"] = self.parent();
                item["pricing"] = pricing(self.price.as_ref(), self.amount);
            }
        }
        item
    }
}

impl InvoiceItem {
    /// A credit or a charge for the rest of a subscription's period.
    pub(super) fn proration(
        id: String,
        subscription: &Subscription,
        of: &Item,
        amount: i64,
        description: String,
        waiting: Waiting,
        date: i64,
    ) -> Self {
        Self {
            id,
            date,
            clock: subscription.clock().map(str::to_owned),
            customer: subscription.customer.clone(),
            amount,
            currency: of.price.currency.clone(),
            quantity: of.quantity,
            price: Some(of.price.clone()),
            description: Some(description),
            invoice: None,
            waiting: Some(waiting),
            metadata: Metadata::new(),
        }
    }

    pub(super) fn subscription(&self) -> Option<&str> {
        let waiting = self.waiting.as_ref();
        waiting.map(|waiting| waiting.subscription.as_str())
    }

    pub(super) fn period(&self) -> (i64, i64) {
        let waiting = self.waiting.as_ref();
        waiting.map_or((self.date, self.date), |waiting| waiting.period)
    }

    fn parent(&self) -> Value {
        self.waiting.as_ref().map_or(Value::Null, |waiting| {
            json!({
                "subscription_details": {
                    "subscription": waiting.subscription,
                    "subscription_item": waiting.subscription_item,
                },
                "type": "subscription_details",
            })
        })
    }
}

/// How the newer shape names the price of an item or a line.
pub(super) fn pricing(price: Option<&Price>, amount: i64) -> Value {
    let details = price.map(|price| json!({ "price": price.id(), "product": price.product }));
    let unit_amount = price.map_or(amount, |price| price.unit_amount);
    json!({
        "price_details": details,
        "type": "price_details",
        "unit_amount_decimal": unit_amount.to_string(),
    })
}

/// `POST /v1/invoiceitems`: an amount and a currency, or a one-off price.
pub(super) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let customer = world.customer_in(params)?;
    if params.has("subscription") || params.has("invoice") {
        return Err(ApiError::not_simulated(
            "invoice items for a chosen invoice or subscription",
        ));
    }
    let quantity = params.quantity()?;
    let price = chosen_price(world, params)?;
    let (amount, currency) = match &price {
        Some(price) => (
            price.unit_amount.saturating_mul(quantity),
            price.currency.clone(),
        ),
        None => (
            params.required_amount("amount")?,
            params.text("currency").unwrap_or("usd").to_owned(),
        ),
    };
    let mut item = InvoiceItem {
        id: world.ids.make("ii_"),
        date: world.now(customer.clock()),
        clock: customer.clock().map(str::to_owned),
        customer: customer.id().to_owned(),
        amount,
        currency,
        quantity,
        price,
        description: params.text("description").map(str::to_owned),
        invoice: None,
        waiting: None,
        metadata: Metadata::new(),
    };
    params.merge_metadata(&mut item.metadata);
    world.invoice_items.put(item.clone());
    world.announce("invoiceitem.created", &item);
    Ok(item.render(call.shape))
}

/// `price=…` as it was, `pricing[price]=…` as it is.
fn chosen_price(world: &World, params: &Params) -> Result<Option<Price>, ApiError> {
    let pricing = params.group("pricing");
    let Some(id) = params.text("price").or(pricing.text("price")) else {
        return Ok(None);
    };
    let price = world
        .prices
        .find(id)
        .map_err(|error| error.in_param("price"))?;
    Ok(Some(price.clone()))
}
