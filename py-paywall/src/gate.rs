//! Gates, and which of them stands before a path.

use std::borrow::Cow;
use std::sync::Arc;

use billing_core::catalogue::{Tier, TierOrder};
use billing_core::decision::{self, RoutedGates, Routes};
use jiff::SignedDuration;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::closed;

/// What a route asks for.
#[pyclass(frozen, module = "py_paywall._native")]
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) inner: Arc<decision::Gate>,
}

pub(crate) fn tier(name: &str) -> PyResult<Tier> {
    Tier::parse(name).map_err(|error| PyValueError::new_err(format!("{name:?} is {error}")))
}

fn refused(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

#[pymethods]
impl Gate {
    #[new]
    #[pyo3(signature = (required_tier, *, tiers=None, leeway_seconds=None, upgrade_url=None, unknown_is_503=false))]
    fn new(
        required_tier: &str,
        tiers: Option<Vec<String>>,
        leeway_seconds: Option<i64>,
        upgrade_url: Option<String>,
        unknown_is_503: bool,
    ) -> PyResult<Self> {
        let order = match tiers {
            None => TierOrder::default(),
            Some(names) => {
                let tiers = names
                    .iter()
                    .map(|name| tier(name))
                    .collect::<PyResult<Vec<_>>>()?;
                TierOrder::new(tiers).map_err(refused)?
            }
        };
        let mut gate = decision::Gate::within(order, tier(required_tier)?).map_err(refused)?;
        if let Some(seconds) = leeway_seconds {
            gate = gate.with_leeway(SignedDuration::from_secs(seconds));
        }
        if let Some(url) = upgrade_url {
            gate = gate.with_upgrade_url(url);
        }
        if unknown_is_503 {
            gate = gate.with_503_for_unknown();
        }
        Ok(Self {
            inner: Arc::new(gate),
        })
    }

    #[getter]
    fn required_tier(&self) -> &str {
        self.inner.required_tier().as_str()
    }

    /// The same gate for another tier.
    fn for_tier(&self, required_tier: &str) -> PyResult<Self> {
        let gate = self.inner.for_tier(tier(required_tier)?).map_err(refused)?;
        Ok(Self {
            inner: Arc::new(gate),
        })
    }

    fn __repr__(&self) -> String {
        format!("Gate('{}')", self.required_tier())
    }
}

/// Which gate stands before which path (P4).
#[pyclass(frozen, module = "py_paywall._native")]
pub(crate) struct Gates(RoutedGates);

/// A path that no decoding makes sense of.
const UNDECODABLE: &str = "%";

#[pymethods]
impl Gates {
    /// `default_tier`: what paths ask for that no pattern gates; `None`: nothing.
    #[new]
    #[pyo3(signature = (gate, *, default_tier, gated, exempt))]
    fn new(
        gate: &Gate,
        default_tier: Option<&str>,
        gated: Vec<(String, String)>,
        exempt: Vec<String>,
    ) -> PyResult<Self> {
        let mut routes = match default_tier {
            Some(name) => Routes::gated_by_default(tier(name)?),
            None => Routes::open_by_default(),
        };
        for (pattern, name) in gated {
            routes = routes.gate(&pattern, tier(&name)?).map_err(refused)?;
        }
        for pattern in exempt {
            routes = routes.exempt(&pattern).map_err(refused)?;
        }
        let gates = RoutedGates::everywhere(decision::Gate::clone(&gate.inner));
        Ok(Self(gates.with_routes(routes).map_err(refused)?))
    }

    /// The gate before a path; `None` for an exempt one.
    ///
    /// `path` as routed, `raw_path` that of the request line where it is known, `mount` the prefix
    /// under which the application is mounted.
    #[pyo3(signature = (path, raw_path=None, mount=None))]
    fn before(
        &self,
        path: &Bound<'_, PyAny>,
        raw_path: Option<&Bound<'_, PyAny>>,
        mount: Option<&Bound<'_, PyAny>>,
    ) -> Option<Gate> {
        self.gate(|| {
            let raw_path = raw_path.map(Text::of);
            let mount = mount.map(Text::of);
            self.0.gate(
                Text::of(path).as_str(),
                raw_path.as_ref().map(Text::as_str),
                mount.as_ref().map(Text::as_str),
            )
        })
    }

    /// The same for a WSGI environ: its paths are bytes that stand there as characters (PEP 3333).
    fn before_environ(&self, environ: &Bound<'_, PyDict>) -> Option<Gate> {
        self.gate(|| {
            let py = environ.py();
            let variable = |name| environ.get_item(name).ok().flatten();
            let path = variable(intern!(py, "PATH_INFO"));
            let mount = variable(intern!(py, "SCRIPT_NAME"));
            // Where servers leave the path of the request line: gunicorn and werkzeug; uWSGI and mod_wsgi.
            let raw_path =
                variable(intern!(py, "RAW_URI")).or_else(|| variable(intern!(py, "REQUEST_URI")));
            let path = path.as_ref().map(Text::of_wsgi);
            let raw_path = raw_path.as_ref().map(Text::of_wsgi);
            let mount = mount.as_ref().map(Text::of_wsgi);
            self.0.gate(
                path.as_ref().map_or("", Text::as_str),
                // A request line's query begins at its first question mark.
                raw_path
                    .as_ref()
                    .and_then(|raw| raw.as_str().split('?').next()),
                mount.as_ref().map(Text::as_str),
            )
        })
    }
}

impl Gates {
    fn gate<'a>(&'a self, find: impl FnOnce() -> Option<&'a Arc<decision::Gate>>) -> Option<Gate> {
        let find = || {
            closed::reach("route");
            find()
        };
        let gate = closed::or_else(find, || Some(self.0.strictest()));
        gate.map(|gate| Gate {
            inner: Arc::clone(gate),
        })
    }
}

/// Text of Python's, borrowed where it can be.
enum Text<'a, 'py> {
    Whole(Cow<'a, str>),
    Bytes(&'a Bound<'py, PyBytes>),
    Neither,
}

impl<'a, 'py> Text<'a, 'py> {
    fn of(given: &'a Bound<'py, PyAny>) -> Self {
        if let Ok(bytes) = given.cast::<PyBytes>() {
            return Self::Bytes(bytes);
        }
        // Lone surrogates are no text: nobody can say what a router makes of them.
        let text = given.cast::<PyString>().ok();
        text.and_then(|text| text.to_cow().ok())
            .map_or(Self::Neither, Self::Whole)
    }

    /// Text whose characters are bytes: those of UTF-8, or nobody can say what a router makes of them.
    fn of_wsgi(given: &'a Bound<'py, PyAny>) -> Self {
        match Self::of(given) {
            Self::Whole(text) if !text.is_ascii() => {
                let bytes = text
                    .chars()
                    .map(u8::try_from)
                    .collect::<Result<Vec<_>, _>>();
                let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
                text.map_or(Self::Neither, |text| Self::Whole(Cow::Owned(text)))
            }
            text => text,
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Whole(text) => text,
            Self::Bytes(bytes) => std::str::from_utf8(bytes.as_bytes()).unwrap_or(UNDECODABLE),
            Self::Neither => UNDECODABLE,
        }
    }
}
