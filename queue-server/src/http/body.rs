//! Bodies: read whole, in time, and no further than they may go. Those of the money path are JSON objects with the
//! documented fields and no others, and no query beside them.
//!
//! What a client may not choose — a price, an amount, a customer, a trial — is refused wherever it stands,
//! before anything else is looked at (B3).

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// How long a body may take to arrive.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest body of the money path.
const MAX_BYTES: usize = 16 * 1024;

/// Exactly this.
pub(crate) struct Exactly<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Exactly<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if request.uri().query().is_some() {
            return Err(Problem::QueryUnexpected);
        }
        let body = read(request.into_body(), MAX_BYTES).await?;
        // An array of the fields' values would do as well, and says nothing of what they are.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(Problem::BodyInvalid);
        }
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|_| Problem::BodyInvalid)
    }
}

/// Reads a body in time.
pub(super) async fn read(body: Body, max_bytes: usize) -> Result<Bytes, Problem> {
    // Unconstrained: a client whose bytes never pause (a chunk's length of zeros without end) uses
    // up its task's budget before this is polled, and the timeout would wait for ever for its turn.
    let body = tokio::time::timeout(TIMEOUT, gather(body, max_bytes));
    match tokio::task::unconstrained(body).await {
        Ok(body) => body,
        Err(_) => Err(Problem::BodyTimeout),
    }
}

/// Reads into one buffer: kept as they came, a million chunks of a byte would take forty times as
/// much as the body that they make.
async fn gather(mut body: Body, max_bytes: usize) -> Result<Bytes, Problem> {
    let mut gathered = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::BodyBroken)?;
        let data = frame.into_data().unwrap_or_default();
        if gathered.len() + data.len() > max_bytes {
            return Err(Problem::BodyTooLarge);
        }
        gathered.extend_from_slice(&data);
    }
    Ok(gathered.into())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use billing_core::signature::MAX_BODY_BYTES;
    use futures::stream;

    use super::*;

    /// A chunk of one byte that counts for as long as anybody keeps it.
    struct Crumb(&'static AtomicUsize);

    impl AsRef<[u8]> for Crumb {
        fn as_ref(&self) -> &[u8] {
            b"x"
        }
    }

    impl Drop for Crumb {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_body_in_crumbs_takes_no_more_than_its_bytes() {
        static KEPT: AtomicUsize = AtomicUsize::new(0);
        static MOST_KEPT: AtomicUsize = AtomicUsize::new(0);
        let crumbs = (0..MAX_BODY_BYTES).map(|_| {
            let kept = KEPT.fetch_add(1, Ordering::Relaxed) + 1;
            MOST_KEPT.fetch_max(kept, Ordering::Relaxed);
            Ok::<_, Infallible>(Bytes::from_owner(Crumb(&KEPT)))
        });
        let body = gather(Body::from_stream(stream::iter(crumbs)), MAX_BODY_BYTES).await;
        assert_eq!(body.ok().unwrap(), vec![b'x'; MAX_BODY_BYTES]);
        // One is being read, and one may be on its way.
        let most = MOST_KEPT.load(Ordering::Relaxed);
        eprintln!("of {MAX_BODY_BYTES} chunks at most {most} were kept at a time");
        assert!(most <= 2, "{most}");
    }
}
