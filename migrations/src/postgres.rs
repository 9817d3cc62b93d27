//! Migrations of PostgreSQL databases.

use sqlx::postgres::PgPool;

use crate::script::{self, MIRROR_POSTGRES, QUEUE_POSTGRES, Script};
use crate::{MigrationError, Schema, verify};

/// A PostgreSQL database to migrate.
#[derive(Debug, Clone, Copy)]
pub struct Postgres<'a> {
    pool: &'a PgPool,
    schema: Schema,
}

impl<'a> Postgres<'a> {
    /// The tables of a schema in this database.
    #[must_use]
    pub fn new(pool: &'a PgPool, schema: Schema) -> Self {
        Self { pool, schema }
    }

    fn scripts(&self) -> &'static [Script] {
        match self.schema {
            Schema::Queue => QUEUE_POSTGRES,
            Schema::Mirror => MIRROR_POSTGRES,
        }
    }

    /// Brings the tables up to date, and verifies them. What a later version has added is left
    /// alone: it serves beside this one while servers are replaced one by one. Any number of processes may call it at
    /// once: they take turns by an advisory lock.
    ///
    /// # Errors
    /// [`MigrationError`]; the migrations before the failed one stay.
    pub async fn migrate(&self) -> Result<(), MigrationError> {
        let migrator = script::migrator_up(self.schema, self.scripts());
        let migrated = migrator.run(self.pool).await;
        migrated.map_err(|error| MigrationError::of(error, self.schema))?;
        self.verify().await
    }

    /// Takes away everything after a version: 0 for all of it. Deletes the data in it.
    ///
    /// # Errors
    /// [`MigrationError`], also when a later version has added to it: that version can take it away.
    pub async fn revert_to(&self, version: i64) -> Result<(), MigrationError> {
        let migrator = script::migrator(self.schema, self.scripts());
        migrator
            .undo(self.pool, version)
            .await
            .map_err(MigrationError::Migrate)
    }

    /// Sees that everything is there that the migrations make.
    ///
    /// # Errors
    /// [`MigrationError::Verify`] names the first thing that is missing.
    pub async fn verify(&self) -> Result<(), MigrationError> {
        verify::each(self.pool, self.scripts()).await
    }
}
