//! The lines of an invoice.

use serde_json::{Value, json};

use super::Invoice;
use crate::simulator::invoice_item::{InvoiceItem, pricing};
use crate::simulator::object::Object;
use crate::simulator::price::Price;
use crate::simulator::shape::Shape;
use crate::simulator::subscription::{Item, Subscription};

/// What a line was made from.
#[derive(Clone, Debug)]
enum Origin {
    Item {
        id: String,
        subscription: Option<String>,
        subscription_item: Option<String>,
    },
    Subscription {
        id: String,
        item: String,
    },
}

#[derive(Clone, Debug)]
pub(in crate::simulator) struct Line {
    id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    description: Option<String>,
    period: (i64, i64),
    quantity: i64,
    price: Option<Price>,
    origin: Origin,
}

impl Line {
    pub(super) fn of_subscription(
        id: String,
        subscription: &Subscription,
        item: &Item,
        free: bool,
    ) -> Self {
        Self {
            id,
            amount: if free { 0 } else { item.amount() },
            currency: item.price.currency.clone(),
            description: free.then(|| "Trial period".to_owned()),
            period: (subscription.period_start, subscription.period_end),
            quantity: item.quantity,
            price: Some(item.price.clone()),
            origin: Origin::Subscription {
                id: subscription.id().to_owned(),
                item: item.id.clone(),
            },
        }
    }

    pub(super) fn of_item(id: String, item: &InvoiceItem) -> Self {
        Self {
            id,
            amount: item.amount,
            currency: item.currency.clone(),
            description: item.description.clone(),
            period: item.period(),
            quantity: item.quantity,
            price: item.price.clone(),
            origin: Origin::Item {
                id: item.id().to_owned(),
                subscription: item.subscription().map(str::to_owned),
                subscription_item: item
                    .waiting
                    .as_ref()
                    .map(|waiting| waiting.subscription_item.clone()),
            },
        }
    }

    pub(super) fn render(&self, invoice: &Invoice, shape: Shape) -> Value {
        let mut line = json!({
            "id": self.id,
            "object": "line_item",
            "amount": self.amount,
            "currency": self.currency,
            "description": self.description,
            "discountable": true,
            "discounts": [],
            "invoice": invoice.id,
            "livemode": false,
            "metadata": {},
            "period": { "end": self.period.1, "start": self.period.0 },
            "quantity": self.quantity,
        });
        match shape {
            Shape::Legacy => self.render_legacy_origin(&mut line),
            Shape::Basil => {
                line["parent"] = self.parent();
                line["pricing"] = pricing(self.price.as_ref(), self.amount);
            }
        }
        line
    }

    /// A subscription's period, rather than something that waited for the invoice.
    pub(super) fn is_of_period(&self) -> bool {
        matches!(self.origin, Origin::Subscription { .. })
    }

    /// Only prorations are items of a subscription.
    fn is_proration(&self) -> bool {
        matches!(
            &self.origin,
            Origin::Item {
                subscription: Some(_),
                ..
            }
        )
    }

    fn render_legacy_origin(&self, line: &mut Value) {
        line["price"] = self
            .price
            .as_ref()
            .map(|price| price.render(Shape::Legacy))
            .into();
        line["proration"] = self.is_proration().into();
        match &self.origin {
            Origin::Item {
                id,
                subscription,
                subscription_item,
            } => {
                line["invoice_item"] = id.as_str().into();
                line["subscription"] = json!(subscription);
                if let Some(item) = subscription_item {
                    line["subscription_item"] = item.as_str().into();
                }
                line["type"] = "invoiceitem".into();
            }
            Origin::Subscription { id, item } => {
                line["subscription"] = id.as_str().into();
                line["subscription_item"] = item.as_str().into();
                line["type"] = "subscription".into();
            }
        }
    }

    fn parent(&self) -> Value {
        match &self.origin {
            Origin::Item {
                id, subscription, ..
            } => json!({
                "invoice_item_details": {
                    "invoice_item": id,
                    "proration": self.is_proration(),
                    "proration_details": null,
                    "subscription": subscription,
                },
                "subscription_item_details": null,
                "type": "invoice_item_details",
            }),
            Origin::Subscription { id, item } => json!({
                "invoice_item_details": null,
                "subscription_item_details": {
                    "invoice_item": null,
                    "proration": false,
                    "proration_details": null,
                    "subscription": id,
                    "subscription_item": item,
                },
                "type": "subscription_item_details",
            }),
        }
    }
}
