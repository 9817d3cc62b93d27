//! Invoices: what they are and how both API shapes show them.

use serde_json::{Value, json};

use super::coupon::Discount;
use super::form::Metadata;
use super::object::Object;
use super::shape::Shape;
use super::shelf::Shelf;
use super::world::World;

mod close;
mod draft;
mod line;
mod payment;
mod request;

pub(super) use line::Line;
pub(super) use payment::Attempt;
pub(super) use request::{create, finalize, list, mark_uncollectible, pay, update, void};

/// Where an invoice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Draft,
    Open,
    Paid,
    Uncollectible,
    Void,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Uncollectible => "uncollectible",
            Self::Void => "void",
        }
    }
}

/// Why an invoice was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BillingReason {
    Manual,
    SubscriptionCreate,
    SubscriptionCycle,
    SubscriptionUpdate,
}

impl BillingReason {
    fn name(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::SubscriptionCreate => "subscription_create",
            Self::SubscriptionCycle => "subscription_cycle",
            Self::SubscriptionUpdate => "subscription_update",
        }
    }
}

/// When an invoice passed from one status to the next.
#[derive(Clone, Copy, Debug, Default)]
struct Transitions {
    finalized_at: Option<i64>,
    marked_uncollectible_at: Option<i64>,
    paid_at: Option<i64>,
    voided_at: Option<i64>,
}

#[derive(Clone, Debug)]
pub(super) struct Invoice {
    id: String,
    created: i64,
    clock: Option<String>,
    customer: String,
    customer_email: Option<String>,
    customer_name: Option<String>,
    pub(super) subscription: Option<String>,
    subscription_metadata: Metadata,
    billing_reason: BillingReason,
    status: Status,
    lines: Vec<Line>,
    currency: String,
    /// What was taken off, and by which discount.
    discount: Option<(Discount, i64)>,
    amount_paid: i64,
    /// The customer's balance before and after this invoice; a credit is below zero.
    starting_balance: i64,
    ending_balance: Option<i64>,
    attempt_count: u32,
    attempted: bool,
    pub(super) auto_advance: bool,
    finalizes_at: Option<i64>,
    next_payment_attempt: Option<i64>,
    default_payment_method: Option<String>,
    description: Option<String>,
    metadata: Metadata,
    number: Option<String>,
    pub(super) payment_intent: Option<String>,
    period_start: i64,
    period_end: i64,
    transitions: Transitions,
}

impl Invoice {
    fn subtotal(&self) -> i64 {
        self.lines.iter().map(|line| line.amount).sum()
    }

    pub(super) fn total(&self) -> i64 {
        self.subtotal() - self.discount.as_ref().map_or(0, |(_, off)| *off)
    }

    pub(super) fn discount(&self) -> Option<&Discount> {
        self.discount.as_ref().map(|(discount, _)| discount)
    }

    pub(super) fn is_discounted(&self) -> bool {
        self.discount.is_some()
    }

    pub(super) fn created(&self) -> i64 {
        self.created
    }

    pub(super) fn currency(&self) -> &str {
        &self.currency
    }

