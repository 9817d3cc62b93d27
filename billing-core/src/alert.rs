//! What an operator must hear of: a fixed list of names behind one trait, aggregated (K4).
//!
//! A flood of one alert is one alert with a count: the first is raised at once, those that follow
//! within a minute are counted and raised together by [`Alerts::flush`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// How long repetitions of an alert are gathered.
pub const AGGREGATION_WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// Something that an operator must hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alert {
    /// A delivery's signature did not verify (S4).
    SignatureFailed,
    /// A gate found no row for a customer (P2).
    MissingRow,
    /// An event was set aside (E3).
    EventQuarantined,
    /// A second event came under a known id with other facts (C2).
    FactsDiffer,
    /// A subscription has a price that the catalogue does not know (A5).
    PriceUnknown,
    /// A command failed by itself, not with its batch: it will be sent again and fail again.
    CommandFailed,
    /// The mirror refuses rows or can't be reached (M3), or a gate can't read it (P2).
    MirrorUnavailable,
    /// The mirror has no table (M3).
    MirrorTableMissing,
    /// The oldest row that waits for the mirror is older than it should be (M3).
    MirrorLag,
    /// Rows of the mirror were other than they should be (M5): somebody changed them, or restored a backup.
    MirrorDrift,
    /// An object has been in doubt for half an hour (O4).
    RefreshStuck,
    /// A reconcile with Stripe stopped before its end (B4).
    ReconcileStopped,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Wakes somebody.
    Critical,
    /// Wants a look the same day.
    Warning,
}

impl Alert {
    /// Every alert.
    pub const ALL: [Self; 12] = [
        Self::SignatureFailed,
        Self::MissingRow,
        Self::EventQuarantined,
        Self::FactsDiffer,
        Self::PriceUnknown,
        Self::CommandFailed,
        Self::MirrorUnavailable,
        Self::MirrorTableMissing,
        Self::MirrorLag,
        Self::MirrorDrift,
        Self::RefreshStuck,
        Self::ReconcileStopped,
    ];

    /// The stable name: in logs, metrics, and whatever pages people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SignatureFailed => "billing.webhook.signature_failed",
            Self::MissingRow => "billing.mirror.missing_row",
            Self::EventQuarantined => "billing.event.quarantined",
            Self::FactsDiffer => "billing.event.facts_differ",
            Self::PriceUnknown => "billing.price.unknown",
            Self::CommandFailed => "billing.ledger.command_failed",
            Self::MirrorUnavailable => "billing.mirror.unavailable",
            Self::MirrorTableMissing => "billing.mirror.table_missing",
            Self::MirrorLag => "billing.mirror.lag",
            Self::MirrorDrift => "billing.mirror.drift",
            Self::RefreshStuck => "billing.refresh.stuck",
            Self::ReconcileStopped => "billing.reconcile.stopped",
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::SignatureFailed
            | Self::MissingRow
            | Self::CommandFailed
            | Self::MirrorTableMissing
            | Self::MirrorDrift => Severity::Critical,
            Self::EventQuarantined
            | Self::FactsDiffer
            | Self::PriceUnknown
            | Self::MirrorUnavailable
            | Self::MirrorLag
            | Self::RefreshStuck
            | Self::ReconcileStopped => Severity::Warning,
        }
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Where alerts go. Called with how often the alert was raised since it last was told.
pub trait AlertSink: Send + Sync + 'static {
    /// Tells of an alert.
    fn tell(&self, alert: Alert, count: u64);
}

/// Writes alerts to the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogSink;

impl AlertSink for LogSink {
    fn tell(&self, alert: Alert, count: u64) {
        match alert.severity() {
            Severity::Critical => tracing::error!(alert = alert.name(), count, "alert"),
            Severity::Warning => tracing::warn!(alert = alert.name(), count, "alert"),
        }
    }
}

/// Counts alerts in the metric `billing_alerts_total`, labelled with their name.
#[derive(Debug, Clone, Copy, Default)]
pub struct MetricSink;

