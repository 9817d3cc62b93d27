//! A server in a process of its own, and events to send it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use billing_core::signature::{self, SigningKeys};
use billing_core::store::SqlStore;
use jiff::Timestamp;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sqlx::AnyPool;
use test_database::{Engine, Template, TestDatabase};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

pub(crate) const SECRET: &str = "whsec_of_the_tests";
pub(crate) const TOKEN: &str = "token-of-the-tests";
pub(crate) const PRICE_PRO: &str = "price_pro";
const WEBHOOK: &str = "/api/v1/billing/webhook";

/// A database as `migrate` leaves it.
static MIGRATED: Template = Template::new();

/// A database, a folder, and how to run the program on them.
pub(crate) struct Installation {
    database: TestDatabase,
    environment: BTreeMap<&'static str, String>,
    open_files: Option<u32>,
}

/// A server that runs.
pub(crate) struct Server {
    process: Child,
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
}

impl Installation {
    /// Over a database with Queue's tables and the mirror's: a copy of one that was migrated once.
    pub(crate) fn new() -> Self {
        let migrated = MIGRATED.copy(Engine::chosen(), async |url| {
            let store = SqlStore::open(&url).await.unwrap();
            store.migrate().await.unwrap();
            store.mirror().await.unwrap();
            store.close().await;
        });
        Self::on(migrated)
    }

    /// Over a database without tables, which in SQLite is not even there.
    pub(crate) fn empty() -> Self {
        Self::on(TestDatabase::new(Engine::chosen()))
    }

    pub(crate) fn on(database: TestDatabase) -> Self {
        let environment = BTreeMap::from([
            ("DATABASE_URL", database.url().to_owned()),
            ("STRIPE_WEBHOOK_SECRET", SECRET.to_owned()),
            ("QUEUE_INTERNAL_TOKEN", TOKEN.to_owned()),
            ("BILLING_AUDIT_KEY", "0f".repeat(31) + "aa"),
            ("STRIPE_PRICE_ID_PRO", PRICE_PRO.to_owned()),
            ("STRIPE_PRICE_ID_PRO_PLUS", "price_pro_plus".to_owned()),
            ("FLAG_QUEUE_BILLING", "true".to_owned()),
            ("HOST", "127.0.0.1".to_owned()),
            ("PORT", "0".to_owned()),
            // Tests count calls to Stripe: none comes by itself.
            ("RECONCILE_EVERY_HOURS", "0".to_owned()),
            // Tests write into the mirror's table: nothing repairs it behind them.
            ("MIRROR_COMPARE_EVERY_HOURS", "0".to_owned()),
        ]);
        Self {
            database,
            environment,
            open_files: None,
        }
    }

    /// Another one with these variables, over its own database.
    pub(crate) fn beside(&self, other: Self) -> Self {
        let database_url = other.environment["DATABASE_URL"].clone();
        let environment = self.environment.clone();
        Self {
            environment,
            ..other
        }
        .with("DATABASE_URL", &database_url)
    }

    pub(crate) fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.environment.insert(variable, value.to_owned());
        self
    }

    pub(crate) fn without(mut self, variable: &'static str) -> Self {
        self.environment.remove(variable);
        self
    }

    /// Where the program may have no more files open.
    pub(crate) fn with_open_files(mut self, open_files: u32) -> Self {
        self.open_files = Some(open_files);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.database.path(name)
    }

    pub(crate) fn command(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_queue-server");
        let mut command = match self.open_files {
            None => Command::new(program),
            Some(files) => {
                let mut shell = Command::new("/bin/sh");
                let limited = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
                shell.args(["-c", &limited, program]);
                shell
            }
        };
        command
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.path(""))
            .kill_on_drop(true);
        command
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().await.unwrap()
    }

    pub(crate) async fn serve(&self) -> Server {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("server.log"))
            .unwrap();
        let mut process = self
            .command()
            .arg("serve")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let Ok(Some(line)) = lines.next_line().await else {
            panic!("the server did not start: {}", self.log());
        };
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        Server {
            process,
            url,
            client: client(),
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("server.log")).unwrap_or_default()
    }

    pub(crate) fn engine(&self) -> Engine {
        self.database.engine()
    }

    /// The URL of its database.
    pub(crate) fn database_url(&self) -> &str {
        self.database.url()
    }

    /// The URL of a database that is not there.
    pub(crate) fn absent_database(&self) -> String {
        self.database.absent()
    }

    /// Makes the database that is not there.
    pub(crate) fn make_absent_database(&mut self) {
        self.database.make_absent();
    }

    /// Connections of somebody else's.
    pub(crate) async fn database(&self) -> AnyPool {
        self.database.connect().await
    }

    /// Statements of somebody else's.
    pub(crate) async fn meddle(&self, statement: &str) -> sqlx::Result<()> {
        let database = self.database().await;
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        let result = sqlx::raw_sql(statement).execute(&database).await;
        database.close().await;
        result.map(drop)
    }

    /// No effect stands in the audit chain twice, and the chain is whole.
    pub(crate) async fn assert_one_effect_each(&self) {
        let twice = "select count(*) from (select event_id, subject, action from billing_action_log
            group by event_id, subject, action having count(*) > 1) as twice";
        assert_eq!(
            self.count(twice).await,
            0,
            "an effect stands in the chain twice"
        );
        let verify = self.run(&["audit", "verify"]).await;
        assert!(verify.status.success(), "{verify:?}");
    }

    /// So many customers have their active subscription in the mirror, in the end.
    pub(crate) async fn assert_mirrored(&self, customers: usize) {
        let right = "select count(*) from billing_subscription_mirror
            where status = 'active' and plan_tier = 'pro' and queue_customer_id like 'user-%'";
        eventually("the mirror is right", async || {
            usize::try_from(self.count(right).await) == Ok(customers)
        })
        .await;
    }

    /// One number from the database.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        let database = self.database().await;
        let count = sqlx::query_scalar(query).fetch_one(&database).await;
        database.close().await;
        count.unwrap()
    }
}

