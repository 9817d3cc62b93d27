//! Reading fields of a kept tree: absent stays absent, another type than documented is odd.

use crate::event::json::Node;
use crate::time::StripeTime;

/// The longest status or reason that is stored, in bytes; Stripe's are a third of it.
const MAX_WORD_LENGTH: usize = 64;

/// A field is missing or has another type than Stripe documents.
#[derive(Debug)]
pub(super) struct Odd;

pub(super) fn required<T>(value: Option<T>) -> Result<T, Odd> {
    value.ok_or(Odd)
}

pub(super) fn id<T, E>(
    text: Option<&str>,
    parse: impl Fn(String) -> Result<T, E>,
) -> Result<T, Odd> {
    parse(required(text)?.to_owned()).map_err(|_| Odd)
}

pub(super) fn string<'a>(node: &'a Node, name: &str) -> Result<Option<&'a str>, Odd> {
    match node.field(name) {
        None => Ok(None),
        Some(Node::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Odd),
    }
}

/// A short word of Stripe's vocabulary.
pub(super) fn word(node: &Node, name: &str) -> Result<Option<String>, Odd> {
    match string(node, name)? {
        Some(text) if text.len() > MAX_WORD_LENGTH => Err(Odd),
        text => Ok(text.map(str::to_owned)),
    }
}

/// An id, or the `id` of the object in its place.
pub(super) fn reference<'a>(node: &'a Node, name: &str) -> Result<Option<&'a str>, Odd> {
    match node.field(name) {
        Some(expanded @ Node::Map(_)) => string(expanded, "id"),
        _ => string(node, name),
    }
}

pub(super) fn integer(node: &Node, name: &str) -> Result<Option<i64>, Odd> {
    match node.field(name) {
        None => Ok(None),
        Some(Node::Int(number)) => Ok(Some(*number)),
        Some(_) => Err(Odd),
    }
}

pub(super) fn boolean(node: &Node, name: &str) -> Result<bool, Odd> {
    match node.field(name) {
        None => Ok(false),
        Some(Node::Bool(value)) => Ok(*value),
        Some(_) => Err(Odd),
    }
}

pub(super) fn time(node: &Node, name: &str) -> Result<Option<StripeTime>, Odd> {
    integer(node, name)?
        .map(|seconds| StripeTime::from_seconds(seconds).ok_or(Odd))
        .transpose()
}
