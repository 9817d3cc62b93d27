//! Statements over whole sets of rows, which go in and come out as one JSON array.

use crate::database::{Dialect, Kind};

/// A table, the columns of its key first.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) key: &'static [(&'static str, Kind)],
    pub(super) columns: &'static [(&'static str, Kind)],
}

impl Table {
    fn all_columns(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        self.key.iter().chain(self.columns).copied()
    }

    fn list(&self, item: impl Fn(&'static str, Kind) -> String) -> String {
        let items: Vec<String> = self
            .all_columns()
            .map(|(name, kind)| item(name, kind))
            .collect();
        items.join(", ")
    }

    /// One JSON array of the rows that a condition holds for.
    pub(super) fn select(&self, dialect: Dialect, condition: &str) -> String {
        let fields = self.list(|name, kind| format!("'{name}', {}", dialect.json(name, kind)));
        format!(
            "select {} from {} where {condition}",
            dialect.array(&fields),
            self.name
        )
    }

    /// Inserts the rows of the JSON array `$1`.
    pub(super) fn insert(&self, dialect: Dialect) -> String {
        let names = self.list(|name, _| name.to_owned());
        let values = self.list(|name, kind| dialect.field(name, kind));
        let (table, items) = (self.name, dialect.items(1));
        // "where true" keeps SQLite's parser from taking a following "on" for a join's.
        format!("insert into {table} ({names}) select {values} from {items} where true")
    }

    /// Inserts the rows of the JSON array `$1`, or updates those that are there.
    pub(super) fn upsert(&self, dialect: Dialect) -> String {
        let updates: Vec<String> = self
            .columns
            .iter()
            .map(|(name, _)| format!("{name} = excluded.{name}"))
            .collect();
        let key: Vec<&str> = self.key.iter().map(|(name, _)| *name).collect();
        let (insert, key, updates) = (self.insert(dialect), key.join(", "), updates.join(", "));
        format!("{insert} on conflict ({key}) do update set {updates}")
    }
}
