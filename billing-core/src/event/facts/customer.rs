//! What an event says of a customer.

use serde::Serialize;

use super::field::{Odd, id, string};
use crate::event::json::Node;
use crate::id::{CustomerId, StripeCustomerId};
use crate::personal::{Personal, PersonalData};

/// A customer as an event shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CustomerFacts {
    /// `id`.
    pub id: StripeCustomerId,
    /// `metadata.queue_customer_id`, if it is an id that a seller may choose (E4).
    pub queue_customer_id: Option<CustomerId>,
    /// Whether the event says that it is gone.
    pub deleted: bool,
    /// Personal data, in the customer's own table only.
    #[serde(skip)]
    pub personal: PersonalData,
}

pub(super) fn customer(object: &Node, deleted: bool) -> Result<CustomerFacts, Odd> {
    let metadata = object.field("metadata");
    let chosen = metadata
        .map(|metadata| string(metadata, "queue_customer_id"))
        .transpose()?
        .flatten();
    let address = object.field("address");
    let of_address = |name: &str| -> Result<_, Odd> {
        Ok(address
            .map(|address| string(address, name))
            .transpose()?
            .flatten()
            .map(personal))
    };
    Ok(CustomerFacts {
        id: id(string(object, "id")?, StripeCustomerId::parse)?,
        queue_customer_id: chosen.and_then(|chosen| CustomerId::chosen(chosen).ok()),
        deleted,
        personal: PersonalData {
            email: string(object, "email")?.map(personal),
            name: string(object, "name")?.map(personal),
            address_line1: of_address("line1")?,
            address_line2: of_address("line2")?,
            address_city: of_address("city")?,
            address_state: of_address("state")?,
            address_postal_code: of_address("postal_code")?,
            address_country: of_address("country")?,
        },
    })
}

fn personal(text: &str) -> Personal<String> {
    Personal::new(text.to_owned())
}
