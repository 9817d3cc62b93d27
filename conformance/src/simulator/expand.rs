//! `expand[]`: puts whole objects where the response has their ids.

use serde_json::{Value, json};

use super::error::ApiError;
use super::invoice::Invoice;
use super::object::Object;
use super::payment_intent::PaymentIntent;
use super::shape::Shape;
use super::shelf::Shelf;
use super::world::World;

/// Stripe follows at most four steps.
const MAX_DEPTH: usize = 4;

/// Expands every path, such as `latest_invoice.payment_intent` or `data.customer`.
pub(super) fn expand(
    world: &World,
    response: &mut Value,
    paths: &[String],
    shape: Shape,
) -> Result<(), ApiError> {
    for path in paths {
        let steps: Vec<&str> = path.split('.').collect();
        if steps.len() > MAX_DEPTH || !follow(world, response, &steps, shape) {
            let message = format!("This property cannot be expanded ({path}).");
            return Err(ApiError::refused(message).in_param("expand"));
        }
    }
    Ok(())
}

/// False when the response has no such property.
fn follow(world: &World, value: &mut Value, steps: &[&str], shape: Shape) -> bool {
    if let Value::Array(elements) = value {
        return elements
            .iter_mut()
            .all(|element| follow(world, element, steps, shape));
    }
    let [step, rest @ ..] = steps else {
        return true;
    };
    if value.is_null() {
        return true;
    }
    if let Some(hidden) = world.hidden(value, step, shape) {
        value[*step] = hidden;
    }
    let Some(property) = value.get_mut(*step) else {
        return false;
    };
    if let Value::Array(elements) = property {
        for element in elements {
            let object = element
                .as_str()
                .and_then(|id| world.render_by_id(id, shape));
            *element = object.unwrap_or_else(|| element.take());
        }
    } else if let Some(object) = property
        .as_str()
        .and_then(|id| world.render_by_id(id, shape))
    {
        *property = object;
    }
    follow(world, property, rest, shape)
}

impl World {
    /// What an object shows only when it is asked to: a session its line items, an invoice in the newer shape its
    /// payment.
    fn hidden(&self, object: &Value, property: &str, shape: Shape) -> Option<Value> {
        if object["object"] == "checkout.session" && property == "line_items" {
            let session = self.sessions.find(object["id"].as_str()?).ok()?;
            return Some(session.render_line_items(shape));
        }
        if object["object"] != "invoice" || object.get("parent").is_none() {
            return None;
        }
        let invoice = self.invoices.find(object["id"].as_str()?).ok()?;
        let intent = invoice.payment_intent.as_ref();
        match property {
            "confirmation_secret" => {
                let intent = intent.and_then(|id| self.payment_intents.find(id).ok());
                let secret = |intent: &PaymentIntent| json!({ "client_secret": intent.client_secret, "type": "payment_intent" });
                Some(intent.map(secret).unwrap_or_default())
            }
            "payments" => Some(invoice.render_payments()),
            _ => None,
        }
    }

    /// Wherever it is in use.
    fn render_discount(&self, id: &str, shape: Shape) -> Option<Value> {
        let on_subscriptions = self.subscriptions.iter();
        let on_subscriptions = on_subscriptions.filter_map(|one| one.discount.as_ref());
        let on_invoices = self.invoices.iter().filter_map(Invoice::discount);
        let found = on_subscriptions
            .chain(on_invoices)
            .find(|discount| discount.id == id);
        found.map(|discount| discount.render(shape))
    }

    fn render_by_id(&self, id: &str, shape: Shape) -> Option<Value> {
        fn from<T: Object>(shelf: &Shelf<T>, id: &str, shape: Shape) -> Option<Value> {
            shelf.find(id).ok().map(|object| object.render(shape))
        }
        match id.split_once('_')?.0 {
            "cus" => from(&self.customers, id, shape),
            "di" => self.render_discount(id, shape),
            "clock" => from(&self.clocks, id, shape),
            "in" => from(&self.invoices, id, shape),
            "pi" => from(&self.payment_intents, id, shape),
            "pm" => from(&self.payment_methods, id, shape),
            "price" => from(&self.prices, id, shape),
            "prod" => from(&self.products, id, shape),
            "sub" => from(&self.subscriptions, id, shape),
            _ => None,
        }
    }
}
