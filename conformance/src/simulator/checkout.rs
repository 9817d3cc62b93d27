//! Checkout: sessions in payment and subscription mode, and what a customer's payment makes of them.
//!
//! A session is open until it is paid, expired by request, or 24 hours old. Its page is
//! [`page/checkout`](super::page); the Stripe CLI confirms it through `/v1/payment_pages` instead.

use serde_json::{Value, json};

use super::coupon::Coupon;
use super::form::{Metadata, Params};
use super::object::Object;
use super::price::Price;
use super::shape::Shape;
use super::shelf::Shelf;
use super::world::World;

mod complete;
mod create;
mod request;

pub(super) use create::create;
pub(super) use request::{confirm, expire, line_items, list, page};

/// What a session sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Payment,
    Subscription,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Subscription => "subscription",
        }
    }
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Open,
    Complete,
    Expired,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Expired => "expired",
        }
    }
}

/// So many of a price.
#[derive(Clone, Debug)]
pub(super) struct LineItem {
    id: String,
    pub(super) price: Price,
    pub(super) quantity: i64,
    /// Of the product.
    pub(super) description: String,
}

impl LineItem {
    pub(super) fn amount(&self) -> i64 {
        self.price.unit_amount.saturating_mul(self.quantity)
    }

    fn render(&self, shape: Shape) -> Value {
        json!({
            "id": self.id,
            "object": "item",
            "amount_discount": 0,
            "amount_subtotal": self.amount(),
            "amount_tax": 0,
            "amount_total": self.amount(),
            "currency": self.price.currency,
            "description": self.description,
            "price": self.price.render(shape),
            "quantity": self.quantity,
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    id: String,
    created: i64,
    clock: Option<String>,
    pub(super) mode: Mode,
    pub(super) status: Status,
    pub(super) customer: Option<String>,
    pub(super) customer_email: Option<String>,
    client_reference_id: Option<String>,
    pub(super) success_url: Option<String>,
    pub(super) cancel_url: Option<String>,
    expires_at: i64,
    metadata: Metadata,
    pub(super) items: Vec<LineItem>,
    amount_subtotal: i64,
    pub(super) amount_total: i64,
    /// Taken off.
    coupon: Option<Coupon>,
    pub(super) currency: String,
    shipping: Option<Value>,
    /// What the subscription is made with, besides the items.
    subscription_data: Params,
    /// Where a browser pays.
    url: String,
    /// Of who paid.
    billing_details: Option<Value>,
    payment_intent: Option<String>,
    subscription: Option<String>,
    invoice: Option<String>,
}

impl Object for Session {
    const NOUN: &'static str = "checkout.session";

    fn id(&self) -> &str {
        &self.id
    }

    fn clock(&self) -> Option<&str> {
        self.clock.as_deref()
    }

    fn customer(&self) -> Option<&str> {
        self.customer.as_deref()
    }

    fn shelf(world: &mut World) -> &mut Shelf<Self> {
        &mut world.sessions
    }

    fn render(&self, _: Shape) -> Value {
        let makes_customer = self.mode == Mode::Payment && self.customer.is_none();
        json!({
            "id": self.id,
            "object": "checkout.session",
            "amount_subtotal": self.amount_subtotal,
            "amount_total": self.amount_total,
            "automatic_tax": { "enabled": false, "liability": null, "status": null },
            "cancel_url": self.cancel_url,
            "client_reference_id": self.client_reference_id,
            "client_secret": null,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_creation": makes_customer.then_some("if_required"),
            "customer_details": self.customer_details(),
            "customer_email": self.customer_email,
            "expires_at": self.expires_at,
            "invoice": self.invoice,
            "livemode": false,
            "locale": null,
            "metadata": self.metadata,
            "mode": self.mode.name(),
            "payment_intent": self.payment_intent,
            "payment_link": null,
            "payment_method_types": ["card"],
            "payment_status": self.payment_status(),
            "setup_intent": null,
            "status": self.status.name(),
            "subscription": self.subscription,
            "success_url": self.success_url,
            "total_details": { "amount_discount": self.amount_subtotal - self.amount_total, "amount_shipping": 0, "amount_tax": 0 },
            "ui_mode": "hosted",
            "url": (self.status == Status::Open).then_some(&self.url),
        })
    }
}

impl Session {
    fn payment_status(&self) -> &'static str {
        if self.amount_total == 0 {
            "no_payment_required"
        } else if self.status == Status::Complete {
            "paid"
        } else {
            "unpaid"
        }
    }

    fn customer_details(&self) -> Value {
        if self.status != Status::Complete {
            return Value::Null;
        }
        let billing = self.billing_details.as_ref();
        let given = |name: &str| billing.and_then(|billing| billing.get(name)).cloned();
        json!({
            "address": given("address"),
            "email": given("email").or(self.customer_email.clone().map(Value::from)),
            "name": given("name"),
            "phone": given("phone"),
            "tax_exempt": "none",
            "tax_ids": [],
        })
    }

    /// `line_items`, which is shown when asked for.
    pub(super) fn render_line_items(&self, shape: Shape) -> Value {
        let items: Vec<Value> = self.items.iter().map(|item| item.render(shape)).collect();
        json!({
            "object": "list",
            "data": items,
            "has_more": false,
            "url": format!("/v1/checkout/sessions/{}/line_items", self.id),
        })
    }

    /// Where the browser goes after it paid.
    pub(super) fn after_success(&self) -> Option<String> {
        let template = self.success_url.as_ref()?;
        Some(template.replace("{CHECKOUT_SESSION_ID}", &self.id))
    }
}
