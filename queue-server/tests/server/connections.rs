//! Connections that are held, dripped into and crowded (G11).

use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::Timestamp;
use reqwest::StatusCode;

use crate::raw::Raw;
use crate::support::{Installation, Server, customer_created, eventually, sign};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: queue\r\n\r\n";
/// A head that never ends.
const BEGUN: &[u8] = b"POST /api/v1/billing/webhook HTTP/1.1\r\nhost: queue\r\n";

async fn connect(server: &Server, count: usize) -> Vec<Raw> {
    join_all((0..count).map(|_| Raw::connect(server))).await
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn whoever_sends_nothing_or_drips_a_head_is_cut_within_the_idle_time() {
    let installation = Installation::new().with("HTTP_IDLE_SECONDS", "1");
    let server = installation.serve().await;
    let silent = async {
        let began = Instant::now();
        let mut silent = Raw::connect(&server).await;
        silent.answer().await.expect_err("it asked for nothing");
        began.elapsed()
    };
    let answered = async {
        let mut answered = Raw::connect(&server).await;
        answered.send(HEALTH).await.unwrap();
        assert_eq!(answered.answer().await.unwrap().status, 200);
        let began = Instant::now();
        answered.answer().await.expect_err("it asked for no more");
        began.elapsed()
    };
    let dripping = async {
        let began = Instant::now();
        let mut dripping = Raw::connect(&server).await;
        let drip = async |connection: &mut Raw| {
            tokio::time::sleep(Duration::from_millis(50)).await;
            connection.send(b"x-drip: 1\r\n").await
        };
        dripping.send(BEGUN).await.unwrap();
        while drip(&mut dripping).await.is_ok() {
            assert!(began.elapsed() < seconds(30), "it drips on");
        }
        began.elapsed()
    };
    let (silent, answered, dripping) = tokio::join!(silent, answered, dripping);
    eprintln!("cut after {silent:?} silent, {answered:?} after an answer, {dripping:?} dripping");
    for held in [silent, answered, dripping] {
        assert!(
            (Duration::from_millis(900)..seconds(10)).contains(&held),
            "{held:?}"
        );
    }
}

#[tokio::test]
async fn a_thousand_idle_connections_keep_nothing_from_being_answered_or_stopped() {
    let installation = Installation::new();
    let mut server = installation.serve().await;
    let mut idle = connect(&server, 1000).await;
    for connection in idle.iter_mut().skip(500) {
        connection.send(BEGUN).await.unwrap();
    }
    let began = Instant::now();
    let created = customer_created("evt_1", "cus_1", "user-1");
    assert_eq!(server.outcome(&created).await, "applied");
    eprintln!(
        "answered after {:?} beside 1000 idle connections",
        began.elapsed()
    );
    eventually("all of them are open", async || {
        let metrics = server.get("/metrics").await.text().await.unwrap();
        let open = metrics
            .lines()
            .find_map(|line| line.strip_prefix("billing_connections "));
        open.unwrap().parse::<f64>().unwrap() >= 1000.0
    })
    .await;
    // A request that has begun may end; whoever has sent nothing is not waited for.
    idle.truncate(500);
    let began = Instant::now();
    server.terminate().await;
    assert_eq!(server.exit_code().await, Some(0));
    assert!(began.elapsed() < seconds(9), "it waited for idle clients");
}

#[tokio::test]
async fn of_more_connections_than_may_be_those_who_come_last_wait() {
    let installation = Installation::new()
        .with("HTTP_MAX_CONNECTIONS", "4")
        .with("HTTP_IDLE_SECONDS", "2");
    let server = installation.serve().await;
    let began = Instant::now();
    let idle = connect(&server, 4).await;
    let mut last = Raw::connect(&server).await;
    last.send(HEALTH).await.unwrap();
    assert_eq!(last.answer().await.unwrap().status, 200);
    // Before the first four were cut, there was no place for a fifth.
    assert!(began.elapsed() > seconds(1), "{:?}", began.elapsed());
    drop(idle);
}

#[tokio::test]
async fn connections_leave_files_for_the_database_where_few_may_be_open() {
    let installation = Installation::new()
        .with("HTTP_IDLE_SECONDS", "1")
        .with_open_files(160);
    let server = installation.serve().await;
    eventually("it says so", async || {
        installation.log().contains("too few files may be open")
    })
    .await;
    let idle = connect(&server, 300).await;
    for number in 0..20 {
        let (event, customer) = (format!("evt_{number}"), format!("cus_{number}"));
        let created = customer_created(&event, &customer, "user-1");
        assert_eq!(server.outcome(&created).await, "applied");
    }
    drop(idle);
}

#[tokio::test]
async fn a_client_that_takes_no_answers_is_cut() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let mut deaf = Raw::connect(&server).await;
    let questions = b"GET /metrics HTTP/1.1\r\nhost: queue\r\n\r\n".repeat(100);
    let began = Instant::now();
    // Until it is cut. Were it not, sending would wait without end, which fails.
    while deaf.send(&questions).await.is_ok() {}
    eprintln!("cut after {:?}", began.elapsed());
}

#[tokio::test]
async fn bodies_and_heads_without_end_are_refused_and_take_little_memory() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let Some(before) = peak_kilobytes(&server) else {
        eprintln!("SKIPPED: no /proc that tells what memory a process has taken");
        return;
    };
    let header = sign(b"", Timestamp::now());
    let begun = String::from_utf8(BEGUN.to_vec()).unwrap();
    let head = format!("{begun}stripe-signature: {header}\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 65_536], b"\r\n"].concat();
    // Bodies in chunks of a byte: what goes with each chunk adds up to more than they do.
    let crumbs = b"1\r\n \r\n".repeat(10_000);
    let answers = join_all((0..8).map(async |_| {
        let mut connection = Raw::connect(&server).await;
        connection.send(head.as_bytes()).await.unwrap();
        let answer = connection.send_without_end(&crumbs).await.unwrap();
        answer.status
    }));
    let refused = answers.await;
    assert!(
        refused.iter().all(|status| [408, 413].contains(status)),
        "{refused:?}"
    );
    let grown = peak_kilobytes(&server).unwrap() - before;
    eprintln!("8 bodies in crumbs: {grown} kB more at the peak");
    assert!(grown < 28 * 1024, "{grown} kB");
    // Ten times as many as one after the other, so that what is kept of any adds up.
    for _ in 0..10 {
        let bodies = join_all((0..20).map(async |_| {
            let mut connection = Raw::connect(&server).await;
            connection.send(head.as_bytes()).await.unwrap();
            connection.send_without_end(&chunk).await.unwrap().status
        }));
        let heads = join_all((0..20).map(async |_| {
            let mut connection = Raw::connect(&server).await;
            connection.send(BEGUN).await.unwrap();
            let field = format!("x-field: {}\r\n", "a".repeat(8192));
            connection
                .send_without_end(field.as_bytes())
                .await
                .unwrap()
                .status
        }));
        let (bodies, heads) = tokio::join!(bodies, heads);
        assert_eq!((bodies, heads), (vec![413; 20], vec![431; 20]));
    }
    let grown = peak_kilobytes(&server).unwrap() - before;
    eprintln!("400 requests without end: {grown} kB more at the peak");
    // 200 bodies kept whole would be 200 MiB.
    assert!(grown < 100 * 1024, "{grown} kB");
    let created = customer_created("evt_1", "cus_1", "user-1");
    assert_eq!(server.deliver(&created).await.status(), StatusCode::OK);
}

/// The most memory that the server has had so far.
fn peak_kilobytes(server: &Server) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix(" kB")?.parse().ok()
}