    pub(super) fn status_name(&self) -> &'static str {
        self.status.name()
    }

    pub(super) fn is_draft(&self) -> bool {
        self.status == Status::Draft
    }

    pub(super) fn is_paid(&self) -> bool {
        self.status == Status::Paid
    }

    /// What is left of the total once the customer's balance is reckoned in.
    pub(super) fn amount_due(&self) -> i64 {
        (self.total() + self.starting_balance).max(0)
    }

    fn amount_remaining(&self) -> i64 {
        self.amount_due() - self.amount_paid
    }

    /// `payments`, which the newer shape shows when asked.
    pub(super) fn render_payments(&self) -> Value {
        let payment = |intent: &String| {
            let paid = self.status == Status::Paid;
            let status = match self.status {
                Status::Paid => "paid",
                Status::Void => "canceled",
                _ => "open",
            };
            json!({
                "id": intent.replacen("pi_", "inpay_", 1),
                "object": "invoice_payment",
                "amount_paid": paid.then_some(self.amount_paid),
                "amount_requested": self.amount_due(),
                "created": self.transitions.finalized_at,
                "currency": self.currency,
                "invoice": self.id,
                "is_default": true,
                "livemode": false,
                "payment": { "payment_intent": intent, "type": "payment_intent" },
                "status": status,
            })
        };
        let payments: Vec<Value> = self.payment_intent.iter().map(payment).collect();
        json!({
            "object": "list",
            "data": payments,
            "has_more": false,
            "url": "/v1/invoice_payments",
        })
    }

    /// What differs between the shapes: how the subscription and the payment are named.
    fn render_links(&self, invoice: &mut Value, shape: Shape) {
        match shape {
            Shape::Legacy => {
                invoice["charge"] = Value::Null;
                let discount = self.discount.as_ref();
                invoice["discount"] = discount.map(|(discount, _)| discount.render(shape)).into();
                invoice["paid"] = (self.status == Status::Paid).into();
                invoice["payment_intent"] = self.payment_intent.clone().into();
                invoice["subscription"] = self.subscription.clone().into();
                invoice["subscription_details"] = json!({ "metadata": self.subscription_metadata });
            }
            Shape::Basil => {
                invoice["parent"] =
                    self.subscription
                        .as_ref()
                        .map_or(Value::Null, |subscription| {
                            json!({
                                "quote_details": null,
                                "subscription_details": {
                                    "metadata": self.subscription_metadata,
                                    "subscription": subscription,
                                },
                                "type": "subscription_details",
                            })
                        });
            }
        }
    }
}

impl Object for Invoice {
    const NOUN: &'static str = "invoice";

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
        &mut world.invoices
    }

    fn render(&self, shape: Shape) -> Value {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| line.render(self, shape))
            .collect();
        let discounted: Vec<Value> = self
            .discount
            .iter()
            .map(|(discount, off)| json!({ "amount": off, "discount": discount.id }))
            .collect();
        let total = self.total();
        let mut invoice = json!({
            "id": self.id,
            "object": "invoice",
            "account_country": "US",
            "amount_due": self.amount_due(),
            "amount_paid": self.amount_paid,
            "amount_remaining": self.amount_remaining(),
            "attempt_count": self.attempt_count,
            "attempted": self.attempted,
            "auto_advance": self.auto_advance,
            "automatic_tax": { "enabled": false, "liability": null, "status": null },
            "automatically_finalizes_at": self.finalizes_at,
            "billing_reason": self.billing_reason.name(),
            "collection_method": "charge_automatically",
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_email": self.customer_email,
            "customer_name": self.customer_name,
            "default_payment_method": self.default_payment_method,
            "description": self.description,
            "discounts": self.discount.iter().map(|(discount, _)| &discount.id).collect::<Vec<_>>(),
            "due_date": null,
            "effective_at": self.transitions.finalized_at,
            "ending_balance": self.ending_balance,
            "hosted_invoice_url": null,
            "invoice_pdf": null,
            "lines": {
                "object": "list",
                "data": lines,
                "has_more": false,
                "total_count": lines.len(),
                "url": format!("/v1/invoices/{}/lines", self.id),
            },
            "livemode": false,
            "metadata": self.metadata,
            "next_payment_attempt": self.next_payment_attempt.or(self.finalizes_at),
            "number": self.number,
            "period_end": self.period_end,
            "period_start": self.period_start,
            "starting_balance": self.starting_balance,
            "status": self.status.name(),
            "status_transitions": {
                "finalized_at": self.transitions.finalized_at,
                "marked_uncollectible_at": self.transitions.marked_uncollectible_at,
                "paid_at": self.transitions.paid_at,
                "voided_at": self.transitions.voided_at,
            },
            "subtotal": self.subtotal(),
            "test_clock": self.clock,
            "total": total,
            "total_discount_amounts": discounted,
        });
        self.render_links(&mut invoice, shape);
        invoice
    }
}
