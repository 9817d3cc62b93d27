//! What changed in a row, for the audit chain: each column that differs, before and after.
//!
//! As JSON text, compared as text too: every change of every record comes through here, and a tree of it would cost
//! several times as much.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::personal::PersonalData;
use crate::store::CustomerRow;

/// No column differs.
pub(super) const NOTHING: &str = "{}";

/// The columns in which a row differs from what it was; all that are set, for a new one.
pub(super) fn of<R: Serialize>(before: Option<&R>, after: &R) -> String {
    let (before, after) = (before.map(text).unwrap_or_default(), text(after));
    let (before, after) = (columns(&before), columns(&after));
    let mut changed = String::from("{");
    for (name, after) in &after {
        let before = before.get(name).map_or("null", AsRef::as_ref);
        if before != after {
            let comma = if changed.len() > 1 { "," } else { "" };
            let _ = write!(changed, "{comma}\"{name}\":[{before},{after}]");
        }
    }
    changed.push('}');
    changed
}

/// The same for a customer, without personal data: which event they are from shows that they
/// changed, and the chain must outlive their erasure.
pub(super) fn of_customer(before: Option<&CustomerRow>, after: &CustomerRow) -> String {
    let without = |row: &CustomerRow| {
        let mut row = row.clone();
        row.record.personal = PersonalData::default();
        row
    };
    of(before.map(without).as_ref(), &without(after))
}

fn text(row: &impl Serialize) -> String {
    serde_json::to_string(row).unwrap_or_default()
}

fn columns(row: &str) -> BTreeMap<&str, Cow<'_, str>> {
    #[derive(Default, Deserialize)]
    struct Contenders {
        by_event: BTreeMap<String, IgnoredAny>,
    }
    let columns: BTreeMap<&str, &RawValue> = serde_json::from_str(row).unwrap_or_default();
    let shown = columns.into_iter().filter_map(|(name, value)| {
        let value = value.get();
        let shown = match name {
            // When it was last looked at is nothing that changed.
            "seen_until" => return None,
            // What a coupon takes off never changes.
            "coupons" => names(&serde_json::from_str(value).unwrap_or_default())?.into(),
            // Which events compete: what each of them says is in its own event.
            "contenders" | "price_changes" => {
                let contenders: Contenders = serde_json::from_str(value).unwrap_or_default();
                names(&contenders.by_event).map_or("[]".into(), Cow::from)
            }
            _ => value.into(),
        };
        Some((name, shown))
    });
    shown.collect()
}

/// The names of a map's entries; none where there are none.
fn names(map: &BTreeMap<String, IgnoredAny>) -> Option<String> {
    let names: Vec<_> = map.keys().collect();
    (!names.is_empty()).then(|| text(&names))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_told_before_and_after() {
        let coupon = json!({ "percent_off": 10 });
        let before = json!({
            "status": "act\"ive", "same": { "a": [1] }, "seen_until": 1, "coupons": {},
            "contenders": { "by_event": { "evt_1": {} } }, "price_changes": null,
        });
        let after = json!({
            "status": null, "same": { "a": [1] }, "seen_until": 2, "coupons": { "co\"2": coupon, "co_1": coupon },
            "contenders": { "by_event": { "evt_2": {}, "evt_1": { "any": "thing" } } }, "price_changes": null,
        });
        let read = |details: &str| serde_json::from_str::<serde_json::Value>(details).unwrap();
        let changed = json!({
            "status": ["act\"ive", null],
            "coupons": [null, ["co\"2", "co_1"]],
            "contenders": [["evt_1"], ["evt_1", "evt_2"]],
        });
        assert_eq!(read(&of(Some(&before), &after)), changed);
        let new = json!({
            "same": [null, { "a": [1] }],
            "coupons": [null, ["co\"2", "co_1"]],
            "contenders": [null, ["evt_1", "evt_2"]],
            "price_changes": [null, []],
        });
        assert_eq!(read(&of(None, &after)), new);
        assert_eq!(of(Some(&after), &after), NOTHING);
    }
}
