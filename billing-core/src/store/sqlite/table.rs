//! Statements over whole sets of rows, which go in and come out as one JSON array.
//!
//! One statement a table and batch, whatever the number of rows: with `json_each` SQLite takes
//! some twenty times as many rows a second as with a statement each.

use std::fmt::Write;

/// What a column holds, as far as JSON and SQLite differ about it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Text, an integer, or null: the same in both.
    Plain,
    /// true and false: 1 and 0 in SQLite.
    Bool,
    /// An object or array: JSON text in SQLite.
    Json,
}

/// A table, the columns of its key first.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) key: &'static [&'static str],
    pub(super) columns: &'static [(&'static str, Kind)],
}

impl Table {
    fn all_columns(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        self.key
            .iter()
            .map(|name| (*name, Kind::Plain))
            .chain(self.columns.iter().copied())
    }

    fn names(&self) -> String {
        self.all_columns()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// One JSON array of the rows that a condition holds for.
    pub(super) fn select(&self, condition: &str) -> String {
        let mut fields = String::new();
        for (name, kind) in self.all_columns() {
            let value = match kind {
                Kind::Plain => name.to_owned(),
                Kind::Bool => format!("json(iif({name}, 'true', 'false'))"),
                Kind::Json => format!("json({name})"),
            };
            let comma = if fields.is_empty() { "" } else { ", " };
            let _ = write!(fields, "{comma}'{name}', {value}");
        }
        format!(
            "select json_group_array(json_object({fields})) from {} where {condition}",
            self.name
        )
    }

    /// Inserts the rows of the JSON array `$1`.
    pub(super) fn insert(&self) -> String {
        let values: Vec<String> = self
            .all_columns()
            .map(|(name, _)| format!("json_extract(value, '$.{name}')"))
            .collect();
        let (table, names, values) = (self.name, self.names(), values.join(", "));
        // "where true" keeps SQLite's parser from taking a following "on" for a join's.
        format!("insert into {table} ({names}) select {values} from json_each($1) where true")
    }

    /// Inserts the rows of the JSON array `$1`, or updates those that are there.
    pub(super) fn upsert(&self) -> String {
        let updates: Vec<String> = self
            .columns
            .iter()
            .map(|(name, _)| format!("{name} = excluded.{name}"))
            .collect();
        let (insert, key, updates) = (self.insert(), self.key.join(", "), updates.join(", "));
        format!("{insert} on conflict ({key}) do update set {updates}")
    }
}
