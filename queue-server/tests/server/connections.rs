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

/// Bodies without end that are sent at once, and as many heads.
const AT_ONCE: usize = 20;
/// How often that is done again.
const MORE_ROUNDS: usize = 20;
/// What those bodies would take if each were kept whole, of 1 MiB.
const KEPT_KILOBYTES: u64 = (AT_ONCE * MORE_ROUNDS * 1024) as u64;

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
    // Little room, and answers that ask no database: there is soon no room for more, also where the
    // machine is busy.
    let mut deaf = Raw::connect_with_little_room(&server).await;
    let questions = b"GET /nowhere HTTP/1.1\r\nhost: queue\r\n\r\n".repeat(100);
    let began = Instant::now();
    // Until it is cut. Were it not, sending would wait without end, which fails.
    while deaf.send(&questions).await.is_ok() {}
    eprintln!("cut after {:?}", began.elapsed());
}

#[tokio::test]
async fn bodies_and_heads_without_end_are_refused_and_take_little_memory() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let header = sign(b"", Timestamp::now());
    let begun = String::from_utf8(BEGUN.to_vec()).unwrap();
    let head = format!("{begun}stripe-signature: {header}\r\ntransfer-encoding: chunked\r\n\r\n");
    // In chunks of a byte it comes too slowly to ever be too large. That none of them is kept is
    // tested where they are read.
    let mut crumbs = Raw::connect(&server).await;
    crumbs.send(head.as_bytes()).await.unwrap();
    let crumb = b"1\r\n \r\n".repeat(10_000);
    let refused = crumbs.send_without_end(&crumb).await.unwrap().status;
    assert!([408, 413].contains(&refused), "{refused}");
    // What one round takes at its peak is what the next ones may use again: compared with itself,
    // for allocators differ in what they hold back.
    send_without_end(&server, &head).await;
    let Some(first) = peak_kilobytes(&server) else {
        eprintln!("SKIPPED: no /proc that tells what memory a process has taken");
        return;
    };
    for _ in 0..MORE_ROUNDS {
        send_without_end(&server, &head).await;
    }
    // The system counts pages by the lot: a peak may look a little lower than it did.
    let grown = peak_kilobytes(&server).unwrap().saturating_sub(first);
    eprintln!(
        "{first} kB at the peak of a round without end, {grown} kB more after {MORE_ROUNDS} more"
    );
    assert!(grown < KEPT_KILOBYTES / 4, "{grown} kB");
    let created = customer_created("evt_1", "cus_1", "user-1");
    assert_eq!(server.deliver(&created).await.status(), StatusCode::OK);
}

/// Bodies and heads without end, all at once; each is refused.
async fn send_without_end(server: &Server, head: &str) {
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 65_536], b"\r\n"].concat();
    let field = format!("x-field: {}\r\n", "a".repeat(8192));
    let send = async |begin: &[u8], without_end: &[u8]| {
        let mut connection = Raw::connect(server).await;
        connection.send(begin).await.unwrap();
        let answer = connection.send_without_end(without_end).await;
        answer.unwrap().status
    };
    let bodies = join_all((0..AT_ONCE).map(|_| send(head.as_bytes(), &chunk)));
    let heads = join_all((0..AT_ONCE).map(|_| send(BEGUN, field.as_bytes())));
    let (bodies, heads) = tokio::join!(bodies, heads);
    assert_eq!((bodies, heads), (vec![413; AT_ONCE], vec![431; AT_ONCE]));
}

/// The most memory that the server has had so far.
fn peak_kilobytes(server: &Server) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix(" kB")?.parse().ok()
}
