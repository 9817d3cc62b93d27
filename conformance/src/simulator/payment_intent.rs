//! Payment intents: one attempt after another to collect an amount.

use serde_json::{Value, json};

use super::card::Decline;
use super::error::ApiError;
use super::object::Object;
use super::payment_method::PaymentMethod;
use super::shape::Shape;
use super::shelf::Shelf;
use super::world::World;

#[derive(Clone, Debug)]
pub(super) struct PaymentIntent {
    id: String,
    created: i64,
    clock: Option<String>,
    customer: Option<String>,
    amount: i64,
    currency: String,
    invoice: Option<String>,
    payment_method: Option<String>,
    succeeded: bool,
    canceled_at: Option<i64>,
    last_payment_error: Option<Decline>,
    pub(super) shipping: Option<Value>,
}

impl Object for PaymentIntent {
    const NOUN: &'static str = "payment_intent";

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
        &mut world.payment_intents
    }

    fn render(&self, shape: Shape) -> Value {
        let error = self.last_payment_error.as_ref().map(|decline| {
            json!({
                "code": decline.code,
                "decline_code": decline.decline_code,
                "message": decline.message,
                "type": "card_error",
            })
        });
        let mut intent = json!({
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": 0,
            "amount_received": if self.succeeded { self.amount } else { 0 },
            "canceled_at": self.canceled_at,
            "cancellation_reason": null,
            "capture_method": "automatic",
            "client_secret": format!("{}_secret_simulated", self.id),
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "description": null,
            "last_payment_error": error,
            "latest_charge": null,
            "livemode": false,
            "metadata": {},
            "next_action": null,
            "payment_method": self.payment_method,
            "payment_method_types": ["card"],
            "receipt_email": null,
            "setup_future_usage": null,
            "shipping": self.shipping,
            "status": self.status(),
        });
        if shape == Shape::Legacy {
            intent["invoice"] = json!(self.invoice);
        }
        intent
    }
}

impl PaymentIntent {
    fn status(&self) -> &'static str {
        if self.succeeded {
            "succeeded"
        } else if self.canceled_at.is_some() {
            "canceled"
        } else {
            "requires_payment_method"
        }
    }
}

/// What a payment intent is made for.
pub(super) struct Purpose {
    pub(super) customer: Option<String>,
    pub(super) clock: Option<String>,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) invoice: Option<String>,
}

impl World {
    pub(super) fn open_payment_intent(&mut self, purpose: Purpose) -> PaymentIntent {
        let intent = PaymentIntent {
            id: self.ids.make("pi_"),
            created: self.now(purpose.clock.as_deref()),
            clock: purpose.clock,
            customer: purpose.customer,
            amount: purpose.amount,
            currency: purpose.currency,
            invoice: purpose.invoice,
            payment_method: None,
            succeeded: false,
            canceled_at: None,
            last_payment_error: None,
            shipping: None,
        };
        self.payment_intents.put(intent.clone());
        intent
    }

    /// Charges the card. A decline is recorded, announced, and returned as Stripe's 402.
    pub(super) fn confirm_payment_intent(
        &mut self,
        id: &str,
        method: &PaymentMethod,
        shape: Shape,
    ) -> Result<(), ApiError> {
        let mut intent = self.payment_intents.find(id)?.clone();
        let charged = method.card.charge();
        intent.succeeded = charged.is_ok();
        intent.last_payment_error = charged.as_ref().err().cloned();
        intent.payment_method = charged.is_ok().then(|| method.id().to_owned());
        self.payment_intents.put(intent.clone());
        match charged {
            Ok(()) => {
                self.announce("payment_intent.succeeded", &intent);
                Ok(())
            }
            Err(decline) => {
                self.announce("payment_intent.payment_failed", &intent);
                Err(ApiError::card(&decline)
                    .with_detail("payment_intent", intent.render(shape))
                    .with_detail("payment_method", method.render(shape)))
            }
        }
    }

    /// The invoice was voided: nothing is to be collected any more.
    pub(super) fn cancel_payment_intent(&mut self, id: &str) -> Result<(), ApiError> {
        let mut intent = self.payment_intents.find(id)?.clone();
        intent.canceled_at = Some(self.now(intent.clock()));
        self.payment_intents.put(intent);
        Ok(())
    }
}
