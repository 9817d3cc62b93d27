//! Events as Stripe pretty-prints them, for any number of customers.

use billing_core::signature::{SigningKeys, sign};
use jiff::Timestamp;

/// The endpoint's secret.
pub const SECRET: &str = "whsec_of_the_benchmarks";
/// The price of the paid plan in all of these events.
pub const PRICE: &str = "price_pro";

const PATH: &str = "/api/v1/billing/webhook";
/// Thirty days, in seconds.
const PERIOD: i64 = 2_592_000;

/// What happened to a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Signed up.
    CustomerCreated,
    /// Subscribed.
    SubscriptionCreated,
    /// Paid.
    InvoicePaid,
    /// Got a new invoice.
    SubscriptionUpdated,
}

impl Kind {
    fn template(self) -> &'static str {
        match self {
            Self::CustomerCreated => include_str!("../events/customer.created.json"),
            Self::SubscriptionCreated => {
                include_str!("../events/customer.subscription.created.json")
            }
            Self::InvoicePaid => include_str!("../events/invoice.paid.json"),
            Self::SubscriptionUpdated => {
                include_str!("../events/customer.subscription.updated.json")
            }
        }
    }
}

/// An event of one customer. Two with the same numbers are the same event.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// To whom.
    pub customer: u64,
    /// In which round.
    pub round: u64,
    /// When, in seconds since 1970.
    pub created: i64,
}

impl Event {
    /// Its body, as text.
    #[must_use]
    pub fn body(&self) -> String {
        let Self {
            kind,
            customer,
            round,
            created,
        } = self;
        let template = kind.template();
        let mut body = String::with_capacity(template.len() + 512);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            body.push_str(before);
            let Some((name, after_name)) = after.split_once('}') else {
                break;
            };
            let is_name =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
            let value = match name {
                _ if !is_name => None,
                "N" => Some(customer.to_string()),
                "EVENT" => Some(format!("{}_{round}_{customer}", *kind as u8)),
                "INVOICE" => Some(format!("{customer}_{round}")),
                "CREATED" => Some(created.to_string()),
                "PERIOD_END" => Some((created + PERIOD).to_string()),
                _ => None,
            };
            match value {
                Some(value) => {
                    body.push_str(&value);
                    rest = after_name;
                }
                None => {
                    body.push('{');
                    rest = after;
                }
            }
        }
        body.push_str(rest);
        body
    }

    /// The whole request, signed, as it goes over the wire.
    #[must_use]
    pub fn request(&self, keys: &SigningKeys) -> Vec<u8> {
        let body = self.body();
        let signature = sign(body.as_bytes(), keys, Timestamp::now());
        let mut request = format!(
            "POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             stripe-signature: {signature}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        request.push_str(&body);
        request.into_bytes()
    }
}
