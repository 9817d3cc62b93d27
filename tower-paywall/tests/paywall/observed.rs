//! The mode for a roll-out: it tells and refuses nothing (P6).

use std::io;
use std::sync::{Arc, Mutex};

use http::Request;
use metrics_exporter_prometheus::PrometheusBuilder;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_paywall::{GateDecision, MirrorError};

use crate::booth::{Says, anonymous, panicking_identity, paywall, request, send};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        tracing::subscriber::set_default(
            tracing_subscriber::fmt()
                .with_ansi(false)
                .without_time()
                .with_writer(move || log.clone())
                .finish(),
        )
    }

    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

#[tokio::test]
async fn an_observing_paywall_refuses_nothing() {
    for says in [
        Says::NoRow,
        Says::Hangs,
        Says::PanicsWhenCalled,
        Says::row("free", "none", None),
        Says::Fails(MirrorError::Unavailable),
    ] {
        for request in [request("/reports"), anonymous("/reports")] {
            let (response, calls) = send(&paywall(says.clone()).observe(), request).await;
            assert_eq!((response.status().as_u16(), calls), (200, 1), "{says:?}");
            let left = response.extensions().get::<GateDecision>().unwrap();
            assert!(!left.decision().is_allow(), "{says:?}");
        }
    }
    let layer = paywall(Says::NoRow).identity(panicking_identity).observe();
    assert_eq!(send(&layer, request("/reports")).await.1, 1);
}

#[tokio::test]
async fn the_handler_behind_an_observing_paywall_sees_what_would_have_been() {
    let handler = service_fn(async |request: Request<_>| {
        let decision = request.extensions().get::<GateDecision>().unwrap();
        assert_eq!(decision.decision().code(), "not_entitled");
        assert_eq!(decision.tier(), None);
        let _body: http_body_util::Full<bytes::Bytes> = request.into_body();
        Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
    });
    let layer = paywall(Says::row("pro", "canceled", None)).observe();
    let response = layer.layer(handler).oneshot(request("/")).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn it_says_once_that_it_refuses_nothing_and_then_what_it_would_have_refused() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let log = Log::default();
    let _logging = log.start();

    let layer = paywall(Says::row("pro", "canceled", None)).observe();
    let _service = layer.layer(crate::booth::Paid::default());
    insta::assert_snapshot!(log.take(), @r##" WARN tower_paywall::layer: THE PAYWALL ONLY OBSERVES: it refuses nothing, and everyone reaches what is paid for"##);

    send(&layer, request("/reports/secret-name")).await;
    insta::assert_snapshot!(log.take().trim(), @r#"WARN tower_paywall::admission: the paywall would have refused code="not_entitled" customer="user-17" required_tier="pro""#);

    let text = recorder.handle().render();
    let observed = r#"paywall_observed_refusals_total{decision="not_entitled"} 1"#;
    assert!(text.contains(observed), "{text}");
    assert!(text.contains(r#"paywall_decisions_total{decision="not_entitled"} 1"#));
}

#[tokio::test]
async fn a_closing_paywall_logs_whom_to_look_after_and_no_path() {
    let log = Log::default();
    let _logging = log.start();
    send(&paywall(Says::NoRow), request("/reports/secret-name")).await;
    let text = log.take();
    assert!(text.contains("billing.mirror.missing_row"), "{text}");
    assert!(text.contains(r#"customer="user-17""#), "{text}");
    assert!(!text.contains("secret-name"), "{text}");
}
