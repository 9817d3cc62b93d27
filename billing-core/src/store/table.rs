//! Statements over whole sets of rows.

use crate::database::{Dialect, Insert, Kind};

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

    /// One JSON array of the rows that a condition holds for.
    pub(super) fn select(&self, dialect: Dialect, condition: &str) -> String {
        self.select_from(dialect, &format!("{} where {condition}", self.name))
    }

    /// One JSON array of rows that a query in parentheses, or the table, has.
    pub(super) fn select_from(&self, dialect: Dialect, rows: &str) -> String {
        dialect.rows(self.all_columns(), rows)
    }

    /// Inserts rows.
    pub(super) fn insert(&self) -> Insert {
        self.insert_or("")
    }

    /// Inserts rows, or does with one that is there what the `on conflict` clause says.
    pub(super) fn insert_or(&self, conflict: &str) -> Insert {
        Insert::new(self.name, self.all_columns().collect(), conflict)
    }

    /// Inserts rows, or updates those that are there.
    pub(super) fn upsert(&self) -> Insert {
        let updates: Vec<String> = self
            .columns
            .iter()
            .map(|(name, _)| format!("{name} = excluded.{name}"))
            .collect();
        let key: Vec<&str> = self.key.iter().map(|(name, _)| *name).collect();
        let (key, updates) = (key.join(", "), updates.join(", "));
        self.insert_or(&format!("on conflict ({key}) do update set {updates}"))
    }
}
