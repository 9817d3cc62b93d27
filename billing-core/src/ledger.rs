//! The ledger: the one door for every change of money state.
//!
//! A task owns the write lane. While one transaction commits, commands queue up (bounded); the
//! next transaction takes all that wait, up to a cap. So a single command waits for nothing but
//! its own commit, many share one, and no two ever contend. A caller that goes away cancels
//! nothing: the transaction belongs to the task.
//!
//! In one transaction: the event's id, the records, the audit rows, the mirror rows and their
//! outbox entries. [`Outcome`] is told only after COMMIT succeeded (C1).

mod books;
mod task;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::alert::Alerts;
use crate::audit::AuditKey;
use crate::catalogue::Tier;
use crate::claim::{Claim, ClaimStep};
use crate::event::{Event, Snapshot};
use crate::id::{ClaimId, CustomerId, PriceId, StripeCustomerId, SubscriptionId};
use crate::mirror::{MalformedRow, MirrorRow, MirrorTime};
use crate::policy::Policy;
use crate::store::{RefreshRow, Store, StoreError, Transaction};
use task::Task;

/// What the ledger is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Take an event.
    Ingest(Box<Event>),
    /// See to it that a customer of the seller's has a mirror row (M6).
    RegisterCustomer(CustomerId),
    /// See to it that a customer's rows show what follows from their records *now*: the end of
    /// grace and the like need no event (A6).
    Settle(CustomerId),
    /// Take what Stripe's API shows (O4).
    Refresh {
        /// What it shows.
        snapshots: Vec<Snapshot>,
        /// The mark that this answers, where all was looked at that it asks for: it goes, unless doubt remains or the
        /// object was marked again since it was taken.
        mark: Option<RefreshRow>,
    },
    /// Send a customer's row to the mirror again, as it should be (M5).
    SendAgain {
        /// Whose.
        customer: CustomerId,
        /// What the mirror has, where that is something else.
        found: Option<Found>,
    },
    /// Claim to subscribe, unless the customer has a subscription or a claim (B1).
    Claim(Box<Claim>),
    /// Note what became of a claim.
    Advance {
        /// Whose claim.
        customer: CustomerId,
        /// Which one: a later one of theirs stays as it is.
        claim: ClaimId,
        /// What became of it.
        step: ClaimStep,
    },
    /// Write down an act that changes no record.
    Record(Act),
}

impl Command {
    /// Takes what Stripe's API shows, and answers no mark.
    #[must_use]
    pub fn refresh(snapshots: Vec<Snapshot>) -> Self {
        Self::Refresh {
            snapshots,
            mark: None,
        }
    }
}

/// What the mirror has in place of a customer's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The row: nothing, or in which column it is malformed.
    pub row: Result<Option<MirrorRow>, MalformedRow>,
    /// Its version, where it can be read and was not made up ([`MirrorTime::horizon`]): what is sent must be above it, or
    /// it is not taken.
    pub version: Option<MirrorTime>,
}

/// An act that changes no record of ours, and stands in the audit chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A session of Stripe's customer portal was opened.
    PortalOpened {
        /// For whom.
        customer: CustomerId,
        /// For which account.
        account: StripeCustomerId,
    },
    /// Stripe is about to be asked to move a subscription to another price.
    PlanChangeAsked {
        /// Whose.
        customer: CustomerId,
        /// Which one.
        subscription: SubscriptionId,
        /// To which tier.
        plan_tier: Tier,
        /// By which price.
        price: PriceId,
    },
}

/// What came of a command. For events, the first that holds in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was there already: nothing changed. For an event, also under other facts (C2).
    Duplicate,
    /// The records forbid it: who has a subscription can't claim another.
    Refused,
    /// The event can't be taken as it is: it was set aside.
    Quarantined,
    /// The event concerns nothing that is kept.
    Ignored,
    /// The event changed nothing that is kept.
    Stale,
    /// It changed something.
    Applied,
}

impl Outcome {
    /// A stable name: the webhook's answer, the metric's label, the log's field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::Quarantined => "quarantined",
            Self::Ignored => "ignored",
            Self::Stale => "stale",
            Self::Applied => "applied",
        }
    }
}

