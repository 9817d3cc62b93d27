//! What every use of SQLite passes, and forks close: a fork waits for the uses that are under way, and
//! uses wait for the forks.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

pub(crate) struct Barrier {
    traffic: watch::Sender<Traffic>,
    /// Whether anybody passed since all was last known to be over. What passed may go on after its
    /// passage has ended: connections stay open, and a query that is given up runs on.
    passed: AtomicBool,
}

#[derive(Default)]
struct Traffic {
    /// Forks that are under way: there may be several, of as many threads.
    forks: u32,
    /// Uses that are under way.
    uses: u32,
}

/// A use that passed; forks wait until it is dropped.
pub(crate) struct Passage(&'static Barrier);

impl Barrier {
    pub(crate) fn new() -> Self {
        Self {
            traffic: watch::Sender::new(Traffic::default()),
            passed: AtomicBool::new(false),
        }
    }

    /// Passes: at once where no fork is under way, else when what this gives is awaited.
    pub(crate) fn pass(&'static self) -> impl Future<Output = Passage> + Send + use<> {
        let mut passage = self.try_pass();
        async move {
            loop {
                if let Some(passage) = passage {
                    return passage;
                }
                let mut traffic = self.traffic.subscribe();
                // Fails only when the barrier is gone.
                let _ = traffic.wait_for(|traffic| traffic.forks == 0).await;
                passage = self.try_pass();
            }
        }
    }

    fn try_pass(&'static self) -> Option<Passage> {
        let mut open = false;
        self.traffic.send_if_modified(|traffic| {
            open = traffic.forks == 0;
            if open {
                traffic.uses += 1;
                self.passed.store(true, Ordering::SeqCst);
            }
            false
        });
        open.then(|| Passage(self))
    }

    /// Lets nobody pass any more.
    pub(crate) fn close(&self) {
        self.traffic.send_modify(|traffic| traffic.forks += 1);
    }

    /// Opens again, if nobody else has it closed.
    pub(crate) fn open(&self) {
        self.traffic
            .send_modify(|traffic| traffic.forks = traffic.forks.saturating_sub(1));
    }

    /// Waits for the uses that are under way.
    pub(crate) async fn uses_are_over(&self) {
        let mut traffic = self.traffic.subscribe();
        let _ = traffic.wait_for(|traffic| traffic.uses == 0).await;
    }

    /// Whether anybody passed since [`Barrier::is_at_rest`]. Takes no lock.
    pub(crate) fn was_passed(&self) -> bool {
        self.passed.load(Ordering::SeqCst)
    }

    /// Says, while it is closed, that nothing is left of what passed.
    pub(crate) fn is_at_rest(&self) {
        self.passed.store(false, Ordering::SeqCst);
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.0.traffic.send_if_modified(|traffic| {
            traffic.uses -= 1;
            traffic.uses == 0
        });
    }
}
