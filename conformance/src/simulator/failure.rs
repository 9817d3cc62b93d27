//! Failures on purpose: what a program must survive when it talks to Stripe over a network.
//!
//! 1. A failure *before* the effect leaves no trace but the entry in the request log: the same idempotency
//!    key may be sent again and is then done for the first time.
//! 2. A failure *after* the effect loses only the answer. Under the same idempotency key the answer comes again;
//!    where the answer was a 500 or 503, that is what comes again, as with Stripe.

use super::error::ApiError;

/// Whether the request was carried out when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing was done.
    BeforeEffect,
    /// It was done; the caller doesn't learn of it.
    AfterEffect,
}

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No answer comes for as long as the caller waits.
    Hang(When),
    /// The connection is closed without an answer.
    Close(When),
    /// `lock_timeout`: another request holds the object. Stripe's documentation says 429; choose 409 to be
    /// sure that a program goes by the code.
    LockTimeout {
        /// 409 or 429.
        status: u16,
    },
    /// 409 `idempotency_key_in_use`: a request with the same key is in flight.
    KeyInUse,
    /// 429 `rate_limit`
    RateLimited {
        /// `Retry-After`, where it is sent.
        retry_after_seconds: Option<u64>,
    },
    /// `api_error`
    ServerError {
        /// 500 or 503, say.
        status: u16,
        /// Before or after the effect.
        when: When,
    },
    /// 200 with JSON that ends in the middle; the request was carried out.
    TruncatedJson,
    /// 200 with a page of HTML, as from a proxy; nothing was done.
    Html,
    /// 302 to another address; nothing was done.
    Redirect {
        /// `Location`
        location: String,
    },
}

/// Which requests fail, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `GET`, `POST` or `DELETE`; `*` for any.
    pub method: String,
    /// A path; a segment `*` stands for any one: `/v1/customers/*`.
    pub path: String,
    /// How they fail.
    pub kind: FailureKind,
    /// So many of them.
    pub times: u32,
    /// After so many that don't.
    pub skip: u32,
    /// `Stripe-Should-Retry` on the answer, where there is one.
    pub should_retry: Option<bool>,
}

impl Failure {
    /// The next such request fails.
    pub fn new(method: impl Into<String>, path: impl Into<String>, kind: FailureKind) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            kind,
            times: 1,
            skip: 0,
            should_retry: None,
        }
    }

    /// So many requests fail, one after the other.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// The first so many requests don't fail.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Adds `Stripe-Should-Retry` to the answer.
    #[must_use]
    pub fn should_retry(mut self, should_retry: bool) -> Self {
        self.should_retry = Some(should_retry);
        self
    }

    fn concerns(&self, method: &str, path: &str) -> bool {
        let (wanted, found) = (self.path.split('/'), path.split('/'));
        let same_length = wanted.clone().count() == found.clone().count();
        let same = |(wanted, found): (&str, &str)| wanted == "*" || wanted == found;
        (self.method == "*" || self.method == method) && same_length && wanted.zip(found).all(same)
    }
}

impl FailureKind {
    pub(super) fn when(&self) -> When {
        match self {
            Self::Hang(when) | Self::Close(when) | Self::ServerError { when, .. } => *when,
            Self::TruncatedJson => When::AfterEffect,
            Self::LockTimeout { .. }
            | Self::KeyInUse
            | Self::RateLimited { .. }
            | Self::Html
            | Self::Redirect { .. } => When::BeforeEffect,
        }
    }

    /// Stripe's error for it, where it has one.
    pub(super) fn error(&self) -> Option<ApiError> {
        match self {
            Self::LockTimeout { status } => Some(ApiError::lock_timeout(*status)),
            Self::KeyInUse => Some(ApiError::idempotency_key_in_use()),
            Self::RateLimited { .. } => Some(ApiError::rate_limited()),
            Self::ServerError { status, .. } => Some(ApiError::server(*status)),
            Self::Hang(_)
            | Self::Close(_)
            | Self::TruncatedJson
            | Self::Html
            | Self::Redirect { .. } => None,
        }
    }
}

/// The failures that are still to come.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<Failure>);

impl Failures {
    pub(super) fn add(&mut self, failure: Failure) {
        self.0.push(failure);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens to this request: the first failure that concerns it, unless it is still to be skipped.
    ///
    /// Every failure that concerns it counts it, so that two with different `skip` don't shift each other.
    pub(super) fn strike(&mut self, method: &str, path: &str) -> Option<Failure> {
        let mut struck = None;
        for failure in &mut self.0 {
            if !failure.concerns(method, path) {
                continue;
            }
            if failure.skip > 0 {
                failure.skip -= 1;
            } else if failure.times > 0 && struck.is_none() {
                failure.times -= 1;
                struck = Some(failure.clone());
            }
        }
        self.0.retain(|failure| failure.times > 0);
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_segment() {
        let failure = Failure::new("POST", "/v1/customers/*", FailureKind::Html);
        assert!(failure.concerns("POST", "/v1/customers/cus_1"));
        assert!(!failure.concerns("POST", "/v1/customers"));
        assert!(!failure.concerns("POST", "/v1/customers/cus_1/sources"));
        assert!(!failure.concerns("GET", "/v1/customers/cus_1"));
    }

    #[test]
    fn it_skips_then_strikes_then_is_over() {
        let mut failures = Failures::default();
        failures.add(
            Failure::new("*", "/v1/x", FailureKind::Html)
                .skip(1)
                .times(2),
        );
        let struck: Vec<bool> = (0..4)
            .map(|_| failures.strike("GET", "/v1/x").is_some())
            .collect();
        assert_eq!(struck, [false, true, true, false]);
    }
}
