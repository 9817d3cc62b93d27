//! The mirror behind a receiver of signed pushes: rows arrive, whatever the receiver does first
//! (M2–M4, S1, S3).

use std::time::Duration;

use billing_core::id::CustomerId;
use billing_core::mirror::{MirrorReader, MirrorStatus, SqlMirror};
use test_database::TestDatabase;

use crate::receiver::{Manner, Receiver};
use crate::support::{
    Installation, SECRET, Server, TOKEN, customer_created, eventually, subscription_created, within,
};

const PUSH_SECRET: &str = "the-secret-of-the-pushes";
const NEXT_SECRET: &str = "the-next-secret-of-the-pushes";

/// A server that pushes to a receiver beside a mirror.
struct Pushing {
    installation: Installation,
    receiver: Receiver,
    mirror: SqlMirror,
    server: Server,
    app: TestDatabase,
}

impl Pushing {
    async fn start() -> Self {
        Self::signed(PUSH_SECRET, PUSH_SECRET).await
    }

    /// Where the sender signs with some secrets, and the receiver knows some.
    async fn signed(with: &str, known: &str) -> Self {
        let installation = Installation::new();
        let app = TestDatabase::existing(installation.engine());
        let mirror = SqlMirror::create(app.url()).await.unwrap();
        Self::between(installation, app, mirror, with, known).await
    }

    async fn between(
        installation: Installation,
        app: TestDatabase,
        mirror: SqlMirror,
        with: &str,
        known: &str,
    ) -> Self {
        let receiver = Receiver::start(&mirror, known).await;
        let installation = installation
            .with("MIRROR_PUSH_URL", &receiver.url())
            .with("MIRROR_PUSH_SECRET", with);
        let server = installation.serve().await;
        Self {
            installation,
            receiver,
            mirror,
            server,
            app,
        }
    }

    /// A customer comes: their row is free.
    async fn register(&self, number: usize) {
        let (event, customer) = (format!("evt_c{number}"), format!("cus_{number}"));
        let created = customer_created(&event, &customer, &format!("user-{number}"));
        assert_eq!(self.server.outcome(&created).await, "applied");
    }

    /// The same customer pays: their row is open.
    async fn subscribe(&self, number: usize) {
        let (event, customer) = (format!("evt_s{number}"), format!("cus_{number}"));
        let subscribed = subscription_created(&event, &customer, "active");
        assert_eq!(self.server.outcome(&subscribed).await, "applied");
    }

    async fn status(&self, number: usize) -> Option<MirrorStatus> {
        let customer = CustomerId::parse(format!("user-{number}")).unwrap();
        let row = self.mirror.read(&customer).await.unwrap();
        row.map(|row| row.status)
    }

    async fn arrives(&self, number: usize, status: MirrorStatus) {
        eventually("the row arrives", async || {
            self.status(number).await == Some(status)
        })
        .await;
    }

    async fn waiting(&self, rows: f64) {
        eventually("so many wait", async || {
            self.server.metric("billing_mirror_waiting").await == Some(rows)
        })
        .await;
    }

    /// What the log says since it had so many bytes.
    async fn told_since(&self, bytes: usize, text: &str) {
        eventually(text, async || {
            self.installation.log()[bytes..].contains(text)
        })
        .await;
    }

    async fn told(&self, text: &str) {
        self.told_since(0, text).await;
    }
}

#[tokio::test]
async fn rows_arrive_at_once_and_nothing_secret_is_logged_m4() {
    let installation = Installation::new().with("RUST_LOG", "trace");
    let app = TestDatabase::existing(installation.engine());
    let mirror = SqlMirror::create(app.url()).await.unwrap();
    let pushing = Pushing::between(installation, app, mirror, PUSH_SECRET, PUSH_SECRET).await;
    for number in 0..20 {
        pushing.register(number).await;
        pushing.arrives(number, MirrorStatus::None).await;
        pushing.subscribe(number).await;
        pushing.arrives(number, MirrorStatus::Active).await;
    }
    pushing.waiting(0.0).await;
    let pushes = pushing.receiver.pushes();
    assert!(
        pushes <= 40,
        "{pushes} pushes of 40 rows: some were sent twice"
    );
    let table_of_its_own = "select count(*) from mirror_outbox";
    assert_eq!(pushing.installation.count(table_of_its_own).await, 0);
    let log = pushing.installation.log();
    assert!(log.contains("TRACE") && !log.contains(PUSH_SECRET));
    let signatures = log.lines().filter(|line| line.contains("v1="));
    assert_eq!(signatures.count(), 0, "a signature was logged");
}

