//! One migrator at a time on a SQLite database: sqlx's own lock does nothing there.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::MigrationError;

/// Held while migrations run; let go when dropped, also by a process that dies.
pub(crate) struct MigrationLock(#[expect(dead_code, reason = "holds the lock by being open")] File);

impl MigrationLock {
    /// Waits until nobody else migrates this database.
    pub(crate) async fn acquire(database: &Path) -> Result<Self, MigrationError> {
        let mut path = database.as_os_str().to_owned();
        path.push(".migrate.lock");
        let path = PathBuf::from(path);
        let locked = tokio::task::spawn_blocking(move || {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)?;
            file.lock()?;
            Ok(file)
        });
        match locked.await {
            Ok(result) => result.map(Self).map_err(MigrationError::Lock),
            Err(join) => Err(MigrationError::Lock(std::io::Error::other(join))),
        }
    }
}
