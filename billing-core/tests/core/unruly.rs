//! A store that misbehaves on demand, around a real one.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use billing_core::audit::{Addition, Head};
use billing_core::id::EventId;
use billing_core::store::{
    Claimed, Keys, Loaded, SqlStore, Store, StoreError, Transaction, WriteSet,
};
use tokio::sync::Semaphore;

/// What a store does wrong.
#[derive(Debug, Default)]
pub(crate) struct Vices {
    /// It refuses batches with these events in them.
    pub(crate) refuses: BTreeSet<EventId>,
    /// It panics at batches with these events in them.
    pub(crate) panics: BTreeSet<EventId>,
    /// It can't be reached.
    pub(crate) unavailable: bool,
    /// It commits, and says that it does not know.
    pub(crate) loses_answers: bool,
    /// How many transactions it was asked to begin.
    pub(crate) begun: usize,
}

/// See [`Vices`].
#[derive(Clone)]
pub(crate) struct Unruly {
    pub(crate) vices: Arc<Mutex<Vices>>,
    /// A transaction begins when it gets a permit, which it keeps.
    pub(crate) permits: Arc<Semaphore>,
    store: Option<SqlStore>,
}

impl Unruly {
    /// One that lets everything begin.
    pub(crate) fn new() -> Self {
        Self {
            vices: Arc::default(),
            permits: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            store: None,
        }
    }

    /// One that lets only the start of a ledger begin.
    pub(crate) fn stuck() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(1)),
            ..Self::new()
        }
    }

    pub(crate) fn around(&self, store: SqlStore) -> Self {
        Self {
            store: Some(store),
            ..self.clone()
        }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Vices)) {
        change(&mut self.vices.lock().unwrap());
    }
}

impl Store for Unruly {
    type Transaction = UnrulyTransaction;

    async fn begin(&self) -> Result<UnrulyTransaction, StoreError> {
        self.set(|vices| vices.begun += 1);
        self.permits.acquire().await.unwrap().forget();
        if self.vices.lock().unwrap().unavailable {
            return Err(StoreError::Unavailable);
        }
        Ok(UnrulyTransaction {
            transaction: self.store.as_ref().unwrap().begin().await?,
            vices: self.vices.clone(),
        })
    }
}

pub(crate) struct UnrulyTransaction {
    transaction: <SqlStore as Store>::Transaction,
    vices: Arc<Mutex<Vices>>,
}

impl Transaction for UnrulyTransaction {
    fn head(&self) -> &Head {
        self.transaction.head()
    }

    async fn claim(&mut self, events: &[EventId]) -> Result<HashMap<EventId, Claimed>, StoreError> {
        self.transaction.claim(events).await
    }

    async fn load(&mut self, keys: &Keys) -> Result<Loaded, StoreError> {
        self.transaction.load(keys).await
    }

    async fn save(&mut self, writes: &WriteSet) -> Result<(), StoreError> {
        // Half of the harm is done before it is noticed.
        self.transaction.save(writes).await?;
        let (refused, panics) = {
            let vices = self.vices.lock().unwrap();
            let holds = |ids: &BTreeSet<EventId>| {
                writes.events.iter().any(|row| ids.contains(&row.event_id))
            };
            (holds(&vices.refuses), holds(&vices.panics))
        };
        assert!(!panics, "as it was told to");
        if refused {
            Err(StoreError::Refused)
        } else {
            Ok(())
        }
    }

    async fn append(&mut self, addition: &Addition) -> Result<(), StoreError> {
        self.transaction.append(addition).await
    }

    async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await?;
        if self.vices.lock().unwrap().loses_answers {
            return Err(StoreError::CommitUnknown);
        }
        Ok(())
    }
}
