//! Reconciling with Stripe: whatever was missed or is wrong is found and repaired (B4).
//!
//! 1. Stripe's own list of subscriptions, with their customers and latest invoices; then, by id, what is live or open here
//!    and that list did not show; then the events of the thirty days that Stripe keeps them.
//! 2. All of it goes through the ledger like anything that Stripe says. What differs before and after is reported, by
//!    field.
//! 3. One runs at a time, over all servers. Where it is stands in the database after every page: whoever takes it next
//!    goes on there. A page is all that is in memory.
//! 4. What can't be read is counted and passed over: one odd object holds up no other.

mod drift;
mod worker;

use std::time::Duration;

use billing_core::event::{Event, EventType, Snapshot};
use billing_core::id::{EventId, InvoiceId, SubscriptionId};
use billing_core::ledger::{Command, Ledger, LedgerError, Outcome};
use billing_core::store::{Place, SqlStore, StoreError};
use billing_core::time::StripeTime;
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Interval, MissedTickBehavior, interval};

pub(crate) use drift::Report;
pub(crate) use worker::{ReconcileWorker, run_once};

use crate::clock;
use crate::look::{self, LookError};
use crate::stripe::{Answer, List, Stripe, StripeError};

/// Calls to Stripe's API per second: far from what Stripe allows (25 in test mode), for others need it too.
const CALLS_PER_SECOND: u32 = 10;
/// How old a run may be to go on: what Stripe showed before that may be otherwise by now.
const STALE_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Why a run stopped before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    /// Another server is at it.
    #[error("another reconcile is under way")]
    Busy,
    /// It took so long that another server took it.
    #[error("another server has taken the run")]
    Taken,
    /// Stripe or the database did not answer.
    #[error(transparent)]
    Look(#[from] LookError),
    /// What Stripe shows was not committed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<StoreError> for ReconcileError {
    fn from(error: StoreError) -> Self {
        Self::Look(LookError::Store(error))
    }
}

impl From<StripeError> for ReconcileError {
    fn from(error: StripeError) -> Self {
        Self::Look(LookError::Stripe(error))
    }
}

impl ReconcileError {
    /// A stable name.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Busy => "reconcile_busy",
            Self::Taken => "reconcile_taken",
            Self::Look(error) => error.code(),
            Self::Ledger(error) => error.code(),
        }
    }
}

/// Where a run is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    #[serde(default)]
    step: Step,
    #[serde(default)]
    started_at: Option<Timestamp>,
    /// Since when, by Stripe's clock: what was looked at later was looked at by this run, or needs not be.
    #[serde(default)]
    began_at: Option<StripeTime>,
    #[serde(default)]
    pub(crate) report: Report,
}

/// What comes next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "walks", content = "after")]
enum Step {
    /// Nothing: the run is at its end, or none began.
    #[default]
    Done,
    /// Stripe's list of subscriptions.
    Subscriptions(Option<SubscriptionId>),
    /// Live subscriptions here that the list did not show.
    Unlisted(Option<Place>),
    /// Open invoices here.
    Invoices(Option<Place>),
    /// Stripe's list of events.
    Events(Option<EventId>),
}

impl Progress {
    fn new() -> Self {
        Self {
            step: Step::Subscriptions(None),
            started_at: Some(clock::now()),
            ..Self::default()
        }
    }

    /// Whether a run is not at its end.
    pub(crate) fn is_under_way(&self) -> bool {
        self.step != Step::Done
    }

    fn is_fresh(&self) -> bool {
        let age = self.started_at.map(|at| clock::now().duration_since(at));
        age.is_some_and(|age| age < STALE_AFTER)
    }
}

/// A run.
pub(crate) struct Reconciler {
    pub(crate) store: SqlStore,
    pub(crate) ledger: Ledger,
    pub(crate) stripe: Stripe,
    /// A name that no other has.
    pub(crate) holder: String,
}

