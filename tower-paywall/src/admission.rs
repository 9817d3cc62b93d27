//! The one place where a request is let through or refused (P1, P2, P6).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use billing_core::alert::Alert;
use billing_core::decision::{Decision, DenyReason, Gate, Problem, Protocol};
use billing_core::id::CustomerId;
use billing_core::mirror::MirrorError;
use bytes::Bytes;
use http::Response;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use jiff::Timestamp;

use crate::decision::GateDecision;
use crate::layer::PaywallLayer;
use crate::response::{DenialResponse, forbid_storing, render};

/// That something which the host plugged in has panicked. The panic hook has told the rest.
pub(crate) struct Panicked;

/// Runs something that the host plugged in, whose panic must refuse the request and not end the
/// connection.
pub(crate) fn catch_panic<T>(run: impl FnOnce() -> T) -> Result<T, Panicked> {
    // Nothing that the closure may have left half done is looked at after a panic.
    catch_unwind(AssertUnwindSafe(run)).map_err(|_panic| Panicked)
}

/// A gated request's way through the paywall.
pub(crate) struct Admission<R, I, D> {
    pub(crate) layer: Arc<PaywallLayer<R, I, D>>,
    gate: Arc<Gate>,
    customer: Option<CustomerId>,
}

/// What becomes of a request.
pub(crate) enum Verdict {
    /// It goes to the handler; where the paywall only observes, with what it would have refused.
    Pass(Option<GateDecision>),
    /// It does not.
    Refuse(Response<Bytes>),
}

impl<R, I, D: DenialResponse> Admission<R, I, D> {
    /// Of a request from nobody that is known.
    pub(crate) fn new(layer: Arc<PaywallLayer<R, I, D>>, gate: Arc<Gate>) -> Self {
        Self {
            layer,
            gate,
            customer: None,
        }
    }

    /// The same of a request from this customer.
    pub(crate) fn of(self, customer: CustomerId) -> Self {
        Self {
            customer: Some(customer),
            ..self
        }
    }

    /// Decides, tells of it, and answers where the request may not pass.
    pub(crate) fn judge(
        self,
        decide: impl FnOnce(&Gate, Timestamp) -> Decision,
        request: &mut Parts,
    ) -> Verdict {
        let decision = catch_panic(|| {
            let now = (self.layer.clock)();
            let decision = decide(&self.gate, now);
            self.tell(&decision, now);
            decision
        });
        // A clock, a recorder or an alert's sink that panics opens nothing.
        let decision = decision.unwrap_or(Decision::Unknown(MirrorError::Panicked));
        let content_type = request.headers.get(CONTENT_TYPE);
        let protocol = Protocol::of_content_type(content_type.map(|value| value.as_bytes()));
        // `None`: allowed.
        let problem = decision.problem(&self.gate, protocol);
        let left = GateDecision {
            decision,
            customer: self.customer,
            gate: self.gate,
        };
        let Some(problem) = problem else {
            request.extensions.insert(left);
            return Verdict::Pass(None);
        };
        request.extensions.insert(left.clone());
        if self.layer.observe {
            return Verdict::Pass(Some(left));
        }
        let mut response = self.layer.refusal(&problem, protocol, request);
        response.extensions_mut().insert(left);
        Verdict::Refuse(response)
    }

    /// Log, metric and alert. Neither names the path, which may hold what is private.
    fn tell(&self, decision: &Decision, now: Timestamp) {
        if decision.is_allow() {
            // A key of literals is made once for the process.
            metrics::counter!("paywall_decisions_total", "decision" => "allow").increment(1);
            return;
        }
        let code = decision.code();
        metrics::counter!("paywall_decisions_total", "decision" => code).increment(1);
        match decision {
            Decision::Deny(DenyReason::NoRow) => self.layer.alerts.raise(Alert::MissingRow, now),
            Decision::Unknown(_) => self.layer.alerts.raise(Alert::MirrorUnavailable, now),
            Decision::Allow(_) | Decision::Deny(_) => {}
        }
        let customer = self.customer.as_ref().map(CustomerId::as_str);
        let required_tier = self.gate.required_tier().as_str();
        if self.layer.observe {
            metrics::counter!("paywall_observed_refusals_total", "decision" => code).increment(1);
            tracing::warn!(
                code,
                customer,
                required_tier,
                "the paywall would have refused"
            );
        } else if matches!(
            decision,
            Decision::Unknown(_) | Decision::Deny(DenyReason::NoRow)
        ) {
            tracing::warn!(code, customer, required_tier, "the paywall refused");
        } else {
            tracing::debug!(code, customer, required_tier, "the paywall refused");
        }
    }
}

impl<R, I, D: DenialResponse> PaywallLayer<R, I, D> {
    fn refusal(&self, problem: &Problem, protocol: Protocol, request: &Parts) -> Response<Bytes> {
        let mut response = match protocol {
            Protocol::Grpc => render(problem),
            Protocol::Http => catch_panic(|| self.denial.denial_response(problem, request))
                .unwrap_or_else(|Panicked| render(problem)),
        };
        forbid_storing(&mut response);
        response
    }
}
