//! The receiver of pushes that a service beside its gate would run; and such as nobody should.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use axum::routing::post;
use axum::serve::Listener;
use billing_core::mirror::push::{self, SIGNATURE_HEADER};
use billing_core::mirror::{MirrorRow, MirrorSink, SinkError, SqlMirror};
use billing_core::signature::{Delivery, SigningKeys};
use futures::stream;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// What it does with a push.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// What it should.
    Takes,
    /// The same, and its answer never arrives whole.
    TakesAndBreaksOff,
    /// Says this, whatever came.
    Says(u16, &'static str),
    /// Sends the sender there.
    Redirects(String),
    /// Says nothing.
    Hangs,
    /// Says something, for ever.
    NeverEnds { every: Duration },
}

/// A receiver that runs while the test does.
pub(crate) struct Receiver {
    desk: Arc<Desk>,
    scheme: &'static str,
    address: SocketAddr,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

/// What requests share.
struct Desk {
    mirror: Picky,
    keys: Mutex<SigningKeys>,
    manner: Mutex<Manner>,
    pushes: AtomicUsize,
}

/// A mirror that refuses one customer's row.
struct Picky {
    mirror: SqlMirror,
    refuses: Mutex<Option<String>>,
}

impl MirrorSink for Picky {
    async fn apply(&self, rows: &[MirrorRow]) -> Result<(), SinkError> {
        let refuses = self.refuses.lock().unwrap().clone();
        let refused = |row: &MirrorRow| Some(row.queue_customer_id.as_str()) == refuses.as_deref();
        if rows.iter().any(refused) {
            return Err(SinkError::Refused);
        }
        self.mirror.apply(rows).await
    }
}

impl Receiver {
    /// One that applies to a mirror what these secrets signed.
    pub(crate) async fn start(mirror: &SqlMirror, secrets: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::listen(Desk::new(mirror, secrets), "http", listener)
    }

    /// The same over TLS, and the certificate that it shows.
    pub(crate) async fn start_with_tls(mirror: &SqlMirror, secrets: &str) -> (Self, String) {
        let shown = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(shown.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![shown.cert.der().clone()], key)
            .unwrap();
        let listener = TlsListener {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        };
        let receiver = Self::listen(Desk::new(mirror, secrets), "https", listener);
        (receiver, shown.cert.pem())
    }

    fn listen(
        desk: Arc<Desk>,
        scheme: &'static str,
        listener: impl Listener<Addr = SocketAddr>,
    ) -> Self {
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let router = Router::new()
            .route("/mirror", post(take))
            .with_state(Arc::clone(&desk));
        let server = axum::serve(listener, router);
        let server = server.with_graceful_shutdown(stop.clone().cancelled_owned());
        let server = tokio::spawn(async move { server.await.unwrap() });
        Self {
            desk,
            scheme,
            address,
            stop,
            server,
        }
    }

    /// Goes down, with every connection.
    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        (&mut self.server).await.unwrap();
    }

    /// Comes back where it was.
    pub(crate) async fn start_again(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        *self = Self::listen(Arc::clone(&self.desk), self.scheme, listener);
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}/mirror", self.scheme, self.address)
    }

    pub(crate) fn behaves(&self, manner: Manner) {
        *self.desk.manner.lock().unwrap() = manner;
    }

    pub(crate) fn knows(&self, secrets: &str) {
        *self.desk.keys.lock().unwrap() = SigningKeys::parse(secrets).unwrap();
    }

    pub(crate) fn refuses(&self, customer: Option<&str>) {
        *self.desk.mirror.refuses.lock().unwrap() = customer.map(str::to_owned);
    }

    /// How many pushes came, whatever it did with them.
    pub(crate) fn pushes(&self) -> usize {
        self.desk.pushes.load(Ordering::SeqCst)
    }
}

impl Desk {
    fn new(mirror: &SqlMirror, secrets: &str) -> Arc<Self> {
        let mirror = Picky {
            mirror: mirror.clone(),
            refuses: Mutex::default(),
        };
        Arc::new(Self {
            mirror,
            keys: Mutex::new(SigningKeys::parse(secrets).unwrap()),
            manner: Mutex::new(Manner::Takes),
            pushes: AtomicUsize::default(),
        })
    }

    async fn receive(&self, headers: &HeaderMap, body: Bytes) -> Response<Body> {
        let delivery = Delivery::new(body, headers.get_all(SIGNATURE_HEADER));
        let keys = self.keys.lock().unwrap().clone();
        let answer = push::receive(delivery, &keys, &self.mirror, Timestamp::now()).await;
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        response.body(answer.body().into()).unwrap()
    }
}

async fn take(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let manner = desk.manner.lock().unwrap().clone();
    desk.pushes.fetch_add(1, Ordering::SeqCst);
    let broken = || std::io::Error::other("on purpose");
    match manner {
        Manner::Takes => desk.receive(&headers, body).await,
        Manner::TakesAndBreaksOff => {
            drop(desk.receive(&headers, body).await);
            let half = stream::iter([Ok("{\"outcome\":"), Err(broken())]);
            Response::new(Body::from_stream(half))
        }
        Manner::Says(status, text) => {
            let answer = Response::builder().status(status);
            answer.body(text.into()).unwrap()
        }
        Manner::Redirects(place) => {
            let answer = Response::builder().status(307).header("location", place);
            answer.body(Body::empty()).unwrap()
        }
        Manner::Hangs => std::future::pending().await,
        Manner::NeverEnds { every } => {
            let text = stream::unfold((), move |()| async move {
                tokio::time::sleep(every).await;
                Some((Ok::<_, std::io::Error>("{\"outcome\":\"applied\"}"), ()))
            });
            Response::new(Body::from_stream(text))
        }
    }
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // Whoever does not trust the certificate ends it here.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
