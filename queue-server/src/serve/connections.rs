//! Connections: how many there are at once, and how long one may be held without using it (G11).
//!
//! 1. At most so many are open; whoever comes then waits to be accepted.
//! 2. A request's head is there in full within the idle time after the connection was opened, or
//!    after its last answer: one bound for those who send nothing and those who drip.
//! 3. A client that takes nothing of its answer for [`WRITE_TIMEOUT`] is cut.
//! 4. Heads and buffers are bounded. Bodies are `http/webhook.rs`'s business.
//!
//! In deployment: a proxy in front must give up its idle connections sooner than this server does,
//! or it sends requests into connections that are just being closed.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use metrics::gauge;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use crate::config::ConnectionBounds;

/// The largest head of a request, in bytes: larger than every signature header that gets S4's one
/// answer, so that a long one is told from no other bad one.
const MAX_HEAD_BYTES: usize = 80 * 1024;
/// How long an answer may find no taker.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Files that the process has open beside its connections: databases and their logs.
const OTHER_FILES: u64 = 128;

/// Connections that the system keeps until they are accepted: the usual 128 are less than a burst,
/// and whoever finds no place tries again a second later.
const BACKLOG: u32 = 1024;

/// Listens on an address.
pub(super) fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart need not wait for the connections of the process before it to be forgotten.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until told to stop, and then until all requests in flight are answered.
pub(super) async fn serve(
    mut listener: TcpListener,
    router: Router,
    bounds: ConnectionBounds,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(within_open_files(bounds.max)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.idle)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_HEAD_BYTES);
    let service = TowerToHyperService::new(router);
    let open = gauge!("billing_connections");
    let connections = GracefulShutdown::new();
    let mut next = async || {
        let slot = Arc::clone(&slots).acquire_owned().await;
        (slot, Listener::accept(&mut listener).await.0)
    };
    while let Some((slot, stream)) = stop.run_until_cancelled(next()).await {
        let connection = http.serve_connection(TokioIo::new(timed(stream)), service.clone());
        let connection = connections.watch(connection);
        let open = open.clone();
        open.increment(1);
        tokio::spawn(async move {
            // A client that goes away or talks nonsense is no event of ours.
            let _ = connection.await;
            open.decrement(1);
            drop(slot);
        });
    }
    drop(listener);
    connections.shutdown().await;
}

fn timed(stream: TcpStream) -> Pin<Box<TimeoutStream<TcpStream>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    Box::pin(stream)
}

/// As many connections as wanted, or as the process may have files open: connections that took the
/// last one would leave none for the database. The limit is raised as far as it may be.
#[cfg(unix)]
fn within_open_files(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let needed = wanted as u64 + OTHER_FILES;
    let Some(current) = limit.current.filter(|current| *current < needed) else {
        return wanted;
    };
    let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let higher = Rlimit {
        current: Some(raised),
        ..limit
    };
    let files = setrlimit(Resource::Nofile, higher).map_or(current, |()| raised);
    if files == needed {
        return wanted;
    }
    let connections = usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(wanted);
    tracing::warn!(
        connections,
        "fewer connections than configured: too few files may be open"
    );
    connections.max(1)
}

#[cfg(not(unix))]
fn within_open_files(wanted: usize) -> usize {
    wanted
}
