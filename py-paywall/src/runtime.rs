//! The runtime that reads mirrors: one a process, with one thread.
//!
//! A fork takes memory along and no threads. So the runtime is kept with the process that made it;
//! in a child the parent's is left alone (to end it would wait for threads that are not there) and
//! another one is made. It is never dropped either: the end of the process ends it, whatever is
//! under way.

use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Runtime};

static CURRENT: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);

/// This process's runtime; none where the system has no thread for it.
///
/// Called with the interpreter's lock held, as Python's forks are: so no fork finds this locked.
pub(crate) fn current() -> Option<&'static Runtime> {
    let process = std::process::id();
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((owner, runtime)) = *current
        && owner == process
    {
        return Some(runtime);
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("py-paywall")
        .enable_all()
        .build()
        .ok()?;
    let runtime: &'static Runtime = Box::leak(Box::new(runtime));
    *current = Some((process, runtime));
    Some(runtime)
}
