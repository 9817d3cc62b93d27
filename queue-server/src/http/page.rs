//! Pages of what other services read: `?limit=` and an opaque cursor, which the answer before gave.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{Array, Ref};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;

const MAX_LIMIT: u32 = 500;

/// What to read: `limit` entries (100; at most 500), on from `cursor`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// How many at most.
    #[param(minimum = 1, maximum = 500, default = 100)]
    #[serde(default = "Page::default_limit")]
    limit: u32,
    /// What `next` was on the page before.
    cursor: Option<String>,
}

impl Page {
    fn default_limit() -> u32 {
        100
    }

    /// The page that a query asks for.
    pub(crate) fn new(limit: Option<u32>, cursor: Option<String>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or_else(Self::default_limit);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::QueryInvalid);
        }
        Ok(Self { limit, cursor })
    }

    /// How many entries.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Where to go on from.
    pub(crate) fn after<Place: DeserializeOwned>(&self) -> Result<Option<Place>, Problem> {
        let place = |cursor: &String| {
            let place = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            serde_json::from_slice(&place).ok()
        };
        let cursor = self.cursor.as_ref();
        cursor
            .map(|cursor| place(cursor).ok_or(Problem::QueryInvalid))
            .transpose()
    }

    /// The answer: the rows that were found, and where to go on if there may be more.
    pub(crate) fn of<Row, Entry, Place: Serialize>(
        &self,
        rows: Vec<Row>,
        entry: impl FnMut(Row) -> Entry,
        place: impl FnOnce(&Row) -> Place,
    ) -> Entries<Entry> {
        let full = rows.len() >= self.limit as usize;
        let last = rows.last().filter(|_| full).map(place);
        Entries {
            data: rows.into_iter().map(entry).collect(),
            next: last
                .and_then(|place| serde_json::to_vec(&place).ok())
                .map(|place| URL_SAFE_NO_PAD.encode(place)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Self>::from_request_parts(parts, state).await;
        let Query(page) = query.map_err(|_| Problem::QueryInvalid)?;
        Self::new(Some(page.limit), page.cursor)
    }
}

/// A page.
#[derive(Serialize, ToSchema)]
pub(crate) struct Entries<Entry> {
    #[schema(schema_with = by_name::<Entry>)]
    data: Vec<Entry>,
    /// The cursor of the next page; `null` at the end.
    #[schema(required = true)]
    next: Option<String>,
}

impl<Entry> Entries<Entry> {
    /// All that there is.
    pub(crate) fn all(entries: impl Iterator<Item = Entry>) -> Self {
        Self {
            data: entries.collect(),
            next: None,
        }
    }
}

/// Entries by their name: derived, each page would have their fields in it.
fn by_name<Entry: ToSchema>() -> Array {
    Array::new(Ref::from_schema_name(Entry::name()))
}

/// No query, where there is nothing to choose.
pub(crate) struct NoQuery;

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.uri.query() {
            None => Ok(Self),
            Some(_) => Err(Problem::QueryUnexpected),
        }
    }
}
