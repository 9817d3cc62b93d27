//! A database, of whichever kind: connections, statements, transactions.
//!
//! Rows go in by the set ([`Insert`]) and come out as one JSON array, so that a batch costs a few
//! statements whatever its size, and one set of row types serves every kind of database; what else
//! differs between them is in [`Dialect`].

mod cells;
mod dialect;
mod held;
mod insert;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

pub(crate) use dialect::{Dialect, Kind, PerDialect};
pub(crate) use insert::{Insert, Inserts};
#[cfg(feature = "sqlite")]
pub(crate) use sqlite::THREAD_NAME as SQLITE_THREAD_NAME;

use std::num::NonZeroU32;
use std::time::Duration;

use crate::store::StoreError;
use held::{Held, in_time};

/// What connections to somebody else's database may take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// How many there are at most. Unless told, 8 to PostgreSQL and 4 to SQLite.
    pub connections: Option<NonZeroU32>,
    /// How long SQLite waits for a lock that another process holds; nothing ends such a wait, also
    /// not that whoever asked has given up. Unless told, 5 seconds.
    pub busy_timeout: Option<Duration>,
}

/// When what is committed is durable.
#[derive(Debug, Clone, Copy)]
enum Durable {
    /// Before it is told that it is committed.
    OnCommit,
    /// With what is committed next, or a little later.
    WithTheNext,
}

/// Connections to a database.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool, sqlite::Writers),
}

/// A transaction. Dropped without a commit, it leaves no trace.
#[derive(Debug)]
pub(crate) enum DatabaseTransaction {
    #[cfg(feature = "postgres")]
    Postgres(Held<sqlx::Postgres>),
    #[cfg(feature = "sqlite")]
    Sqlite(Held<sqlx::Sqlite>),
}

/// The same expression for every kind of database.
macro_rules! each {
    ($kind:ident, $value:expr, $name:ident => $body:expr) => {
        match $value {
            #[cfg(feature = "postgres")]
            $kind::Postgres($name, ..) => $body,
            #[cfg(feature = "sqlite")]
            $kind::Sqlite($name, ..) => $body,
        }
    };
}

/// A statement's first row's only column, which must be text.
macro_rules! fetch {
    ($held:expr, $statement:expr, $parameters:expr) => {{
        let mut query = sqlx::query_scalar::<_, String>($statement);
        for parameter in $parameters {
            query = query.bind(parameter.clone());
        }
        let answer = in_time(query.fetch_optional($held.connection()?)).await;
        $held.judge(answer)
    }};
}

/// How many rows a statement changed.
macro_rules! execute {
    ($held:expr, $statement:expr, $parameters:expr) => {{
        let mut query = sqlx::query($statement);
        for parameter in $parameters {
            query = query.bind(parameter.clone());
        }
        let answer = in_time(query.execute($held.connection()?)).await;
        $held.judge(answer).map(|result| result.rows_affected())
    }};
}

