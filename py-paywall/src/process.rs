//! What belongs to one process: a runtime with one thread, and the mirrors that it has open.
//!
//! A fork takes memory along and no threads, and a lock that another thread held then stays locked
//! in the child. So all of it is kept with the process that made it. A child leaves its parent's
//! alone, for to end it would wait for threads that are not there and end sessions that are the
//! parent's, and makes its own. None of it is ever dropped: the end of the process ends it, whatever
//! is under way. How forks leave nothing of SQLite's locked: [`crate::fork`].

use std::collections::HashMap;
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use billing_core::mirror::{Coalescing, Limits, MirrorError, SqlMirror};
use tokio::runtime::{Builder, Runtime};

use crate::barrier::{Barrier, Passage};
use crate::fork::Standstill;

static CURRENT: Mutex<Option<&'static Process>> = Mutex::new(None);

/// How long SQLite waits for a lock of another process's: longer than a gate waits for SQLite, and
/// shorter than a fork does.
const BUSY_TIMEOUT: Duration = Duration::from_millis(1500);

pub(crate) struct Process {
    id: u32,
    runtime: OnceLock<Runtime>,
    mirrors: Mutex<HashMap<u64, Opened>>,
    /// What every use of SQLite passes.
    pub(crate) barrier: Barrier,
    pub(crate) standstill: Standstill,
    /// Whether this process was forked off while SQLite was in use: then its locks may be held by
    /// threads that are not here, and it takes the parent's locks of files for its own.
    inherits_sqlite: bool,
}

/// Which mirror, and how it is reached.
pub(crate) struct Source {
    number: u64,
    url: String,
    connections: NonZeroU32,
}

/// A mirror as one process has it.
#[derive(Clone)]
struct Opened {
    reader: Coalescing,
    mirror: SqlMirror,
    in_sqlite: bool,
}

/// A mirror while it is used. If it is one in SQLite, forks wait until this is dropped.
pub(crate) struct InUse {
    pub(crate) reader: Coalescing,
    pub(crate) mirror: SqlMirror,
    _passage: Option<Passage>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source {
    /// Of a URL as the store takes them.
    pub(crate) fn new(url: String, connections: NonZeroU32) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            url,
            connections,
        }
    }

    fn is_in_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }
}

impl Process {
    /// This process. Called with the interpreter's lock held, as Python's forks are: so no child
    /// finds this locked.
    pub(crate) fn current() -> &'static Self {
        let mut current = lock(&CURRENT);
        let id = std::process::id();
        match *current {
            Some(process) if process.id == id => process,
            parent => current.insert(Box::leak(Box::new(Self {
                id,
                runtime: OnceLock::new(),
                mirrors: Mutex::default(),
                barrier: Barrier::new(),
                standstill: Standstill::default(),
                inherits_sqlite: parent.is_some_and(Self::leaves_sqlite),
            }))),
        }
    }

    /// Whether a child that is forked off now finds SQLite in use. Children ask this of their parent:
    /// so it takes no lock.
    pub(crate) fn leaves_sqlite(&self) -> bool {
        self.inherits_sqlite || self.barrier.was_passed()
    }

    /// The runtime, if there is one yet.
    pub(crate) fn running(&self) -> Option<&Runtime> {
        self.runtime.get()
    }

    /// The runtime; none where the system has no thread for it. With the interpreter's lock held.
    pub(crate) fn runtime(&self) -> Option<&Runtime> {
        if let Some(runtime) = self.runtime.get() {
            return Some(runtime);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("py-paywall")
            .enable_all()
            .build()
            .ok()?;
        Some(self.runtime.get_or_init(|| runtime))
    }

    /// Begins to use a mirror, with the interpreter's lock held. What comes of it waits, where a fork
    /// is under way, until that is over.
    pub(crate) fn enter(
        &'static self,
        source: &Arc<Source>,
    ) -> impl Future<Output = Result<InUse, MirrorError>> + Send + use<> {
        let passage = source.is_in_sqlite().then(|| self.barrier.pass());
        let opened = self.open(source);
        let source = Arc::clone(source);
        async move {
            let passage = match passage {
                Some(passage) => Some(passage.await),
                None => None,
            };
            let opened = match opened {
                // By the fork that this waited for.
                Some(opened) if opened.mirror.is_closed() => self.open(&source),
                opened => opened,
            };
            let Opened { reader, mirror, .. } = opened.ok_or(MirrorError::Unavailable)?;
            Ok(InUse {
                reader,
                mirror,
                _passage: passage,
            })
        }
    }

    /// Connects to nothing yet.
    fn open(&self, source: &Source) -> Option<Opened> {
        let in_sqlite = source.is_in_sqlite();
        if in_sqlite && self.inherits_sqlite {
            return None;
        }
        let mut mirrors = lock(&self.mirrors);
        if let Some(opened) = mirrors.get(&source.number) {
            return Some(opened.clone());
        }
        let _entered = self.running()?.enter();
        let limits = Limits {
            connections: Some(source.connections),
            busy_timeout: Some(BUSY_TIMEOUT),
        };
        let mirror = SqlMirror::open_within(&source.url, limits).ok()?;
        let queries_at_once = usize::try_from(source.connections.get()).unwrap_or(1);
        let opened = Opened {
            reader: mirror.clone().coalescing(queries_at_once),
            mirror,
            in_sqlite,
        };
        mirrors.insert(source.number, opened.clone());
        Some(opened)
    }

    /// Ends all connections of a mirror, if there are any.
    pub(crate) async fn close(&'static self, source: &Source) {
        let _passage = if source.is_in_sqlite() {
            Some(self.barrier.pass().await)
        } else {
            None
        };
        // Not before: a fork that is under way would not know of it.
        if let Some(opened) = self.take(source) {
            opened.mirror.close().await;
        }
    }

    /// Lets go of a mirror: it ends when those who use it are done.
    pub(crate) fn forget(&self, source: &Source) {
        drop(self.take(source));
    }

    fn take(&self, source: &Source) -> Option<Opened> {
        lock(&self.mirrors).remove(&source.number)
    }

    /// Takes all mirrors in SQLite: who asks for one from now on gets one anew.
    pub(crate) fn take_those_in_sqlite(&self) -> Vec<SqlMirror> {
        let mut mirrors = lock(&self.mirrors);
        let taken = mirrors.extract_if(|_, opened| opened.in_sqlite);
        taken.map(|(_, opened)| opened.mirror).collect()
    }
}
