//! Inserts of whole sets of rows: one statement a table, or in SQLite a few, whatever their number.
//!
//! PostgreSQL takes each column as an array. SQLite has none, and takes rows in lots: of few sizes,
//! so that the prepared statements are few.

#[cfg(feature = "sqlite")]
use std::sync::OnceLock;

#[cfg(feature = "postgres")]
use sqlx::Postgres;
#[cfg(feature = "sqlite")]
use sqlx::Sqlite;
use sqlx::query::Query;

use super::Kind;
use super::cells::Cell;
use super::held::{Held, in_time};
use crate::store::StoreError;

/// Sizes of lots are powers of two up to 2^6.
#[cfg(feature = "sqlite")]
const LOTS: u32 = 7;

/// An insert into a table.
#[derive(Debug)]
pub(crate) struct Insert {
    pub(super) columns: Vec<(&'static str, Kind)>,
    #[cfg(feature = "postgres")]
    postgres: String,
    #[cfg(feature = "sqlite")]
    sqlite: Sqlites,
}

/// The statement for each size of a lot, made when it is first wanted.
#[cfg(feature = "sqlite")]
#[derive(Debug)]
struct Sqlites {
    head: String,
    tail: String,
    lots: [OnceLock<String>; LOTS as usize],
}

impl Insert {
    /// Inserts rows of these columns. `conflict`: an `on conflict` clause, or nothing.
    pub(crate) fn new(table: &str, columns: Vec<(&'static str, Kind)>, conflict: &str) -> Self {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let head = format!("insert into {table} ({})", names.join(", "));
        Self {
            #[cfg(feature = "postgres")]
            postgres: postgres_statement(&head, &columns, conflict),
            #[cfg(feature = "sqlite")]
            sqlite: Sqlites {
                head,
                tail: conflict.to_owned(),
                lots: Default::default(),
            },
            columns,
        }
    }
}

#[cfg(feature = "postgres")]
fn postgres_statement(head: &str, columns: &[(&'static str, Kind)], conflict: &str) -> String {
    let (mut arrays, mut names, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (name, kind)) in columns.iter().enumerate() {
        let number = index + 1;
        let array = match kind {
            Kind::Text | Kind::Json | Kind::Instant => "text",
            Kind::Integer | Kind::Seconds => "bigint",
            Kind::Bool => "boolean",
            Kind::Bytes => "bytea",
        };
        arrays.push(format!("${number}::{array}[]"));
        names.push(*name);
        values.push(match kind {
            Kind::Text | Kind::Integer | Kind::Bool | Kind::Bytes => format!("item.{name}"),
            Kind::Json => format!("item.{name}::jsonb"),
            Kind::Seconds => format!("to_timestamp(item.{name})"),
            Kind::Instant => format!("(item.{name} || '+00')::timestamptz"),
        });
    }
    let (arrays, names, values) = (arrays.join(", "), names.join(", "), values.join(", "));
    format!("{head} select {values} from unnest({arrays}) as item({names}) {conflict}")
}

#[cfg(feature = "postgres")]
impl Held<Postgres> {
    pub(super) async fn insert(
        &mut self,
        insert: &'static Insert,
        rows: Vec<Vec<Cell>>,
    ) -> Result<(), StoreError> {
        let answer = in_time(insert.postgres(rows)?.execute(self.connection()?)).await;
        self.judge(answer).map(drop)
    }
}

#[cfg(feature = "postgres")]
impl Insert {
    /// The statement, with all rows.
    fn postgres(
        &'static self,
        rows: Vec<Vec<Cell>>,
    ) -> Result<Query<'static, Postgres, sqlx::postgres::PgArguments>, StoreError> {
        let mut columns: Vec<Vec<Cell>> = self
            .columns
            .iter()
            .map(|_| Vec::with_capacity(rows.len()))
            .collect();
        for row in rows {
            for (column, cell) in columns.iter_mut().zip(row) {
                column.push(cell);
            }
        }
        let mut query = sqlx::query(self.postgres.as_str());
        for (cells, (_, kind)) in columns.into_iter().zip(&self.columns) {
            query = match kind {
                Kind::Text | Kind::Json | Kind::Instant => query.bind(array(cells, Cell::text)?),
                Kind::Integer | Kind::Seconds => query.bind(array(cells, Cell::integer)?),
                Kind::Bool => query.bind(array(cells, Cell::bool)?),
                Kind::Bytes => query.bind(array(cells, Cell::bytes)?),
            };
        }
        Ok(query)
    }
}

/// A column's values; what is of another type than the column is refused.
#[cfg(feature = "postgres")]
fn array<T>(
    cells: Vec<Cell>,
    value: impl Fn(Cell) -> Option<T>,
) -> Result<Vec<Option<T>>, StoreError> {
    let value = |cell| match cell {
        Cell::Null => Ok(None),
        cell => value(cell).map(Some).ok_or(StoreError::Refused),
    };
    cells.into_iter().map(value).collect()
}

#[cfg(feature = "postgres")]
impl Cell {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(integer),
            _ => None,
        }
    }

    fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn bool(self) -> Option<bool> {
        match self {
            Self::Bool(bool) => Some(bool),
            _ => None,
        }
    }
}

#[cfg(feature = "sqlite")]
impl Held<Sqlite> {
    pub(super) async fn insert(
        &mut self,
        insert: &'static Insert,
        rows: Vec<Vec<Cell>>,
    ) -> Result<(), StoreError> {
        for statement in insert.sqlite(rows) {
            let answer = in_time(statement.execute(self.connection()?)).await;
            self.judge(answer)?;
        }
        Ok(())
    }
}

#[cfg(feature = "sqlite")]
impl Insert {
    /// Statements that insert all rows between them.
    fn sqlite(
        &'static self,
        rows: Vec<Vec<Cell>>,
    ) -> impl Iterator<Item = Query<'static, Sqlite, sqlx::sqlite::SqliteArguments>> {
        let mut rows = rows.into_iter();
        std::iter::from_fn(move || {
            let lot = rows.len().checked_ilog2()?.min(LOTS - 1);
            let mut query = sqlx::query(self.sqlite_statement(lot));
            for cell in rows.by_ref().take(1 << lot).flatten() {
                query = match cell {
                    Cell::Null => query.bind(None::<String>),
                    Cell::Text(text) => query.bind(text),
                    Cell::Integer(integer) => query.bind(integer),
                    Cell::Bool(bool) => query.bind(bool),
                    Cell::Bytes(bytes) => query.bind(bytes),
                };
            }
            Some(query)
        })
    }

    fn sqlite_statement(&'static self, lot: u32) -> &'static str {
        let Sqlites { head, tail, lots } = &self.sqlite;
        lots[lot as usize].get_or_init(|| {
            let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
            let rows = vec![row; 1 << lot].join(", ");
            format!("{head} values {rows} {tail}")
        })
    }
}
