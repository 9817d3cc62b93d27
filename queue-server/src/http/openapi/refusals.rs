//! What can be refused, and where. Which status, code and text that is, [`Problem`] knows.

use std::collections::BTreeMap;
use std::mem;

use axum::http::StatusCode;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use billing_core::ledger::LedgerError;
use billing_core::store::StoreError;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::Response;
use utoipa::openapi::{Content, Object, OpenApi, Ref, RefOr, Type};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::http::Problem;
use crate::stripe::{Decline, StripeError};

const CONTENT_TYPE: &str = "application/problem+json";

/// Reading a body of exactly what is documented.
pub(crate) const BODY: &[Problem] = &[
    Problem::QueryUnexpected,
    Problem::BodyBroken,
    Problem::BodyTimeout,
    Problem::BodyTooLarge,
    Problem::BodyInvalid,
];

/// Reading a page.
pub(crate) const PAGE: &[Problem] = &[Problem::QueryInvalid];

/// Reading the database.
pub(crate) const READ: &[Problem] = &[
    Problem::NotCommitted(LedgerError::Store(StoreError::Unavailable)),
    Problem::NotCommitted(LedgerError::Store(StoreError::TableMissing)),
    Problem::NotCommitted(LedgerError::Store(StoreError::Corrupt)),
    Problem::NotCommitted(LedgerError::Store(StoreError::Refused)),
];

/// Committing something: what reading may meet, and more.
pub(crate) const COMMIT: &[Problem] = &[
    Problem::NotCommitted(LedgerError::Overloaded),
    Problem::NotCommitted(LedgerError::Closed),
    Problem::NotCommitted(LedgerError::OtherAuditKey),
    Problem::NotCommitted(LedgerError::Panicked),
    Problem::NotCommitted(LedgerError::Store(StoreError::Unavailable)),
    Problem::NotCommitted(LedgerError::Store(StoreError::TableMissing)),
    Problem::NotCommitted(LedgerError::Store(StoreError::Corrupt)),
    Problem::NotCommitted(LedgerError::Store(StoreError::Refused)),
    Problem::NotCommitted(LedgerError::Store(StoreError::CommitUnknown)),
    Problem::CommitTimeout,
];

/// Asking Stripe.
pub(crate) const STRIPE: &[Problem] = &[
    Problem::StripeNotConfigured,
    Problem::TooManyCalls,
    Problem::Stripe(StripeError::NotReached),
    Problem::Stripe(StripeError::TimedOut),
    Problem::Stripe(StripeError::BrokeOff),
    Problem::Stripe(StripeError::Unreadable),
    Problem::Stripe(StripeError::Redirected),
    Problem::Stripe(StripeError::Unavailable),
    Problem::Stripe(StripeError::KeySpent),
    Problem::Stripe(StripeError::RateLimited),
    Problem::Stripe(StripeError::Conflict),
    Problem::Stripe(StripeError::Unauthenticated),
    Problem::Stripe(StripeError::Forbidden),
    Problem::Stripe(StripeError::KeyReused),
    Problem::Stripe(StripeError::Missing),
    Problem::Stripe(StripeError::Refused),
];

/// Asking Stripe for money.
pub(crate) const DECLINE: &[Problem] = &[
    Problem::Stripe(StripeError::Declined(Decline::Declined)),
    Problem::Stripe(StripeError::Declined(Decline::Expired)),
    Problem::Stripe(StripeError::Declined(Decline::InsufficientFunds)),
    Problem::Stripe(StripeError::Declined(Decline::Mistyped)),
    Problem::Stripe(StripeError::Declined(Decline::AuthenticationRequired)),
];

/// Says of a path what it refuses.
pub(crate) trait Refusing {
    /// With these problems, beside those of its group.
    fn refusing(self, problems: &[&[Problem]]) -> Self;
}

impl<S> Refusing for UtoipaMethodRouter<S> {
    fn refusing(mut self, problems: &[&[Problem]]) -> Self {
        for operation in self.1.paths.values_mut().flat_map(of_path) {
            refuse(operation, problems);
        }
        self
    }
}

/// Says of all paths that are in a router what their layers refuse.
pub(crate) fn refused_by_all<S>(paths: &mut OpenApiRouter<S>, problems: &[Problem])
where
    S: Send + Sync + Clone + 'static,
{
    operations(paths).for_each(|operation| refuse(operation, &[problems]));
}

/// What is described of a router's paths.
pub(crate) fn operations<S>(paths: &mut OpenApiRouter<S>) -> impl Iterator<Item = &mut Operation>
where
    S: Send + Sync + Clone + 'static,
{
    let paths = paths.get_openapi_mut().paths.paths.values_mut();
    paths.flat_map(of_path)
}

/// Moves the examples to where each stands once, whatever many paths refuse alike.
pub(crate) fn tell_once(description: &mut OpenApi) {
    let mut told = BTreeMap::new();
    let paths = description.paths.paths.values_mut().flat_map(of_path);
    for response in paths.flat_map(|path| path.responses.responses.values_mut()) {
        let RefOr::T(response) = response else {
            continue;
        };
        let Some(RefOr::T(content)) = response.content.get_mut(CONTENT_TYPE) else {
            continue;
        };
        for (code, example) in &mut content.examples {
            let once = Ref::new(format!("#/components/examples/{code}"));
            let example = mem::replace(example, RefOr::Ref(once));
            told.insert(code.clone(), example);
        }
    }
    let components = description.components.get_or_insert_default();
    components.examples.extend(told);
}

fn of_path(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [&mut path.get, &mut path.put, &mut path.post];
    methods.into_iter().flatten()
}

fn refuse(operation: &mut Operation, problems: &[&[Problem]]) {
    for problem in problems.iter().copied().flatten() {
        let status = problem.status();
        let responses = &mut operation.responses.responses;
        let response = responses.entry(status.as_str().to_owned());
        let RefOr::T(response) = response.or_insert_with(|| RefOr::T(of_status(status))) else {
            continue;
        };
        let content = response.content.entry(CONTENT_TYPE.to_owned());
        let RefOr::T(content) = content.or_insert_with(|| RefOr::T(of_problems())) else {
            continue;
        };
        let example = ExampleBuilder::new()
            .summary(problem.detail())
            .value(Some(problem.body()));
        let example = RefOr::T(example.build());
        content.examples.insert(problem.code().to_owned(), example);
    }
}

fn of_problems() -> Content {
    Content::new(Some(Ref::from_schema_name("Problem")))
}

/// An answer of this status, as problems have it.
fn of_status(status: StatusCode) -> Response {
    let mut response = Response::new(status.canonical_reason().unwrap_or_default());
    let (name, header_type) = match status {
        StatusCode::SERVICE_UNAVAILABLE => (RETRY_AFTER, Type::Integer),
        StatusCode::UNAUTHORIZED => (WWW_AUTHENTICATE, Type::String),
        _ => return response,
    };
    let header = Header::new(Object::with_type(header_type));
    response.headers.insert(name.to_string(), RefOr::T(header));
    response
}
