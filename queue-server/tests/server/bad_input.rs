//! Every bad input, as tables: one line a case. What S, E and C say must come of each is checked in
//! one place, here: the answer, the trace that it leaves and no other, and that the next good event
//! is taken.

mod framing;
mod identity;
mod json;
mod objects;
mod request;
mod shapes;
mod signature;

use std::collections::BTreeMap;

use billing_core::alert::{AGGREGATION_WINDOW, Alert};
use jiff::{SignedDuration, Timestamp};
use sqlx::{AnyPool, query_scalar};
use test_database::{Engine, dump};

use crate::privacy::sings;
use crate::raw::{Answer, Raw};
use crate::support::{Installation, SECRET, Server};
use request::{Request, Sheet, Then};

/// Its name, the request, and what must come of it.
type Case = (&'static str, fn(&Sheet) -> Request, Expected);

/// What must come of a request.
#[derive(Clone, Copy)]
enum Expected {
    /// Refused, with this status and code (none where the HTTP library refuses), and no trace.
    Refused(u16, &'static str),
    /// Set aside for this reason; the object is known by an id with this prefix, if by any.
    Quarantined(&'static str, Option<&'static str>),
    /// Recorded as ignored.
    Ignored,
    /// Applied: the customer's row shows this tier, status, and whether the period has an end.
    Applied(&'static str),
    /// The same, and a price is among it that nobody knows.
    Unpriced(&'static str),
}

impl Expected {
    /// The alert that is raised, once.
    fn alert(self) -> Option<Alert> {
        match self {
            Self::Refused(_, "signature_invalid") => Some(Alert::SignatureFailed),
            Self::Quarantined(..) => Some(Alert::EventQuarantined),
            Self::Unpriced(_) => Some(Alert::PriceUnknown),
            Self::Refused(..) | Self::Ignored | Self::Applied(_) => None,
        }
    }
}

/// What everyone is told whose signature is not good, whatever is wrong with it (S4).
const REFUSAL: &str = r#"{"title":"Bad Request","status":400,"code":"signature_invalid","detail":"The signature did not verify."}"#;
/// What is logged: whatever there is, but for a line of hyper's for every byte of a chunk's length
/// ("Read chunk hex size"), which would keep the server busy where such a length has no end.
const EVERYTHING: &str = "trace,hyper::proto::h1::decode=debug";
/// The file that says what time it is.
const CLOCK: &str = "clock";
/// What every body carries where nobody reads it.
const PAYLOAD: &str = "the-payload";
/// Tables that workers write on their own time; what they write is in `mirror_row` before.
const BEHIND: [&str; 2] = ["mirror_outbox", "billing_subscription_mirror"];
/// How alerts are called that workers raise on their own time.
const OF_WORKERS: &str = "billing.mirror.";
/// The table that personal data belongs in.
const PERSONAL: &str = "billing_customer";
/// How far the clock moves from case to case: an alert is told anew after this time.
const STEP: SignedDuration = SignedDuration::from_secs(AGGREGATION_WINDOW.as_secs() + 1);

type Tables = BTreeMap<String, Vec<String>>;

/// A server that takes events of one mode and one account, signed with any of three secrets; that
/// logs whatever it can; and whose clock stands still during a case.
struct Bench {
    installation: Installation,
    server: Server,
    pool: AnyPool,
    begun: Timestamp,
}

async fn run(cases: &[Case]) {
    let bench = Bench::new().await;
    for (number, (name, request, expected)) in cases.iter().enumerate() {
        let sheet = bench.sheet(number);
        bench.check(name, &sheet, request(&sheet), *expected).await;
    }
    eprintln!("{} cases", cases.len());
    bench.end().await;
}

impl Bench {
    async fn new() -> Self {
        let secrets = format!("whsec_older,{SECRET},whsec_newer");
        let installation = Installation::new()
            .with("STRIPE_WEBHOOK_SECRET", &secrets)
            .with("STRIPE_LIVEMODE", "false")
            .with("STRIPE_ACCOUNT", "acct_ours")
            .with("RUST_LOG", EVERYTHING);
        let clock = installation.path(CLOCK);
        let installation = installation.with("QUEUE_CLOCK_AT", clock.to_str().unwrap());
        let server = installation.serve().await;
        let pool = installation.database().await;
        Self {
            installation,
            server,
            pool,
            begun: Timestamp::now(),
        }
    }

    /// Sets the clock for a case, and gives what its requests are made of.
    fn sheet(&self, number: usize) -> Sheet {
        let steps = i32::try_from(number).unwrap();
        let now = self.begun + STEP * steps;
        let clock = self.installation.path(CLOCK);
        let new = clock.with_extension("new");
        // Whoever looks at the clock meanwhile sees one time or the other.
        std::fs::write(&new, now.as_second().to_string()).unwrap();
        std::fs::rename(new, clock).unwrap();
        Sheet { number, now }
    }

    /// Nothing of what came is in the log, where everything else is.
    async fn end(self) {
        self.pool.close().await;
        self.server.kill().await;
        let log = self.installation.log();
        assert!(log.contains("sqlx::query") && log.contains(PERSONAL));
        let leaks = log.lines().filter(|line| leaks(line));
        let leaks: Vec<_> = leaks.take(3).collect();
        assert!(leaks.is_empty(), "in the log: {leaks:#?}");
        eprintln!("{} bytes of log", log.len());
    }

    fn engine(&self) -> Engine {
        self.installation.engine()
    }

    async fn check(&self, name: &str, sheet: &Sheet, request: Request, expected: Expected) {
        let (alerts, before) = (self.alerts().await, self.tables().await);
        let answer = self.send(request).await;
        let answer = answer.unwrap_or_else(|error| panic!("{name}: no answer: {error}"));
        let after = self.tables().await;
        let told = (answer.status, answer.word());
        let trace = added(&before, &after);
        match expected {
            Expected::Refused(status, code) => {
                assert_eq!(told, (status, code), "{name}: {}", answer.text);
                assert_eq!(before, after, "{name}: refused, and left a trace");
                let constant = code != "signature_invalid" || answer.text.ends_with(REFUSAL);
                assert!(constant, "{name}: {}", answer.text);
            }
            Expected::Quarantined(reason, prefix) => {
                assert_eq!(told, (200, "quarantined"), "{name}: {}", answer.text);
                let object = prefix.map(|prefix| format!("{prefix}_{}", sheet.number));
                // What it is about is to be looked at, unless it is somebody else's.
                let is_ours = !["wrong_livemode", "wrong_account"].contains(&reason);
                let marks = usize::from(object.is_some() && is_ours);
                let set_aside = (reason.to_owned(), object);
                assert_eq!(self.set_aside(sheet).await, set_aside, "{name}");
                let mut tables = BTreeMap::from([
                    ("billing_action_log", 1),
                    ("billing_chain", 1),
                    ("billing_quarantine", 1),
                    ("processed_stripe_events", 1),
                    ("refresh_queue", marks),
                ]);
                tables.retain(|_, rows| *rows > 0);
                assert_eq!(counts(&trace), tables, "{name}");
            }
            Expected::Ignored => {
                assert_eq!(told, (200, "ignored"), "{name}: {}", answer.text);
                let tables = BTreeMap::from([("processed_stripe_events", 1)]);
                assert_eq!(counts(&trace), tables, "{name}");
            }
            Expected::Applied(row) | Expected::Unpriced(row) => {
                assert_eq!(told, (200, "applied"), "{name}: {}", answer.text);
                assert_eq!(self.mirror_row(sheet).await, row, "{name}");
            }
        }
        assert!(!leaks(&answer.text), "{name}: {}", answer.text);
        for (table, row) in rows(&trace) {
            assert!(
                !row.contains(PAYLOAD),
                "{name}: a payload in {table}: {row}"
            );
            assert!(table == PERSONAL || !leaks(row), "{name}: {table}: {row}");
        }
        let next = self.send(sheet.next()).await.unwrap();
        let told = (next.status, next.word());
        assert_eq!(told, (200, "applied"), "the good event after {name}");
        let raised = expected.alert().map(|alert| (alert.name().to_owned(), 1));
        let raised = BTreeMap::from_iter(raised);
        assert_eq!(self.raised_since(&alerts).await, raised, "{name}: alerts");
    }

    /// How often each alert was told of, but for those of workers.
    async fn alerts(&self) -> BTreeMap<String, u64> {
        let metrics = self.server.get("/metrics").await.text().await.unwrap();
        let alerts = metrics.lines().filter_map(|line| {
            let alert = line.strip_prefix("billing_alerts_total{alert=\"")?;
            let (name, count) = alert.split_once("\"} ")?;
            Some((name.to_owned(), count.parse().unwrap()))
        });
        alerts
            .filter(|(name, _)| !name.starts_with(OF_WORKERS))
            .collect()
    }

    async fn raised_since(&self, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let mut alerts = self.alerts().await;
        for (name, count) in &mut alerts {
            *count -= before.get(name).copied().unwrap_or_default();
        }
        alerts.retain(|_, count| *count > 0);
        alerts
    }

    async fn send(&self, request: Request) -> std::io::Result<Answer> {
        let mut connection = Raw::connect(&self.server).await;
        // The server may have answered before it has read all.
        let _ = connection.send(&request.bytes).await;
        match request.then {
            Then::Wait => connection.answer().await,
            Then::End => {
                connection.end().await;
                connection.answer().await
            }
            Then::Repeat(bytes) => connection.send_without_end(&bytes).await,
        }
    }

    async fn tables(&self) -> Tables {
        let mut tables = dump(&self.pool, self.engine()).await;
        tables.retain(|table, _| !BEHIND.contains(&table.as_str()));
        tables
    }

    async fn set_aside(&self, sheet: &Sheet) -> (String, Option<String>) {
        let row = "select reason, object_id from billing_quarantine where event_id = $1";
        let row = sqlx::query_as(row).bind(sheet.event_id());
        row.fetch_one(&self.pool).await.unwrap()
    }

    async fn mirror_row(&self, sheet: &Sheet) -> String {
        let row = "select plan_tier || ' ' || status
                || case when current_period_end is null then '' else ' until' end
            from mirror_row where queue_customer_id in ($1, $2)
            order by queue_customer_id desc";
        let row = query_scalar(row)
            .bind(format!("stripe:{}", sheet.customer()))
            .bind(sheet.user());
        let rows: Vec<String> = row.fetch_all(&self.pool).await.unwrap();
        rows.into_iter().next().unwrap_or_default()
    }
}

/// The rows that are there after and were not before.
fn added<'a>(before: &Tables, after: &'a Tables) -> BTreeMap<&'a str, Vec<&'a String>> {
    let new = after.iter().map(|(table, rows)| {
        let new = rows.iter().filter(|row| !before[table].contains(row));
        (table.as_str(), new.collect::<Vec<_>>())
    });
    new.filter(|(_, rows)| !rows.is_empty()).collect()
}

fn rows<'a>(trace: &'a BTreeMap<&str, Vec<&String>>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let rows = trace.iter();
    rows.flat_map(|(table, rows)| rows.iter().map(move |row| (*table, row.as_str())))
}

/// Whether a text has anything in it that came in a body and belongs to nobody else.
fn leaks(text: &str) -> bool {
    text.contains(PAYLOAD) || sings(text)
}

fn counts<'a>(trace: &BTreeMap<&'a str, Vec<&String>>) -> BTreeMap<&'a str, usize> {
    trace
        .iter()
        .map(|(table, rows)| (*table, rows.len()))
        .collect()
}
