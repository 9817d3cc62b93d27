//! What an operator must hear of, aggregated: a flood is one alert, and then a count (K4).
//!
//! Python tells them (its log, Sentry): here is only who says when.

use std::sync::{Arc, Mutex, PoisonError};

use billing_core::alert::{self, Alert, AlertSink};
use jiff::Timestamp;
use pyo3::prelude::*;

use crate::closed;

/// An alert to tell: its name, whether it wakes somebody, how often it was raised.
type Told = (&'static str, bool, u64);

/// Gathers alerts and says which are to be told now.
#[pyclass(frozen, module = "py_paywall._native")]
pub(crate) struct Alerts {
    alerts: alert::Alerts,
    told: Collected,
}

#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<Told>>>);

impl Collected {
    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AlertSink for Collected {
    fn tell(&self, alert: Alert, count: u64) {
        let critical = alert.severity() == alert::Severity::Critical;
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.push((alert.name(), critical, count));
    }
}

#[pymethods]
impl Alerts {
    #[new]
    fn new() -> Self {
        let told = Collected::default();
        Self {
            alerts: alert::Alerts::new([Box::new(told.clone()) as Box<dyn AlertSink>]),
            told,
        }
    }

    /// Raises what this decision is worth telling of; gives what is to be told now.
    fn of(&self, decision: &crate::decision::Decision) -> Vec<Told> {
        use billing_core::decision::{Decision, DenyReason};

        let alert = match &decision.inner {
            Decision::Deny(DenyReason::NoRow) => Alert::MissingRow,
            Decision::Unknown(_) => Alert::MirrorUnavailable,
            Decision::Allow(_) | Decision::Deny(_) => return Vec::new(),
        };
        self.raise(alert)
    }

    /// Raises that a push was not believed; gives what is to be told now.
    fn signature_failed(&self) -> Vec<Told> {
        self.raise(Alert::SignatureFailed)
    }

    /// What was counted in windows that are over; with `unfinished`, also in those that are not.
    fn flush(&self, unfinished: bool) -> Vec<Told> {
        let now = if unfinished {
            Timestamp::MAX
        } else {
            Timestamp::now()
        };
        self.alerts.flush(now);
        self.told.take()
    }
}

impl Alerts {
    fn raise(&self, alert: Alert) -> Vec<Told> {
        closed::or_else(
            || {
                self.alerts.raise(alert, Timestamp::now());
                self.told.take()
            },
            Vec::new,
        )
    }
}
