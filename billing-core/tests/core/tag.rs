//! What tells copies of one history apart in one database.

use billing_core::event::{Event, Facts};
use billing_core::id::{CustomerId, EventId, InvoiceId, StripeCustomerId, SubscriptionId};
use serde_json::Value;

/// Digits in a tag: ids of one copy sort as they did, for all tags are as long.
const DIGITS: usize = 5;

/// A number that stands in all ids of a copy: `sub_1` is `sub_00042x1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag(pub(crate) usize);

impl Tag {
    fn text(self) -> String {
        format!("{:0DIGITS$}x", self.0)
    }

    /// An id with the tag in it.
    fn on(self, id: &str) -> String {
        match id.rsplit_once('_') {
            Some((kind, rest)) => format!("{kind}_{}{rest}", self.text()),
            None => format!("{}{id}", self.text()),
        }
    }

    /// The id of a customer with the tag in it.
    pub(crate) fn on_customer(self, id: &str) -> CustomerId {
        CustomerId::parse(self.on(id)).unwrap()
    }

    /// An event about objects of the copy.
    pub(crate) fn on_event(self, event: &Event) -> Event {
        let mut event = event.clone();
        event.id = EventId::parse(self.on(event.id.as_str())).unwrap();
        let account = |id: &mut StripeCustomerId| {
            *id = StripeCustomerId::parse(self.on(id.as_str())).unwrap();
        };
        let subscription = |id: &mut SubscriptionId| {
            *id = SubscriptionId::parse(self.on(id.as_str())).unwrap();
        };
        match &mut event.facts {
            Facts::Customer(facts) => {
                account(&mut facts.id);
                if let Some(id) = &mut facts.queue_customer_id {
                    *id = self.on_customer(id.as_str());
                }
            }
            Facts::Subscription(facts) => {
                account(&mut facts.customer);
                subscription(&mut facts.id);
            }
            Facts::Invoice(facts) => {
                account(&mut facts.customer);
                facts.id = InvoiceId::parse(self.on(facts.id.as_str())).unwrap();
                facts.subscription.iter_mut().for_each(subscription);
            }
            other => panic!("{other:?} are of no account"),
        }
        event
    }

    /// The tag of a stored row, and the row without it.
    pub(crate) fn taken_off(row: &Value) -> (Self, Value) {
        let id = &row["stripe_customer_id"];
        let id = id.as_str().or(row["queue_customer_id"].as_str()).unwrap();
        let at = id.find(|letter: char| letter.is_ascii_digit()).unwrap();
        let tag = Self(id[at..at + DIGITS].parse().unwrap());
        let row = row.to_string().replace(&tag.text(), "");
        (tag, serde_json::from_str(&row).unwrap())
    }
}