#[tokio::test]
async fn whatever_the_receiver_does_nothing_is_lost_and_the_newest_arrives_m3() {
    let pushing = Pushing::start().await;
    let elsewhere = Receiver::start(&pushing.mirror, PUSH_SECRET).await;
    let faults = [
        (Manner::Says(500, "oops"), "\"status\":500"),
        (
            Manner::Says(502, "<html>Bad Gateway</html>"),
            "\"status\":502",
        ),
        (Manner::Says(200, ""), "\"status\":200"),
        (Manner::Says(200, "<html>Welcome</html>"), "\"status\":200"),
        (
            Manner::Says(202, "{\"outcome\":\"applied\"}"),
            "\"status\":202",
        ),
        (
            Manner::Says(404, "{\"code\":\"not_found\"}"),
            "\"status\":404",
        ),
        (Manner::Says(422, "{\"detail\":[]}"), "\"status\":422"),
        (Manner::Redirects(elsewhere.url()), "\"status\":307"),
        (Manner::Hangs, "timed_out"),
        (
            Manner::NeverEnds {
                every: Duration::from_millis(100),
            },
            "timed_out",
        ),
        (
            Manner::NeverEnds {
                every: Duration::ZERO,
            },
            "answer_too_long",
        ),
        (Manner::TakesAndBreaksOff, "broke_off"),
    ];
    for (number, (manner, told)) in faults.iter().enumerate() {
        let (log, pushes) = (pushing.installation.log().len(), pushing.receiver.pushes());
        pushing.receiver.behaves(manner.clone());
        pushing.register(number).await;
        pushing.told_since(log, told).await;
        pushing.waiting(1.0).await;
        let taken = matches!(manner, Manner::TakesAndBreaksOff).then_some(MirrorStatus::None);
        assert_eq!(pushing.status(number).await, taken, "{manner:?}");
        assert!(pushing.receiver.pushes() > pushes, "{manner:?}");
        pushing.subscribe(number).await;
        pushing.receiver.behaves(Manner::Takes);
        pushing.arrives(number, MirrorStatus::Active).await;
        pushing.waiting(0.0).await;
    }
    assert_eq!(elsewhere.pushes(), 0, "a redirect was followed");
    for number in 0..faults.len() {
        assert_eq!(pushing.status(number).await, Some(MirrorStatus::Active));
    }
    pushing.told("billing.mirror.unavailable").await;
    pushing.told("the mirror takes rows again").await;
    assert_eq!(pushing.server.get("/readyz").await.status().as_u16(), 200);
}

#[tokio::test]
async fn a_receiver_that_is_down_keeps_no_delivery_out_and_is_caught_up_with_m3() {
    let mut pushing = Pushing::start().await;
    pushing.register(0).await;
    pushing.arrives(0, MirrorStatus::None).await;
    pushing.receiver.stop().await;
    for number in 0..20 {
        if number > 0 {
            pushing.register(number).await;
        }
        pushing.subscribe(number).await;
    }
    pushing.told("not_reached").await;
    pushing.waiting(20.0).await;
    pushing.receiver.start_again().await;
    for number in 0..20 {
        pushing.arrives(number, MirrorStatus::Active).await;
    }
    pushing.waiting(0.0).await;
}

#[tokio::test]
async fn a_receiver_without_its_table_is_told_as_such_m3() {
    let installation = Installation::empty();
    let app = TestDatabase::existing(installation.engine());
    let mirror = SqlMirror::open(app.url()).unwrap();
    let pushing = Pushing::between(installation, app, mirror, PUSH_SECRET, PUSH_SECRET).await;
    pushing.register(0).await;
    pushing.told("billing.mirror.table_missing").await;
    let own = pushing.installation.engine().pick(
        "select count(*) from sqlite_schema where name = 'billing_subscription_mirror'",
        "select count(*) from pg_tables where tablename = 'billing_subscription_mirror'",
    );
    assert_eq!(pushing.installation.count(own).await, 0, "nobody reads it");
    SqlMirror::create(pushing.app.url()).await.unwrap();
    pushing.subscribe(0).await;
    pushing.arrives(0, MirrorStatus::Active).await;
}

