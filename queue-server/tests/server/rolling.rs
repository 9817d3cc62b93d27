//! Servers replaced one by one: two versions over one database.

use std::time::Duration;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::kill::events;
use crate::load::{Load, assert_nothing_lost};
use crate::support::{Installation, customer_created, eventually};

/// What a later version might add.
const LATER: &str = "alter table billing_customer add column later text;
    alter table billing_subscription_mirror add column later text;
    create table later (id text primary key)";

/// Migrates as a later version would.
async fn migrate_later(installation: &Installation) -> bool {
    let (version, kind) = (1000, MigrationType::Simple);
    let later = Migration::new(version, "later".into(), kind, LATER.into_sql_str(), false);
    let mut migrator = Migrator::with_migrations(vec![later]);
    migrator.dangerous_set_table_name("_billing_queue_migrations");
    migrator.set_ignore_missing(true);
    let database = installation.database().await;
    let migrated = migrator.run(&database).await;
    database.close().await;
    migrated.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_version_migrates_under_load_and_this_one_serves_on_and_starts_again() {
    let installation = Installation::new();
    let before = installation.serve().await;
    let events = events();
    let load = Load::start(&before, &events);
    tokio::time::sleep(Duration::from_millis(300)).await;
    eventually("it migrates", async || migrate_later(&installation).await).await;
    let after = installation.serve().await;
    for (number, server) in (0..).zip([&before, &after, &before, &after]) {
        let event = format!("evt_beside_{number}");
        let created = customer_created(&event, &format!("cus_beside_{number}"), "beside");
        assert_eq!(server.outcome(&created).await, "applied");
    }
    let sent = load.end().await;
    assert_nothing_lost(&installation, &before, &events, &sent).await;
    before.kill().await;
    let again = customer_created("evt_alone", "cus_alone", "alone");
    assert_eq!(after.outcome(&again).await, "applied");
    let migrated = installation.run(&["migrate"]).await;
    assert!(migrated.status.success(), "{migrated:?}");
}

#[tokio::test]
async fn a_migration_that_did_not_finish_is_refused_with_what_to_do() {
    let installation = Installation::new();
    assert!(installation.run(&["migrate"]).await.status.success());
    assert!(migrate_later(&installation).await);
    let unfinished = "update _billing_queue_migrations set success = false where version = 1000";
    installation.meddle(unfinished).await.unwrap();
    for command in ["serve", "migrate"] {
        let refused = installation.run(&[command]).await;
        assert_eq!(refused.status.code(), Some(1), "{command}");
        let told = String::from_utf8(refused.stderr).unwrap();
        for word in [
            "migration 1000",
            "not finished",
            "_billing_queue_migrations",
        ] {
            assert!(told.contains(word), "{word} in\n{told}");
        }
    }
}
