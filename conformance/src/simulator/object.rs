//! What all of the simulator's objects have in common.

use serde_json::Value;

use super::shape::{Both, Shape};
use super::shelf::Shelf;
use super::world::World;

/// Turns every `livemode` in a rendered object to true. Metadata of that name is text and stays as it is.
pub(super) fn show_livemode(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "livemode" && field.is_boolean() {
                    *field = Value::Bool(true);
                } else {
                    show_livemode(field);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(show_livemode),
        _ => {}
    }
}

/// An object of Stripe's API with an id, kept on a shelf and shown in either shape.
pub(super) trait Object: Clone {
    /// As in "No such customer".
    const NOUN: &'static str;

    fn id(&self) -> &str;

    /// The test clock it lives on; `None` is real time.
    fn clock(&self) -> Option<&str>;

    /// The customer it is about.
    fn customer(&self) -> Option<&str>;

    fn shelf(world: &mut World) -> &mut Shelf<Self>;

    fn render(&self, shape: Shape) -> Value;

    fn render_both(&self) -> Both {
        Both::render(|shape| self.render(shape))
    }
}
