//! The mirror compared with what it should be: rows that somebody changed, lost or made there are found, told of and
//! repaired (M5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use billing_core::alert::Alert;
use billing_core::id::CustomerId;
use billing_core::ledger::{Command, Found, LedgerError};
use billing_core::mirror::{
    BatchReader, MalformedRow, MirrorError, MirrorRow, MirrorTime, Outbox, SqlMirror, UnverifiedRow,
};
use billing_core::store::{CustomerFilter, MirrorState, StoreError};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;
use metrics::counter;
use tokio_util::sync::CancellationToken;

use super::Mirror;
use crate::app::{App, Pulse};
use crate::clock;

/// Rows that are compared at once.
const PAGE: u32 = 500;
/// How long a row that differs may have been under way.
const UNDER_WAY: Duration = Duration::from_secs(2);
/// How long after its start a server compares, and after a comparison that stopped. Then mostly somebody has just
/// restored a backup, or what stopped it is over.
const SOON: Duration = Duration::from_secs(10);
/// Rows that differ and are waited for together. A mirror that lost everything must not cost a wait for each page.
const MANY: usize = 20 * PAGE as usize;
/// Rows that are repaired at once: the ledger and the mirror have others to serve.
const AT_ONCE: usize = 64;
/// How many rows may wait when a receiver is sent more: real changes must not wait behind all that are sent again.
const MAX_WAITING: u64 = 1000;
/// How often it looks whether they still do.
const PAUSE: Duration = Duration::from_millis(100);

/// Compares the mirror on a schedule, or when asked, until it is stopped.
pub(crate) struct ComparisonWorker {
    pub(crate) app: Arc<App>,
    /// How long after one comparison the next begins; `None`: only when asked.
    pub(crate) every: Option<SignedDuration>,
}

/// Why a comparison stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComparisonError {
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl ComparisonError {
    fn code(&self) -> &'static str {
        match self {
            Self::Mirror(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Ledger(error) => error.code(),
        }
    }
}

