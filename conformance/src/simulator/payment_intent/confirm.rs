//! `POST /v1/payment_intents/:id/confirm`, by a server or, with the client secret, by a browser.

use serde_json::Value;

use super::{PaymentIntent, State};
use crate::simulator::call::Call;
use crate::simulator::error::ApiError;
use crate::simulator::form::Params;
use crate::simulator::invoice::Attempt;
use crate::simulator::object::Object;
use crate::simulator::payment_method::PaymentMethod;
use crate::simulator::world::World;

/// `GET /v1/payment_intents/:id`
pub(in crate::simulator) fn retrieve(
    world: &World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    let intent = world.payment_intents.find(id)?;
    intent.check_secret(&call.params)?;
    Ok(intent.render(call.shape))
}

/// A decline is 402, and the intent can be tried again.
pub(in crate::simulator) fn confirm(
    world: &mut World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    let params = &call.params;
    let intent = world.payment_intents.find(id)?.clone();
    intent.check_secret(params)?;
    if matches!(intent.state, State::Succeeded | State::Canceled(_)) {
        let message = format!(
            "You cannot confirm this PaymentIntent because it has a status of {}.",
            intent.status()
        );
        return Err(
            ApiError::invalid("payment_intent_unexpected_state", message)
                .with_detail("payment_intent", intent.render(call.shape)),
        );
    }
    let method = world.method_to_confirm(&intent, params)?;
    let return_url = params.text("return_url").map(str::to_owned);
    match &intent.invoice {
        Some(invoice) => {
            world.attempt(
                invoice,
                Some(&method),
                Attempt::OnSession(return_url),
                call.shape,
            )?;
        }
        None => drop(world.charge_intent(id, &method, return_url, call.shape)?),
    }
    Ok(world.payment_intents.find(id)?.render(call.shape))
}

impl PaymentIntent {
    /// The client secret, where it was sent, must be this intent's.
    fn check_secret(&self, params: &Params) -> Result<(), ApiError> {
        match params.text("client_secret") {
            Some(secret) if secret != self.client_secret => Err(ApiError::refused(
                "The client_secret is not the one of this PaymentIntent.",
            )
            .in_param("client_secret")),
            _ => Ok(()),
        }
    }
}

impl World {
    /// The card that a request names, else the one that is on file.
    fn method_to_confirm(
        &mut self,
        intent: &PaymentIntent,
        params: &Params,
    ) -> Result<PaymentMethod, ApiError> {
        let data = params.group("payment_method_data");
        if !data.is_empty() {
            return self.make_method(&data);
        }
        if let Some(id) = params.text("payment_method") {
            let method = self
                .method_or_magic(id)
                .map_err(|error| error.in_param("payment_method"))?;
            if !method.is_usable_by(intent.customer()) {
                let message =
                    "The payment method belongs to another customer, or can't be used again.";
                return Err(ApiError::refused(message).in_param("payment_method"));
            }
            self.payment_methods.put(method.clone());
            return Ok(method);
        }
        let on_file = match &intent.invoice {
            Some(invoice) => self.card_of_invoice(self.invoices.find(invoice)?)?,
            None => None,
        };
        on_file.ok_or_else(|| {
            let message =
                "You cannot confirm this PaymentIntent because it's missing a payment method.";
            ApiError::invalid("payment_intent_unexpected_state", message)
        })
    }
}