#[tokio::test]
async fn a_row_that_the_receiver_refuses_holds_up_no_other_m3() {
    let pushing = Pushing::start().await;
    pushing.receiver.refuses(Some("user-7"));
    // All of them wait for one push.
    pushing.receiver.behaves(Manner::Says(500, ""));
    for number in 0..20 {
        pushing.register(number).await;
    }
    pushing.waiting(20.0).await;
    pushing.receiver.behaves(Manner::Takes);
    for number in (0..20).filter(|number| *number != 7) {
        pushing.arrives(number, MirrorStatus::None).await;
    }
    pushing.told("mirror_rows_refused").await;
    pushing.waiting(1.0).await;
    assert_eq!(pushing.status(7).await, None);
    pushing.receiver.refuses(None);
    pushing.subscribe(7).await;
    pushing.arrives(7, MirrorStatus::Active).await;
}

#[tokio::test]
async fn secrets_rotate_whichever_side_knows_the_next_one_first_s1() {
    let both = format!("{PUSH_SECRET},{NEXT_SECRET}");
    let sender_first = [
        (PUSH_SECRET, PUSH_SECRET),
        (&*both, PUSH_SECRET),
        (&*both, NEXT_SECRET),
        (NEXT_SECRET, NEXT_SECRET),
    ];
    let receiver_first = [(PUSH_SECRET, &*both), (NEXT_SECRET, &*both)];
    for (with, known) in sender_first.into_iter().chain(receiver_first) {
        let pushing = Pushing::signed(with, known).await;
        pushing.register(0).await;
        pushing.arrives(0, MirrorStatus::None).await;
        assert_eq!(pushing.receiver.pushes(), 1, "{with} to {known}");
    }
}

#[tokio::test]
async fn a_receiver_that_knows_another_secret_gets_no_row_until_it_knows_the_right_one_s1() {
    let pushing = Pushing::signed(PUSH_SECRET, NEXT_SECRET).await;
    pushing.register(0).await;
    pushing.told("\"status\":400").await;
    pushing.told("billing.mirror.unavailable").await;
    assert_eq!(pushing.status(0).await, None);
    pushing.receiver.knows(PUSH_SECRET);
    pushing.arrives(0, MirrorStatus::None).await;
}

#[tokio::test]
async fn a_receiver_is_believed_by_its_certificate_alone_m4() {
    let installation = Installation::new();
    let app = TestDatabase::existing(installation.engine());
    let mirror = SqlMirror::create(app.url()).await.unwrap();
    let (receiver, trusted) = Receiver::start_with_tls(&mirror, PUSH_SECRET).await;
    let (_, other) = Receiver::start_with_tls(&mirror, PUSH_SECRET).await;
    let certificates = installation.path("certificates.pem");
    let mut installation = installation
        .with("MIRROR_PUSH_URL", &receiver.url())
        .with("MIRROR_PUSH_SECRET", PUSH_SECRET)
        .with("SSL_CERT_FILE", certificates.to_str().unwrap());
    std::fs::write(&certificates, other).unwrap();
    let server = installation.serve().await;
    server
        .outcome(&customer_created("evt_1", "cus_1", "user-1"))
        .await;
    eventually("it is not reached", async || {
        installation.log().contains("not_reached")
    })
    .await;
    assert_eq!(receiver.pushes(), 0);
    server.kill().await;
    std::fs::write(&certificates, trusted).unwrap();
    let _server = installation.serve().await;
    let customer = CustomerId::parse("user-1").unwrap();
    eventually("the row arrives", async || {
        mirror.read(&customer).await.unwrap().is_some()
    })
    .await;
    installation = installation.with("SSL_CERT_FILE", "/nowhere");
    let output = installation.run(&["serve"]).await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("certificates"), "{told}");
}

