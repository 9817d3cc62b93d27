//! Stripe's parameters: `application/x-www-form-urlencoded` with nested brackets, in bodies and queries alike.
//!
//! `items[0][price]=p` becomes a tree; `expand[]=x` appends. Every leaf is text: the typed readers
//! below turn it into numbers and flags and answer with Stripe's own errors when they can't.

use std::ops::RangeInclusive;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::error::ApiError;

/// Deeper brackets than this are taken as part of the last name (no parameter of Stripe's nests so deep).
const MAX_DEPTH: usize = 10;

/// The last second of the year 9999.
const LATEST: i64 = 253_402_300_799;
/// Twelve digits of the smallest unit.
const MAX_AMOUNT: i64 = 999_999_999_999;
const MAX_QUANTITY: i64 = 100_000;

/// Free-form key-value pairs that a caller hangs on an object.
pub(super) type Metadata = IndexMap<String, String>;

/// One level of a request's parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Params {
    fields: Map<String, Value>,
    /// What stands before a field's name in an error, e.g. `items[0]`.
    prefix: String,
}

impl Params {
    pub(super) fn parse(encoded: &[u8]) -> Self {
        let mut fields = Map::new();
        for (key, text) in form_urlencoded::parse(encoded) {
            insert(&mut fields, &split_key(&key), text.into_owned());
        }
        Self {
            fields,
            prefix: String::new(),
        }
    }

    /// Puts a parameter in, as if it had been sent.
    pub(super) fn set(&mut self, key: &str, text: &str) {
        insert(&mut self.fields, &split_key(key), text.to_owned());
    }

    /// Takes a parameter out, as if it had not been sent.
    pub(super) fn forget(&mut self, name: &str) {
        self.fields.remove(name);
    }

    /// Adds the parameters of a query string to those of a body.
    pub(super) fn extend(&mut self, other: Self) {
        self.fields.extend(other.fields);
    }

