//! Who hears of a decision (P2, K4).

use std::sync::{Arc, Mutex};

use metrics_exporter_prometheus::PrometheusBuilder;
use tower_paywall::{Alert, AlertSink, Alerts, MirrorError};

use crate::booth::{Says, anonymous, paywall, request, send};

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(Alert, u64)>>>);

impl AlertSink for Told {
    fn tell(&self, alert: Alert, count: u64) {
        self.0.lock().unwrap().push((alert, count));
    }
}

#[tokio::test]
async fn a_missing_row_and_an_unreadable_mirror_are_alerts_and_refusing_who_has_not_paid_is_none() {
    for (says, alerts) in [
        (Says::NoRow, vec![(Alert::MissingRow, 1)]),
        (Says::paid("pro"), vec![]),
        (Says::row("free", "none", None), vec![]),
        (
            Says::Fails(MirrorError::Unavailable),
            vec![(Alert::MirrorUnavailable, 1)],
        ),
    ] {
        let told = Told::default();
        let layer = paywall(says.clone())
            .alerts(Alerts::new([Box::new(told.clone()) as Box<dyn AlertSink>]));
        send(&layer, request("/reports")).await;
        send(&layer, anonymous("/reports")).await;
        send(&layer, request("/reports")).await;
        assert_eq!(*told.0.lock().unwrap(), alerts, "{says:?}");
    }
}

#[tokio::test]
async fn an_alert_sink_that_panics_opens_nothing() {
    struct Panics;
    impl AlertSink for Panics {
        fn tell(&self, _: Alert, _: u64) {
            panic!("asked to panic")
        }
    }
    let layer = paywall(Says::NoRow).alerts(Alerts::new([Box::new(Panics) as Box<dyn AlertSink>]));
    let (response, calls) = send(&layer, request("/reports")).await;
    assert_eq!((response.status().as_u16(), calls), (402, 0));
}

#[tokio::test]
async fn every_decision_is_counted_by_its_code() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    for says in [
        Says::paid("pro"),
        Says::paid("pro"),
        Says::NoRow,
        Says::Hangs,
    ] {
        send(&paywall(says), request("/reports")).await;
    }
    send(&paywall(Says::NoRow), anonymous("/reports")).await;
    let text = recorder.handle().render();
    let mut counts: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("paywall_"))
        .collect();
    counts.sort_unstable();
    insta::assert_snapshot!(counts.join("\n"), @r##"
    paywall_decisions_total{decision="allow"} 2
    paywall_decisions_total{decision="mirror_timed_out"} 1
    paywall_decisions_total{decision="no_identity"} 1
    paywall_decisions_total{decision="no_row"} 1
    "##);
}
