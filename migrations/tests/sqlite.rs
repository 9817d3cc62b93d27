//! Migrations run forth and back on SQLite.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on should panic")]

use billing_migrations::{MigrationError, Schema, Sqlite};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

async fn database(folder: &tempfile::TempDir) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("a.db"))
        .create_if_missing(true);
    SqlitePool::connect_with(options).await.unwrap()
}

#[tokio::test]
async fn both_schemas_come_go_and_come_again_in_one_database() {
    let folder = tempfile::tempdir().unwrap();
    let pool = database(&folder).await;
    for _ in 0..2 {
        for schema in [Schema::Queue, Schema::Mirror] {
            let migrations = Sqlite::new(&pool, schema);
            migrations.migrate().await.unwrap();
            migrations.migrate().await.unwrap();
        }
        for schema in [Schema::Mirror, Schema::Queue] {
            let migrations = Sqlite::new(&pool, schema);
            migrations.revert_to(0).await.unwrap();
            assert!(matches!(
                migrations.verify().await,
                Err(MigrationError::Verify { .. })
            ));
        }
        let left: i64 = sqlx::query_scalar(
            "select count(*) from sqlite_schema where name not like 'sqlite_%' and name not like '_billing_%'",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(left, 0);
    }
}

#[tokio::test]
async fn verification_names_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let pool = database(&folder).await;
    let migrations = Sqlite::new(&pool, Schema::Queue);
    migrations.migrate().await.unwrap();
    sqlx::query("drop trigger billing_action_log_no_update")
        .execute(&pool)
        .await
        .unwrap();
    let error = migrations.verify().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "verification of 0006_billing_action_log failed: billing_action_log_no_update is missing"
    );
}

#[tokio::test]
async fn four_processes_worth_of_migrators_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let pool = database(&folder).await;
        tasks.spawn(async move {
            Sqlite::new(&pool, Schema::Queue)
                .migrate()
                .await
                .map_err(|e| e.to_string())
        });
    }
    while let Some(result) = tasks.join_next().await {
        assert_eq!(result.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn the_mirror_refuses_instants_that_would_not_sort() {
    let folder = tempfile::tempdir().unwrap();
    let pool = database(&folder).await;
    Sqlite::new(&pool, Schema::Mirror).migrate().await.unwrap();
    let insert = "insert into billing_subscription_mirror values ('a', 'pro', 'active', null, $1)";
    for text in [
        "2027-01-15T08:00:00.000000",
        "2027-01-15 08:00:00",
        "1800000000",
    ] {
        assert!(
            sqlx::query(insert).bind(text).execute(&pool).await.is_err(),
            "{text}"
        );
    }
    sqlx::query(insert)
        .bind("2027-01-15 08:00:00.000000")
        .execute(&pool)
        .await
        .unwrap();
}
