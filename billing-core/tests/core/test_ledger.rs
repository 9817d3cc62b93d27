//! A ledger over a database of its own, and a second connection to look at its tables.

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
use sqlx::{AnyPool, AssertSqlSafe, query_as, query_scalar};
use test_database::{Engine, Template, TestDatabase};
use tokio::task::JoinHandle;

/// A migrated database.
static MIGRATED: Template = Template::new();

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

/// A migrated database.
pub(crate) struct Database(TestDatabase);

impl Database {
    pub(crate) fn create() -> Self {
        Self::create_on(Engine::chosen())
    }

    pub(crate) fn create_on(engine: Engine) -> Self {
        Self(MIGRATED.copy(engine, async |url| {
            let store = SqlStore::open(&url).await.unwrap();
            store.migrate().await.unwrap();
            store.close().await;
        }))
    }

    pub(crate) fn engine(&self) -> Engine {
        self.0.engine()
    }

    pub(crate) async fn store(&self) -> SqlStore {
        SqlStore::open(self.0.url()).await.unwrap()
    }

    /// Connections of somebody else's.
    pub(crate) async fn intruder(&self) -> AnyPool {
        self.0.connect().await
    }
}

pub(crate) struct TestLedger {
    pub(crate) ledger: Ledger,
    pub(crate) store: SqlStore,
    pub(crate) pool: AnyPool,
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
        Self::start_in(Database::create(), policy, capacity, wrap).await
    }

    /// Starts in a database that is there.
    pub(crate) async fn start_in<S: Store>(
        database: Database,
        policy: Policy,
        capacity: Capacity,
        wrap: impl FnOnce(SqlStore) -> S,
    ) -> Self {
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
        rows(&self.pool, self.database.engine(), table).await
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

/// All rows of a table as objects, in the order of its key. The same for the same rows, wherever
/// they are: instants and truth as SQLite holds them, JSON as what it says.
pub(crate) async fn rows(pool: &AnyPool, engine: Engine, table: &str) -> Vec<Value> {
    let columns = engine.pick(
        "select name, type from pragma_table_info($1)",
        "select column_name::text, data_type::text from information_schema.columns
         where table_name = $1 order by ordinal_position",
    );
    let columns: Vec<(String, String)> =
        query_as(columns).bind(table).fetch_all(pool).await.unwrap();
    let fields: Vec<String> = columns
        .iter()
        .map(|(name, kind)| {
            let value = match engine {
                Engine::Sqlite => {
                    format!("iif(typeof({name}) = 'blob', lower(hex({name})), {name})")
                }
                Engine::Postgres => match kind.as_str() {
                    "bytea" => format!("encode({name}, 'hex')"),
                    "boolean" => format!("{name}::int"),
                    "timestamp with time zone" if is_of_stripe(table, name) => {
                        format!("extract(epoch from {name})::bigint")
                    }
                    "timestamp with time zone" => {
                        format!("to_char({name} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')")
                    }
                    _ => name.clone(),
                },
            };
            format!("'{name}', {value}")
        })
        .collect();
    let object = engine.pick("json_object", "json_build_object");
    let statement = format!(
        "select cast({object}({}) as text) from {table}",
        fields.join(", ")
    );
    let rows: Vec<String> = query_scalar(AssertSqlSafe(statement))
        .fetch_all(pool)
        .await
        .unwrap();
    let mut rows: Vec<Value> = rows
        .iter()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    for column in [
        "contenders",
        "price_changes",
        "prices",
        "coupons",
        "post",
        "pre",
    ] {
        for row in &mut rows {
            if let Some(Value::String(json)) = row.get(column) {
                row[column] = serde_json::from_str(json).unwrap();
            }
        }
    }
    // Columns of the key come first.
    rows.sort_by_key(Value::to_string);
    rows
}

/// Whether a column holds instants of Stripe's clock, which are whole seconds.
fn is_of_stripe(table: &str, column: &str) -> bool {
    [
        "billing_customer",
        "billing_subscription",
        "billing_invoice",
    ]
    .contains(&table)
        || ["created", "next_deadline", "grace_ends_at"].contains(&column)
}

/// The names of all tables.
pub(crate) async fn tables(pool: &AnyPool, engine: Engine) -> Vec<String> {
    let names = engine.pick(
        "select name from sqlite_schema where type = 'table' order by name",
        "select tablename::text from pg_tables where schemaname = 'public' order by tablename",
    );
    query_scalar(names).fetch_all(pool).await.unwrap()
}