impl ComparisonWorker {
    /// Runs until stopped. What it did not come to is compared the next time.
    pub(crate) async fn run(self, stop: CancellationToken, _pulse: Pulse) {
        let every = self.every.and_then(|every| Duration::try_from(every).ok());
        let work = async {
            let mut pause = every.map(|every| every.min(SOON));
            let mut asked = false;
            loop {
                let due = async {
                    match pause {
                        Some(pause) => tokio::time::sleep(pause).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = self.app.sync_asked.notified() => asked = true,
                    () = due => {}
                }
                pause = match self.sync(asked).await {
                    Ok(()) => {
                        asked = false;
                        every
                    }
                    // Who asked is answered by the next one.
                    Err(error) => {
                        let code = error.code();
                        tracing::warn!(code, "the mirror could not be compared");
                        Some(SOON)
                    }
                };
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    async fn sync(&self, asked: bool) -> Result<(), ComparisonError> {
        match &self.app.mirror {
            _ if !self.app.billing_on => Ok(()),
            Mirror::Table(table) => {
                let app = &*self.app;
                Comparison { app, table }.run().await
            }
            // A receiver can't be read: it is sent everything, and takes what is newer.
            Mirror::Receiver(_) if asked => send_all(&self.app).await,
            Mirror::Receiver(_) => Ok(()),
        }
    }
}

/// Sends every row again, as fast as the receiver takes them.
async fn send_all(app: &App) -> Result<(), ComparisonError> {
    let (mut after, mut sent) = (None, 0);
    loop {
        while app.store.depth().await?.waiting > MAX_WAITING {
            tokio::time::sleep(PAUSE).await;
        }
        let customers = customers_after(app, after.as_ref()).await?;
        let Some(last) = customers.last() else {
            tracing::info!(rows = sent, "all rows go to the mirror again");
            return Ok(());
        };
        after = Some(last.clone());
        sent += customers.len();
        let commits = customers.into_iter().map(|customer| {
            let found = None;
            commit(app, Command::SendAgain { customer, found })
        });
        let mut commits = stream::iter(commits).buffer_unordered(AT_ONCE);
        while commits.try_next().await?.is_some() {}
    }
}

/// The next of all customers.
async fn customers_after(
    app: &App,
    after: Option<&CustomerId>,
) -> Result<Vec<CustomerId>, StoreError> {
    let everybody = CustomerFilter::default();
    let rows = app.store.customers(&everybody, after, PAGE).await?;
    Ok(customers_of(rows).collect())
}

fn customers_of(rows: Vec<MirrorState>) -> impl Iterator<Item = CustomerId> {
    rows.into_iter().map(|row| row.queue_customer_id)
}

/// Commits, and says whether it did: one customer whose records the ledger can't take must not keep the others from
/// theirs.
async fn commit(app: &App, command: Command) -> Result<bool, LedgerError> {
    match app.ledger.commit(command, clock::now()).await {
        Err(error) if !error.is_transient() => {
            tracing::error!(code = error.code(), "a mirror row could not be sent again");
            Ok(false)
        }
        outcome => outcome.map(|_| true),
    }
}

/// A row of the mirror that is other than it should be.
struct Suspect {
    customer: CustomerId,
    /// The version that it should have; none, where nobody here knows the customer.
    wanted: Option<MirrorTime>,
    found: Option<UnverifiedRow>,
}

impl Suspect {
    fn row(&self) -> Result<Option<MirrorRow>, MalformedRow> {
        self.found.clone().map(MirrorRow::try_from).transpose()
    }
}

struct Comparison<'a> {
    app: &'a App,
    table: &'a SqlMirror,
}

impl Comparison<'_> {
    /// Compares both ways: rows that are not there or are other than they should be, and rows that should not be there.
    async fn run(&self) -> Result<(), ComparisonError> {
        let (mut compared, mut repaired) = (0, 0);
        let mut suspects = Vec::new();
        let mut after = None;
        loop {
            let customers = customers_after(self.app, after.as_ref()).await?;
            let Some(last) = customers.last() else { break };
            after = Some(last.clone());
            compared += customers.len();
            suspects.extend(self.suspects_among(customers).await?);
            repaired += self.repair_if_many(&mut suspects).await?;
        }
        let mut after = String::new();
        loop {
            let rows = self.table.rows_after(&after, PAGE).await?;
            // In whatever order the database has them: each page begins after the one before.
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.queue_customer_id);
            let ids = rows.iter().map(|row| &row.queue_customer_id);
            let customers: Vec<CustomerId> = ids.flat_map(CustomerId::parse).collect();
            if customers.len() < rows.len() {
                let rows = rows.len() - customers.len();
                tracing::error!(rows, "the mirror has rows whose customer nobody can be");
            }
            let known = self.app.store.mirror_rows_of(&customers).await?;
            let known: BTreeSet<CustomerId> = customers_of(known).collect();
            let unknown = customers.into_iter().filter(|it| !known.contains(it));
            suspects.extend(self.suspects_among(unknown.collect()).await?);
            repaired += self.repair_if_many(&mut suspects).await?;
        }
        repaired += self.repair(suspects).await?;
        tracing::info!(rows = compared, repaired, "the mirror is compared");
        Ok(())
    }

    /// The customers whose row in the mirror is not what it should be.
    async fn suspects_among(
        &self,
        customers: Vec<CustomerId>,
    ) -> Result<Vec<Suspect>, ComparisonError> {
        if customers.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.table.read_many(&customers).await?;
        let found = found
            .into_iter()
            .map(|row| (row.queue_customer_id.clone(), row));
        let mut found: BTreeMap<String, UnverifiedRow> = found.collect();
        // Read after it: what changed meanwhile is told by its version.
        let wanted = self.app.store.mirror_rows_of(&customers).await?;
        let wanted = wanted
            .into_iter()
            .map(|state| (state.queue_customer_id.clone(), state.row()));
        let wanted: BTreeMap<CustomerId, MirrorRow> = wanted.collect();
        let compare = |customer: CustomerId| {
            let wanted = wanted.get(&customer);
            let suspect = Suspect {
                found: found.remove(customer.as_str()),
                wanted: wanted.map(|row| row.updated_at),
                customer,
            };
            let is_same = suspect.row().is_ok_and(|row| row.as_ref() == wanted);
            (!is_same).then_some(suspect)
        };
        Ok(customers.into_iter().filter_map(compare).collect())
    }

    /// Repairs once there are many, so that few are waited for and not all are kept.
    async fn repair_if_many(&self, suspects: &mut Vec<Suspect>) -> Result<usize, ComparisonError> {
        if suspects.len() < MANY {
            return Ok(0);
        }
        self.repair(std::mem::take(suspects)).await
    }

    /// Repairs those rows that still differ after what may have been under way has arrived.
    async fn repair(&self, suspects: Vec<Suspect>) -> Result<usize, ComparisonError> {
        if suspects.is_empty() {
            return Ok(0);
        }
        tokio::time::sleep(UNDER_WAY).await;
        let mut repaired = 0;
        for suspects in suspects.chunks(PAGE as usize) {
            repaired += self.repair_page(suspects).await?;
        }
        Ok(repaired)
    }

    async fn repair_page(&self, suspects: &[Suspect]) -> Result<usize, ComparisonError> {
        let wanted = suspects
            .iter()
            .map(|suspect| (suspect.customer.clone(), suspect.wanted));
        let wanted: BTreeMap<CustomerId, Option<MirrorTime>> = wanted.collect();
        let customers: Vec<CustomerId> = wanted.keys().cloned().collect();
        // Read first: a row that is on its way now may have arrived when the mirror is read.
        let waiting = self.app.store.waiting_among(&customers).await?;
        let waiting: BTreeSet<CustomerId> = waiting.into_iter().collect();
        let mut suspects = self.suspects_among(customers).await?;
        suspects.retain(|suspect| {
            let is_waiting = waiting.contains(&suspect.customer);
            !is_waiting && wanted.get(&suspect.customer) == Some(&suspect.wanted)
        });
        if suspects.is_empty() {
            return Ok(0);
        }
        counter!("billing_mirror_drift_total").increment(suspects.len() as u64);
        self.app.alerts.raise(Alert::MirrorDrift, clock::now());
        for suspect in &suspects {
            tell(suspect);
        }
        let mends = suspects.into_iter().map(|suspect| self.mend(suspect));
        let mut mends = stream::iter(mends).buffer_unordered(AT_ONCE);
        let mut repaired = 0;
        while let Some(is_repaired) = mends.try_next().await? {
            repaired += usize::from(is_repaired);
        }
        Ok(repaired)
    }

    async fn mend(&self, suspect: Suspect) -> Result<bool, ComparisonError> {
        let command = Command::SendAgain {
            found: Some(self.found(&suspect).await?),
            customer: suspect.customer,
        };
        Ok(commit(self.app, command).await?)
    }

    /// What there is in place of a row. A version that nothing could be sent above is set back.
    async fn found(&self, suspect: &Suspect) -> Result<Found, MirrorError> {
        let row = suspect.row();
        let Some(found) = &suspect.found else {
            return Ok(Found { row, version: None });
        };
        let horizon = MirrorTime::horizon(clock::now());
        let version = MirrorTime::parse(&found.updated_at);
        let version = version.filter(|version| *version <= horizon);
        if version.is_none() {
            self.table.set_back(found, horizon).await?;
        }
        Ok(Found { row, version })
    }
}

fn tell(suspect: &Suspect) {
    let row = suspect.row();
    let malformed = row.as_ref().err().map(|malformed| malformed.column);
    let row = row.ok().flatten();
    tracing::warn!(
        queue_customer_id = %suspect.customer,
        is_known = suspect.wanted.is_some(),
        was_there = suspect.found.is_some(),
        malformed,
        plan_tier = row.as_ref().map(|row| row.plan_tier.as_str()),
        status = row.as_ref().map(|row| row.status.as_str()),
        "a mirror row was other than it should be"
    );
}

/// What sends one customer's row again, above what the mirror has: it should have had a version for a while.
pub(crate) async fn send_again(
    app: &App,
    customer: CustomerId,
    version: Option<MirrorTime>,
) -> Result<Command, ComparisonError> {
    let found = match &app.mirror {
        Mirror::Table(table) => {
            let customers = vec![customer.clone()];
            let waits = !app.store.waiting_among(&customers).await?.is_empty();
            let comparison = Comparison { app, table };
            let suspects = comparison.suspects_among(customers).await?;
            // What was committed since is on its way, and no drift.
            let drifted = |suspect: &&Suspect| !waits && suspect.wanted == version;
            match suspects.first().filter(drifted) {
                Some(suspect) => Some(comparison.found(suspect).await?),
                None => None,
            }
        }
        Mirror::Receiver(_) => None,
    };
    Ok(Command::SendAgain { customer, found })
}
