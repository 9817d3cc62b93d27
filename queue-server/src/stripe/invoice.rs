//! Invoices.

use billing_core::id::InvoiceId;
use serde::Deserialize;

use super::call::Call;
use super::{Answer, Key, Reference, Stripe, StripeError};

/// An invoice, as far as it is looked at here. Fields that only come when they are asked for are absent otherwise.
#[derive(Debug, Clone, Deserialize)]
pub struct StripeInvoice {
    /// `id`.
    pub id: InvoiceId,
    /// What a browser needs to pay it; since 2025-03-31.
    #[serde(default)]
    confirmation_secret: Option<ConfirmationSecret>,
    /// The same before.
    #[serde(default)]
    payment_intent: Option<Reference<String, ConfirmationSecret>>,
}

#[derive(Clone, Deserialize)]
struct ConfirmationSecret {
    client_secret: Option<String>,
}

// Whoever knows it can pay the invoice, and see what it is.
impl std::fmt::Debug for ConfirmationSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ConfirmationSecret(***)")
    }
}

impl StripeInvoice {
    /// What a browser needs to pay it, in either shape.
    #[must_use]
    pub fn client_secret(&self) -> Option<&str> {
        let older = match &self.payment_intent {
            Some(Reference::Expanded(intent)) => Some(intent.as_ref()),
            Some(Reference::Id(_)) | None => None,
        };
        let secret = self.confirmation_secret.as_ref().or(older)?;
        secret.client_secret.as_deref()
    }
}

impl Stripe {
    /// Reads an invoice.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn invoice(&self, id: &InvoiceId) -> Result<Answer<StripeInvoice>, StripeError> {
        self.send(Call::get("invoices.retrieve", &["invoices", id.as_str()]))
            .await
    }

    /// Voids an open invoice. Stripe refuses one that is paid.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn void_invoice(
        &self,
        id: &InvoiceId,
        key: Key,
    ) -> Result<Answer<StripeInvoice>, StripeError> {
        let path = ["invoices", id.as_str(), "void"];
        self.send(Call::post("invoices.void", &path, key)).await
    }
}
