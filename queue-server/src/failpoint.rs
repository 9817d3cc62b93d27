//! Points at which a process of the tests dies, as if the power had gone, and a clock that they step
//! (feature `failpoints`).

use std::collections::HashMap;

use billing_core::audit::Head;
use billing_core::id::{CustomerId, EventId, StripeCustomerId};
use billing_core::store::{Claimed, Loaded, Store, StoreError, Transaction, WriteSet};
use jiff::SignedDuration;

/// Dies here if `QUEUE_ABORT_AT` names this point.
pub(crate) fn reach(point: &str) {
    if std::env::var("QUEUE_ABORT_AT").is_ok_and(|wanted| wanted == point) {
        std::process::abort();
    }
}

/// By how many seconds this process's clock is off: what the file says that `QUEUE_CLOCK_OFFSET`
/// names.
pub(crate) fn clock_offset() -> SignedDuration {
    let file = std::env::var_os("QUEUE_CLOCK_OFFSET");
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    let seconds = text.and_then(|text| text.trim().parse().ok());
    SignedDuration::from_secs(seconds.unwrap_or_default())
}

/// A store whose transactions pass by the points `after_claim`, `after_load`, `before_commit` and
/// `after_commit`.
pub(crate) struct Failing<S>(pub(crate) S);

impl<S: Store> Store for Failing<S> {
    type Transaction = Failing<S::Transaction>;

    async fn begin(&self) -> Result<Self::Transaction, StoreError> {
        self.0.begin().await.map(Failing)
    }
}

impl<T: Transaction> Transaction for Failing<T> {
    fn head(&self) -> &Head {
        self.0.head()
    }

    async fn claim(&mut self, events: &[EventId]) -> Result<HashMap<EventId, Claimed>, StoreError> {
        let claimed = self.0.claim(events).await;
        reach("after_claim");
        claimed
    }

    async fn load(
        &mut self,
        accounts: &[StripeCustomerId],
        customers: &[CustomerId],
    ) -> Result<Loaded, StoreError> {
        let loaded = self.0.load(accounts, customers).await;
        reach("after_load");
        loaded
    }

    async fn save(&mut self, writes: &WriteSet) -> Result<(), StoreError> {
        self.0.save(writes).await
    }

    async fn commit(self) -> Result<(), StoreError> {
        reach("before_commit");
        let committed = self.0.commit().await;
        reach("after_commit");
        committed
    }
}
