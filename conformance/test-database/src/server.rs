//! Databases on a PostgreSQL server.
//!
//! Templates are left behind by the process that made them, as is everything by one that is killed:
//! the next process removes what is old.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, query_scalar, raw_sql};

const SERVER: &str = "TEST_POSTGRES_URL";
const PREFIX: &str = "billing_test_";
/// After how many seconds a database is nobody's any more.
const OLD: u64 = 3600;

/// Whether there is a server to make databases on.
#[must_use]
pub fn is_at_hand() -> bool {
    std::env::var_os(SERVER).is_some()
}

fn server() -> String {
    std::env::var(SERVER).expect("TEST_POSTGRES_URL must lead to a PostgreSQL server")
}

/// The server's URL with another database in it.
pub(crate) fn url_of(name: &str) -> String {
    let server = server();
    let (base, query) = server.split_once('?').unwrap_or((&server, ""));
    let (scheme, rest) = base.split_once("://").expect("TEST_POSTGRES_URL is a URL");
    let host = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{host}/{name}?{query}")
}

/// Makes a database, and gives its name.
pub(crate) fn create(template: Option<&str>) -> String {
    static OLD_ONES: Once = Once::new();
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    OLD_ONES.call_once(remove_old);
    let (now, process) = (now(), std::process::id());
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("{PREFIX}{now}_{process}_{number}");
    create_named(&name, template);
    name
}

/// Makes a database with a name.
pub(crate) fn create_named(name: &str, template: Option<&str>) {
    let template = template.unwrap_or("template0");
    let statement = format!("create database {name} template {template}");
    wait_for(|| async { run(statement).await.unwrap() });
}

/// Removes a database, whoever is connected to it. Tests don't fail for that.
pub(crate) fn remove(name: &str) {
    let statement = format!("drop database if exists {name} with (force)");
    wait_for(|| async {
        if let Err(error) = run(statement).await {
            eprintln!("{name} stays behind: {error}");
        }
    });
}

fn remove_old() {
    let names: Vec<String> = wait_for(|| async {
        let mut connection = PgConnection::connect(&server()).await.unwrap();
        let names = query_scalar("select datname::text from pg_database")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        names
    });
    let is_old = |name: &&String| {
        let made = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('_').next());
        let made = made.and_then(|seconds| seconds.parse::<u64>().ok());
        made.is_some_and(|made| made + OLD < now())
    };
    names.iter().filter(is_old).for_each(|name| remove(name));
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

async fn run(statement: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(&server()).await?;
    raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await?;
    connection.close().await
}

/// Runs something to its end, in whatever context a test is: also one that may not wait, as a drop.
pub(crate) fn wait_for<F, T>(work: impl FnOnce() -> F + Send) -> T
where
    F: Future<Output = T>,
    T: Send,
{
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(work())
        });
        worker.join().unwrap()
    })
}