impl Reconciler {
    /// Runs to the end, from the beginning or from where another run stopped, and tells how it goes.
    pub(crate) async fn run(&self, tell: impl Fn(&Report)) -> Result<Report, ReconcileError> {
        let taken = self
            .store
            .take_reconcile(&self.holder, clock::now())
            .await?;
        let row = taken.ok_or(ReconcileError::Busy)?;
        let mut progress: Progress = serde_json::from_str(&row.progress).unwrap_or_default();
        if !progress.is_under_way() || !progress.is_fresh() {
            progress = Progress::new();
        }
        let walked = self.walk(&mut progress, tell).await;
        let ended_at = walked.is_ok().then(clock::now);
        let text = serde_json::to_string(&progress).unwrap_or_default();
        let left = self.store.leave_reconcile(&self.holder, &text, ended_at);
        // Where it can't be given back it is taken when its lease is over.
        let left = left.await;
        walked?;
        left?;
        Ok(progress.report)
    }

    async fn walk(
        &self,
        progress: &mut Progress,
        tell: impl Fn(&Report),
    ) -> Result<(), ReconcileError> {
        let mut pace = interval(Duration::from_secs(1) / CALLS_PER_SECOND);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while progress.is_under_way() {
            progress.step = self.step(progress, &mut pace).await?;
            tell(&progress.report);
            self.keep(progress).await?;
        }
        Ok(())
    }

    /// Notes where the run is, and keeps it.
    async fn keep(&self, progress: &Progress) -> Result<(), ReconcileError> {
        let text = serde_json::to_string(progress).unwrap_or_default();
        let kept = self.store.keep_reconcile(&self.holder, &text, clock::now());
        match kept.await? {
            true => Ok(()),
            false => Err(ReconcileError::Taken),
        }
    }

    /// Takes a page, and says what comes next.
    async fn step(
        &self,
        progress: &mut Progress,
        pace: &mut Interval,
    ) -> Result<Step, ReconcileError> {
        match progress.step.clone() {
            Step::Done => Ok(Step::Done),
            Step::Subscriptions(after) => {
                pace.tick().await;
                self.listed(after.as_ref(), progress).await
            }
            Step::Unlisted(after) => self.unlisted(after.as_ref(), progress, pace).await,
            Step::Invoices(after) => self.invoices(after.as_ref(), progress, pace).await,
            Step::Events(after) => {
                pace.tick().await;
                self.events(after.as_ref(), progress).await
            }
        }
    }

    /// A page of Stripe's own list.
    async fn listed(
        &self,
        after: Option<&SubscriptionId>,
        progress: &mut Progress,
    ) -> Result<Step, ReconcileError> {
        let answer = match self.stripe.all_subscriptions(after).await {
            // The one to go on from is gone.
            Err(StripeError::Missing) if after.is_some() => return Ok(Step::Subscriptions(None)),
            answer => answer?,
        };
        if progress.began_at.is_none() {
            progress.began_at = answer.true_at();
        }
        let last = last_of(&answer)?;
        let page = answer.subscriptions()?;
        progress.report.unreadable += (answer.object.data.len() - page.len()) as u64;
        self.look(page, progress).await?;
        Ok(match last.map(SubscriptionId::parse) {
            Some(Ok(last)) if answer.object.has_more => Step::Subscriptions(Some(last)),
            _ => Step::Unlisted(None),
        })
    }

    /// Live subscriptions here that nobody looked at since the run began.
    async fn unlisted(
        &self,
        after: Option<&Place>,
        progress: &mut Progress,
        pace: &mut Interval,
    ) -> Result<Step, ReconcileError> {
        let began_at = progress.began_at.ok_or(StripeError::Unreadable)?;
        let lot = self.store.unseen_subscriptions(began_at, after).await?;
        let subscriptions = lot.wanted.into_iter().filter_map(|(_, id)| id);
        self.look_at_each(subscriptions, progress, pace).await?;
        Ok(match lot.last {
            Some(last) => Step::Unlisted(Some(last)),
            None => Step::Invoices(None),
        })
    }

