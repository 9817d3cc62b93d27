//! A look at a mirror's database, for `py-paywall doctor`.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use billing_core::mirror::Inspection;
use billing_core::store::StoreError;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use tokio::time::timeout;

use crate::process::{Process, Source};
use crate::url;

const CONNECTIONS: NonZeroU32 = NonZeroU32::MIN;

/// What there is, as a JSON object: [`Inspection`].
#[pyfunction]
pub(crate) fn inspect(
    py: Python<'_>,
    database_url: &str,
    timeout_seconds: f64,
) -> PyResult<String> {
    let url = url::parse(database_url)?;
    let patience = Duration::try_from_secs_f64(timeout_seconds).unwrap_or(Duration::from_secs(5));
    let process = Process::current();
    let runtime = process
        .runtime()
        .ok_or_else(|| PyOSError::new_err("no thread can be made"))?;
    let source = Arc::new(Source::new(url, CONNECTIONS));
    let mirror = process.enter(&source);
    let found = py.detach(|| {
        let look = async {
            let mirror = mirror.await.map_err(|_| StoreError::Unavailable)?;
            mirror.mirror.inspect().await
        };
        runtime.block_on(async { timeout(patience, look).await })
    });
    process.forget(&source);
    let inspection = match found {
        Ok(Ok(inspection)) => inspection,
        Ok(Err(error)) => Inspection::unreachable(error.code()),
        Err(_) => Inspection::unreachable("timed_out"),
    };
    serde_json::to_string(&inspection).map_err(|error| PyOSError::new_err(error.to_string()))
}
