//! The mirror is away for a while: rows wait, it is told, and they catch up in order (M3).

use std::time::Duration;

use billing_core::alert::Alert;
use test_database::{Cluster, Engine, TestDatabase};

use crate::host::{CUSTOMERS, Host, Versions, other_engine};
use crate::support::{Installation, Server, eventually, within};

/// How the table goes away, and how it comes back.
const TABLE: (&str, &str) = (
    "alter table billing_subscription_mirror rename to away",
    "alter table away rename to billing_subscription_mirror",
);
/// Until what waits is tried again, which is later and later, up to a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server whose clock can be put forward, where the tests are built so.
struct Watched {
    installation: Installation,
    server: Server,
}

impl Watched {
    async fn serve(installation: Installation) -> Self {
        let clock = installation.path("clock");
        let installation = installation.with("QUEUE_CLOCK_OFFSET", clock.to_str().unwrap());
        let server = installation.serve().await;
        Self {
            installation,
            server,
        }
    }

    /// All rows wait and have been tried in vain, and it can be seen from outside: how many, since
    /// when, and why.
    async fn assert_told(&self, alert: Alert) {
        eventually("they are tried again", async || {
            let tried = "select cast(coalesce(min(attempts), 0) as bigint) from mirror_outbox";
            self.installation.count(tried).await >= 2
        })
        .await;
        eventually("it is told", async || {
            self.installation.log().contains(alert.name())
        })
        .await;
        let (waiting, lag) = ("billing_mirror_waiting", "billing_mirror_lag_seconds");
        eventually("all that waits is counted", async || {
            self.server.metric(waiting).await == Some(CUSTOMERS as f64)
        })
        .await;
        eventually("the lag is measured", async || {
            self.server.metric(lag).await > Some(0.0)
        })
        .await;
        if cfg!(feature = "failpoints") {
            // Two minutes pass.
            std::fs::write(self.installation.path("clock"), "120").unwrap();
            eventually("the lag is told", async || {
                self.installation.log().contains(Alert::MirrorLag.name())
            })
            .await;
            assert!(self.server.metric(lag).await > Some(100.0));
        }
    }

    async fn assert_caught_up(&self) {
        within(PATIENCE, "nothing waits any more", async || {
            self.server.metric("billing_mirror_waiting").await == Some(0.0)
        })
        .await;
    }
}

/// Rows change before, while and after the mirror is away.
async fn is_away_for_a_while(
    watched: &Watched,
    host: Host,
    (away, back): (&str, &str),
    alert: Alert,
) {
    let server = &watched.server;
    let mut versions = Versions::begin(server).await;
    versions.next(server).await;
    watched.assert_caught_up().await;
    host.run(away).await;
    for _ in 0..3 {
        versions.next(server).await;
    }
    watched.assert_told(alert).await;
    host.run(back).await;
    versions.next(server).await;
    watched.assert_caught_up().await;
    let reached = host.assert_caught_up_in_order(&versions).await;
    eprintln!(
        "{}: {} versions of {CUSTOMERS} rows, 0 lost: {reached} reached the mirror, in order",
        alert.name(),
        versions.rows()
    );
    host.close().await;
}

#[tokio::test]
async fn a_mirror_whose_table_goes_away_catches_up_in_order_when_it_comes_back() {
    let installation = Installation::new();
    let host = Host::make(installation.database_url()).await;
    let watched = Watched::serve(installation).await;
    is_away_for_a_while(&watched, host, TABLE, Alert::MirrorTableMissing).await;
}

#[tokio::test]
async fn a_mirror_in_the_other_kind_of_database_follows_and_catches_up_in_order() {
    let Some(engine) = other_engine() else {
        eprintln!("SKIPPED: TEST_POSTGRES_URL is not set; cargo xtask test sets it");
        return;
    };
    let app = TestDatabase::existing(engine);
    let host = Host::make(app.url()).await;
    let installation = Installation::empty().with("MIRROR_DATABASE_URL", app.url());
    eprintln!(
        "Queue on {:?}, its mirror on {engine:?}",
        installation.engine()
    );
    let watched = Watched::serve(installation).await;
    is_away_for_a_while(&watched, host, TABLE, Alert::MirrorTableMissing).await;
}

