//! The paywall: finds the gate and the customer of a request, and has the mirror read.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use billing_core::decision::{Decision, DenyReason};
use billing_core::mirror::{MirrorError, MirrorReader};
use http::{Request, Response};
use tower_service::Service;

use crate::admission::{Admission, Panicked, catch_panic};
use crate::future::ResponseFuture;
use crate::identity::Identify;
use crate::layer::PaywallLayer;
use crate::read::MirrorRead;
use crate::response::{DenialResponse, ResponseBody};

/// A service behind a paywall; [`PaywallLayer`] makes it. See the [crate's docs](crate) for its
/// rules.
#[must_use]
pub struct Paywall<S, R, I, D> {
    inner: S,
    layer: Arc<PaywallLayer<R, I, D>>,
}

impl<S, R, I, D> Paywall<S, R, I, D> {
    pub(crate) fn new(inner: S, layer: Arc<PaywallLayer<R, I, D>>) -> Self {
        Self { inner, layer }
    }
}

impl<S, R, I, D, B, ResBody> Service<Request<B>> for Paywall<S, R, I, D>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    R: MirrorReader,
    I: Identify,
    D: DenialResponse,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, R, I, D>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(gate) = self.layer.gate(&request) else {
            return ResponseFuture::exempt(self.inner.call(request));
        };
        let gate = Arc::clone(gate);
        let (parts, body) = request.into_parts();
        let identified = catch_panic(|| self.layer.identity.identify(&parts));
        let admission = Admission::new(Arc::clone(&self.layer), gate);
        match identified {
            Ok(Some(customer)) => {
                // The clone is not ready, and what was polled ready must be what is called: it may
                // hold a permit.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                let read = MirrorRead::new(admission, customer);
                ResponseFuture::reading(read, (parts, body), ready)
            }
            Ok(None) => {
                let nobody = Decision::Deny(DenyReason::NoIdentity);
                ResponseFuture::decided(admission, nobody, (parts, body), &mut self.inner)
            }
            Err(Panicked) => {
                let unknown = Decision::Unknown(MirrorError::Panicked);
                ResponseFuture::decided(admission, unknown, (parts, body), &mut self.inner)
            }
        }
    }
}

impl<S: Clone, R, I, D> Clone for Paywall<S, R, I, D> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: Arc::clone(&self.layer),
        }
    }
}

impl<S: fmt::Debug, R, I, D> fmt::Debug for Paywall<S, R, I, D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Paywall")
            .field("inner", &self.inner)
            .field("layer", &self.layer)
            .finish()
    }
}
