//! Seeing that everything is there that the migrations make.

use sqlx::{Database, Executor, IntoArguments, Pool, Row};

use crate::MigrationError;
use crate::script::Script;

/// Runs every verify script: the first select fails where a column is missing, the second answers
/// with the name of anything else that is.
pub(crate) async fn each<DB>(
    pool: &Pool<DB>,
    scripts: &'static [Script],
) -> Result<(), MigrationError>
where
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    DB::Arguments: IntoArguments<DB>,
    usize: sqlx::ColumnIndex<DB::Row>,
    String: for<'r> sqlx::Decode<'r, DB> + sqlx::Type<DB>,
{
    for script in scripts {
        let failed = |missing| MigrationError::Verify {
            migration: script.name,
            missing,
        };
        let mut connection = pool.acquire().await.map_err(MigrationError::Database)?;
        let rows = (&mut *connection)
            .fetch_all(sqlx::raw_sql(script.verify))
            .await;
        let rows = rows.map_err(|_| failed("the table or a column".to_owned()))?;
        if let Some(row) = rows.first() {
            return Err(failed(row.try_get(0).map_err(MigrationError::Database)?));
        }
    }
    Ok(())
}
