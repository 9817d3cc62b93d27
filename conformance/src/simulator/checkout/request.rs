//! What can be asked of sessions that exist.

use serde_json::Value;

use super::{Session, Status};
use crate::simulator::call::Call;
use crate::simulator::error::ApiError;
use crate::simulator::object::Object;
use crate::simulator::world::World;

/// `GET /v1/checkout/sessions`, also by `customer`, `subscription`, `payment_intent` and `status`.
pub(in crate::simulator) fn list(world: &World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let is = |name: &str, field: &Option<String>| {
        params
            .text(name)
            .is_none_or(|wanted| field.as_deref() == Some(wanted))
    };
    world.sessions.page(call, |session: &Session| {
        is("customer", &session.customer)
            && is("subscription", &session.subscription)
            && is("payment_intent", &session.payment_intent)
            && params
                .text("status")
                .is_none_or(|status| session.status.name() == status)
    })
}

/// `GET /v1/checkout/sessions/:id/line_items`
pub(in crate::simulator) fn line_items(
    world: &World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    Ok(world.sessions.find(id)?.render_line_items(call.shape))
}

/// `POST /v1/checkout/sessions/:id/expire`
pub(in crate::simulator) fn expire(
    world: &mut World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    let status = world.sessions.find(id)?.status;
    if status != Status::Open {
        let message = format!(
            "Only a session that is open can be expired; this one is {}.",
            status.name()
        );
        return Err(ApiError::refused(message));
    }
    Ok(world.expire_session(id)?.render(call.shape))
}

/// `GET /v1/payment_pages/:session`: what the hosted page shows. Stripe does not document this object.
pub(in crate::simulator) fn page(world: &World, call: &Call, id: &str) -> Result<Value, ApiError> {
    let session = world.sessions.find(id)?;
    let mut page = session.render(call.shape);
    page["session_id"] = session.id.as_str().into();
    Ok(page)
}

/// `POST /v1/payment_pages/:session/confirm`: the customer pays.
pub(in crate::simulator) fn confirm(
    world: &mut World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    let session = world.sessions.find(id)?;
    let expected = call.params.integer("expected_amount")?;
    if expected.is_some_and(|amount| amount != session.amount_total) {
        return Err(
            ApiError::refused("The amount differs from the expected one.")
                .in_param("expected_amount"),
        );
    }
    let method = call.params.required("payment_method")?;
    let found = world
        .payment_methods
        .find(method)
        .map_err(|error| error.in_param("payment_method"));
    let method = found?.clone();
    world.complete_session(id, &method, call.shape)?;
    page(world, call, id)
}
