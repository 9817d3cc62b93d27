//! Products.

use serde::Deserialize;

use super::call::Call;
use super::{Answer, Key, Stripe, StripeError};

/// A product, as far as it is looked at here.
#[derive(Debug, Clone, Deserialize)]
pub struct Product {
    /// `id`.
    pub id: String,
}

impl Stripe {
    /// Reads a product, if it is there. Its id may be chosen by whoever makes it.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn product(&self, id: &str) -> Result<Option<Product>, StripeError> {
        let call = Call::get("products.retrieve", &["products", id]);
        match self.send(call).await {
            Ok(answer) => Ok(Some(answer.object)),
            Err(StripeError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a product.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn create_product(
        &self,
        id: &str,
        name: &str,
        key: Key,
    ) -> Result<Answer<Product>, StripeError> {
        let call = Call::post("products.create", &["products"], key)
            .with("id", id)
            .with("name", name);
        self.send(call).await
    }
}