impl AlertSink for MetricSink {
    fn tell(&self, alert: Alert, count: u64) {
        metrics::counter!("billing_alerts_total", "alert" => alert.name()).increment(count);
    }
}

/// Raises alerts, aggregated. Clones share their counts.
#[derive(Clone)]
pub struct Alerts {
    sinks: Arc<[Box<dyn AlertSink>]>,
    windows: Arc<Mutex<BTreeMap<Alert, Window>>>,
}

struct Window {
    opened_at: Timestamp,
    untold: u64,
}

impl Default for Alerts {
    /// To the log and the metric.
    fn default() -> Self {
        Self::new([
            Box::new(LogSink) as Box<dyn AlertSink>,
            Box::new(MetricSink),
        ])
    }
}

impl fmt::Debug for Alerts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Alerts({} sinks)", self.sinks.len())
    }
}

impl Alerts {
    /// Alerts that go to all of these sinks.
    pub fn new(sinks: impl IntoIterator<Item = Box<dyn AlertSink>>) -> Self {
        Self {
            sinks: sinks.into_iter().collect(),
            windows: Arc::default(),
        }
    }

    /// Raises an alert: told at once, or counted when it was told less than a minute ago.
    pub fn raise(&self, alert: Alert, now: Timestamp) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let count = match windows.get_mut(&alert) {
            Some(window) if !window.is_over(now) => {
                window.untold += 1;
                return;
            }
            over => over.map_or(1, |window| window.untold + 1),
        };
        windows.insert(
            alert,
            Window {
                opened_at: now,
                untold: 0,
            },
        );
        drop(windows);
        self.tell(alert, count);
    }

    /// Tells what was counted in windows that are over. Call it every few seconds, and with
    /// [`Timestamp::MAX`] before the process ends.
    pub fn flush(&self, now: Timestamp) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        windows.retain(|alert, window| {
            let over = window.is_over(now);
            if over && window.untold > 0 {
                due.push((*alert, window.untold));
            }
            !over
        });
        drop(windows);
        for (alert, count) in due {
            self.tell(alert, count);
        }
    }

    fn tell(&self, alert: Alert, count: u64) {
        for sink in self.sinks.iter() {
            sink.tell(alert, count);
        }
    }
}

impl Window {
    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.opened_at) >= AGGREGATION_WINDOW || now < self.opened_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Recording(Arc<Mutex<Vec<(Alert, u64)>>>);

    impl AlertSink for Recording {
        fn tell(&self, alert: Alert, count: u64) {
            self.0.lock().unwrap().push((alert, count));
        }
    }

    #[test]
    fn a_flood_is_one_alert_and_then_a_count() {
        let told = Recording::default();
        let alerts = Alerts::new([Box::new(told.clone()) as Box<dyn AlertSink>]);
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        for _ in 0..1000 {
            alerts.raise(Alert::SignatureFailed, start);
        }
        assert_eq!(*told.0.lock().unwrap(), [(Alert::SignatureFailed, 1)]);
        alerts.flush(start + SignedDuration::from_secs(59));
        alerts.flush(start + SignedDuration::from_secs(60));
        alerts.flush(start + SignedDuration::from_secs(61));
        assert_eq!(
            *told.0.lock().unwrap(),
            [(Alert::SignatureFailed, 1), (Alert::SignatureFailed, 999)]
        );
    }

    #[test]
    fn the_end_of_the_process_loses_no_count() {
        let told = Recording::default();
        let alerts = Alerts::new([Box::new(told.clone()) as Box<dyn AlertSink>]);
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        alerts.raise(Alert::MirrorLag, start);
        alerts.raise(Alert::MirrorLag, start);
        alerts.flush(Timestamp::MAX);
        assert_eq!(
            told.0
                .lock()
                .unwrap()
                .iter()
                .map(|(_, count)| count)
                .sum::<u64>(),
            2
        );
    }
}
