//! Bodies of events as Stripe sends them, in either of its API's shapes, and decoded events.

use billing_core::event::{DecodeError, Event};
use billing_core::signature::{self, Delivery, SigningKeys};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::canary::{address, canary};

/// The shape of Stripe's API (E2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    /// Before 2025-03-31: period ends on the subscription, `invoice.subscription`.
    Acacia,
    /// Since: period ends on the items, `invoice.parent`.
    Basil,
}

impl Shape {
    pub(crate) const BOTH: [Self; 2] = [Self::Acacia, Self::Basil];

    /// A subscription's object, from a neutral description of its state.
    pub(crate) fn subscription(self, id: &str, state: &Value) -> Value {
        let end = &state["end"];
        let prices = state["prices"].as_array().cloned().unwrap_or_default();
        let items: Vec<Value> = prices
            .iter()
            .map(|price| {
                let mut item = json!({ "id": "si_1", "object": "subscription_item", "quantity": 1,
                    "price": { "id": price, "object": "price", "currency": "usd", "unit_amount": amount_of(price),
                        "recurring": { "interval": "month", "interval_count": 1, "usage_type": "licensed" } } });
                if self == Self::Basil {
                    item["current_period_end"] = end.clone();
                }
                item
            })
            .collect();
        let mut object = json!({
            "id": id, "object": "subscription", "customer": state["customer"], "status": state["status"],
            "items": { "object": "list", "data": items, "has_more": false },
            "cancel_at_period_end": state["cancel_at_period_end"] == true, "cancel_at": state["cancel_at"],
            "pause_collection": state["pause"], "latest_invoice": state["invoice"],
            "pending_update": state["pending"], "metadata": { "note": state["note"], "to": canary("gift") },
            "description": canary("description"), "livemode": false,
            "default_payment_method": { "billing_details": { "name": canary("holder"), "address": address() } },
        });
        if self == Self::Acacia {
            object["current_period_end"] = end.clone();
        }
        object
    }

    /// An invoice's object, likewise.
    pub(crate) fn invoice(self, id: &str, state: &Value) -> Value {
        let subscription = &state["subscription"];
        let mut object = json!({
            "id": id, "object": "invoice", "customer": state["customer"], "status": state["status"],
            "created": state["created"], "attempt_count": state["attempts"].as_i64().unwrap_or(0),
            "billing_reason": "subscription_cycle", "amount_due": 2900,
            "status_transitions": { "finalized_at": state["finalized"], "paid_at": state["paid"] },
            "customer_email": canary("email@example.com"), "customer_name": canary("name"),
            "customer_address": address(), "lines": { "data": [{ "description": canary("line") }] },
        });
        match self {
            Self::Acacia => object["subscription"] = subscription.clone(),
            Self::Basil if subscription.is_null() => object["parent"] = Value::Null,
            Self::Basil => {
                object["parent"] = json!({ "type": "subscription_details",
                    "subscription_details": { "subscription": subscription, "metadata": {} } });
            }
        }
        object
    }

    /// A customer's object, likewise.
    pub(crate) fn customer(self, id: &str, state: &Value) -> Value {
        let name = state.get("name").cloned();
        json!({ "id": id, "object": "customer", "email": canary("email@example.com"),
            "name": name.unwrap_or_else(|| canary("name")), "address": address(), "phone": canary("phone"), "livemode": false,
            "metadata": { "queue_customer_id": state["user"], "note": canary("note") } })
    }
}

/// What a price is in cents.
fn amount_of(price: &Value) -> u32 {
    match price.as_str() {
        Some("price_pro") => 2900,
        Some("price_plus") => 7900,
        _ => 1300,
    }
}

/// An event's body around an object.
pub(crate) fn event(id: &str, event_type: &str, created: i64, object: Value) -> Value {
    json!({ "id": id, "object": "event", "type": event_type, "created": created, "livemode": false,
        "api_version": "2025-03-31.basil", "pending_webhooks": 1, "data": { "object": object },
        "request": { "id": null, "idempotency_key": canary("key") } })
}

/// `previous_attributes`: what the object was where it is something else now.
pub(crate) fn previous_attributes(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return before.clone();
    };
    let names = before.keys().chain(after.keys());
    let mut changed = Map::new();
    for name in names {
        let old = before.get(name).unwrap_or(&Value::Null);
        let new = after.get(name).unwrap_or(&Value::Null);
        if old != new {
            changed.insert(name.clone(), previous_attributes(old, new));
        }
    }
    Value::Object(changed)
}

/// Takes a body through the front door: signed, verified and decoded.
pub(crate) fn decode(body: impl AsRef<[u8]>) -> Result<Event, DecodeError> {
    let keys = SigningKeys::parse("whsec_test").unwrap();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let header = signature::sign(body.as_ref(), &keys, now);
    let delivery = Delivery::new(body.as_ref().to_vec(), [header]);
    Event::decode(&signature::verify(delivery, &keys, now).unwrap())
}