impl Database {
    /// Opens the database of a URL: `sqlite://PATH`, `postgres://…`; of SQLite's, makes the file if
    /// it is asked to.
    pub(crate) async fn open(
        url: &str,
        create_if_missing: bool,
        at_most: Option<NonZeroU32>,
    ) -> Result<Self, StoreError> {
        let scheme = url.split(':').next().unwrap_or_default();
        match scheme {
            #[cfg(feature = "sqlite")]
            "sqlite" => sqlite::open(url, create_if_missing, at_most)
                .await
                .map(|(pool, writers)| Self::Sqlite(pool, writers)),
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                let _ = create_if_missing;
                postgres::open(url, at_most).await.map(Self::Postgres)
            }
            _ => Err(StoreError::UnknownScheme),
        }
    }

    /// Connections to a database of somebody else's, made when they are wanted. Nothing is made or
    /// set in it, and it need not be there yet.
    pub(crate) fn open_foreign(url: &str, limits: Limits) -> Result<Self, StoreError> {
        let scheme = url.split(':').next().unwrap_or_default();
        match scheme {
            #[cfg(feature = "sqlite")]
            "sqlite" => sqlite::open_foreign(url, limits)
                .map(|pool| Self::Sqlite(pool, sqlite::Writers::default())),
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                postgres::open_foreign(url, limits.connections).map(Self::Postgres)
            }
            _ => Err(StoreError::UnknownScheme),
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Dialect::Postgres,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(..) => Dialect::Sqlite,
        }
    }

    pub(crate) async fn fetch(
        &self,
        statement: &'static str,
        parameters: &[String],
    ) -> Result<Option<String>, StoreError> {
        each!(Database, self, pool => {
            let mut held = Held::acquire(pool).await?;
            fetch!(held, statement, parameters)
        })
    }

    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        self.begin_transaction(Durable::OnCommit).await
    }

    /// The same for what is done again if a machine forgets it: its commit does not wait for the disk, and is durable with
    /// the next that does, or a little later.
    pub(crate) async fn begin_forgettable(&self) -> Result<DatabaseTransaction, StoreError> {
        self.begin_transaction(Durable::WithTheNext).await
    }

    async fn begin_transaction(&self, durable: Durable) -> Result<DatabaseTransaction, StoreError> {
        Ok(match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => {
                let begin = match durable {
                    Durable::OnCommit => "BEGIN",
                    Durable::WithTheNext => "BEGIN; SET LOCAL synchronous_commit = off",
                };
                DatabaseTransaction::Postgres(Held::acquire(pool).await?.begin(begin).await?)
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(pool, writers) => {
                DatabaseTransaction::Sqlite(writers.begin(pool, durable).await?)
            }
        })
    }

    /// Brings the tables of a schema up to date, and verifies them.
    pub(crate) async fn migrate(
        &self,
        schema: billing_migrations::Schema,
    ) -> Result<(), billing_migrations::MigrationError> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => {
                let pool = &postgres::for_migrations(pool);
                let migrations = billing_migrations::Postgres::new(pool, schema);
                let result = migrations.migrate().await;
                pool.close().await;
                result
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(pool, _) => {
                billing_migrations::Sqlite::new(pool, schema)
                    .migrate()
                    .await
            }
        }
    }

    /// The same database over connections of its own, where they belong to a runtime and there may be more than one.
    pub(crate) fn apart(&self) -> Option<Self> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => postgres::apart(pool).map(Self::Postgres),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(..) => None,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        each!(Database, self, pool => pool.is_closed())
    }

    pub(crate) async fn close(&self) {
        let closed = async {
            match self {
                #[cfg(feature = "postgres")]
                Self::Postgres(pool) => pool.close().await,
                #[cfg(feature = "sqlite")]
                Self::Sqlite(pool, writers) => writers.close(pool).await,
            }
        };
        let _ = in_time(closed).await;
    }
}

impl DatabaseTransaction {
    pub(crate) async fn fetch(
        &mut self,
        statement: &'static str,
        parameters: &[String],
    ) -> Result<Option<String>, StoreError> {
        each!(DatabaseTransaction, self, held => fetch!(held, statement, parameters))
    }

    pub(crate) async fn execute(
        &mut self,
        statement: &'static str,
        parameters: &[String],
    ) -> Result<u64, StoreError> {
        each!(DatabaseTransaction, self, held => execute!(held, statement, parameters))
    }

    /// No inserts yet, to add some to.
    pub(crate) fn inserts(&self) -> Inserts {
        Inserts::new(match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Dialect::Postgres,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Dialect::Sqlite,
        })
    }

    pub(crate) async fn insert(&mut self, inserts: Inserts) -> Result<(), StoreError> {
        match (self, inserts) {
            #[cfg(feature = "postgres")]
            (Self::Postgres(held), Inserts::Postgres(statements, arguments)) => {
                held.insert(statements, arguments).await
            }
            #[cfg(feature = "sqlite")]
            (Self::Sqlite(held), Inserts::Sqlite(queries)) => held.insert(queries).await,
            #[cfg(all(feature = "postgres", feature = "sqlite"))]
            _ => Err(StoreError::Refused),
        }
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        each!(DatabaseTransaction, self, held => held.commit().await)
    }
}

/// Tells what may pass from what will not. Anything unforeseen is taken as passing: a retry loses
/// nothing, and giving up would.
pub(crate) fn classify(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            // SQLite has but one code for all that is wrong with a statement.
            let says = |text| database.message().starts_with(text);
            if code == "42P01" || says("no such table") {
                StoreError::TableMissing
            } else if says("malformed JSON") {
                StoreError::Corrupt
            } else if is_refusal(&code) {
                StoreError::Refused
            } else {
                StoreError::Unavailable
            }
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Corrupt,
        _ => StoreError::Unavailable,
    }
}

/// Whether the database says that it does not take these values, whoever sends them when.
fn is_refusal(code: &str) -> bool {
    // PostgreSQL's classes, of five characters: data exceptions, constraints, views' checks, program
    // limits, what a trigger raises.
    const CLASSES: [&str; 5] = ["22", "23", "44", "54", "P0"];
    // SQLite's numbers, without their extensions: too big, constraints (a trigger's too), mismatch.
    const NUMBERS: [u32; 3] = [18, 19, 20];
    match code.len() {
        5 => CLASSES.iter().any(|class| code.starts_with(class)),
        _ => code
            .parse::<u32>()
            .is_ok_and(|code| NUMBERS.contains(&(code & 0xff))),
    }
}