#[tokio::test]
async fn a_mirror_that_is_none_or_two_or_badly_signed_is_refused_at_start_s3() {
    let url = "https://app.example/mirror";
    let eight = [PUSH_SECRET; 8].join(",");
    let nine = format!("{eight},{NEXT_SECRET}");
    let with_stripes = format!("{PUSH_SECRET},{SECRET}");
    let cases = [
        ("MIRROR_PUSH_SECRET", url, ""),
        ("MIRROR_PUSH_SECRET", url, " "),
        ("MIRROR_PUSH_SECRET", url, "leaked-short"),
        ("MIRROR_PUSH_SECRET", url, "whsec_"),
        ("MIRROR_PUSH_SECRET", url, "the-secret-of-the-pushes,"),
        ("MIRROR_PUSH_SECRET", url, nine.as_str()),
        ("MIRROR_PUSH_SECRET", url, SECRET),
        ("MIRROR_PUSH_SECRET", url, with_stripes.as_str()),
        ("MIRROR_PUSH_SECRET", "", PUSH_SECRET),
        (
            "MIRROR_PUSH_URL",
            "https://leaked@app.example/",
            PUSH_SECRET,
        ),
        (
            "MIRROR_PUSH_URL",
            "https://:leaked@app.example/",
            PUSH_SECRET,
        ),
        ("MIRROR_PUSH_URL", "ftp://leaked.example/", PUSH_SECRET),
        ("MIRROR_PUSH_URL", "leaked.example/mirror", PUSH_SECRET),
        ("MIRROR_PUSH_URL", "postgres://leaked@db/app", PUSH_SECRET),
    ];
    for (variable, url, secret) in cases {
        let installation = Installation::new()
            .with("MIRROR_PUSH_URL", url)
            .with("MIRROR_PUSH_SECRET", secret);
        refused(&installation, variable, &format!("{url:?} {secret:?}")).await;
    }
    let installation = Installation::new()
        .with("MIRROR_PUSH_URL", url)
        .with("MIRROR_PUSH_SECRET", PUSH_SECRET)
        .with("MIRROR_DATABASE_URL", "sqlite://leaked.db");
    refused(&installation, "MIRROR_PUSH_URL", "two mirrors").await;
    let installation = Installation::new()
        .with("MIRROR_PUSH_URL", url)
        .with("MIRROR_PUSH_SECRET", &eight);
    let output = installation.run(&["migrate"]).await;
    assert!(
        output.status.success(),
        "eight secrets are good: {output:?}"
    );
}

async fn refused(installation: &Installation, variable: &str, what: &str) {
    let output = installation.run(&["serve"]).await;
    assert_eq!(output.status.code(), Some(78), "{what}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.starts_with(&format!("queue-server: {variable} ")) && told.lines().count() == 1,
        "{what}: {told}"
    );
    for secret in ["leaked", PUSH_SECRET, SECRET] {
        assert!(!told.contains(secret), "{what}: {told}");
    }
}

/// A receiver that lost its table's rows is sent them all when somebody asks, though it does not work at once.
#[tokio::test]
async fn a_receiver_that_lost_its_rows_is_sent_all_of_them_m5() {
    let pushing = Pushing::signed(PUSH_SECRET, PUSH_SECRET).await;
    for number in 0..20 {
        pushing.register(number).await;
    }
    pushing.subscribe(7).await;
    pushing.waiting(0.0).await;
    pushing.arrives(7, MirrorStatus::Active).await;
    let app = pushing.app.connect().await;
    let lost = "delete from billing_subscription_mirror";
    sqlx::query(lost).execute(&app).await.unwrap();
    let away = "alter table mirror_row rename to away";
    pushing.installation.meddle(away).await.unwrap();
    let asked = pushing
        .server
        .client
        .post(pushing.server.url("/internal/v1/mirror-sync"))
        .bearer_auth(TOKEN)
        .json(&serde_json::json!({}));
    assert_eq!(asked.send().await.unwrap().status(), 202);
    pushing.told("the mirror could not be compared").await;
    let back = "alter table away rename to mirror_row";
    pushing.installation.meddle(back).await.unwrap();
    within(Duration::from_secs(30), "all rows come", async || {
        let log = pushing.installation.log();
        log.contains("all rows go to the mirror again")
    })
    .await;
    for number in 0..20 {
        let status = match number {
            7 => MirrorStatus::Active,
            _ => MirrorStatus::None,
        };
        pushing.arrives(number, status).await;
    }
}
