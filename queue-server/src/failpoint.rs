//! Points at which a process of the tests dies, as if the power had gone, and a clock that they step
//! (feature `failpoints`).

use std::collections::HashMap;

use billing_core::audit::{Addition, Head};
use billing_core::id::EventId;
use billing_core::store::{Claimed, Keys, Loaded, Store, StoreError, Transaction, WriteSet};
use jiff::{SignedDuration, Timestamp};

/// Dies here if `QUEUE_ABORT_AT` names this point.
pub(crate) fn reach(point: &str) {
    if std::env::var("QUEUE_ABORT_AT").is_ok_and(|wanted| wanted == point) {
        std::process::abort();
    }
}

/// Now by this process's clock: it stands at the second that the file says that `QUEUE_CLOCK_AT`
/// names, or is off by as many as the file says that `QUEUE_CLOCK_OFFSET` names.
pub(crate) fn now() -> Timestamp {
    let at = seconds_in("QUEUE_CLOCK_AT").and_then(|at| Timestamp::from_second(at).ok());
    at.unwrap_or_else(|| {
        let offset = seconds_in("QUEUE_CLOCK_OFFSET").unwrap_or_default();
        Timestamp::now() + SignedDuration::from_secs(offset)
    })
}

fn seconds_in(variable: &str) -> Option<i64> {
    let text = std::fs::read_to_string(std::env::var_os(variable)?).ok()?;
    text.trim().parse().ok()
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

    async fn load(&mut self, keys: &Keys) -> Result<Loaded, StoreError> {
        let loaded = self.0.load(keys).await;
        reach("after_load");
        loaded
    }

    async fn save(&mut self, writes: &WriteSet) -> Result<(), StoreError> {
        self.0.save(writes).await
    }

    async fn append(&mut self, addition: &Addition) -> Result<(), StoreError> {
        self.0.append(addition).await
    }

    async fn commit(self) -> Result<(), StoreError> {
        reach("before_commit");
        let committed = self.0.commit().await;
        reach("after_commit");
        committed
    }
}
