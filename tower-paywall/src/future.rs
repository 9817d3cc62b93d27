//! The future of a response: the mirror is read, then the handler runs or it does not.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use billing_core::decision::{Decision, Gate, decide};
use billing_core::id::CustomerId;
use billing_core::mirror::MirrorReader;
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
            read: MirrorRead,
            held: Option<Held<S, B, R, I, D>>,
        },
        Running {
            #[pin]
            handler: S::Future,
            decision: Option<GateDecision>,
        },
        Refused {
            response: Option<Response<Bytes>>,
        },
    }
}

/// What waits for the mirror's answer.
struct Held<S, B, R, I, D> {
    admission: Admission<R, I, D>,
    request: (Parts, B),
    ready: S,
}

impl<S, B, R, I, D> ResponseFuture<S, B, R, I, D>
where
    S: Service<Request<B>>,
    D: DenialResponse,
{
    pub(crate) fn exempt(handler: S::Future) -> Self {
        let decision = None;
        Self {
            state: State::Running { handler, decision },
        }
    }

    pub(crate) fn decided(
        admission: Admission<R, I, D>,
        decision: Decision,
        request: (Parts, B),
        ready: &mut S,
    ) -> Self {
        Self {
            state: State::follow(admission, |_, _| decision, request, ready),
        }
    }

    pub(crate) fn reading(
        admission: Admission<R, I, D>,
        customer: CustomerId,
        request: (Parts, B),
        ready: S,
    ) -> Self
    where
        R: MirrorReader,
    {
        let reader = Arc::clone(&admission.layer.reader);
        let read = MirrorRead::new(reader, customer, admission.layer.read_timeout);
        let held = Held {
            admission,
            request,
            ready,
        };
        Self {
            state: State::Reading {
                read,
                held: Some(held),
            },
        }
    }
}

impl<S, B, R, I, D> State<S, B, R, I, D>
where
    S: Service<Request<B>>,
    D: DenialResponse,
{
    /// The only call of a gated handler.
    fn follow(
        admission: Admission<R, I, D>,
        decide: impl FnOnce(&Gate, Timestamp) -> Decision,
        (mut parts, body): (Parts, B),
        ready: &mut S,
    ) -> Self {
        match admission.judge(decide, &mut parts) {
            Verdict::Pass(decision) => Self::Running {
                handler: ready.call(Request::from_parts(parts, body)),
                decision: Some(decision),
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
                    let row = ready!(Pin::new(read).poll(context));
                    let Some(mut held) = held.take() else {
                        panic!("a future was polled again after it had panicked");
                    };
                    let decide = |gate: &_, now| decide(&row, gate, now);
                    State::follow(held.admission, decide, held.request, &mut held.ready)
                }
                StateProj::Running { handler, decision } => {
                    let mut response = ready!(handler.poll(context))?;
                    if let Some(decision) = decision.take() {
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