/// Why a command was not committed, or may not have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// More commands wait than may.
    #[error("too many commands wait")]
    Overloaded,
    /// The ledger is shutting down.
    #[error("the ledger is closed")]
    Closed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit chain was written with another key: another server uses this database.
    #[error("the audit chain was written with another key")]
    OtherAuditKey,
    /// The command made the ledger panic.
    #[error("the command failed in the ledger")]
    Panicked,
}

impl LedgerError {
    /// A stable name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Overloaded => "ledger_overloaded",
            Self::Closed => "ledger_closed",
            Self::Store(error) => error.code(),
            Self::OtherAuditKey => "audit_key_differs",
            Self::Panicked => "ledger_panicked",
        }
    }

    /// Whether the fault lies with the circumstances and not with the command.
    #[must_use]
    pub fn is_transient(self) -> bool {
        match self {
            Self::Overloaded | Self::Closed | Self::OtherAuditKey => true,
            Self::Store(error) => error.is_transient(),
            Self::Panicked => false,
        }
    }
}

/// Why a ledger does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit chain was written with another key: rows sealed with this one would break it.
    #[error("the audit key is not the one that this audit chain was written with")]
    OtherAuditKey,
}

/// How much a ledger takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Commands that may wait; more are refused at once.
    pub waiting: usize,
    /// Commands that one transaction may take.
    pub batch: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            waiting: 1024,
            batch: 128,
        }
    }
}

/// Watches the ledger at work, for metrics. Nothing here can change what it does.
pub trait Observer: Send + Sync + 'static {
    /// A batch of this many commands begins.
    fn batch_begins(&self, _size: usize) {}
    /// The batch was committed, or was not.
    fn batch_ends(&self, _result: Result<(), LedgerError>) {}
}

impl Observer for () {}

struct Job {
    command: Command,
    now: Timestamp,
    reply: oneshot::Sender<Result<Outcome, LedgerError>>,
}

/// A handle to the ledger. The task ends when the last handle is gone and its commands are done.
#[derive(Clone)]
pub struct Ledger {
    jobs: mpsc::Sender<Job>,
    mirror_changed: Arc<Notify>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Ledger({} waiting)", self.waiting())
    }
}

impl Ledger {
    /// Starts a ledger over a store whose tables are up to date.
    ///
    /// # Errors
    /// [`StartError`] when the store fails, or its audit chain was written with another key.
    pub async fn start<S: Store>(
        store: S,
        policy: Policy,
        audit_key: AuditKey,
        alerts: Alerts,
        observer: impl Observer,
        capacity: Capacity,
    ) -> Result<(Self, JoinHandle<()>), StartError> {
        let transaction = store.begin().await?;
        let continues = audit_key.continues(transaction.head());
        drop(transaction);
        if !continues {
            return Err(StartError::OtherAuditKey);
        }
        let (jobs, waiting) = mpsc::channel(capacity.waiting.max(1));
        let mirror_changed = Arc::new(Notify::new());
        let task = Task {
            store,
            policy,
            audit_key,
            alerts,
            observer,
            mirror_changed: Arc::clone(&mirror_changed),
            batch: capacity.batch.max(1),
        };
        Ok((
            Self {
                jobs,
                mirror_changed,
            },
            tokio::spawn(task.run(waiting)),
        ))
    }

    /// Commits a command, as of `now`, and says what came of it.
    ///
    /// The future may be dropped: the command is then committed all the same, or not begun.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing was kept, except perhaps after
    /// [`StoreError::CommitUnknown`]; the same command again is safe in any case.
    pub async fn commit(&self, command: Command, now: Timestamp) -> Result<Outcome, LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.jobs
            .try_send(Job {
                command,
                now,
                reply,
            })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => LedgerError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => LedgerError::Closed,
            })?;
        answer.await.unwrap_or(Err(LedgerError::Closed))
    }

    /// Takes an event: [`Ledger::commit`] of [`Command::Ingest`].
    ///
    /// # Errors
    /// As [`Ledger::commit`].
    pub async fn ingest(&self, event: Event, now: Timestamp) -> Result<Outcome, LedgerError> {
        self.commit(Command::Ingest(Box::new(event)), now).await
    }

    /// How many commands wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Resolves after a commit that changed mirror rows, once for any number of them.
    pub async fn mirror_changed(&self) {
        self.mirror_changed.notified().await;
    }
}
