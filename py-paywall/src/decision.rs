//! Decisions, and what those are answered with who may not pass.

use billing_core::decision::{self, DenyReason, Protocol, decide};
use billing_core::mirror::{MirrorError, MirrorRow, MirrorTime, UnverifiedRow};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::closed;
use crate::gate::Gate;

/// Whether a request may reach its handler, and why.
#[pyclass(frozen, eq, module = "py_paywall")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    pub(crate) inner: decision::Decision,
    customer_id: Option<String>,
    required_tier: String,
}

impl Decision {
    pub(crate) fn new(
        inner: decision::Decision,
        customer_id: Option<&str>,
        gate: &decision::Gate,
    ) -> Self {
        Self {
            inner,
            customer_id: customer_id.map(str::to_owned),
            required_tier: gate.required_tier().as_str().to_owned(),
        }
    }

    pub(crate) fn panicked(customer_id: Option<&str>, gate: &decision::Gate) -> Self {
        Self::new(
            decision::Decision::Unknown(MirrorError::Panicked),
            customer_id,
            gate,
        )
    }
}

#[pymethods]
impl Decision {
    /// What is decided about a request that shows no customer.
    #[staticmethod]
    fn no_identity(gate: &Gate) -> Self {
        Self::new(
            decision::Decision::Deny(DenyReason::NoIdentity),
            None,
            &gate.inner,
        )
    }

    /// What is decided where something that the host plugged in fails.
    #[staticmethod]
    fn failed(gate: &Gate) -> Self {
        Self::panicked(None, &gate.inner)
    }

    #[getter]
    fn allowed(&self) -> bool {
        self.inner.is_allow()
    }

    #[getter]
    fn code(&self) -> &'static str {
        self.inner.code()
    }

    #[getter]
    fn tier(&self) -> Option<&str> {
        match &self.inner {
            decision::Decision::Allow(tier) => Some(tier.as_str()),
            decision::Decision::Deny(_) | decision::Decision::Unknown(_) => None,
        }
    }

    #[getter]
    fn retryable(&self) -> bool {
        matches!(self.inner, decision::Decision::Unknown(_))
    }

    #[getter]
    fn customer_id(&self) -> Option<&str> {
        self.customer_id.as_deref()
    }

    #[getter]
    fn required_tier(&self) -> &str {
        &self.required_tier
    }

    /// The answer to a request that may not pass; `None` for one that may.
    #[pyo3(signature = (gate, content_type=None))]
    fn problem(&self, gate: &Gate, content_type: Option<&Bound<'_, PyAny>>) -> Option<Problem> {
        let protocol = protocol_of(content_type);
        let problem = closed::or_else(
            || {
                closed::reach("problem");
                self.inner.problem(&gate.inner, protocol)
            },
            // Had it been an allow, there would have been nothing to panic about.
            || decision::Decision::Unknown(MirrorError::Panicked).problem(&gate.inner, protocol),
        );
        problem.map(Problem)
    }

    fn __repr__(&self) -> String {
        format!(
            "Decision(allowed={}, code='{}', required_tier='{}')",
            if self.allowed() { "True" } else { "False" },
            self.code(),
            self.required_tier
        )
    }
}

/// `Content-Type` is bytes in ASGI and text in WSGI.
fn protocol_of(content_type: Option<&Bound<'_, PyAny>>) -> Protocol {
    let Some(content_type) = content_type else {
        return Protocol::Http;
    };
    if let Ok(bytes) = content_type.cast::<PyBytes>() {
        return Protocol::of_content_type(Some(bytes.as_bytes()));
    }
    let text = content_type.cast::<PyString>().ok();
    let text = text.and_then(|text| text.to_cow().ok());
    Protocol::of_content_type(text.as_ref().map(|text| text.as_bytes()))
}

/// A refusal: status, headers and body, ready to send.
#[pyclass(frozen, module = "py_paywall")]
pub(crate) struct Problem(decision::Problem);

#[pymethods]
impl Problem {
    #[getter]
    fn status(&self) -> u16 {
        self.0.status
    }

    /// Names in lower case, in their order.
    #[getter]
    fn headers(&self) -> Vec<(&'static str, &'static str)> {
        self.0.headers.clone()
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.body)
    }
}

/// What is decided at an instant of a row as a database holds it: what a mirror does once it has read
/// one. For vectors, and for hosts that ask what will be.
///
/// `row` is a JSON object of the row's columns, or `null`; `now` is written as instants are in a row.
#[pyfunction]
pub(crate) fn decide_row(row: &str, gate: &Gate, now: &str) -> PyResult<Decision> {
    let row: Option<UnverifiedRow> =
        serde_json::from_str(row).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let now = MirrorTime::parse(now)
        .ok_or_else(|| PyValueError::new_err("an instant is YYYY-MM-DD HH:MM:SS.ffffff"))?;
    let customer_id = row.as_ref().map(|row| row.queue_customer_id.clone());
    let row = row.map(MirrorRow::try_from).transpose();
    let decision = decide(
        &row.map_err(MirrorError::from),
        &gate.inner,
        now.timestamp(),
    );
    Ok(Decision::new(decision, customer_id.as_deref(), &gate.inner))
}