    /// Invoices that are open here, with the subscriptions that they are of.
    async fn invoices(
        &self,
        after: Option<&Place>,
        progress: &mut Progress,
        pace: &mut Interval,
    ) -> Result<Step, ReconcileError> {
        let lot = self.store.open_invoices_after(after).await?;
        let mut subscriptions: Vec<SubscriptionId> = Vec::new();
        for (place, subscription) in lot.wanted {
            progress.report.invoices += 1;
            if let Some(subscription) = subscription {
                // Their subscription's look takes all of its open invoices.
                if !subscriptions.contains(&subscription) {
                    subscriptions.push(subscription);
                }
            } else if let Ok(id) = InvoiceId::parse(place.id.as_str()) {
                pace.tick().await;
                match look::at_invoice(&self.stripe, &id).await {
                    Ok(snapshots) => self.commit(Command::refresh(snapshots)).await.map(drop)?,
                    Err(StripeError::Unreadable) => progress.report.unreadable += 1,
                    Err(error) => return Err(error.into()),
                }
                self.keep(progress).await?;
            }
        }
        self.look_at_each(subscriptions, progress, pace).await?;
        Ok(match lot.last {
            Some(last) => Step::Invoices(Some(last)),
            None => Step::Events(None),
        })
    }

    async fn look_at_each(
        &self,
        subscriptions: impl IntoIterator<Item = SubscriptionId>,
        progress: &mut Progress,
        pace: &mut Interval,
    ) -> Result<(), ReconcileError> {
        for id in subscriptions {
            pace.tick().await;
            match look::at_subscription(&self.stripe, &self.store, &id).await {
                Ok(snapshots) => self.look(vec![(id, snapshots)], progress).await?,
                Err(LookError::Stripe(StripeError::Missing)) => progress.report.unknown(&id),
                Err(LookError::Stripe(StripeError::Unreadable)) => {
                    progress.report.unreadable += 1;
                }
                Err(error) => return Err(error.into()),
            }
            self.keep(progress).await?;
        }
        Ok(())
    }

    /// A page of the events that Stripe still has, the newest first.
    async fn events(
        &self,
        after: Option<&EventId>,
        progress: &mut Progress,
    ) -> Result<Step, ReconcileError> {
        let answer = match self.stripe.events(&EventType::handled(), after).await {
            // The one to go on from is older than thirty days by now, and so are those after it.
            Err(StripeError::Missing) if after.is_some() => return Ok(Step::Done),
            answer => answer?,
        };
        let mut commits = Vec::new();
        for object in &answer.object.data {
            match Event::decode_unverified(object.to_string().as_bytes()) {
                Ok(event) => commits.push(self.commit(Command::Ingest(Box::new(event)))),
                Err(_) => progress.report.unreadable += 1,
            }
        }
        for outcome in try_join_all(commits).await? {
            progress.report.took_event(outcome);
        }
        Ok(match last_of(&answer)?.map(EventId::parse) {
            Some(Ok(last)) if answer.object.has_more => Step::Events(Some(last)),
            _ => Step::Done,
        })
    }

    /// Commits what Stripe shows of some subscriptions, and reports what that changes.
    async fn look(
        &self,
        page: Vec<(SubscriptionId, Vec<Snapshot>)>,
        progress: &mut Progress,
    ) -> Result<(), ReconcileError> {
        let ids: Vec<SubscriptionId> = page.iter().map(|(id, _)| id.clone()).collect();
        let before = self.store.subscriptions(&ids).await?;
        let commits = page
            .into_iter()
            .map(|(_, snapshots)| self.commit(Command::refresh(snapshots)));
        try_join_all(commits).await?;
        let after = self.store.subscriptions(&ids).await?;
        progress.report.compare(&before, &after);
        Ok(())
    }

    async fn commit(&self, command: Command) -> Result<Outcome, LedgerError> {
        self.ledger.commit(command, clock::now()).await
    }
}

/// The id of a page's last object.
fn last_of(page: &Answer<List<Value>>) -> Result<Option<&str>, StripeError> {
    let Some(last) = page.object.data.last() else {
        return Ok(None);
    };
    let id = last.get("id").and_then(Value::as_str);
    id.map(Some).ok_or(StripeError::Unreadable)
}
