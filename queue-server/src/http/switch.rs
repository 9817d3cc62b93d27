//! The kill switch (K1): off, and no billing path does anything.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::app::App;

/// Lets a request through while billing is on.
pub(crate) async fn require_billing(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    if app.billing_on {
        next.run(request).await
    } else {
        Problem::BillingOff.into_response()
    }
}
