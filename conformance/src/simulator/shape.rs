//! The two shapes of Stripe's objects that matter for billing, and the API versions that choose between them.

use serde_json::Value;

use super::error::ApiError;
use super::object::show_livemode;

/// The first version in which an item carries the period and `parent` names an invoice's subscription.
const FIRST_BASIL: &str = "2025-03-31";

/// Which of the two shapes an object is rendered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Before 2025-03-31: `subscription.current_period_end`, `invoice.subscription`.
    Legacy,
    /// Since: `subscription.items.data[].current_period_end`, `invoice.parent.subscription_details.subscription`.
    Basil,
}

/// A version such as `2024-06-20` or `2025-03-31.basil`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiVersion(String);

impl ApiVersion {
    /// Takes a version: a date, since late 2024 with a release name behind it.
    ///
    /// # Errors
    /// Says so when the text doesn't begin with a date.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let date = text.split('.').next().unwrap_or_default();
        let digits = date.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        anyhow::ensure!(
            digits && date.len() == 10,
            "not a Stripe API version: {text:?}"
        );
        Ok(Self(text.to_owned()))
    }

    pub(super) fn from_request(text: &str) -> Result<Self, ApiError> {
        Self::parse(text)
            .map_err(|_| ApiError::refused(format!("Invalid Stripe API version: {text}")))
    }

    pub(super) fn shape(&self) -> Shape {
        if self.0.as_str() < FIRST_BASIL {
            Shape::Legacy
        } else {
            Shape::Basil
        }
    }

    /// The version as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ApiVersion {
    fn default() -> Self {
        Self("2025-03-31.basil".to_owned())
    }
}

/// The same thing rendered in both shapes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Both {
    legacy: Value,
    basil: Value,
}

impl Both {
    pub(super) fn render(render: impl Fn(Shape) -> Value) -> Self {
        Self {
            legacy: render(Shape::Legacy),
            basil: render(Shape::Basil),
        }
    }

    /// The same, as an account in live mode shows it.
    pub(super) fn live(mut self) -> Self {
        show_livemode(&mut self.legacy);
        show_livemode(&mut self.basil);
        self
    }

    pub(super) fn of(&self, shape: Shape) -> &Value {
        match shape {
            Shape::Legacy => &self.legacy,
            Shape::Basil => &self.basil,
        }
    }
}
