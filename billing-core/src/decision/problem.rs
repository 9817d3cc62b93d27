//! What a refused request is answered with, byte for byte the same from every skin (P2, P3).

use serde::Serialize;

use super::{Decision, DenyReason, Gate};

/// How a client wants to hear of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP: RFC 9457 problem details.
    #[default]
    Http,
    /// gRPC: HTTP 200 and `grpc-status`, which its clients read instead of the HTTP status.
    Grpc,
}

impl Protocol {
    /// Tells the protocol from a request's `Content-Type`.
    #[must_use]
    pub fn of_content_type(content_type: Option<&[u8]>) -> Self {
        let grpc = content_type.is_some_and(|value| {
            value.len() >= GRPC.len() && value[..GRPC.len()].eq_ignore_ascii_case(GRPC)
        });
        if grpc { Self::Grpc } else { Self::Http }
    }
}

const GRPC: &[u8] = b"application/grpc";
const GRPC_PERMISSION_DENIED: &str = "7";
const GRPC_UNAUTHENTICATED: &str = "16";
/// Seconds after which asking again is worth it when the mirror could not be read.
const RETRY_AFTER_SECONDS: &str = "5";

/// A refusal: status, headers and body, ready to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct Details<'a> {
    title: &'static str,
    status: u16,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upgrade_url: Option<&'a str>,
    retryable: bool,
}

/// The three refusals that a client can tell apart. Which reason it was stays with us.
enum Refusal {
    Unauthenticated,
    PaymentRequired,
    EntitlementUnknown,
}

impl Decision {
    /// The answer to a request that may not pass; `None` for one that may.
    #[must_use]
    pub fn problem(&self, gate: &Gate, protocol: Protocol) -> Option<Problem> {
        let refusal = match self {
            Self::Allow(_) => return None,
            Self::Deny(DenyReason::NoIdentity) => Refusal::Unauthenticated,
            Self::Deny(_) => Refusal::PaymentRequired,
            Self::Unknown(_) => Refusal::EntitlementUnknown,
        };
        Some(match protocol {
            Protocol::Http => refusal.over_http(gate),
            Protocol::Grpc => refusal.over_grpc(),
        })
    }
}

impl Refusal {
    fn over_http(&self, gate: &Gate) -> Problem {
        let details = self.details(gate);
        let mut headers = vec![
            ("content-type", "application/problem+json"),
            ("cache-control", "no-store"),
        ];
        match self {
            Self::Unauthenticated => headers.push(("www-authenticate", "Bearer")),
            Self::EntitlementUnknown => headers.push(("retry-after", RETRY_AFTER_SECONDS)),
            Self::PaymentRequired => {}
        }
        // Text and numbers always serialise.
        let body = serde_json::to_vec(&details).unwrap_or_default();
        Problem {
            status: details.status,
            headers,
            body,
        }
    }

    fn details<'a>(&self, gate: &'a Gate) -> Details<'a> {
        let required_tier = Some(gate.required_tier.as_str());
        let upgrade_url = gate.upgrade_url.as_deref();
        match self {
            Self::Unauthenticated => Details {
                title: "Unauthorized",
                status: 401,
                code: "unauthenticated",
                detail: None,
                required_tier: None,
                upgrade_url: None,
                retryable: false,
            },
            Self::PaymentRequired => Details {
                title: "Payment Required",
                status: 402,
                code: "payment_required",
                detail: Some("This needs a paid plan."),
                required_tier,
                upgrade_url,
                retryable: false,
            },
            Self::EntitlementUnknown => Details {
                title: if gate.unknown_is_503 {
                    "Service Unavailable"
                } else {
                    "Payment Required"
                },
                status: if gate.unknown_is_503 { 503 } else { 402 },
                code: "entitlement_unknown",
                detail: Some("Your plan could not be checked. Try again shortly."),
                required_tier,
                upgrade_url,
                retryable: true,
            },
        }
    }

    fn over_grpc(&self) -> Problem {
        let (status, message) = match self {
            Self::Unauthenticated => (GRPC_UNAUTHENTICATED, "unauthenticated"),
            Self::PaymentRequired => (GRPC_PERMISSION_DENIED, "payment_required"),
            Self::EntitlementUnknown => (GRPC_PERMISSION_DENIED, "entitlement_unknown"),
        };
        Problem {
            status: 200,
            headers: vec![
                ("content-type", "application/grpc"),
                ("cache-control", "no-store"),
                ("grpc-status", status),
                ("grpc-message", message),
            ],
            body: Vec::new(),
        }
    }
}
