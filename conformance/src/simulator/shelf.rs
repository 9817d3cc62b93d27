//! Where the objects of one kind are kept, and Stripe's lists of them.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::call::Call;
use super::error::ApiError;
use super::form::Params;
use super::object::Object;

/// The objects of one kind, oldest first.
#[derive(Debug)]
pub(super) struct Shelf<T>(IndexMap<String, T>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(IndexMap::new())
    }
}

impl<T: Object> Shelf<T> {
    pub(super) fn find(&self, id: &str) -> Result<&T, ApiError> {
        self.0
            .get(id)
            .ok_or_else(|| ApiError::resource_missing(T::NOUN, id))
    }

    /// Puts an object in, or in the place of the one with its id.
    pub(super) fn put(&mut self, object: T) {
        self.0.insert(object.id().to_owned(), object);
    }

    pub(super) fn remove(&mut self, id: &str) -> Result<T, ApiError> {
        self.0
            .shift_remove(id)
            .ok_or_else(|| ApiError::resource_missing(T::NOUN, id))
    }

    /// A page of those that `keep` lets through, in the shape asked for.
    pub(super) fn page(&self, call: &Call, keep: impl Fn(&T) -> bool) -> Result<Value, ApiError> {
        let kept = self.0.values().filter(|object| keep(object));
        page(&call.path, &call.params, kept, T::id, |object| {
            object.render(call.shape)
        })
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.0.values()
    }
}

/// One page of a list: newest first, cut by `limit`, `starting_after` and `ending_before`.
pub(super) fn page<'a, T: 'a>(
    url: &str,
    params: &Params,
    oldest_first: impl DoubleEndedIterator<Item = &'a T>,
    id: impl Fn(&T) -> &str,
    render: impl Fn(&T) -> Value,
) -> Result<Value, ApiError> {
    let limit = params.integer("limit")?.unwrap_or(10);
    let Some(limit) = usize::try_from(limit)
        .ok()
        .filter(|limit| (1..=100).contains(limit))
    else {
        return Err(
            ApiError::invalid("parameter_invalid_integer", "limit must be from 1 to 100")
                .in_param("limit"),
        );
    };
    let place = |rows: &[&T], wanted: &str, param: &str| {
        let found = rows.iter().position(|row| id(row) == wanted);
        found.ok_or_else(|| ApiError::resource_missing("object", wanted).in_param(param))
    };
    if params.text("starting_after").is_some() && params.text("ending_before").is_some() {
        let message = "Only one of starting_after and ending_before can be specified.";
        return Err(ApiError::refused(message).in_param("ending_before"));
    }
    let mut rows: Vec<&T> = oldest_first.rev().collect();
    if let Some(wanted) = params.text("starting_after") {
        rows.drain(..=place(&rows, wanted, "starting_after")?);
    }
    let mut skipped = 0;
    if let Some(wanted) = params.text("ending_before") {
        rows.truncate(place(&rows, wanted, "ending_before")?);
        skipped = rows.len().saturating_sub(limit);
    }
    let has_more = rows.len() > limit;
    let data: Vec<Value> = rows
        .into_iter()
        .skip(skipped)
        .take(limit)
        .map(render)
        .collect();
    Ok(json!({ "object": "list", "url": url, "has_more": has_more, "data": data }))
}
