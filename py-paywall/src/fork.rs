//! Forks: before one, SQLite is closed and the runtime's thread stands still; after it, both sides
//! connect anew.
//!
//! What a thread holds while another one forks, nobody gives back in the child: SQLite's mutexes,
//! which are the whole process's, or locks of the libraries in here. And a child that finds a file
//! open takes the parent's locks of it, which it did not inherit, for its own: it would take none, the
//! next process that closes the file would think itself the last and delete the log beneath it, and the
//! child would read for ever what was true then. So it is not enough that no read is under way: before
//! a fork,
//!
//! 1. nothing begins to use SQLite any more ([`crate::barrier`]), and reads that are under way end;
//! 2. all connections to SQLite are closed, and their threads have ended;
//! 3. the runtime's thread waits in a task of ours, where it holds nothing.
//!
//! A fork does not wait for longer than [`BOUND`], whatever hangs. Then it goes on, and mirrors in
//! SQLite stay closed in the child, at once and for good ([`Process::leaves_sqlite`]). So it is where
//! C code forks and asks Python for nothing, beside a mirror in SQLite that is open. PostgreSQL's
//! connections and reads outlast a fork in the parent; the child has its own.

use std::collections::HashMap;
use std::fs;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use billing_core::mirror::SqlMirror;
use pyo3::prelude::*;
use tokio::time::timeout;

use crate::closed;
use crate::process::{Process, lock};

/// How long a fork waits.
const BOUND: Duration = Duration::from_secs(2);
/// How long, of that, reads are given to end by themselves: as long as a gate waits for one.
const FOR_READS: Duration = Duration::from_secs(1);
/// How long a thread that was told to end is given before it is looked for again.
const FOR_A_THREAD: Duration = Duration::from_millis(1);

/// What forks of one process have stopped.
#[derive(Default)]
pub(crate) struct Standstill {
    /// Mirrors in SQLite that are being closed; also those with which an earlier fork did not wait.
    closing: tokio::sync::Mutex<Vec<SqlMirror>>,
    /// For each thread that forks, what lets the runtime's thread go on.
    held: Mutex<HashMap<ThreadId, Sender<()>>>,
}

/// What a thread that will fork calls. Tells whether SQLite is closed.
#[pyfunction]
pub(crate) fn before_fork(py: Python<'_>) -> bool {
    closed::or_else(
        || {
            let process = Process::current();
            process.barrier.close();
            py.detach(|| process.stand_still());
            !process.barrier.was_passed()
        },
        || false,
    )
}

/// What a thread that forked calls, in the parent. A child has a [`Process`] of its own.
#[pyfunction]
pub(crate) fn after_fork() {
    closed::or_else(
        || {
            let process = Process::current();
            lock(&process.standstill.held).remove(&thread::current().id());
            process.barrier.open();
        },
        || (),
    );
}

impl Process {
    fn stand_still(&'static self) {
        let Some(runtime) = self.running() else {
            return;
        };
        let deadline = Instant::now() + BOUND;
        let (closed, when_closed) = mpsc::channel();
        let (hold, released) = mpsc::channel();
        lock(&self.standstill.held).insert(thread::current().id(), hold);
        let closing = runtime.spawn(async move {
            self.close_those_in_sqlite().await;
            wait_here(&closed, &released);
        });
        if when_closed.recv_timeout(BOUND).is_err() {
            // It must close nothing that is used after the fork. The next one goes on with it.
            closing.abort();
            return;
        }
        if !self.barrier.was_passed() || threads_end(deadline) {
            self.barrier.is_at_rest();
        }
    }

    async fn close_those_in_sqlite(&self) {
        let mut closing = self.standstill.closing.lock().await;
        // Those who still read then are refused the next connection, and answered that.
        let _ = timeout(FOR_READS, self.barrier.uses_are_over()).await;
        // Not before: a use may open one. Those who wait at the barrier open theirs again.
        closing.extend(self.take_those_in_sqlite());
        while let Some(mirror) = closing.last() {
            mirror.close().await;
            closing.pop();
        }
    }
}

/// Holds the runtime's only thread until the fork is over, or gives up with whoever waits for it.
fn wait_here(arrived: &Sender<()>, released: &Receiver<()>) {
    if arrived.send(()).is_ok() {
        // The other end is dropped when the fork is over. It may never be: another hook may wait for a
        // thread that waits for a decision, whose time-out is this thread's to tell.
        let _ = released.recv_timeout(BOUND);
    }
}

/// Waits until no thread of SQLite is left. A connection that was closed says so; of one that was
/// dropped, for an error or with its mirror, only its thread's end tells. Where there is no `/proc`,
/// nobody can tell.
fn threads_end(deadline: Instant) -> bool {
    while Instant::now() < deadline {
        if !is_any_thread_left() {
            return true;
        }
        thread::sleep(FOR_A_THREAD);
    }
    false
}

fn is_any_thread_left() -> bool {
    let Ok(threads) = fs::read_dir("/proc/self/task") else {
        return false;
    };
    threads.flatten().any(|thread| {
        fs::read_to_string(thread.path().join("comm"))
            .is_ok_and(|name| name.trim_end() == SqlMirror::SQLITE_THREAD_NAME)
    })
}
