//! Requests to the webhook, from as Stripe makes them to as nobody should.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use super::PAYLOAD;
use crate::privacy::person;
use crate::support::{PRICE_PRO, SECRET, event};

/// What is sent, and what is done after it.
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    pub(super) then: Then,
}

pub(super) enum Then {
    /// Wait for the answer.
    Wait,
    /// Send no more, and say so.
    End,
    /// Send this again and again.
    Repeat(Vec<u8>),
}

/// What the requests of one case are made of: ids of its own, and a time.
pub(super) struct Sheet {
    pub(super) number: usize,
    pub(super) now: Timestamp,
}

/// A signature as Stripe makes it, over whatever stands for the time.
pub(super) fn mac(secret: &str, time: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

impl Request {
    /// A request with these fields in its head, and these bytes after it.
    pub(super) fn new(fields: &[(&str, &[u8])], body: &[u8]) -> Self {
        let mut bytes = b"POST /api/v1/billing/webhook HTTP/1.1\r\nhost: queue\r\n".to_vec();
        for (name, value) in fields {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body);
        Self {
            bytes,
            then: Then::Wait,
        }
    }

    pub(super) fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }
}

impl Sheet {
    pub(super) fn event_id(&self) -> String {
        format!("evt_{}", self.number)
    }

    pub(super) fn customer(&self) -> String {
        format!("cus_{}", self.number)
    }

    /// The seller's id of the customer.
    pub(super) fn user(&self) -> String {
        format!("user-{}", self.number)
    }

    pub(super) fn seconds(&self) -> i64 {
        self.now.as_second()
    }

    /// The time of signature, as text.
    pub(super) fn time(&self) -> String {
        self.seconds().to_string()
    }

    /// A good event about an object.
    pub(super) fn event(&self, event_type: &str, object: Value) -> Value {
        let mut event = event(&self.event_id(), event_type, object);
        event["created"] = json!(self.seconds());
        event["account"] = json!("acct_ours");
        event["request"] = json!({ "id": PAYLOAD });
        event
    }

    /// A subscription in good standing.
    pub(super) fn subscription(&self) -> Value {
        json!({ "object": "subscription", "id": format!("sub_{}", self.number), "customer": self.customer(),
            "status": "active", "description": PAYLOAD, "items": { "object": "list", "data": [
                { "price": { "id": PRICE_PRO, "unit_amount": 2900 }, "quantity": 1,
                  "current_period_end": self.seconds() + 2_592_000 }] },
            "default_payment_method": { "billing_details": person() }, "metadata": person()["metadata"] })
    }

    pub(super) fn person(&self) -> Value {
        let mut person = person();
        person["id"] = json!(self.customer());
        person["description"] = json!(PAYLOAD);
        person["metadata"] = json!({ "note": person["metadata"]["note"] });
        person
    }

    pub(super) fn invoice(&self) -> Value {
        json!({ "object": "invoice", "id": format!("in_{}", self.number), "customer": self.customer(),
            "status": "open", "created": self.seconds(), "attempt_count": 1, "description": PAYLOAD,
            "customer_email": person()["email"], "customer_name": person()["name"],
            "customer_address": person()["address"], "customer_shipping": person()["shipping"] })
    }

    /// The event that most cases spoil.
    pub(super) fn good(&self) -> Value {
        self.event("customer.subscription.created", self.subscription())
    }

    /// The good event that is sent after the case's.
    pub(super) fn next(&self) -> Request {
        let mut person = self.person();
        person["id"] = json!(format!("cus_good_{}", self.number));
        person["metadata"]["queue_customer_id"] = json!(format!("good-{}", self.number));
        let mut next = self.event("customer.created", person);
        next["id"] = json!(format!("evt_good_{}", self.number));
        self.signed(next.to_string())
    }

    pub(super) fn body(&self) -> Vec<u8> {
        self.good().to_string().into_bytes()
    }

    /// A good event with a value of its own in the place that a pointer names.
    pub(super) fn but(&self, pointer: &str, value: Value) -> Request {
        self.changed(self.good(), pointer, value)
    }

    /// The same of another event.
    pub(super) fn changed(&self, mut event: Value, pointer: &str, value: Value) -> Request {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        event.pointer_mut(parent).unwrap()[name] = value;
        self.signed(event.to_string())
    }

    /// A good event without what a pointer names.
    pub(super) fn without(&self, pointer: &str) -> Request {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut event = self.good();
        let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        parent.remove(name).unwrap();
        self.signed(event.to_string())
    }

    /// A good event with some JSON text where nobody looks.
    pub(super) fn with(&self, text: &str) -> Request {
        let good = self.good().to_string();
        self.signed(good.replacen('{', &format!("{{\"unread\":{text},"), 1))
    }

    /// A good event with a text replaced.
    pub(super) fn replaced(&self, from: &str, to: &str) -> Request {
        let good = self.good().to_string();
        assert!(good.contains(from), "{from}");
        self.signed(good.replacen(from, to, 1))
    }

    /// A body, signed and sent as Stripe does.
    pub(super) fn signed(&self, body: impl Into<Vec<u8>>) -> Request {
        let body = body.into();
        self.sent(self.header(&body), &body)
    }

    /// The signature header of a body.
    pub(super) fn header(&self, body: &[u8]) -> String {
        self.header_at(&self.time(), body)
    }

    /// The signature header of a body, signed with whatever stands for the time.
    pub(super) fn header_at(&self, time: &str, body: &[u8]) -> String {
        format!("t={time},v1={}", mac(SECRET, time, body))
    }

    /// A body with a signature header of any kind.
    pub(super) fn sent(&self, header: impl AsRef<[u8]>, body: &[u8]) -> Request {
        let length = body.len().to_string();
        let fields = [
            ("stripe-signature", header.as_ref()),
            ("content-length", length.as_bytes()),
        ];
        Request::new(&fields, body)
    }

    /// The good event, signed at any time.
    pub(super) fn at(&self, time: &str) -> Request {
        let body = self.body();
        self.sent(self.header_at(time, &body), &body)
    }

    /// The good event, with another signature in place of the good one.
    pub(super) fn resigned(&self, change: impl Fn(&str) -> String) -> Request {
        let body = self.body();
        let time = self.time();
        let header = format!("t={time},{}", change(&mac(SECRET, &time, &body)));
        self.sent(header, &body)
    }
}
