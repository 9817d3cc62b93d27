//! What changed in a row, for the audit chain: each column that differs, before and after.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::personal::PersonalData;
use crate::store::CustomerRow;

/// The columns in which a row differs from what it was; all that are set, for a new one.
pub(super) fn of<R: Serialize>(before: Option<&R>, after: &R) -> Value {
    let (before, after) = (before.map(columns).unwrap_or_default(), columns(after));
    let changed = after.into_iter().filter_map(|(name, after)| {
        let before = before.get(&name).cloned().unwrap_or_default();
        (before != after).then(|| (name, json!([before, after])))
    });
    Value::Object(changed.collect())
}

/// The same for a customer, without personal data: which event they are from shows that they
/// changed, and the chain must outlive their erasure.
pub(super) fn of_customer(before: Option<&CustomerRow>, after: &CustomerRow) -> Value {
    let without = |row: &CustomerRow| {
        let mut row = row.clone();
        row.record.personal = PersonalData::default();
        row
    };
    of(before.map(without).as_ref(), &without(after))
}

fn columns<R: Serialize>(row: &R) -> Map<String, Value> {
    let Ok(Value::Object(mut columns)) = serde_json::to_value(row) else {
        return Map::new();
    };
    // When it was last looked at is nothing that changed.
    columns.remove("seen_until");
    // What a coupon takes off never changes.
    if let Some(coupons) = columns.remove("coupons").map(|coupons| names(&coupons))
        && coupons != json!([])
    {
        columns.insert("coupons".to_owned(), coupons);
    }
    for name in ["contenders", "price_changes"] {
        if let Some(contenders) = columns.get_mut(name) {
            // Which events compete: what each of them says is in its own event.
            *contenders = names(contenders.get("by_event").unwrap_or(&Value::Null));
        }
    }
    columns
}

/// The names of a map's entries.
fn names(map: &Value) -> Value {
    let names = map.as_object().map(|map| map.keys().collect::<Vec<_>>());
    json!(names.unwrap_or_default())
}
