//! The other end of Queue's push: verifies it, applies it, and says what to answer (M2, M4).

use std::future::Future;
use std::time::Duration;

use billing_core::mirror::push::{self, PushAnswer};
use billing_core::mirror::{MirrorError, MirrorRow, MirrorSink, SinkError};
use billing_core::signature::{Delivery, MAX_BODY_BYTES, SigningKeys};
use jiff::Timestamp;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use tokio::time::timeout;

use crate::closed;
use crate::completions::{Answer, Completions};
use crate::mirror::Mirror;
use crate::process::{InUse, Process};

/// How long rows may take to be applied: less than Queue waits for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Takes signed pushes into a mirror.
#[pyclass(frozen, module = "py_paywall._native")]
pub(crate) struct Receiver {
    mirror: Py<Mirror>,
    keys: SigningKeys,
}

/// What a push is answered with: status, headers and body, ready to send.
#[pyclass(frozen, module = "py_paywall._native")]
pub(crate) struct Answered(PushAnswer);

#[pymethods]
impl Answered {
    #[getter]
    fn status(&self) -> u16 {
        self.0.status()
    }

    /// Names in lower case, in their order.
    #[getter]
    fn headers(&self) -> Vec<(&'static str, &'static str)> {
        self.0.headers()
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.body())
    }

    /// `applied`, or why not, for the log: more than the sender may know.
    #[getter]
    fn reason(&self) -> &'static str {
        self.0.reason()
    }

    /// How many rows were applied.
    #[getter]
    fn rows(&self) -> usize {
        match self.0 {
            PushAnswer::Applied { rows } => rows,
            PushAnswer::NotBelieved(_) | PushAnswer::Malformed(_) | PushAnswer::NotApplied(_) => 0,
        }
    }
}

/// A sink that is given up in time, or that there is not.
struct InTime(Option<InUse>);

impl InTime {
    async fn wait_for(mirror: impl Future<Output = Result<InUse, MirrorError>>) -> Self {
        let mirror = timeout(PATIENCE, mirror).await;
        Self(mirror.ok().and_then(Result::ok))
    }
}

impl MirrorSink for InTime {
    async fn apply(&self, rows: &[MirrorRow]) -> Result<(), SinkError> {
        let Some(in_use) = &self.0 else {
            return Err(SinkError::Unavailable);
        };
        let applied = timeout(PATIENCE, in_use.mirror.apply(rows)).await;
        applied.unwrap_or(Err(SinkError::Unavailable))
    }
}

fn unavailable() -> PushAnswer {
    PushAnswer::NotApplied(SinkError::Unavailable)
}

#[pymethods]
impl Receiver {
    /// The largest body that is looked at.
    #[classattr]
    const MAX_BODY_BYTES: usize = MAX_BODY_BYTES;

    /// The header that signs a push, in lower case.
    #[classattr]
    const SIGNATURE_HEADER: &str = push::SIGNATURE_HEADER;

    #[new]
    fn new(mirror: Py<Mirror>, secrets: &str, tolerance_seconds: u32) -> PyResult<Self> {
        let keys = SigningKeys::parse(secrets)
            .map_err(|error| PyValueError::new_err(error.to_string()))?
            .with_tolerance_seconds(tolerance_seconds);
        Ok(Self { mirror, keys })
    }

    /// Takes a push, waiting for the mirror without the interpreter's lock.
    fn receive(&self, py: Python<'_>, body: &[u8], signatures: Vec<Bound<'_, PyAny>>) -> Answered {
        let answer = closed::or_else(
            || {
                let delivery = delivery(body, &signatures);
                let process = Process::current();
                let Some(runtime) = process.runtime() else {
                    return unavailable();
                };
                let mirror = process.enter(&self.mirror.get().source);
                let now = Timestamp::now();
                py.detach(|| {
                    runtime.block_on(async {
                        let sink = InTime::wait_for(mirror).await;
                        push::receive(delivery, &self.keys, &sink, now).await
                    })
                })
            },
            unavailable,
        );
        Answered(answer)
    }

    /// Takes a push, and gives the answer to a future of the loop whose completions these are.
    fn submit(
        &self,
        body: &[u8],
        signatures: Vec<Bound<'_, PyAny>>,
        completions: &Completions,
        future: Py<PyAny>,
    ) {
        let promise = completions.promise(future, Answer::Push(Answered(unavailable())));
        closed::or_else(
            || {
                let delivery = delivery(body, &signatures);
                let process = Process::current();
                let Some(runtime) = process.runtime() else {
                    return;
                };
                let mirror = process.enter(&self.mirror.get().source);
                let (keys, now) = (self.keys.clone(), Timestamp::now());
                runtime.spawn(async move {
                    let sink = InTime::wait_for(mirror).await;
                    let answer = push::receive(delivery, &keys, &sink, now).await;
                    promise.keep(Answer::Push(Answered(answer)));
                });
            },
            // The promise has answered when it was dropped.
            || (),
        );
    }
}

/// Headers are bytes in ASGI and text in WSGI.
fn delivery(body: &[u8], signatures: &[Bound<'_, PyAny>]) -> Delivery {
    let signatures = signatures.iter().map(|signature| {
        if let Ok(bytes) = signature.cast::<PyBytes>() {
            return bytes.as_bytes().to_vec();
        }
        let text = signature.cast::<PyString>().ok();
        // What is no text is no signature either.
        text.and_then(|text| Some(text.to_cow().ok()?.as_bytes().to_vec()))
            .unwrap_or_default()
    });
    Delivery::new(body.to_vec(), signatures)
}