impl Server {
    /// Sends an event as Stripe does.
    pub(crate) async fn deliver(&self, event: &Value) -> Response {
        self.try_deliver(event).await.unwrap()
    }

    pub(crate) async fn try_deliver(&self, event: &Value) -> reqwest::Result<Response> {
        let body = event.to_string();
        let header = sign(body.as_bytes(), Timestamp::now());
        self.client
            .post(self.url(WEBHOOK))
            .header("stripe-signature", header)
            .body(body)
            .send()
            .await
    }

    /// Sends a body with the headers given.
    pub(crate) async fn post(
        &self,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Response {
        let mut request = self.client.post(self.url(WEBHOOK)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// Delivers an event that must be taken, and says what came of it.
    pub(crate) async fn outcome(&self, event: &Value) -> String {
        let response = self.deliver(event).await;
        assert_eq!(response.status(), StatusCode::OK, "{event}");
        outcome_of(response).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    /// A metric without labels; none that is not told, and NaN equals nothing.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let metrics = self.get("/metrics").await.text().await.unwrap();
        let values = metrics.lines().filter_map(|line| line.strip_prefix(name));
        let mut values = values.filter_map(|value| value.strip_prefix(' ')?.parse().ok());
        values.next()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) fn process_id(&self) -> String {
        self.process.id().unwrap().to_string()
    }

    /// kill -9.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    pub(crate) async fn terminate(&self) {
        assert!(
            Command::new("kill")
                .args(["-TERM", &self.process_id()])
                .status()
                .await
                .unwrap()
                .success()
        );
    }

    /// Waits for the end of the process, and says its exit code.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        let status = tokio::time::timeout(Duration::from_secs(30), self.process.wait()).await;
        status.expect("the server stops").unwrap().code()
    }
}

/// A client of plain HTTP.
pub(crate) fn client() -> reqwest::Client {
    // The server's client has TLS, and so has every other of this build. Whoever comes first
    // installs what it needs.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .tls_certs_only([])
        .build()
        .unwrap()
}

pub(crate) fn sign(body: &[u8], at: Timestamp) -> String {
    signature::sign(body, &SigningKeys::parse(SECRET).unwrap(), at)
}

pub(crate) async fn outcome_of(response: Response) -> String {
    let body: Value = response.json().await.unwrap();
    body["outcome"].as_str().unwrap().to_owned()
}

/// Tries until it holds, for at most thirty seconds.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFnMut() -> bool) {
    within(Duration::from_secs(30), what, holds).await;
}

/// Tries until it holds, for at most so long.
pub(crate) async fn within(patience: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(
            began.elapsed() < patience,
            "not within {patience:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn event(id: &str, event_type: &str, object: Value) -> Value {
    let created = Timestamp::now().as_second();
    json!({"object": "event", "id": id, "type": event_type, "created": created, "livemode": false,
           "data": {"object": object}})
}

pub(crate) fn customer_created(id: &str, customer: &str, queue_customer_id: &str) -> Value {
    let object = json!({"object": "customer", "id": customer, "email": "jenny@example.com",
                        "metadata": {"queue_customer_id": queue_customer_id}});
    event(id, "customer.created", object)
}

pub(crate) fn subscription_created(id: &str, customer: &str, status: &str) -> Value {
    let period_end = Timestamp::now().as_second() + 2_592_000;
    let object = json!({"object": "subscription", "id": format!("sub_of_{customer}"), "customer": customer,
        "status": status, "items": {"data": [
            {"price": {"id": PRICE_PRO}, "quantity": 1, "current_period_end": period_end}]}});
    event(id, "customer.subscription.created", object)
}
