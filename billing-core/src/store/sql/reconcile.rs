//! What reconciling with Stripe reads: where it is, and what Stripe's list did not show (B4).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{SqlStore, json, only, parse};
use crate::id::{ObjectId, StripeCustomerId, SubscriptionId};
use crate::mirror::MirrorTime;
use crate::store::{StoreError, SubscriptionRow};
use crate::time::StripeTime;

/// For how long a run is its server's without a sign of life.
const LEASE: SignedDuration = SignedDuration::from_secs(60);

/// The reconcile that runs, or ran last.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReconcileRow {
    /// Until when it is somebody's; `None`: nobody is at it.
    pub lease_until: Option<MirrorTime>,
    /// Where it is and what it found, as its owner writes it.
    pub progress: String,
    /// When the last one ended; `None` while one is not at its end.
    pub ended_at: Option<MirrorTime>,
}

impl SqlStore {
    /// The reconcile that runs, or ran last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reconcile_run(&self) -> Result<ReconcileRow, StoreError> {
        only(
            self.database
                .fetch(&self.statements().reconcile_run, &[])
                .await?,
        )
    }

    /// Takes the run, as it was left. `None`: another server is at it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_reconcile(
        &self,
        holder: &str,
        now: Timestamp,
    ) -> Result<Option<ReconcileRow>, StoreError> {
        // A lease that is longer than anybody's was given by a clock that has gone back since.
        let times = [now + LEASE, now, now + LEASE + LEASE].map(MirrorTime::from_timestamp);
        let [until, now, horizon] = times.map(|time| time.to_string());
        let parameters = [holder.to_owned(), until, now, horizon];
        let taken = self.move_run(&self.statements().take_reconcile, &parameters);
        match taken.await? {
            true => self.reconcile_run().await.map(Some),
            false => Ok(None),
        }
    }

    /// Writes down where the run is. `false`: it is somebody else's by now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_reconcile(
        &self,
        holder: &str,
        progress: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let until = MirrorTime::from_timestamp(now + LEASE).to_string();
        let parameters = [holder.to_owned(), until, progress.to_owned()];
        self.move_run(&self.statements().keep_reconcile, &parameters)
            .await
    }

    /// Gives the run back: at its end, or to go on later.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn leave_reconcile(
        &self,
        holder: &str,
        progress: &str,
        ended_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let statements = self.statements();
        let parameters = [holder.to_owned(), progress.to_owned()];
        match ended_at {
            None => {
                self.move_run(&statements.leave_reconcile, &parameters)
                    .await
            }
            Some(ended_at) => {
                let [holder, progress] = parameters;
                let ended_at = MirrorTime::from_timestamp(ended_at).to_string();
                let parameters = [holder, progress, ended_at];
                self.move_run(&statements.end_reconcile, &parameters).await
            }
        }
    }

    async fn move_run(
        &self,
        statement: &'static str,
        parameters: &[String],
    ) -> Result<bool, StoreError> {
        let mut transaction = self.database.begin().await?;
        let changed = transaction.execute(statement, parameters).await?;
        transaction.commit().await?;
        Ok(changed == 1)
    }

    /// What is stored of these subscriptions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn subscriptions(
        &self,
        ids: &[SubscriptionId],
    ) -> Result<Vec<SubscriptionRow>, StoreError> {
        let statement = &self.statements().subscriptions;
        parse(self.database.fetch(statement, &[json(ids)?]).await?)
    }

    /// The next thousand subscriptions after a place: those of them that run, as far as is known here, and that nobody
    /// looked at since a second of Stripe's clock.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unseen_subscriptions(
        &self,
        since: StripeTime,
        after: Option<&Place>,
    ) -> Result<Lot, StoreError> {
        let [account, id] = Place::parameters(after);
        let parameters = [account, id, since.seconds().to_string()];
        self.lot(&self.statements().unseen_subscriptions, &parameters)
            .await
    }

    /// The next thousand invoices after a place: those of them that are open, as far as is known here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_invoices_after(&self, after: Option<&Place>) -> Result<Lot, StoreError> {
        let statement = &self.statements().open_invoices_lot;
        self.lot(statement, &Place::parameters(after)).await
    }

    async fn lot(&self, statement: &'static str, parameters: &[String]) -> Result<Lot, StoreError> {
        #[derive(Deserialize)]
        struct Walked {
            #[serde(flatten)]
            place: Place,
            subscription: Option<SubscriptionId>,
            wanted: u8,
        }
        let rows: Vec<Walked> = parse(self.database.fetch(statement, parameters).await?)?;
        let last = rows.last().map(|row| row.place.clone());
        let wanted = rows.into_iter().filter(|row| row.wanted == 1);
        Ok(Lot {
            wanted: wanted.map(|row| (row.place, row.subscription)).collect(),
            last,
        })
    }
}

/// Where an object stands in its table: whose account it is in, and its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Whose account.
    pub account: StripeCustomerId,
    /// Which object.
    pub id: ObjectId,
}

impl Place {
    fn parameters(after: Option<&Self>) -> [String; 2] {
        after.map_or_else(Default::default, |place| {
            [place.account.to_string(), place.id.to_string()]
        })
    }
}

/// A part of a walk through a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// What was looked for, with the subscription that it is of.
    pub wanted: Vec<(Place, Option<SubscriptionId>)>,
    /// Where to go on; `None`: there is nothing more.
    pub last: Option<Place>,
}
