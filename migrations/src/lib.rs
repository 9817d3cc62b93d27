#![doc = include_str!("../README.md")]

#[cfg(feature = "sqlite")]
mod lock;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod script;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod verify;

#[cfg(feature = "postgres")]
pub use postgres::Postgres;
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;

/// Which tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// Queue's own: customers, subscriptions, invoices, events, the audit chain, the outbox.
    Queue,
    /// The mirror's: `billing_subscription_mirror`, beside the service that gates.
    Mirror,
}

/// How the mirror's table comes in PostgreSQL, and how it goes: for hosts whose own migrations make
/// it.
#[cfg(feature = "postgres")]
#[must_use]
pub fn mirror_postgres() -> (&'static str, &'static str) {
    script::up_and_down(script::MIRROR_POSTGRES)
}

/// How the mirror's table comes in SQLite, and how it goes.
#[cfg(feature = "sqlite")]
#[must_use]
pub fn mirror_sqlite() -> (&'static str, &'static str) {
    script::up_and_down(script::MIRROR_SQLITE)
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Schema {
    /// The table that says which migrations were applied.
    fn migrations_table(self) -> &'static str {
        match self {
            Self::Queue => "_billing_queue_migrations",
            Self::Mirror => "_billing_mirror_migrations",
        }
    }
}

/// Why migrations did not run, or what they left is not what they should have.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The lock file beside the database can't be used.
    #[error("the lock file beside the database can't be used: {0}")]
    Lock(#[source] std::io::Error),
    /// A migration was begun, of this version or a later one, and not finished: nobody knows what
    /// is there.
    #[error(
        "migration {version} was begun and not finished: mend what it left, then delete its row from {table}"
    )]
    Unfinished {
        /// The migration's number.
        version: i64,
        /// The table that says so.
        table: &'static str,
    },
    /// A migration failed, or one that was applied is not the one of that number here.
    #[error("a migration failed: {0}")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A table lacks something that its migration makes.
    #[error("verification of {migration} failed: {missing} is missing")]
    Verify {
        /// The migration's name.
        migration: &'static str,
        /// What is missing.
        missing: String,
    },
    /// The database can't be reached.
    #[error("the database can't be reached: {0}")]
    Database(#[source] sqlx::Error),
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl MigrationError {
    fn of(error: sqlx::migrate::MigrateError, schema: Schema) -> Self {
        match error {
            sqlx::migrate::MigrateError::Dirty(version) => Self::Unfinished {
                version,
                table: schema.migrations_table(),
            },
            error => Self::Migrate(error),
        }
    }
}
