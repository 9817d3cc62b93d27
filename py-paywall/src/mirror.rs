//! The mirror that a gate reads.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use billing_core::decision::{self, DenyReason, decide};
use billing_core::id::CustomerId;
use billing_core::mirror::{Coalescing, MirrorError, MirrorReader, SqlMirror};
use jiff::Timestamp;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::completions::{Answer, Completions};
use crate::decision::Decision;
use crate::gate::Gate;
use crate::{closed, runtime, url};

/// The mirror in a database. Connects when it is first asked.
#[pyclass(frozen, module = "py_paywall._native")]
pub(crate) struct Mirror {
    url: String,
    connections: NonZeroU32,
    patience: Duration,
    /// Made for the process that it is used in, and again after a fork.
    opened: Mutex<Option<Opened>>,
}

/// What a mirror is in one process.
#[derive(Clone)]
pub(crate) struct Opened {
    process: u32,
    pub(crate) runtime: &'static Runtime,
    reader: Coalescing,
    pub(crate) mirror: SqlMirror,
}

impl Mirror {
    pub(crate) fn opened(&self) -> Option<Opened> {
        let process = std::process::id();
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = opened.as_ref()
            && opened.process == process
        {
            return Some(opened.clone());
        }
        let runtime = runtime::current()?;
        let _entered = runtime.enter();
        let mirror = SqlMirror::open_at_most(&self.url, Some(self.connections)).ok()?;
        let queries_at_once = usize::try_from(self.connections.get()).unwrap_or(1);
        let new = Opened {
            process,
            runtime,
            reader: mirror.clone().coalescing(queries_at_once),
            mirror,
        };
        // The parent's connections and tasks: to drop them would end the parent's sessions.
        std::mem::forget(opened.replace(new.clone()));
        Some(new)
    }
}

/// Reads the customer's row and decides.
async fn read(
    reader: Coalescing,
    customer: &CustomerId,
    gate: &decision::Gate,
    patience: Duration,
) -> decision::Decision {
    closed::reach("read");
    let row = timeout(patience, reader.read(customer)).await;
    let row = row.unwrap_or(Err(MirrorError::TimedOut));
    closed::reach("decide");
    decide(&row, gate, Timestamp::now())
}

/// What is decided without a look at the mirror.
fn known_before(customer_id: Option<&str>) -> Result<CustomerId, decision::Decision> {
    customer_id
        .and_then(|id| CustomerId::parse(id).ok())
        .ok_or(decision::Decision::Deny(DenyReason::NoIdentity))
}

fn decided(
    decision: decision::Decision,
    customer_id: Option<&str>,
    gate: &decision::Gate,
) -> Answer {
    Answer::Decision(Decision::new(decision, customer_id, gate))
}

#[pymethods]
impl Mirror {
    #[new]
    fn new(url: &str, connections: u32, timeout_seconds: f64) -> PyResult<Self> {
        let patience = Duration::try_from_secs_f64(timeout_seconds).ok();
        let patience = patience.filter(|patience| !patience.is_zero());
        Ok(Self {
            url: url::parse(url)?,
            connections: NonZeroU32::new(connections)
                .ok_or_else(|| PyValueError::new_err("at least one connection is needed"))?,
            patience: patience.ok_or_else(|| {
                PyValueError::new_err("the timeout is a positive number of seconds")
            })?,
            opened: Mutex::new(None),
        })
    }

    /// Decides, waiting for the mirror without the interpreter's lock.
    fn decide(&self, py: Python<'_>, customer_id: Option<&str>, gate: &Gate) -> Decision {
        let gate = &gate.inner;
        let decision = closed::or_else(
            || {
                let customer = match known_before(customer_id) {
                    Ok(customer) => customer,
                    Err(decision) => return decision,
                };
                let Some(Opened {
                    runtime, reader, ..
                }) = self.opened()
                else {
                    return decision::Decision::Unknown(MirrorError::Unavailable);
                };
                py.detach(|| runtime.block_on(read(reader, &customer, gate, self.patience)))
            },
            || decision::Decision::Unknown(MirrorError::Panicked),
        );
        Decision::new(decision, customer_id, gate)
    }

    /// Decides, and gives the decision to a future of the loop whose completions these are.
    fn submit(
        &self,
        customer_id: Option<&str>,
        gate: &Gate,
        completions: &Completions,
        future: Py<PyAny>,
    ) {
        let gate = Arc::clone(&gate.inner);
        let panicked = Answer::Decision(Decision::panicked(customer_id, &gate));
        let promise = completions.promise(future, panicked);
        closed::or_else(
            || {
                let customer = match known_before(customer_id) {
                    Ok(customer) => customer,
                    Err(decision) => return promise.keep(decided(decision, customer_id, &gate)),
                };
                let Some(Opened {
                    runtime, reader, ..
                }) = self.opened()
                else {
                    let unknown = decision::Decision::Unknown(MirrorError::Unavailable);
                    return promise.keep(decided(unknown, customer_id, &gate));
                };
                let patience = self.patience;
                runtime.spawn(async move {
                    let decision = read(reader, &customer, &gate, patience).await;
                    promise.keep(decided(decision, Some(customer.as_str()), &gate));
                });
            },
            // The promise has answered when it was dropped.
            || (),
        );
    }

    /// Ends all connections of this process.
    fn close(&self, py: Python<'_>) {
        let opened = self
            .opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(opened) = opened else { return };
        if opened.process != std::process::id() {
            std::mem::forget(opened);
            return;
        }
        py.detach(|| opened.runtime.block_on(opened.mirror.close()));
    }
}
