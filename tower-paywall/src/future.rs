//! The future of a response: the mirror is read, then the handler runs or it does not.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use billing_core::decision::{Decision, Gate, decide};
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use jiff::Timestamp;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::admission::{Admission, Verdict};
use crate::decision::GateDecision;
use crate::read::MirrorRead;
use crate::response::{DenialResponse, ResponseBody};

pin_project! {
    /// The future of a [`Paywall`](crate::Paywall)'s response. Dropping it ends what it does.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, R, I, D>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, R, I, D>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, R, I, D>
    where
        S: Service<Request<B>>,
    {
        Reading {
            read: MirrorRead<R, I, D>,
            held: Option<Held<S, B>>,
        },
        Running {
            #[pin]
            handler: S::Future,
            would_refuse: Option<GateDecision>,
        },
        Refused {
            response: Option<Response<Bytes>>,
        },
    }
}

/// What waits for the mirror's answer.
struct Held<S, B> {
    request: (Parts, B),
    ready: S,
}

impl<S, B, R, I, D> ResponseFuture<S, B, R, I, D>
where
    S: Service<Request<B>>,
    D: DenialResponse,
{
    pub(crate) fn exempt(handler: S::Future) -> Self {
        Self {
            state: State::Running {
                handler,
                would_refuse: None,
            },
        }
    }

    pub(crate) fn decided(
        admission: Admission<R, I, D>,
        decision: Decision,
        request: (Parts, B),
        ready: &mut S,
    ) -> Self {
        let held = &mut Some(Held { request, ready });
        Self {
            state: State::follow(admission, |_, _| decision, held),
        }
    }

    pub(crate) fn reading(read: MirrorRead<R, I, D>, request: (Parts, B), ready: S) -> Self {
        let held = Some(Held { request, ready });
        Self {
            state: State::Reading { read, held },
        }
    }
}

impl<S, B, R, I, D> State<S, B, R, I, D>
where
    S: Service<Request<B>>,
    D: DenialResponse,
{
    /// The only call of a gated handler. The request is judged where it is, and moved once.
    fn follow<T>(
        admission: Admission<R, I, D>,
        decide: impl FnOnce(&Gate, Timestamp) -> Decision,
        held: &mut Option<Held<T, B>>,
    ) -> Self
    where
        T: Service<Request<B>, Future = S::Future>,
    {
        let verdict = held
            .as_mut()
            .map(|held| admission.judge(decide, &mut held.request.0));
        let (Some(verdict), Some(held)) = (verdict, held.take()) else {
            panic!("a future was polled again after it had panicked");
        };
        let (request, mut ready) = (held.request, held.ready);
        match verdict {
            Verdict::Pass(would_refuse) => Self::Running {
                handler: ready.call(Request::from_parts(request.0, request.1)),
                would_refuse,
            },
            Verdict::Refuse(response) => Self::Refused {
                response: Some(response),
            },
        }
    }
}

impl<S, B, R, I, D, ResBody> Future for ResponseFuture<S, B, R, I, D>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    D: DenialResponse,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Reading { read, held } => {
                    let (admission, row) = ready!(Pin::new(read).poll(context));
                    State::follow(admission, |gate, now| decide(&row, gate, now), held)
                }
                StateProj::Running {
                    handler,
                    would_refuse,
                } => {
                    let mut response = ready!(handler.poll(context))?;
                    if let Some(decision) = would_refuse.take() {
                        // The innermost paywall knows best, and its refusal must stay visible.
                        response.extensions_mut().get_or_insert(decision);
                    }
                    return Poll::Ready(Ok(response.map(ResponseBody::passed)));
                }
                StateProj::Refused { response } => {
                    let Some(response) = response.take() else {
                        panic!("a future was polled again after it had ended");
                    };
                    return Poll::Ready(Ok(response.map(ResponseBody::refused)));
                }
            };
            state.set(next);
        }
    }
}
