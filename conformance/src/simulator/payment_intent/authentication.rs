//! 3-D Secure: the customer completes it, or fails to, on the page that `next_action` names.

use super::State;
use crate::simulator::card::Decline;
use crate::simulator::error::ApiError;
use crate::simulator::invoice::Attempt;
use crate::simulator::object::Object;
use crate::simulator::shape::Shape;
use crate::simulator::world::World;

const FAILED: Decline = Decline {
    code: "payment_intent_authentication_failure",
    decline_code: None,
    message: "The payment method failed authentication: try another.",
};

/// A payment that waits for its customer.
pub(in crate::simulator) struct Challenge {
    pub(in crate::simulator) intent: String,
    pub(in crate::simulator) return_url: Option<String>,
}

impl World {
    /// The payment that the secret belongs to, if it waits for authentication.
    pub(in crate::simulator) fn challenge(&self, client_secret: &str) -> Option<Challenge> {
        let id = client_secret.split("_secret_").next()?;
        let intent = self.payment_intents.find(id).ok()?;
        match &intent.state {
            State::RequiresAction { return_url } if intent.client_secret == client_secret => {
                Some(Challenge {
                    intent: intent.id.clone(),
                    return_url: return_url.clone(),
                })
            }
            _ => None,
        }
    }

    /// Ends a challenge: the card is charged, or another is needed.
    pub(in crate::simulator) fn end_challenge(
        &mut self,
        challenge: &Challenge,
        passed: bool,
    ) -> Result<(), ApiError> {
        let intent = self.payment_intents.find(&challenge.intent)?.clone();
        if !passed {
            let failed = self.fail_intent(intent, FAILED);
            if let Some(invoice) = &failed.invoice {
                let invoice = self.invoices.find(invoice)?.clone();
                self.record_failure(&invoice, &Attempt::OnSession(None))?;
            }
            return Ok(());
        }
        let method = intent.payment_method.as_deref().unwrap_or_default();
        let mut method = self.payment_methods.find(method)?.clone();
        method.authenticated = true;
        self.payment_methods.put(method.clone());
        match &intent.invoice {
            Some(invoice) => self.attempt(
                invoice,
                Some(&method),
                Attempt::OnSession(challenge.return_url.clone()),
                Shape::Basil,
            ),
            None => self
                .charge_intent(intent.id(), &method, None, Shape::Basil)
                .map(drop),
        }
    }
}
