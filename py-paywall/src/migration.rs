//! The mirror's table as SQL, for hosts whose own migrations make it.

use billing_migrations::{mirror_postgres, mirror_sqlite};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// How the table comes and how it goes, in the dialect that SQLAlchemy calls by this name.
#[pyfunction]
pub(crate) fn mirror_migration(dialect: &str) -> PyResult<(&'static str, &'static str)> {
    match dialect {
        "postgresql" => Ok(mirror_postgres()),
        "sqlite" => Ok(mirror_sqlite()),
        _ => Err(PyValueError::new_err("the dialect is postgresql or sqlite")),
    }
}
