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

use jiff::Timestamp;
use sqlx::{AnyPool, query_scalar};
use test_database::{Engine, dump};

use crate::raw::{Answer, Raw};
use crate::support::{Installation, SECRET, Server, customer_created};
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
}

/// What everyone is told whose signature is not good, whatever is wrong with it (S4).
const REFUSAL: &str = r#"{"title":"Bad Request","status":400,"code":"signature_invalid","detail":"The signature did not verify."}"#;
/// What every body carries where nobody reads it.
const PAYLOAD: &str = "the-payload";
/// Tables that workers write on their own time; what they write is in `mirror_row` before.
const BEHIND: [&str; 2] = ["mirror_outbox", "billing_subscription_mirror"];

type Tables = BTreeMap<String, Vec<String>>;

/// A server that takes events of one mode and one account, signed with any of three secrets.
struct Bench {
    installation: Installation,
    server: Server,
    pool: AnyPool,
}

async fn run(cases: &[Case]) {
    let bench = Bench::new().await;
    for (number, (name, request, expected)) in cases.iter().enumerate() {
        let sheet = Sheet {
            number,
            now: Timestamp::now(),
        };
        bench.check(name, &sheet, request(&sheet), *expected).await;
    }
    eprintln!("{} cases", cases.len());
    bench.pool.close().await;
}

impl Bench {
    async fn new() -> Self {
        let secrets = format!("whsec_older,{SECRET},whsec_newer");
        let installation = Installation::new()
            .with("STRIPE_WEBHOOK_SECRET", &secrets)
            .with("STRIPE_LIVEMODE", "false")
            .with("STRIPE_ACCOUNT", "acct_ours");
        let server = installation.serve().await;
        let pool = installation.database().await;
        Self {
            installation,
            server,
            pool,
        }
    }

    fn engine(&self) -> Engine {
        self.installation.engine()
    }

    async fn check(&self, name: &str, sheet: &Sheet, request: Request, expected: Expected) {
        let before = self.tables().await;
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
                let set_aside = (reason.to_owned(), object);
                assert_eq!(self.set_aside(sheet).await, set_aside, "{name}");
                let tables = [
                    ("billing_action_log", 1),
                    ("billing_chain", 1),
                    ("billing_quarantine", 1),
                    ("processed_stripe_events", 1),
                ];
                assert_eq!(counts(&trace), BTreeMap::from(tables), "{name}");
            }
            Expected::Ignored => {
                assert_eq!(told, (200, "ignored"), "{name}: {}", answer.text);
                let tables = BTreeMap::from([("processed_stripe_events", 1)]);
                assert_eq!(counts(&trace), tables, "{name}");
            }
            Expected::Applied(row) => {
                assert_eq!(told, (200, "applied"), "{name}: {}", answer.text);
                assert_eq!(self.mirror_row(sheet).await, row, "{name}");
            }
        }
        let kept = trace.values().flatten().any(|row| row.contains(PAYLOAD));
        assert!(!kept, "{name}: a payload is kept");
        let number = sheet.number;
        let (event, customer) = (format!("evt_good_{number}"), format!("cus_good_{number}"));
        let mut good = customer_created(&event, &customer, &format!("good-{number}"));
        good["account"] = "acct_ours".into();
        let next = self.server.outcome(&good).await;
        assert_eq!(next, "applied", "the good event after {name}");
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

fn counts<'a>(trace: &BTreeMap<&'a str, Vec<&String>>) -> BTreeMap<&'a str, usize> {
    trace
        .iter()
        .map(|(table, rows)| (*table, rows.len()))
        .collect()
}
