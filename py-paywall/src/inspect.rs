//! A look at a mirror's database, for `py-paywall doctor`.

use std::time::Duration;

use billing_core::mirror::SqlMirror;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use tokio::time::timeout;

use crate::{runtime, url};

/// What there is, as a JSON object: [`billing_core::mirror::Inspection`].
#[pyfunction]
pub(crate) fn inspect(
    py: Python<'_>,
    database_url: &str,
    timeout_seconds: f64,
) -> PyResult<String> {
    let url = url::parse(database_url)?;
    let patience = Duration::try_from_secs_f64(timeout_seconds).unwrap_or(Duration::from_secs(5));
    let runtime = runtime::current().ok_or_else(|| PyOSError::new_err("no thread can be made"))?;
    py.detach(|| {
        runtime.block_on(async {
            let look = async { SqlMirror::open(&url)?.inspect().await };
            let found = timeout(patience, look).await;
            let inspection = match found {
                Ok(Ok(inspection)) => inspection,
                Ok(Err(error)) => billing_core::mirror::Inspection::unreachable(error.code()),
                Err(_) => billing_core::mirror::Inspection::unreachable("timed_out"),
            };
            serde_json::to_string(&inspection)
                .map_err(|error| PyOSError::new_err(error.to_string()))
        })
    })
}
