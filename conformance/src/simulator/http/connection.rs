//! Connections: accepted, served, and dropped without an answer where a failure asks for that.

use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Front;

/// A machine that is out of file descriptors gets some back before the next try.
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// Serves until told to stop, then lets the requests in progress end.
pub(in crate::simulator) async fn serve(
    listener: TcpListener,
    front: Front,
    mut stop: watch::Receiver<bool>,
) {
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_FAILED_ACCEPT).await;
                continue;
            }
        };
        drop(stream.set_nodelay(true));
        let front = front.clone();
        let service = service_fn(move |request| front.clone().handle(request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        // Ends in an error where a failure closed it, and where the client did: neither is news.
        tokio::spawn(async move { drop(connection.await) });
    }
    connections.shutdown().await;
}

/// Waits until the simulator stops.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}
