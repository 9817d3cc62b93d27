//! The description of all of this (OpenAPI 3.1) at `/api/openapi.json`, and a page to browse it at `/docs`.
//!
//! 1. It is made from the code that serves: a path gets into the router together with its description or, but for the
//!    pages below, not at all.
//! 2. What can be refused stands beside the path, and for a group of paths beside the layer that refuses
//!    ([`refusals`]). Statuses, codes and texts are [`Problem`]'s.
//! 3. It is made once, when the server starts. It holds nothing of an installation, needs no token, and is
//!    there while billing is off.

mod page;
mod refusals;
pub(crate) mod vocabulary;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::openapi::OpenApi as Description;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

pub(super) use refusals::{
    BODY, COMMIT, DECLINE, PAGE, READ, Refusing, STRIPE, operations, refused_by_all,
};

use crate::app::App;

/// Where the description is.
const PATH: &str = "/api/openapi.json";
const INTERNAL_TOKEN: &str = "internal_token";
const CUSTOMER_TOKEN: &str = "customer_token";
const CUSTOMER_ID: &str = "customer_id";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Queue",
        description = "The billing server: takes Stripe's webhooks, commits what they say to one ledger, and feeds the \
            mirror that gates read.\n\nErrors are `application/problem+json` (RFC 9457) with a stable `code`. Each status \
            that a path refuses with has its codes as examples: the very answers. Every 503 of this kind has \
            `Retry-After`: what was not answered with 2xx may be sent again any number of times. What is no HTTP is \
            answered without a body: 400, 414 and 431. Instants are RFC 3339, in UTC.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    tags(
        (name = "webhook", description = "For Stripe"),
        (name = "subscribing", description = "For a customer, or for your back end in a customer's name"),
        (name = "customers", description = "For your own services"),
        (name = "operations", description = "For your own services and operators"),
        (name = "probes", description = "Alive, ready, and how it does"),
    ),
    components(schemas(vocabulary::Problem)),
    modifiers(&Tokens),
)]
struct Outline;

/// How a request says who it is of.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, description: &mut Description) {
        let mut internal = Http::new(HttpAuthScheme::Bearer);
        internal.description = Some("One of `QUEUE_INTERNAL_TOKEN`.".to_owned());
        let mut customer = Http::new(HttpAuthScheme::Bearer);
        customer.bearer_format = Some("JWT".to_owned());
        customer.description = Some(
            "Made by your back end with `CUSTOMER_TOKEN_SECRET`: HS256, `aud` is `queue`, `sub` the customer, `exp` at \
             most 300 seconds ahead."
                .to_owned(),
        );
        let named = ApiKeyValue::with_description(
            "X-Queue-Customer-Id",
            "For whom an internal token acts: 1 to 248 printable ASCII characters without spaces, not beginning with \
             `stripe:`. No secret.",
        );
        let components = description.components.get_or_insert_default();
        for (name, scheme) in [
            (INTERNAL_TOKEN, SecurityScheme::Http(internal)),
            (CUSTOMER_TOKEN, SecurityScheme::Http(customer)),
            (CUSTOMER_ID, SecurityScheme::ApiKey(ApiKey::Header(named))),
        ] {
            components.add_security_scheme(name, scheme);
        }
    }
}

/// What paths that only the seller's own services may call want.
pub(super) fn internal() -> Vec<SecurityRequirement> {
    vec![token(INTERNAL_TOKEN)]
}

/// What paths that act for a customer want.
pub(super) fn customer() -> Vec<SecurityRequirement> {
    let named = token(INTERNAL_TOKEN).add(CUSTOMER_ID, [""; 0]);
    vec![token(CUSTOMER_TOKEN), named]
}

fn token(name: &str) -> SecurityRequirement {
    SecurityRequirement::new(name, [""; 0])
}

/// A router with nothing in it yet but what the whole description says.
pub(super) fn outline() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Outline::openapi())
}

/// The paths, and beside them their description.
pub(super) fn describe(paths: OpenApiRouter<Arc<App>>) -> Router<Arc<App>> {
    let (router, mut description) = paths.split_for_parts();
    refusals::tell_once(&mut description);
    // Out of our own types: it can't fail, and a server without its description serves as well.
    let description = Bytes::from(serde_json::to_vec(&description).unwrap_or_default());
    let read =
        || async move { ([(CONTENT_TYPE, "application/json")], description).into_response() };
    router
        .route(PATH, get(read))
        .route("/docs", get(page::redirect))
        .route("/docs/", get(page::index))
        .route("/docs/{file}", get(page::file))
}
