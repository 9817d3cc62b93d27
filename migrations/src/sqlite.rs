//! Migrations of SQLite databases.

use std::path::Path;

use sqlx::sqlite::SqlitePool;

use crate::lock::MigrationLock;
use crate::script::{self, MIRROR_SQLITE, QUEUE_SQLITE, Script};
use crate::{MigrationError, Schema, verify};

/// A SQLite database to migrate.
#[derive(Debug, Clone, Copy)]
pub struct Sqlite<'a> {
    pool: &'a SqlitePool,
    schema: Schema,
}

impl<'a> Sqlite<'a> {
    /// The tables of a schema in this database.
    #[must_use]
    pub fn new(pool: &'a SqlitePool, schema: Schema) -> Self {
        Self { pool, schema }
    }

    fn scripts(&self) -> &'static [Script] {
        match self.schema {
            Schema::Queue => QUEUE_SQLITE,
            Schema::Mirror => MIRROR_SQLITE,
        }
    }

    /// Brings the tables up to date, and verifies them. What a later version has added is left
    /// alone: it serves beside this one while servers are replaced one by one. Any number of processes may call it at
    /// once: they take turns.
    ///
    /// # Errors
    /// [`MigrationError`]; the migrations before the failed one stay.
    pub async fn migrate(&self) -> Result<(), MigrationError> {
        let _lock = self.lock().await?;
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
        let _lock = self.lock().await?;
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

    async fn lock(&self) -> Result<Option<MigrationLock>, MigrationError> {
        let options = self.pool.connect_options();
        let file = options.get_filename();
        if file == Path::new(":memory:") || file.to_string_lossy().starts_with("file:") {
            return Ok(None);
        }
        MigrationLock::acquire(file).await.map(Some)
    }
}
