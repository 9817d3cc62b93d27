//! Identifiers as types, so that a subscription's id can't stand where a customer's is wanted.
//!
//! Stripe's ids are opaque text: Stripe documents no form beyond the prefix and at most 255
//! characters. What is checked here is what a store, a log line and a header can carry unharmed.
//! Clones of an identifier share its text.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest id accepted, in bytes (Stripe's documented limit).
pub const MAX_ID_LENGTH: usize = 255;

/// Text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: 1 to 255 printable ASCII characters without spaces are expected")]
pub struct InvalidId {
    /// The name of the identifier's type.
    pub kind: &'static str,
}

fn is_plain(text: &str) -> bool {
    (1..=MAX_ID_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident if $accepts:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes text as this identifier.
            ///
            /// # Errors
            /// [`InvalidId`] when the text is not of the form that the type describes.
            pub fn parse(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let accepts: fn(&str) -> bool = $accepts;
                let text = text.as_ref();
                if accepts(text) { Ok(Self(text.into())) } else { Err(InvalidId { kind: stringify!($name) }) }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().into()
            }
        }
    )+};
}

identifiers! {
    /// A Stripe event: `evt_` and letters, digits or underscores.
    EventId if |text| {
        is_plain(text)
            && text.strip_prefix("evt_").is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            })
    };
    /// A Stripe customer, `cus_…`.
    StripeCustomerId if is_plain;
    /// A Stripe subscription, `sub_…`.
    SubscriptionId if is_plain;
    /// A Stripe invoice, `in_…`.
    InvoiceId if is_plain;
    /// Any object of Stripe's, of whatever kind.
    ObjectId if is_plain;
    /// A Stripe price, `price_…`.
    PriceId if is_plain;
    /// A Stripe discount, `di_…`: a coupon as it was given to somebody.
    DiscountId if is_plain;
    /// A Stripe payment method: `pm_` and letters, digits or underscores. A browser may send one, and it becomes
    /// part of a path.
    PaymentMethodId if |text| {
        is_plain(text)
            && text.strip_prefix("pm_").is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            })
    };
    /// A claim to subscribe: letters and digits that its maker drew at random. Keys of idempotent requests and
    /// ids of pseudo-events follow from it.
    ClaimId if |text| {
        (16..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    /// A customer as the seller knows them (`queue_customer_id`): opaque, and no personal datum,
    /// for it stands in the mirror, in logs and in the audit chain.
    CustomerId if is_plain;
}

/// What the id of a customer begins with whom nobody has bound to an id of the seller's (E4).
const UNBOUND_PREFIX: &str = "stripe:";

impl CustomerId {
    /// The id of a customer that only Stripe knows: `stripe:<cus_…>` (E4).
    #[must_use]
    pub fn unbound(customer: &StripeCustomerId) -> Self {
        Self(format!("{UNBOUND_PREFIX}{customer}").into())
    }

    /// The Stripe customer that only Stripe knows, where this is such an id.
    #[must_use]
    pub fn unbound_account(&self) -> Option<StripeCustomerId> {
        let account = self.0.strip_prefix(UNBOUND_PREFIX)?;
        StripeCustomerId::parse(account).ok()
    }

    /// Takes an id that the seller chose: as [`CustomerId::parse`], without the reserved prefix,
    /// so that nobody can claim the row of a customer that only Stripe knows.
    ///
    /// # Errors
    /// [`InvalidId`] when the text is no identifier or begins with `stripe:`.
    pub fn chosen(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        let id = Self::parse(text)?;
        if id.0.starts_with(UNBOUND_PREFIX) || id.0.len() > MAX_ID_LENGTH - UNBOUND_PREFIX.len() {
            return Err(InvalidId { kind: "CustomerId" });
        }
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stripes_form_is_an_event_id() {
        assert!(EventId::parse("evt_1Pgc76B7WZ01zgkW").is_ok());
        for odd in [
            "",
            "evt_",
            "evt",
            "cus_1",
            "evt_a b",
            "evt_\u{e9}",
            "evt_a\n",
            "evt_a-b",
        ] {
            assert!(EventId::parse(odd).is_err(), "{odd:?}");
        }
        assert!(EventId::parse(format!("evt_{}", "a".repeat(251))).is_ok());
        assert!(EventId::parse(format!("evt_{}", "a".repeat(252))).is_err());
    }

    #[test]
    fn the_prefix_of_unbound_customers_cannot_be_chosen() {
        assert!(CustomerId::chosen("user-17").is_ok());
        assert!(CustomerId::chosen("stripe:cus_1").is_err());
        assert!(CustomerId::parse("stripe:cus_1").is_ok());
    }
}
