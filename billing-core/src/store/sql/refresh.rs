//! The refresh queue: what is to be looked at again through Stripe's API (O4).

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{SqlStore, only, parse};
use crate::id::{InvoiceId, StripeCustomerId, SubscriptionId};
use crate::mirror::MirrorTime;
use crate::store::{RefreshRow, StoreError};

/// The pause after the first try; each is twice the one before.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// The longest pause.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// What waits to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct RefreshDepth {
    /// How many objects.
    pub waiting: u64,
    /// Since when the first of them was marked.
    pub oldest: Option<MirrorTime>,
}

impl SqlStore {
    /// Objects that are due to be looked at, so many at most. Each is put off until the next try, which comes if this
    /// one does not answer what was asked: so a server that dies loses nothing, and two never take the same.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_refreshes(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<RefreshRow>, StoreError> {
        let statements = self.statements();
        // What is put off for longer than anybody does was so by a clock that has gone back since.
        let times = [now, now + LONGEST_PAUSE].map(MirrorTime::from_timestamp);
        let [now_text, latest] = times.map(|time| time.to_string());
        let parameters = [now_text, latest, limit.to_string()];
        let mut transaction = self.database.begin().await?;
        let rows = transaction
            .fetch(&statements.to_refresh, &parameters)
            .await?;
        let mut due: Vec<RefreshRow> = parse(rows)?;
        for row in &mut due {
            row.due_at = MirrorTime::from_timestamp(now + pause(row.tries));
            row.tries += 1;
        }
        // In the order in which the ledger marks: no two wait for each other.
        due.sort_by(|one, other| one.object_id.cmp(&other.object_id));
        let due_rows = transaction.inserts().with(&statements.postpone, &due)?;
        transaction.insert(due_rows).await?;
        transaction.commit().await?;
        Ok(due)
    }

    /// What waits to be looked at.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn refresh_depth(&self) -> Result<RefreshDepth, StoreError> {
        let depth = &self.statements().refresh_depth;
        only(self.database.fetch(depth, &[]).await?)
    }

    /// The invoices of a subscription that are open, as far as is known here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_invoices(
        &self,
        account: &StripeCustomerId,
        subscription: &SubscriptionId,
    ) -> Result<Vec<InvoiceId>, StoreError> {
        #[derive(Deserialize)]
        struct Open {
            stripe_invoice_id: InvoiceId,
        }
        let parameters = [account.to_string(), subscription.to_string()];
        let open = &self.statements().open_invoices;
        let open: Vec<Open> = parse(self.database.fetch(open, &parameters).await?)?;
        let mut ids: Vec<InvoiceId> = open
            .into_iter()
            .map(|open| open.stripe_invoice_id)
            .collect();
        ids.sort();
        Ok(ids)
    }
}

fn pause(tries: u32) -> SignedDuration {
    let longest = LONGEST_PAUSE;
    let doubled = FIRST_PAUSE.checked_mul(1 << tries.min(16));
    doubled.unwrap_or(longest).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let seconds = [0, 1, 2, 9, 10, 11, 4_000_000_000].map(|tries| pause(tries).as_secs());
        assert_eq!(seconds, [5, 10, 20, 2560, 3600, 3600, 3600]);
    }
}