    /// The text of a parameter; an empty one counts as not given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.fields
            .get(name)?
            .as_str()
            .filter(|text| !text.is_empty())
    }

    /// True when the parameter was sent empty, which is how a caller unsets a field.
    pub(super) fn unsets(&self, name: &str) -> bool {
        self.fields.get(name).and_then(Value::as_str) == Some("")
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)
            .ok_or_else(|| ApiError::parameter_missing(&self.full_name(name)))
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let invalid = |_| {
            let message = format!("Invalid integer: {text}");
            ApiError::invalid("parameter_invalid_integer", message).in_param(&self.full_name(name))
        };
        text.parse().map(Some).map_err(invalid)
    }

    pub(super) fn required_amount(&self, name: &str) -> Result<i64, ApiError> {
        self.required(name)?;
        Ok(self
            .bounded(name, -MAX_AMOUNT..=MAX_AMOUNT)?
            .unwrap_or_default())
    }

    pub(super) fn required_timestamp(&self, name: &str) -> Result<i64, ApiError> {
        self.required(name)?;
        Ok(self.timestamp(name)?.unwrap_or_default())
    }

    /// `quantity`, which is 1 when it isn't given.
    pub(super) fn quantity(&self) -> Result<i64, ApiError> {
        Ok(self.bounded("quantity", 0..=MAX_QUANTITY)?.unwrap_or(1))
    }

    /// A time in Unix seconds, from 1970 to 9999: sums of such times can't overflow.
    pub(super) fn timestamp(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.bounded(name, 0..=LATEST)
    }

    /// An integer within Stripe's limits for it.
    pub(super) fn bounded(
        &self,
        name: &str,
        limits: RangeInclusive<i64>,
    ) -> Result<Option<i64>, ApiError> {
        let number = self.integer(name)?;
        match number.filter(|number| !limits.contains(number)) {
            None => Ok(number),
            Some(outside) => {
                let message = format!(
                    "{outside} is not from {} to {}.",
                    limits.start(),
                    limits.end()
                );
                let error = ApiError::invalid("parameter_invalid_integer", message);
                Err(error.in_param(&self.full_name(name)))
            }
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => {
                let message = format!("Invalid boolean: {other}");
                Err(ApiError::invalid("parameter_invalid_boolean", message)
                    .in_param(&self.full_name(name)))
            }
        }
    }

    /// The parameters under `name[…]`; empty when there are none.
    pub(super) fn group(&self, name: &str) -> Self {
        let fields = self.fields.get(name).and_then(Value::as_object).cloned();
        Self {
            fields: fields.unwrap_or_default(),
            prefix: self.full_name(name),
        }
    }

    /// The elements of `name[0][…]`, `name[1][…]`, in the order of their numbers.
    pub(super) fn list(&self, name: &str) -> Vec<Self> {
        let group = self.group(name);
        group
            .numbers()
            .into_iter()
            .map(|key| group.group(&key))
            .collect()
    }

    /// The elements of `name[]=…` or `name[0]=…`.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let group = self.group(name);
        let texts = group
            .numbers()
            .into_iter()
            .filter_map(|key| group.text(&key).map(str::to_owned));
        texts.collect()
    }

    /// The keys that are numbers, in their order; as they were written, since `01` is a number too.
    fn numbers(&self) -> Vec<String> {
        let mut numbers: Vec<(usize, &String)> = self
            .fields
            .keys()
            .filter_map(|key| Some((key.parse().ok()?, key)))
            .collect();
        numbers.sort_unstable();
        numbers.into_iter().map(|(_, key)| key.clone()).collect()
    }

    /// Merges `metadata[…]` as Stripe does: a key sent empty is removed, `metadata=` removes them all.
    pub(super) fn merge_metadata(&self, into: &mut Metadata) {
        if self.unsets("metadata") {
            into.clear();
        }
        for (key, value) in &self.group("metadata").fields {
            match value.as_str() {
                Some("") => drop(into.shift_remove(key)),
                Some(text) => drop(into.insert(key.clone(), text.to_owned())),
                None => {}
            }
        }
    }

    /// Copies a text field: given sets it, empty unsets it, absent leaves it.
    pub(super) fn merge_text(&self, name: &str, into: &mut Option<String>) {
        if self.unsets(name) {
            *into = None;
        } else if let Some(text) = self.text(name) {
            *into = Some(text.to_owned());
        }
    }

    /// Rejects parameters outside `known` (used where the list is short and complete).
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        match self
            .fields
            .keys()
            .find(|key| !known.contains(&key.as_str()))
        {
            None => Ok(()),
            Some(stranger) => Err(ApiError::parameter_unknown(&self.full_name(stranger))),
        }
    }

    /// Rejects parameters that would change the outcome at Stripe and can't here.
    pub(super) fn none_of(&self, names: &[&str]) -> Result<(), ApiError> {
        match names.iter().find(|name| self.has(name)) {
            None => self.no_tax(),
            Some(name) => Err(ApiError::not_simulated(name).in_param(&self.full_name(name))),
        }
    }

    fn no_tax(&self) -> Result<(), ApiError> {
        if self.group("automatic_tax").flag("enabled")? == Some(true) {
            return Err(ApiError::not_simulated("automatic_tax").in_param("automatic_tax"));
        }
        Ok(())
    }

    /// The level as JSON, for fields that are stored and shown as they were sent.
    pub(super) fn as_json(&self) -> Value {
        Value::Object(self.fields.clone())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn full_name(&self, name: &str) -> String {
        if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}[{name}]", self.prefix)
        }
    }
}

/// `a[b][c]` is `a`, `b`, `c`; a key with stray brackets is taken literally.
fn split_key(key: &str) -> Vec<&str> {
    let Some((head, rest)) = key.split_once('[') else {
        return vec![key];
    };
    let Some(inner) = rest.strip_suffix(']') else {
        return vec![key];
    };
    let mut path = vec![head];
    path.extend(inner.splitn(MAX_DEPTH, "]["));
    path
}

fn insert(level: &mut Map<String, Value>, path: &[&str], text: String) {
    let [head, rest @ ..] = path else { return };
    let key = if head.is_empty() {
        next_number(level)
    } else {
        (*head).to_owned()
    };
    if rest.is_empty() {
        level.insert(key, Value::String(text));
        return;
    }
    let slot = level
        .entry(key)
        .or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    if let Value::Object(inner) = slot {
        insert(inner, rest, text);
    }
}

/// What `[]` stands for: the first number from the count of elements on that no element has.
fn next_number(level: &Map<String, Value>) -> String {
    let mut number = level.len();
    while level.contains_key(&number.to_string()) {
        number += 1;
    }
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_takes_no_elements_place() {
        let params = Params::parse(b"to[1]=a&to[]=b&to[]=c");
        assert_eq!(params.texts("to"), ["a", "b", "c"]);
    }

    #[test]
    fn each_number_is_one_element_however_it_is_written() {
        let params = Params::parse(b"items[02][price]=b&items[1][price]=a&items[%2B2][price]=c");
        let items = params.list("items");
        let prices: Vec<_> = items.iter().map(|item| item.text("price")).collect();
        assert_eq!(prices, [Some("a"), Some("c"), Some("b")]);
    }
}
