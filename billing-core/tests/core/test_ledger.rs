//! A ledger over a SQLite file of its own, and a second connection to look at its tables.

use std::sync::{Arc, Mutex};

use billing_core::alert::{Alert, AlertSink, Alerts};
use billing_core::audit::AuditKey;
use billing_core::catalogue::{Catalogue, Tier};
use billing_core::event::Event;
use billing_core::id::PriceId;
use billing_core::ledger::{Capacity, Ledger, Outcome};
use billing_core::policy::Policy;
use billing_core::store::{SqlStore, Store};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{AssertSqlSafe, query_scalar};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

/// A migrated database, to copy: migrating anew for every case would take most of the time.
static MIGRATED: OnceCell<Vec<u8>> = OnceCell::const_new();

pub(crate) fn policy() -> Policy {
    let price = |name: &str| PriceId::parse(name).unwrap();
    let catalogue = Catalogue::default()
        .with_price(price("price_pro"), Tier::parse("pro").unwrap())
        .and_then(|catalogue| {
            catalogue.with_price(price("price_plus"), Tier::parse("pro_plus").unwrap())
        });
    Policy::new(catalogue.unwrap())
}

pub(crate) fn audit_key() -> AuditKey {
    AuditKey::parse("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").unwrap()
}

/// The alerts that were raised.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Alert>>>);

impl AlertSink for Told {
    fn tell(&self, alert: Alert, _count: u64) {
        self.0.lock().unwrap().push(alert);
    }
}

/// A folder with a migrated database in it.
pub(crate) struct Database {
    folder: TempDir,
}

impl Database {
    pub(crate) async fn create() -> Self {
        let migrated = MIGRATED.get_or_init(async || {
            let database = Self {
                folder: tempfile::tempdir().unwrap(),
            };
            let store = database.store().await;
            store.migrate().await.unwrap();
            store.close().await;
            std::fs::read(database.folder.path().join("queue.db")).unwrap()
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("queue.db"), migrated.await).unwrap();
        Self { folder }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("sqlite://{}/{name}", self.folder.path().display())
    }

    pub(crate) async fn store(&self) -> SqlStore {
        SqlStore::open(&self.url("queue.db")).await.unwrap()
    }

    /// A connection of somebody else's.
    pub(crate) async fn intruder(&self) -> SqlitePool {
        let path = self.folder.path().join("queue.db");
        let options = SqliteConnectOptions::new().filename(path);
        SqlitePool::connect_with(options).await.unwrap()
    }
}

pub(crate) struct TestLedger {
    pub(crate) ledger: Ledger,
    pub(crate) store: SqlStore,
    pub(crate) pool: SqlitePool,
    told: Told,
    alerts: Alerts,
    pub(crate) database: Database,
    task: JoinHandle<()>,
}

impl TestLedger {
    pub(crate) async fn start() -> Self {
        Self::start_with(policy(), Capacity::default()).await
    }

    pub(crate) async fn start_with(policy: Policy, capacity: Capacity) -> Self {
        Self::start_over(policy, capacity, |store| store).await
    }

    /// Starts with a store that something was put around.
    pub(crate) async fn start_over<S: Store>(
        policy: Policy,
        capacity: Capacity,
        wrap: impl FnOnce(SqlStore) -> S,
    ) -> Self {
        let database = Database::create().await;
        let store = database.store().await;
        let told = Told::default();
        let alerts = Alerts::new([Box::new(told.clone()) as Box<dyn AlertSink>]);
        let (ledger, task) = Ledger::start(
            wrap(store.clone()),
            policy,
            audit_key(),
            alerts.clone(),
            (),
            capacity,
        )
        .await
        .unwrap();
        let pool = database.intruder().await;
        Self {
            ledger,
            store,
            pool,
            told,
            alerts,
            database,
            task,
        }
    }

    pub(crate) async fn ingest(&self, event: &Event, now: Timestamp) -> Outcome {
        self.ledger.ingest(event.clone(), now).await.unwrap()
    }

    /// All commits at once, so that they may share a transaction.
    pub(crate) async fn ingest_together(&self, events: &[&Event], now: Timestamp) -> Vec<Outcome> {
        let commits = events.iter().map(|event| self.ingest(event, now));
        futures::future::join_all(commits).await
    }

    /// The alerts raised since this was last asked.
    pub(crate) fn take_alerts(&self) -> Vec<Alert> {
        self.alerts.flush(Timestamp::MAX);
        std::mem::take(&mut self.told.0.lock().unwrap())
    }

    pub(crate) async fn rows(&self, table: &str) -> Vec<Value> {
        rows(&self.pool, table).await
    }

    /// Ends the ledger after its last command, and everything else with it.
    pub(crate) async fn stop(self) -> Database {
        drop(self.ledger);
        self.task.await.unwrap();
        self.pool.close().await;
        self.store.close().await;
        self.database
    }
}

/// All rows of a table, as objects, in the order of its key.
pub(crate) async fn rows(pool: &SqlitePool, table: &str) -> Vec<Value> {
    let columns: Vec<String> = query_scalar("select name from pragma_table_info($1)")
        .bind(table)
        .fetch_all(pool)
        .await
        .unwrap();
    let fields: Vec<String> = columns
        .iter()
        .map(|name| format!("'{name}', iif(typeof({name}) = 'blob', hex({name}), {name})"))
        .collect();
    let statement = format!(
        "select json_object({}) from {table} order by 1",
        fields.join(", ")
    );
    let rows: Vec<String> = query_scalar(AssertSqlSafe(statement))
        .fetch_all(pool)
        .await
        .unwrap();
    rows.iter()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect()
}

/// The names of all tables.
pub(crate) async fn tables(pool: &SqlitePool) -> Vec<String> {
    query_scalar("select name from sqlite_schema where type = 'table' order by name")
        .fetch_all(pool)
        .await
        .unwrap()
}
