//! `/docs`: Swagger UI over the description. All of it comes from this program, and nothing from elsewhere.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{
    CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_swagger_ui::Config;

use super::PATH;
use crate::http::Problem;

/// The page may load and ask its own server only: whoever types a token into it gives it to nobody else. It styles
/// itself from its script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Without a validator: that would be somebody else's server.
static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from(PATH).validator_url("none")));

/// To where the page's own links lead to.
pub(super) async fn redirect() -> Redirect {
    Redirect::permanent("/docs/")
}

/// The page.
pub(super) async fn index() -> Result<Response, Problem> {
    shown("")
}

/// A file that the page loads.
pub(super) async fn file(name: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| Problem::NotFound)?;
    shown(&name)
}

fn shown(name: &str) -> Result<Response, Problem> {
    let file = utoipa_swagger_ui::serve(name, Arc::clone(&CONFIG));
    let file = file.ok().flatten().ok_or(Problem::NotFound)?;
    let headers = [
        (CONTENT_TYPE, file.content_type.as_str()),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    let packed = file.gzpipped.then_some([(CONTENT_ENCODING, "gzip")]);
    Ok(match packed {
        Some(packed) => (headers, packed, bytes).into_response(),
        None => (headers, bytes).into_response(),
    })
}
