//! However a path is spelled, what reaches a gated handler was allowed (P4).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::any;
use http::Uri;
use tower::{Layer as _, ServiceExt as _, util::MapRequestLayer};
use tower_paywall::{OriginalPath, Routes};

use crate::booth::{Paid, Says, anonymous, paywall, request, send, tier};

/// An application whose gated handlers count.
struct App {
    router: Router,
    gated: Arc<AtomicUsize>,
    free: Arc<AtomicUsize>,
}

impl App {
    fn new(says: Says, routes: Routes) -> Self {
        let (gated, free) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let count = |counter: &Arc<AtomicUsize>| {
            let counter = Arc::clone(counter);
            any(move || {
                counter.fetch_add(1, Ordering::SeqCst);
                async { "here" }
            })
        };
        let reports = Router::new()
            .route("/", count(&gated))
            .route("/daily", count(&gated))
            .route("/archive/{*rest}", count(&gated));
        let router = Router::new()
            .route("/health", count(&free))
            .route("/public/{*rest}", count(&free))
            .route("/models/{id}", count(&gated))
            .nest("/reports", reports)
            .layer(paywall(says).routes(routes).unwrap());
        Self {
            router,
            gated,
            free,
        }
    }

    async fn send(&self, uri: &Uri) {
        let mut request = request("/").map(Body::new);
        *request.uri_mut() = uri.clone();
        self.router.clone().oneshot(request).await.unwrap();
    }

    fn gated_calls(&self) -> usize {
        self.gated.load(Ordering::SeqCst)
    }
}

const PATHS: [&str; 9] = [
    "/health",
    "/public/logo.png",
    "/models/7",
    "/reports",
    "/reports/",
    "/reports/daily",
    "/reports/archive/2026/12",
    "/public/../reports/daily",
    "/models/../health",
];

/// Other spellings of a path: one change at every place that it fits.
fn respelled(path: &str) -> Vec<String> {
    let mut spellings = vec![
        path.to_owned(),
        path.to_uppercase(),
        format!("{path}/"),
        format!("{path}//"),
        format!("{path}?exempt=/health"),
        format!("{path};/health"),
        format!("{path}/%zz"),
        format!("{path}/%ff"),
        format!("{path}%00"),
        format!("http://elsewhere.example{path}"),
    ];
    for (at, byte) in path.bytes().enumerate() {
        let (before, after) = (&path[..at], &path[at + 1..]);
        let escaped = format!("%{byte:02x}");
        spellings.push(format!("{before}{escaped}{after}"));
        spellings.push(format!("{before}{}{after}", escaped.to_uppercase()));
        spellings.push(format!("{before}%25{byte:02x}{after}"));
        if byte == b'/' {
            for slash in [
                "//",
                "/./",
                "/x/../",
                "/%2e/",
                "/x/%2e%2e/",
                "/health/../",
                "/public/%2E%2e/",
                "/..;/",
                "/public/..%2f",
            ] {
                spellings.push(format!("{before}{slash}{after}"));
            }
        } else {
            let upper = (byte as char).to_ascii_uppercase();
            spellings.push(format!("{before}{upper}{after}"));
        }
    }
    spellings
}

/// Every path changed twice, as far as `http` takes it for a URI.
fn spellings() -> BTreeSet<String> {
    let once = PATHS.into_iter().flat_map(respelled);
    let twice = once
        .filter(|path| path.starts_with('/'))
        .flat_map(|path| respelled(&path));
    twice.filter(|path| path.parse::<Uri>().is_ok()).collect()
}

fn all_routes() -> [Routes; 2] {
    [
        Routes::gated_by_default(tier("pro"))
            .exempt("/health")
            .and_then(|routes| routes.exempt("/public/**"))
            .unwrap(),
        Routes::open_by_default()
            .gate("/reports/**", tier("pro"))
            .and_then(|routes| routes.gate("/models/*", tier("pro")))
            .unwrap(),
    ]
}

#[tokio::test]
async fn no_spelling_of_a_path_gets_past_the_paywall() {
    let spellings = spellings();
    for routes in all_routes() {
        let closed = App::new(Says::row("pro", "canceled", None), routes.clone());
        let open = App::new(Says::paid("pro"), routes);
        let mut past = Vec::new();
        for spelling in &spellings {
            let uri = spelling.parse().unwrap();
            let before = closed.gated_calls();
            closed.send(&uri).await;
            if closed.gated_calls() > before {
                past.push(spelling);
            }
            open.send(&uri).await;
        }
        assert!(
            past.is_empty(),
            "{} of {} got past: {past:#?}",
            past.len(),
            spellings.len()
        );
        // The spellings are worth something only if many of them are routed to gated handlers.
        assert!(
            open.gated_calls() > 1000,
            "only {} reached",
            open.gated_calls()
        );
        assert!(
            closed.free.load(Ordering::SeqCst) > 0,
            "the exempt paths are closed"
        );
    }
}

