//! Migrations run forth and back on PostgreSQL.
#![cfg(feature = "postgres")]

use billing_migrations::{MigrationError, Postgres, Schema};
use sqlx::postgres::PgPool;
use test_database::{Engine, TestDatabase, postgres_is_at_hand};

fn database() -> Option<TestDatabase> {
    if !postgres_is_at_hand() {
        eprintln!("skipped: TEST_POSTGRES_URL leads to no PostgreSQL; cargo xtask test starts one");
        return None;
    }
    Some(TestDatabase::new(Engine::Postgres))
}

#[tokio::test]
async fn both_schemas_come_go_and_come_again_in_one_database() {
    let Some(database) = database() else { return };
    let pool = PgPool::connect(database.url()).await.unwrap();
    for _ in 0..2 {
        for schema in [Schema::Queue, Schema::Mirror] {
            let migrations = Postgres::new(&pool, schema);
            migrations.migrate().await.unwrap();
            migrations.migrate().await.unwrap();
        }
        for schema in [Schema::Mirror, Schema::Queue] {
            let migrations = Postgres::new(&pool, schema);
            migrations.revert_to(0).await.unwrap();
            assert!(matches!(
                migrations.verify().await,
                Err(MigrationError::Verify { .. })
            ));
        }
        let left: Vec<String> = sqlx::query_scalar(
            "select relname::text from pg_class
             where relnamespace = 'public'::regnamespace and relname not like '\\_billing\\_%'
             union all select proname::text from pg_proc
             where pronamespace = 'public'::regnamespace",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        assert_eq!(left, [] as [&str; 0]);
    }
    pool.close().await;
}

#[tokio::test]
async fn verification_names_what_is_missing() {
    let Some(database) = database() else { return };
    let pool = PgPool::connect(database.url()).await.unwrap();
    let migrations = Postgres::new(&pool, Schema::Queue);
    for (statement, missing) in [
        (
            "drop trigger billing_action_log_no_update on billing_action_log",
            "0006_billing_action_log failed: billing_action_log_no_update is missing",
        ),
        (
            "drop index mirror_outbox_due_at_idx",
            "0009_mirror_outbox failed: mirror_outbox_due_at_idx is missing",
        ),
        (
            "alter table billing_chain drop constraint billing_chain_single_check",
            "0007_billing_chain failed: billing_chain_single_check is missing",
        ),
        (
            "alter table billing_invoice drop column paid_at",
            "0003_billing_invoice failed: the table or a column is missing",
        ),
    ] {
        migrations.revert_to(0).await.unwrap();
        migrations.migrate().await.unwrap();
        sqlx::query(statement).execute(&pool).await.unwrap();
        let error = migrations.verify().await.unwrap_err();
        assert_eq!(error.to_string(), format!("verification of {missing}"));
    }
    pool.close().await;
}

#[tokio::test]
async fn four_processes_worth_of_migrators_take_turns() {
    let Some(database) = database() else { return };
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let pool = PgPool::connect(database.url()).await.unwrap();
        tasks.spawn(async move {
            Postgres::new(&pool, Schema::Queue)
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
async fn a_schema_of_somebody_elses_beside_ours_is_not_taken_for_ours() {
    let Some(database) = database() else { return };
    let pool = PgPool::connect(database.url()).await.unwrap();
    let migrations = Postgres::new(&pool, Schema::Queue);
    migrations.migrate().await.unwrap();
    sqlx::raw_sql(
        "create schema other; create table other.mirror_outbox (due_at text);
         create index mirror_outbox_due_at_idx on other.mirror_outbox (due_at);
         drop index public.mirror_outbox_due_at_idx",
    )
    .execute(&pool)
    .await
    .unwrap();
    let error = migrations.verify().await.unwrap_err();
    assert!(error.to_string().contains("mirror_outbox_due_at_idx"));
    pool.close().await;
}
