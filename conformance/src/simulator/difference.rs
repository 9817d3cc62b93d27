//! `data.previous_attributes`: what an update event says about the state before.

use serde_json::{Map, Value};

use super::shape::Both;

/// The former values of what changed, in both shapes; `None` when nothing did.
pub(super) fn previous_attributes(before: &Both, after: &Both) -> Option<Both> {
    let previous = Both::render(|shape| {
        let former = former_values(before.of(shape), after.of(shape));
        former.unwrap_or_else(|| Value::Object(Map::new()))
    });
    let nothing = Both::render(|_| Value::Object(Map::new()));
    (previous != nothing).then_some(previous)
}

/// Objects are compared key by key and keep only what changed; arrays and scalars are shown whole;
/// a key that was not there before is shown as null.
fn former_values(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return (before != after).then(|| before.clone());
    };
    let mut former = Map::new();
    for (key, value) in old {
        let now = new.get(key).unwrap_or(&Value::Null);
        if let Some(changed) = former_values(value, now) {
            former.insert(key.clone(), changed);
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        former.insert(key.clone(), Value::Null);
    }
    (!former.is_empty()).then_some(Value::Object(former))
}