#[tokio::test]
async fn a_backslash_in_a_parameter_does_not_get_past_a_pattern() {
    for routes in all_routes() {
        let closed = App::new(Says::NoRow, routes);
        closed.send(&"/models/a\\b".parse().unwrap()).await;
        assert_eq!(closed.gated_calls(), 0);
    }
}

#[tokio::test]
async fn inside_a_nested_router_patterns_see_the_path_without_its_prefix() {
    let routes = || {
        Routes::open_by_default()
            .gate("/daily", tier("pro"))
            .unwrap()
    };
    let layer = paywall(Says::NoRow).routes(routes()).unwrap();
    let inner = Router::new()
        .route("/daily", any(async || "here"))
        .layer(layer);
    let app = Router::new().nest("/reports", inner);
    let response = app.oneshot(request("/reports/daily").map(Body::new)).await;
    assert_eq!(response.unwrap().status(), 402);
}

#[tokio::test]
async fn the_original_path_closes_what_a_rewritten_one_would_open() {
    let routes = Routes::gated_by_default(tier("pro"))
        .exempt("/health")
        .unwrap();
    let layer = paywall(Says::NoRow).routes(routes).unwrap();
    for (path, original, calls) in [
        ("/health", None, 1),
        ("/health", Some(OriginalPath::new("/health")), 1),
        ("/health", Some(OriginalPath::new("/reports/health")), 0),
        (
            "/health",
            Some(OriginalPath::new("/health").mounted_at("/reports")),
            0,
        ),
        ("/reports", Some(OriginalPath::new("/health")), 0),
    ] {
        let mut request = anonymous(path);
        if let Some(original) = original.clone() {
            request.extensions_mut().insert(original);
        }
        let (_, called) = send(&layer, request).await;
        assert_eq!(called, calls, "{path} {original:?}");
    }
}

#[tokio::test]
async fn a_rewrite_before_the_paywall_that_leaves_the_original_path_is_gated_by_it() {
    let rewrite = MapRequestLayer::new(|mut request: Request<_>| {
        let original = OriginalPath::new(request.uri().path()).mounted_at("/reports");
        request.extensions_mut().insert(original);
        *request.uri_mut() = Uri::from_static("/daily");
        request
    });
    let routes = Routes::open_by_default()
        .gate("/reports/**", tier("pro"))
        .unwrap();
    let paid = Paid::default();
    let gated = paywall(Says::NoRow)
        .routes(routes)
        .unwrap()
        .layer(paid.clone());
    let response = rewrite
        .layer(gated)
        .oneshot(request("/reports/daily"))
        .await;
    assert_eq!(
        (response.unwrap().status().as_u16(), paid.calls()),
        (402, 0)
    );
}

#[tokio::test]
async fn requests_without_a_path_are_gated() {
    for uri in ["*", "elsewhere.example:443", "http://elsewhere.example"] {
        let mut request = request("/");
        *request.uri_mut() = uri.parse().unwrap();
        let (response, calls) = send(&paywall(Says::NoRow), request).await;
        assert_eq!((response.status().as_u16(), calls), (402, 0), "{uri}");
    }
}

#[tokio::test]
async fn another_spelling_of_an_exempt_path_reaches_no_route_beside_it() {
    let routes = Routes::gated_by_default(tier("pro"))
        .exempt("/health")
        .and_then(|routes| routes.exempt("/static/**"))
        .unwrap();
    let layer = paywall(Says::NoRow).routes(routes).unwrap();
    let app = Router::new()
        .route("/health", any(async || "exempt"))
        .route("/static/{*file}", any(async || "exempt"))
        .route("/{model}/generate", any(async || "paid"))
        .fallback(async || "paid")
        .layer(layer);
    for (path, status) in [
        ("/health", 200),
        ("/static/app.js", 200),
        ("/HEALTH", 402),
        ("/health/", 402),
        ("//health", 402),
        ("/%68ealth", 402),
        ("/Static/generate", 402),
        ("/static//generate", 402),
    ] {
        let response = app
            .clone()
            .oneshot(request(path).map(Body::new))
            .await
            .unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
}
