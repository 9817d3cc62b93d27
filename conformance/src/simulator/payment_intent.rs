//! Payment intents: one attempt after another to collect an amount.
//!
//! A card that asks for 3-D Secure leaves an intent at `requires_action`, with the address of a page on which the
//! customer completes it. The client secret is what a browser proves with that it may confirm this intent.

use serde_json::{Value, json};

use super::card::{Charge, Decline};
use super::error::ApiError;
use super::object::Object;
use super::payment_method::PaymentMethod;
use super::shape::Shape;
use super::shelf::Shelf;
use super::world::World;

mod authentication;
mod confirm;

pub(super) use confirm::{confirm, retrieve};

/// Where a payment intent stands.
#[derive(Clone, Debug, PartialEq)]
enum State {
    RequiresPaymentMethod,
    /// The customer has to authenticate the payment; then it goes on to `return_url`.
    RequiresAction {
        return_url: Option<String>,
    },
    Succeeded,
    Canceled(i64),
}

#[derive(Clone, Debug)]
pub(super) struct PaymentIntent {
    id: String,
    created: i64,
    clock: Option<String>,
    customer: Option<String>,
    amount: i64,
    currency: String,
    invoice: Option<String>,
    /// The card stays with the customer once it has paid.
    for_future: bool,
    pub(super) payment_method: Option<String>,
    state: State,
    pub(super) client_secret: String,
    /// Where 3-D Secure is completed.
    authentication_url: String,
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
        let received = if self.state == State::Succeeded {
            self.amount
        } else {
            0
        };
        let canceled_at = match self.state {
            State::Canceled(at) => Some(at),
            _ => None,
        };
        let mut intent = json!({
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": 0,
            "amount_received": received,
            "canceled_at": canceled_at,
            "cancellation_reason": null,
            "capture_method": "automatic",
            "client_secret": self.client_secret,
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "description": null,
            "last_payment_error": self.last_payment_error.as_ref().map(Decline::render),
            "latest_charge": null,
            "livemode": false,
            "metadata": {},
            "next_action": self.next_action(),
            "payment_method": self.payment_method,
            "payment_method_types": ["card"],
            "receipt_email": null,
            "setup_future_usage": self.for_future.then_some("off_session"),
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
        match self.state {
            State::RequiresPaymentMethod => "requires_payment_method",
            State::RequiresAction { .. } => "requires_action",
            State::Succeeded => "succeeded",
            State::Canceled(_) => "canceled",
        }
    }

    fn next_action(&self) -> Value {
        let url = &self.authentication_url;
        match &self.state {
            State::RequiresAction {
                return_url: Some(return_url),
            } => json!({
                "redirect_to_url": { "return_url": return_url, "url": url },
                "type": "redirect_to_url",
            }),
            State::RequiresAction { return_url: None } => json!({
                "type": "use_stripe_sdk",
                "use_stripe_sdk": { "stripe_js": url, "type": "three_d_secure_redirect" },
            }),
            _ => Value::Null,
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
    pub(super) for_future: bool,
}

/// What an attempt at a payment came to, when it was not declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charged {
    Paid,
    /// It waits for the customer.
    Challenged,
}

impl World {
    pub(super) fn open_payment_intent(&mut self, purpose: Purpose) -> PaymentIntent {
        let id = self.ids.make("pi_");
        let client_secret = format!("{id}_secret_{}", self.ids.make_secret());
        let intent = PaymentIntent {
            created: self.now(purpose.clock.as_deref()),
            clock: purpose.clock,
            customer: purpose.customer,
            amount: purpose.amount,
            currency: purpose.currency,
            invoice: purpose.invoice,
            for_future: purpose.for_future,
            payment_method: None,
            state: State::RequiresPaymentMethod,
            authentication_url: format!("{}/3ds/{client_secret}", self.rules.base_url),
            client_secret,
            last_payment_error: None,
            shipping: None,
            id,
        };
        self.payment_intents.put(intent.clone());
        intent
    }

    /// Charges the card. A decline is recorded, announced, and returned as Stripe's 402.
    pub(super) fn charge_intent(
        &mut self,
        id: &str,
        method: &PaymentMethod,
        return_url: Option<String>,
        shape: Shape,
    ) -> Result<Charged, ApiError> {
        let mut intent = self.payment_intents.find(id)?.clone();
        match method.charge() {
            Charge::Paid => {
                self.keep_for_future(&intent, method)?;
                intent.state = State::Succeeded;
                intent.last_payment_error = None;
                intent.payment_method = Some(method.id().to_owned());
                self.payment_intents.put(intent.clone());
                self.announce("payment_intent.succeeded", &intent);
                Ok(Charged::Paid)
            }
            Charge::Challenged => {
                intent.state = State::RequiresAction { return_url };
                intent.last_payment_error = None;
                intent.payment_method = Some(method.id().to_owned());
                self.payment_intents.put(intent.clone());
                self.announce("payment_intent.requires_action", &intent);
                Ok(Charged::Challenged)
            }
            Charge::Declined(decline) => {
                let intent = self.fail_intent(intent, decline.clone());
                Err(ApiError::card(&decline)
                    .with_detail("payment_intent", intent.render(shape))
                    .with_detail("payment_method", method.render(shape)))
            }
        }
    }

    /// It waits for another card.
    fn fail_intent(&mut self, mut intent: PaymentIntent, why: Decline) -> PaymentIntent {
        intent.state = State::RequiresPaymentMethod;
        intent.payment_method = None;
        intent.last_payment_error = Some(why);
        self.payment_intents.put(intent.clone());
        self.announce("payment_intent.payment_failed", &intent);
        intent
    }

    /// A card that paid for something recurring stays with the customer.
    fn keep_for_future(
        &mut self,
        intent: &PaymentIntent,
        method: &PaymentMethod,
    ) -> Result<(), ApiError> {
        if let Some(customer) = intent.customer.as_deref().filter(|_| intent.for_future)
            && method.customer().is_none()
        {
            let customer = self.living_customer(customer)?;
            let attached = self.put_payment_method_on(method.id(), &customer)?;
            self.announce("payment_method.attached", &attached);
        }
        Ok(())
    }

    /// The invoice was voided: nothing is to be collected any more.
    pub(super) fn cancel_payment_intent(&mut self, id: &str) -> Result<(), ApiError> {
        let mut intent = self.payment_intents.find(id)?.clone();
        intent.state = State::Canceled(self.now(intent.clock()));
        self.payment_intents.put(intent);
        Ok(())
    }
}
