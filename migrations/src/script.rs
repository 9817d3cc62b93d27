//! The scripts as they are embedded.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::Schema;

/// One concept: how it comes, how it goes, and how to see that it is there.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    up: &'static str,
    down: &'static str,
    pub(crate) verify: &'static str,
}

macro_rules! scripts {
    ($folder:literal: $($name:literal)+) => {
        &[$(Script {
            name: $name,
            up: include_str!(concat!("../", $folder, "/", $name, ".up.sql")),
            down: include_str!(concat!("../", $folder, "/", $name, ".down.sql")),
            verify: include_str!(concat!("../verify/", $folder, "/", $name, ".sql")),
        }),+]
    };
}

/// The same names for every kind of database.
macro_rules! queue {
    ($folder:literal) => {
        scripts!($folder:
            "0001_billing_customer"
            "0002_billing_subscription"
            "0003_billing_invoice"
            "0004_processed_stripe_events"
            "0005_billing_quarantine"
            "0006_billing_action_log"
            "0007_billing_chain"
            "0008_mirror_row"
            "0009_mirror_outbox"
            "0010_subscribe_claim"
            "0011_refresh_queue"
            "0012_reconcile_run"
            "0013_mirror_row_lists"
            "0014_subscription_terms"
        )
    };
}

#[cfg(feature = "postgres")]
pub(crate) static QUEUE_POSTGRES: &[Script] = queue!("queue/postgres");
#[cfg(feature = "sqlite")]
pub(crate) static QUEUE_SQLITE: &[Script] = queue!("queue/sqlite");

#[cfg(feature = "postgres")]
pub(crate) static MIRROR_POSTGRES: &[Script] =
    scripts!("mirror/postgres": "0001_billing_subscription_mirror");
#[cfg(feature = "sqlite")]
pub(crate) static MIRROR_SQLITE: &[Script] =
    scripts!("mirror/sqlite": "0001_billing_subscription_mirror");

/// The table of a schema that is but one.
pub(crate) fn up_and_down(scripts: &'static [Script]) -> (&'static str, &'static str) {
    match scripts {
        [only] => (only.up, only.down),
        _ => unreachable!("the mirror is one table, made by one script"),
    }
}

/// The migrator of these scripts. Each schema has its own table of applied migrations, so that
/// both can live in one database, beside a host's own migrations.
pub(crate) fn migrator(schema: Schema, scripts: &'static [Script]) -> Migrator {
    let migrations = scripts.iter().zip(1..).flat_map(|(script, version)| {
        [
            (MigrationType::ReversibleUp, script.up),
            (MigrationType::ReversibleDown, script.down),
        ]
        .map(|(kind, sql)| {
            Migration::new(version, script.name.into(), kind, sql.into_sql_str(), false)
        })
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.dangerous_set_table_name(schema.migrations_table());
    migrator
}

/// The same, to go up: it leaves alone what a later version has added.
pub(crate) fn migrator_up(schema: Schema, scripts: &'static [Script]) -> Migrator {
    let mut migrator = migrator(schema, scripts);
    migrator.set_ignore_missing(true);
    migrator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(feature = "postgres", feature = "sqlite"))]
    #[test]
    fn every_file_is_embedded_under_its_number() {
        for (folder, scripts) in [
            ("queue/postgres", QUEUE_POSTGRES),
            ("queue/sqlite", QUEUE_SQLITE),
            ("mirror/postgres", MIRROR_POSTGRES),
            ("mirror/sqlite", MIRROR_SQLITE),
        ] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            let mut files: Vec<_> = std::fs::read_dir(path)
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .filter_map(|file| file.strip_suffix(".up.sql").map(str::to_owned))
                .collect();
            files.sort();
            let embedded: Vec<_> = scripts
                .iter()
                .map(|script| script.name.to_owned())
                .collect();
            assert_eq!(files, embedded);
            for (name, number) in embedded.iter().zip(1..) {
                assert!(name.starts_with(&format!("{number:04}_")), "{name}");
            }
        }
    }
}
