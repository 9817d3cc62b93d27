//! Inserts of whole sets of rows.
//!
//! PostgreSQL takes each column as an array, and the inserts into several tables as one statement: the time that an
//! answer is on its way is waited for once. SQLite has no arrays, answers at once, and takes rows in lots: of few sizes,
//! so that the prepared statements are few.

#[cfg(feature = "sqlite")]
use std::sync::OnceLock;

use serde::Serialize;
#[cfg(feature = "postgres")]
use sqlx::postgres::{PgArguments, Postgres};
#[cfg(feature = "sqlite")]
use sqlx::query::Query;
#[cfg(feature = "sqlite")]
use sqlx::sqlite::{Sqlite, SqliteArguments};
#[cfg(feature = "postgres")]
use sqlx::{Arguments, AssertSqlSafe};

use super::cells::{Cell, cells_of};
use super::held::{Held, in_time};
use super::{Dialect, Kind};
use crate::store::StoreError;

/// Sizes of lots are powers of two up to 2^6.
#[cfg(feature = "sqlite")]
const LOTS: u32 = 7;

/// An insert into a table.
#[derive(Debug)]
pub(crate) struct Insert {
    columns: Vec<(&'static str, Kind)>,
    head: String,
    /// An `on conflict` clause, or nothing.
    conflict: String,
    /// The statement for each size of a lot, made when it is first wanted.
    #[cfg(feature = "sqlite")]
    lots: [OnceLock<String>; LOTS as usize],
}

#[cfg(feature = "sqlite")]
type SqliteQuery = Query<'static, Sqlite, SqliteArguments>;

/// Inserts, with their rows, that go to the database together: each into a table of its own, and none that needs another
/// to come before it (SQLite goes by their order, PostgreSQL looks at foreign keys when all are there).
pub(crate) enum Inserts {
    /// The statements, and the parameters of all of them.
    #[cfg(feature = "postgres")]
    Postgres(Vec<String>, PgArguments),
    #[cfg(feature = "sqlite")]
    Sqlite(Vec<SqliteQuery>),
}

impl Inserts {
    pub(super) fn new(dialect: Dialect) -> Self {
        match dialect {
            #[cfg(feature = "postgres")]
            Dialect::Postgres => Self::Postgres(Vec::new(), PgArguments::default()),
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => Self::Sqlite(Vec::new()),
        }
    }

    /// Rows too, or what else the insert says of those that are there.
    pub(crate) fn with(
        mut self,
        insert: &'static Insert,
        rows: &[impl Serialize],
    ) -> Result<Self, StoreError> {
        if rows.is_empty() {
            return Ok(self);
        }
        let rows = rows
            .iter()
            .map(|row| cells_of(&insert.columns, row))
            .collect::<Result<Vec<_>, _>>()?;
        match &mut self {
            #[cfg(feature = "postgres")]
            Self::Postgres(statements, arguments) => {
                debug_assert!(statements.iter().all(|one| !one.starts_with(&insert.head)));
                statements.push(insert.postgres_statement(arguments.len()));
                insert.add_to(arguments, rows)?;
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(queries) => queries.extend(insert.sqlite(rows)),
        }
        Ok(self)
    }
}

impl Insert {
    /// Inserts rows of these columns. `conflict`: an `on conflict` clause, or nothing.
    pub(crate) fn new(table: &str, columns: Vec<(&'static str, Kind)>, conflict: &str) -> Self {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        Self {
            head: format!("insert into {table} ({})", names.join(", ")),
            conflict: conflict.to_owned(),
            #[cfg(feature = "sqlite")]
            lots: Default::default(),
            columns,
        }
    }
}

#[cfg(feature = "postgres")]
impl Held<Postgres> {
    pub(super) async fn insert(
        &mut self,
        mut statements: Vec<String>,
        arguments: PgArguments,
    ) -> Result<(), StoreError> {
        let Some(last) = statements.pop() else {
            return Ok(());
        };
        let others = statements.iter().enumerate();
        let others: Vec<_> = others
            .map(|(number, insert)| format!("insert_{number} as ({insert})"))
            .collect();
        let statement = match others.is_empty() {
            true => last,
            false => format!("with {} {last}", others.join(", ")),
        };
        let query = sqlx::query_with(AssertSqlSafe(statement), arguments);
        let answer = in_time(query.execute(self.connection()?)).await;
        self.judge(answer).map(drop)
    }
}

#[cfg(feature = "postgres")]
impl Insert {
    /// The statement, with parameters after those of others.
    fn postgres_statement(&self, others: usize) -> String {
        let (mut arrays, mut names, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (name, kind)) in (others + 1..).zip(&self.columns) {
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
        let (head, conflict) = (&self.head, &self.conflict);
        let (arrays, names, values) = (arrays.join(", "), names.join(", "), values.join(", "));
        format!("{head} select {values} from unnest({arrays}) as item({names}) {conflict}")
    }

    fn add_to(&self, arguments: &mut PgArguments, rows: Vec<Vec<Cell>>) -> Result<(), StoreError> {
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
        for (cells, (_, kind)) in columns.into_iter().zip(&self.columns) {
            match kind {
                Kind::Text | Kind::Json | Kind::Instant => arguments.add(array(cells, Cell::text)?),
                Kind::Integer | Kind::Seconds => arguments.add(array(cells, Cell::integer)?),
                Kind::Bool => arguments.add(array(cells, Cell::bool)?),
                Kind::Bytes => arguments.add(array(cells, Cell::bytes)?),
            }
            .map_err(|_| StoreError::Refused)?;
        }
        Ok(())
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
    pub(super) async fn insert(&mut self, queries: Vec<SqliteQuery>) -> Result<(), StoreError> {
        for query in queries {
            let answer = in_time(query.execute(self.connection()?)).await;
            self.judge(answer)?;
        }
        Ok(())
    }
}

#[cfg(feature = "sqlite")]
impl Insert {
    /// Statements that insert all rows between them.
    fn sqlite(&'static self, rows: Vec<Vec<Cell>>) -> impl Iterator<Item = SqliteQuery> {
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
        self.lots[lot as usize].get_or_init(|| {
            let (head, conflict) = (&self.head, &self.conflict);
            let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
            let rows = vec![row; 1 << lot].join(", ");
            format!("{head} values {rows} {conflict}")
        })
    }
}
