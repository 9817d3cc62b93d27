//! The mirror that a gate reads.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use billing_core::decision::{self, DenyReason, decide};
use billing_core::id::CustomerId;
use billing_core::mirror::{MirrorError, MirrorReader};
use jiff::Timestamp;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tokio::time::timeout;

use crate::completions::{Answer, Completions};
use crate::decision::Decision;
use crate::gate::Gate;
use crate::process::{InUse, Process, Source};
use crate::{closed, url};

/// The mirror in a database. Connects when it is first asked, in each process.
#[pyclass(frozen, module = "py_paywall._native")]
pub(crate) struct Mirror {
    pub(crate) source: Arc<Source>,
    patience: Duration,
}

impl Drop for Mirror {
    fn drop(&mut self) {
        Process::current().forget(&self.source);
    }
}

/// Reads the customer's row and decides.
async fn read(
    mirror: impl Future<Output = Result<InUse, MirrorError>>,
    customer: &CustomerId,
    gate: &decision::Gate,
    patience: Duration,
) -> decision::Decision {
    closed::reach("read");
    let row = timeout(patience, async {
        let mirror = mirror.await?;
        mirror.reader.read(customer).await
    });
    let row = row.await.unwrap_or(Err(MirrorError::TimedOut));
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
        let connections = NonZeroU32::new(connections)
            .ok_or_else(|| PyValueError::new_err("at least one connection is needed"))?;
        let patience = Duration::try_from_secs_f64(timeout_seconds).ok();
        let patience = patience.filter(|patience| !patience.is_zero());
        Ok(Self {
            source: Arc::new(Source::new(url::parse(url)?, connections)),
            patience: patience.ok_or_else(|| {
                PyValueError::new_err("the timeout is a positive number of seconds")
            })?,
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
                let process = Process::current();
                let Some(runtime) = process.runtime() else {
                    return decision::Decision::Unknown(MirrorError::Unavailable);
                };
                let mirror = process.enter(&self.source);
                py.detach(|| runtime.block_on(read(mirror, &customer, gate, self.patience)))
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
                let process = Process::current();
                let Some(runtime) = process.runtime() else {
                    let unknown = decision::Decision::Unknown(MirrorError::Unavailable);
                    return promise.keep(decided(unknown, customer_id, &gate));
                };
                let (mirror, patience) = (process.enter(&self.source), self.patience);
                runtime.spawn(async move {
                    let decision = read(mirror, &customer, &gate, patience).await;
                    promise.keep(decided(decision, Some(customer.as_str()), &gate));
                });
            },
            // The promise has answered when it was dropped.
            || (),
        );
    }

    /// Ends all connections of this process.
    fn close(&self, py: Python<'_>) {
        let process = Process::current();
        if let Some(runtime) = process.running() {
            py.detach(|| runtime.block_on(process.close(&self.source)));
        }
    }
}