#[tokio::test]
async fn a_mirror_that_withdraws_its_rights_catches_up_in_order_when_it_grants_them_again() {
    let installation = Installation::empty();
    if installation.engine() != Engine::Postgres {
        eprintln!("SKIPPED: SQLite has no rights to withdraw");
        return;
    }
    // The host's table and the host's role for Queue, in a database that both can reach.
    let host = Host::make(installation.database_url()).await;
    let role = format!("queue_{}", std::process::id());
    let grant = format!("grant select, insert, update on billing_subscription_mirror to {role}");
    let revoke = format!("revoke all on billing_subscription_mirror from {role}");
    let make = format!("drop role if exists {role}; create role {role} login; {grant}");
    host.run(&make).await;
    let (_, place) = installation.database_url().rsplit_once('@').unwrap();
    let url = format!("postgres://{role}@{place}");
    let watched = Watched::serve(installation.with("MIRROR_DATABASE_URL", &url)).await;
    let rights = (revoke.as_str(), grant.as_str());
    is_away_for_a_while(&watched, host, rights, Alert::MirrorUnavailable).await;
    let Watched {
        installation,
        server,
    } = watched;
    server.kill().await;
    let forget = format!("drop owned by {role}; drop role {role}");
    installation.meddle(&forget).await.unwrap();
}

#[tokio::test]
async fn a_mirror_that_is_not_there_is_not_made_and_gets_all_when_it_comes() {
    let installation = Installation::empty();
    let url = installation.absent_database();
    let installation = installation.with("MIRROR_DATABASE_URL", &url);
    let mut watched = Watched::serve(installation).await;
    let mut versions = Versions::begin(&watched.server).await;
    for _ in 0..3 {
        versions.next(&watched.server).await;
    }
    watched.assert_told(Alert::MirrorUnavailable).await;
    assert!(test_database::connect(&url).await.is_err(), "it was made");
    watched.installation.make_absent_database();
    let host = Host::make(&url).await;
    watched.assert_caught_up().await;
    let reached = host.assert_caught_up_in_order(&versions).await;
    eprintln!(
        "no database: {} versions of {CUSTOMERS} rows, 0 lost: {reached} reached the mirror",
        versions.rows()
    );
    assert_eq!(reached, CUSTOMERS);
    host.close().await;
    watched.server.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_whose_server_goes_down_is_told_of_and_catches_up_in_order() {
    /// Of each row; the server is down for the second and for the fourth quarter of them.
    const VERSIONS: i64 = 12;
    if !Cluster::is_at_hand() {
        eprintln!("SKIPPED: TEST_POSTGRES_BIN is not set; cargo xtask test sets it");
        return;
    }
    let mut app = Cluster::start();
    let host = Host::make(&app.url()).await;
    let installation = Installation::empty().with("MIRROR_DATABASE_URL", &app.url());
    let watched = Watched::serve(installation).await;
    let mut versions = Versions::begin(&watched.server).await;
    for number in 1..=VERSIONS {
        match (number - 1) % (VERSIONS / 2) {
            0 if number > 1 => app.start_again(),
            3 => app.stop_immediately(),
            _ => {}
        }
        versions.next(&watched.server).await;
    }
    watched.assert_told(Alert::MirrorUnavailable).await;
    app.start_again();
    watched.assert_caught_up().await;
    let reached = host.assert_caught_up_in_order(&versions).await;
    eprintln!(
        "server down: {} versions of {CUSTOMERS} rows, 0 lost: {reached} reached the mirror, in order",
        versions.rows()
    );
    host.close().await;
}
