//! URLs of databases as Python writes them, and as the store takes them.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pyo3::PyResult;
use pyo3::exceptions::PyValueError;

/// What would end a path in a URL, or be taken for an escape.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#').add(b' ');

/// Takes a URL in SQLAlchemy's form: `postgresql://…` and `postgres://…`, with or without a driver
/// (`postgresql+asyncpg://…`); `sqlite:///relative/path` and `sqlite:////absolute/path`.
///
/// The URL is never part of the error: it may hold a password.
pub(crate) fn parse(url: &str) -> PyResult<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(unknown());
    };
    match scheme.split('+').next() {
        Some("postgresql" | "postgres") if !rest.is_empty() => Ok(format!("postgres://{rest}")),
        Some("sqlite") => {
            let path = rest.strip_prefix('/').filter(|path| !path.is_empty());
            let path = path
                .filter(|path| !path.starts_with(':'))
                .ok_or_else(unknown)?;
            Ok(format!(
                "sqlite://{}",
                utf8_percent_encode(path, NOT_IN_PATHS)
            ))
        }
        _ => Err(unknown()),
    }
}

fn unknown() -> pyo3::PyErr {
    PyValueError::new_err(
        "the mirror's URL is postgresql://USER@HOST/NAME, sqlite:///relative/path or sqlite:////absolute/path",
    )
}
