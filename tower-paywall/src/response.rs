//! What those are answered with who may not pass (P2, P3).

use std::pin::Pin;
use std::task::{Context, Poll};

use billing_core::decision::Problem;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use pin_project_lite::pin_project;

/// Makes the response to an HTTP request that may not pass. gRPC requests always get
/// [`ProblemResponse`]'s, which is all that their clients understand.
///
/// Whatever it answers, the handler does not run. If it panics, [`ProblemResponse`] answers. A
/// response without `Cache-Control` gets `no-store`: a refusal that a cache keeps would outlive the
/// payment.
///
/// ```
/// use bytes::Bytes;
/// use http::{Response, request::Parts};
/// use tower_paywall::{DenialResponse, GateDecision, Problem, ProblemResponse};
///
/// /// Sends browsers to the pricing page; programs get the problem as it is.
/// fn to_pricing(problem: &Problem, request: &Parts) -> Response<Bytes> {
///     let accept = request.headers.get("accept").map_or(&b""[..], |accept| accept.as_bytes());
///     if problem.status != 402 || !accept.starts_with(b"text/html") {
///         return ProblemResponse.denial_response(problem, request);
///     }
///     let mut response = Response::new(Bytes::new());
///     *response.status_mut() = http::StatusCode::SEE_OTHER;
///     response.headers_mut().insert("location", http::HeaderValue::from_static("/pricing"));
///     response
/// }
/// # fn takes(_: impl DenialResponse) {}
/// # takes(to_pricing);
/// ```
pub trait DenialResponse: Send + Sync + 'static {
    /// The response. The request's extensions hold the [`GateDecision`](crate::GateDecision).
    fn denial_response(&self, problem: &Problem, request: &Parts) -> Response<Bytes>;
}

impl<F, B> DenialResponse for F
where
    F: Fn(&Problem, &Parts) -> Response<B> + Send + Sync + 'static,
    B: Into<Bytes>,
{
    fn denial_response(&self, problem: &Problem, request: &Parts) -> Response<Bytes> {
        self(problem, request).map(Into::into)
    }
}

/// The default [`DenialResponse`]: the problem byte for byte.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProblemResponse;

impl DenialResponse for ProblemResponse {
    fn denial_response(&self, problem: &Problem, _request: &Parts) -> Response<Bytes> {
        render(problem)
    }
}

pub(crate) fn render(problem: &Problem) -> Response<Bytes> {
    let mut response = Response::new(Bytes::copy_from_slice(&problem.body));
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::PAYMENT_REQUIRED);
    for (name, value) in &problem.headers {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes())
            && let Ok(value) = HeaderValue::from_str(value)
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Keeps caches from holding a refusal, unless its author said how they may.
pub(crate) fn forbid_storing(response: &mut Response<Bytes>) {
    response
        .headers_mut()
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

pin_project! {
    /// The body of a response from behind a [`Paywall`](crate::Paywall), or of a refusal.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: Inner<B>,
    }
}

pin_project! {
    #[project = InnerProj]
    #[derive(Debug)]
    enum Inner<B> {
        Passed { #[pin] body: B },
        Refused { #[pin] body: Full<Bytes> },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn passed(body: B) -> Self {
        Self {
            inner: Inner::Passed { body },
        }
    }

    pub(crate) fn refused(body: Bytes) -> Self {
        Self {
            inner: Inner::Refused {
                body: Full::new(body),
            },
        }
    }
}

impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::passed(B::default())
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().inner.project() {
            InnerProj::Passed { body } => body.poll_frame(context),
            InnerProj::Refused { body } => body.poll_frame(context).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Passed { body } => body.is_end_stream(),
            Inner::Refused { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Passed { body } => body.size_hint(),
            Inner::Refused { body } => body.size_hint(),
        }
    }
}
