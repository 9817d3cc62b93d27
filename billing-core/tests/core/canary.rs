//! Personal data that sings wherever it is (K2): in every body that the tests make, and to be found in
//! `billing_customer` alone; not in another table, a log, a span or a trace at any level.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use serde_json::{Value, json};
use test_database::dump;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use crate::test_ledger::TestLedger;

/// What every canary begins with.
const CANARY: &str = "canary-";
/// The table that personal data belongs in.
const PERSONAL: &str = "billing_customer";
/// What the ledger says of an event that it sets aside.
const OF_LEDGER: &str = "noticed at commit";

/// What this process tells while somebody listens.
static TOLD: LazyLock<&Told> = LazyLock::new(|| {
    let told: &Told = Box::leak(Box::default());
    tracing::subscriber::set_global_default(told).unwrap();
    told
});

/// Listens to whatever anything tells to a log, a span or a trace, at every level.
#[derive(Default)]
struct Told {
    listeners: AtomicUsize,
    spans: AtomicU64,
    of_store: AtomicBool,
    of_ledger: AtomicBool,
    with_canaries: Mutex<Vec<String>>,
}

impl Told {
    fn hear(&self, record: impl FnOnce(&mut Transcript)) {
        let mut transcript = Transcript::default();
        record(&mut transcript);
        let text = transcript.0;
        self.of_store
            .fetch_or(text.contains(PERSONAL), Ordering::Relaxed);
        self.of_ledger
            .fetch_or(text.contains(OF_LEDGER), Ordering::Relaxed);
        if sings(&text) {
            self.with_canaries.lock().unwrap().push(text);
        }
    }
}

#[derive(Default)]
struct Transcript(String);

impl Visit for Transcript {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        writeln!(self.0, "{field}={value:?}").unwrap();
    }
}

impl Subscriber for &'static Told {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        self.listeners.load(Ordering::Relaxed) > 0
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.hear(|transcript| span.record(transcript));
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.hear(|transcript| values.record(transcript));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.hear(|transcript| event.record(transcript));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Somebody listens for as long as it is there.
pub(crate) struct Listener(());

impl Listener {
    pub(crate) fn new() -> Self {
        TOLD.listeners.fetch_add(1, Ordering::Relaxed);
        Self(())
    }

    /// No canary was heard, nor is one in a table where it does not belong.
    pub(crate) async fn assert_no_canary_is_out(&self, ledger: &TestLedger) {
        assert_is_silent("a debug print", &format!("{:?}", ledger.ledger));
        for (table, rows) in dump(&ledger.pool, ledger.database.engine()).await {
            if table != PERSONAL {
                rows.iter().for_each(|row| assert_is_silent(&table, row));
            }
        }
        let of_store = TOLD.of_store.load(Ordering::Relaxed);
        assert!(of_store, "the store's statements were not heard");
        let with_canaries = TOLD.with_canaries.lock().unwrap();
        assert!(with_canaries.is_empty(), "told: {with_canaries:#?}");
    }

    /// Whether the ledger itself told something.
    pub(crate) fn has_heard_the_ledger(&self) -> bool {
        TOLD.of_ledger.load(Ordering::Relaxed)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        TOLD.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether a canary is in a text, also as the hexadecimal digits of bytes.
pub(crate) fn sings(text: &str) -> bool {
    static DIGITS: LazyLock<String> = LazyLock::new(|| hex::encode(CANARY));
    text.contains(CANARY) || text.contains(&*DIGITS)
}

/// No canary is in a text.
pub(crate) fn assert_is_silent(what: &str, text: &str) {
    assert!(!sings(text), "in {what}: {text}");
}

pub(crate) fn canary(name: &str) -> Value {
    json!(format!("{CANARY}{name}"))
}

pub(crate) fn address() -> Value {
    json!({ "line1": canary("line1"), "line2": canary("line2"), "city": canary("city"),
        "state": canary("state"), "postal_code": canary("postal"), "country": canary("country") })
}
