//! The statements of a commit by themselves: recorded while a ledger issued them, and issued again
//! to a database that stands as that one stood.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use billing_core::alert::Alerts;
use billing_core::audit::{Addition, AuditKey, Head};
use billing_core::id::EventId;
use billing_core::ledger::{Capacity, Ledger};
use billing_core::policy::Policy;
use billing_core::signature::{Delivery, SigningKeys, sign, verify};
use billing_core::store::{
    Claimed, Keys, Loaded, SqlStore, SqlTransaction, Store, StoreError, Transaction, WriteSet,
};
use futures::future::try_join_all;
use jiff::Timestamp;

use crate::event::{Event, SECRET};

/// What one transaction asked of the store.
#[derive(Debug, Default, Clone)]
struct Recorded {
    events: Vec<EventId>,
    keys: Keys,
    writes: WriteSet,
    addition: Option<Addition>,
    /// How long the store took for it.
    took: Duration,
}

type Tape = Arc<Mutex<Vec<Recorded>>>;

/// A store that writes down what it is asked.
struct Recorder {
    store: SqlStore,
    tape: Tape,
}

struct RecordedTransaction {
    transaction: SqlTransaction,
    recorded: Recorded,
    tape: Tape,
}

impl Store for Recorder {
    type Transaction = RecordedTransaction;

    async fn begin(&self) -> Result<RecordedTransaction, StoreError> {
        let_the_ledger_finish().await;
        let began = Instant::now();
        let transaction = self.store.begin().await?;
        let recorded = Recorded {
            took: began.elapsed(),
            ..Recorded::default()
        };
        let tape = Arc::clone(&self.tape);
        Ok(RecordedTransaction {
            transaction,
            recorded,
            tape,
        })
    }
}

impl Transaction for RecordedTransaction {
    fn head(&self) -> &Head {
        self.transaction.head()
    }

    async fn claim(&mut self, events: &[EventId]) -> Result<HashMap<EventId, Claimed>, StoreError> {
        self.recorded.events = events.to_vec();
        timed(&mut self.recorded.took, self.transaction.claim(events)).await
    }

    async fn load(&mut self, keys: &Keys) -> Result<Loaded, StoreError> {
        self.recorded.keys = keys.clone();
        timed(&mut self.recorded.took, self.transaction.load(keys)).await
    }

    async fn save(&mut self, writes: &WriteSet) -> Result<(), StoreError> {
        self.recorded.writes = writes.clone();
        let_the_ledger_finish().await;
        timed(&mut self.recorded.took, self.transaction.save(writes)).await
    }

    async fn append(&mut self, addition: &Addition) -> Result<(), StoreError> {
        self.recorded.addition = Some(addition.clone());
        timed(&mut self.recorded.took, self.transaction.append(addition)).await
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        timed(&mut self.recorded.took, self.transaction.commit()).await?;
        let mut tape = self.tape.lock().unwrap_or_else(PoisonError::into_inner);
        tape.push(self.recorded);
        Ok(())
    }
}

/// What the ledger does while the store works is done first: the time that is taken is the store's.
async fn let_the_ledger_finish() {
    tokio::task::yield_now().await;
}

/// Adds how long something took.
async fn timed<T>(took: &mut Duration, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let answer = work.await;
    *took += began.elapsed();
    answer
}

/// Transactions to issue.
#[derive(Debug)]
pub struct Statements {
    store: SqlStore,
    waiting: std::vec::IntoIter<Recorded>,
}

impl Statements {
    /// Records what a ledger asks of one new database for these events, so many at once, to issue it
    /// to another one.
    pub async fn record(
        recorded_at: &str,
        issued_to: &str,
        policy: Policy,
        events: impl Iterator<Item = Event>,
        at_once: usize,
    ) -> Result<Self> {
        let waiting = tape(recorded_at, policy, events, at_once).await?;
        Ok(Self {
            store: open(issued_to).await?,
            waiting: waiting.into_iter(),
        })
    }

    /// Issues so many transactions, one after the other, and tells each one's time.
    pub async fn issue(&mut self, count: usize) -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        for Recorded {
            events,
            keys,
            writes,
            addition,
            took: _,
        } in self.waiting.by_ref().take(count)
        {
            let began = Instant::now();
            let mut transaction = self.store.begin().await?;
            transaction.claim(&events).await?;
            transaction.load(&keys).await?;
            transaction.save(&writes).await?;
            if let Some(addition) = &addition {
                transaction.append(addition).await?;
            }
            transaction.commit().await?;
            times.push(began.elapsed());
        }
        Ok(times)
    }
}

/// How long a database takes for the transactions of these events, so many at once.
pub async fn time_in_store(
    url: &str,
    policy: Policy,
    events: impl Iterator<Item = Event>,
    at_once: usize,
) -> Result<Duration> {
    let transactions = tape(url, policy, events, at_once).await?;
    Ok(transactions.iter().map(|recorded| recorded.took).sum())
}

/// What a ledger asks of a database for these events, so many at once.
async fn tape(
    url: &str,
    policy: Policy,
    events: impl Iterator<Item = Event>,
    at_once: usize,
) -> Result<Vec<Recorded>> {
    let store = open(url).await?;
    let tape = Tape::default();
    let recorder = Recorder {
        store: store.clone(),
        tape: Arc::clone(&tape),
    };
    let (ledger, task) = Ledger::start(
        recorder,
        policy,
        audit_key()?,
        Alerts::default(),
        (),
        Capacity::default(),
    )
    .await?;
    let now = Timestamp::now();
    let mut events = events.map(decode).peekable();
    while events.peek().is_some() {
        let together: Vec<_> = events.by_ref().take(at_once).collect::<Result<_>>()?;
        let commits = together.into_iter().map(|event| ledger.ingest(event, now));
        try_join_all(commits).await?;
    }
    drop(ledger);
    task.await?;
    store.close().await;
    let tape = Arc::into_inner(tape).context("the ledger has ended")?;
    let tape = tape.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(tape)
}

pub(crate) fn audit_key() -> Result<AuditKey> {
    Ok(AuditKey::parse(&("0f".repeat(31) + "aa"))?)
}

pub(crate) fn decode(event: Event) -> Result<billing_core::event::Event> {
    let (keys, now) = (SigningKeys::parse(SECRET)?, Timestamp::now());
    let body = event.body();
    let header = sign(body.as_bytes(), &keys, now);
    let payload = verify(Delivery::new(body, [header]), &keys, now)?;
    Ok(billing_core::event::Event::decode(&payload)?)
}

pub(crate) async fn open(url: &str) -> Result<SqlStore> {
    let store = SqlStore::open(url).await?;
    store.migrate().await?;
    Ok(store)
}
