//! Which part of the API answers which request.

use serde_json::Value;

use super::call::Call;
use super::error::ApiError;
use super::expand::expand;
use super::object::Object;
use super::shape::Shape;
use super::shelf::Shelf;
use super::world::World;
use super::{
    checkout, coupon, customer, event, invoice, invoice_item, payment_intent, payment_method,
    portal, price, product, subscription, test_clock, webhook_endpoint,
};

/// Answers a request and expands what it asks to be expanded.
pub(super) fn answer(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let mut response = dispatch(world, call)?;
    expand(
        world,
        &mut response,
        &call.params.texts("expand"),
        call.shape,
    )?;
    Ok(response)
}

fn dispatch(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let segments: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    let ["v1", path @ ..] = segments.as_slice() else {
        return Err(ApiError::unknown_path(&call.method, &call.path));
    };
    match call.method.as_str() {
        "GET" => read(world, call, path),
        "POST" => write(world, call, path),
        "DELETE" => delete(world, call, path),
        _ => Err(ApiError::unknown_path(&call.method, &call.path)),
    }
}

fn read(world: &World, call: &Call, path: &[&str]) -> Result<Value, ApiError> {
    let shape = call.shape;
    match path {
        ["billing_portal", "configurations"] => portal::list_configurations(world, call),
        ["billing_portal", "configurations", id] => retrieve(&world.configurations, id, shape),
        ["checkout", "sessions"] => checkout::list(world, call),
        ["checkout", "sessions", id, "line_items"] => checkout::line_items(world, call, id),
        ["checkout", "sessions", id] => retrieve(&world.sessions, id, shape),
        ["account"] => Ok(world.account()),
        ["coupons"] => world.coupons.page(call, |_| true),
        ["coupons", id] => retrieve(&world.coupons, id, shape),
        ["customers"] => customer::list(world, call),
        ["customers", id] => customer::retrieve(world, call, id),
        ["customers", id, "payment_methods"] => payment_method::list(world, call, Some(id)),
        ["events"] => event::list(world, call),
        ["events", id] => event::retrieve(world, id),
        ["invoiceitems", id] => retrieve(&world.invoice_items, id, shape),
        ["invoices"] => invoice::list(world, call),
        ["invoices", id] => retrieve(&world.invoices, id, shape),
        ["payment_intents", id] => payment_intent::retrieve(world, call, id),
        ["payment_methods"] => payment_method::list(world, call, None),
        ["payment_methods", id] => retrieve(&world.payment_methods, id, shape),
        ["payment_pages", id] => checkout::page(world, call, id),
        ["prices"] => price::list(world, call),
        ["prices", id] => retrieve(&world.prices, id, shape),
        ["products"] => product::list(world, call),
        ["products", id] => retrieve(&world.products, id, shape),
        ["subscriptions"] => subscription::list(world, call),
        ["subscriptions", id] => retrieve(&world.subscriptions, id, shape),
        ["test_helpers", "test_clocks"] => world.clocks.page(call, |_| true),
        ["test_helpers", "test_clocks", id] => retrieve(&world.clocks, id, shape),
        ["webhook_endpoints"] => world.endpoints.page(call, |_| true),
        ["webhook_endpoints", id] => retrieve(&world.endpoints, id, shape),
        _ => Err(ApiError::unknown_path(&call.method, &call.path)),
    }
}

fn retrieve<T: Object>(shelf: &Shelf<T>, id: &str, shape: Shape) -> Result<Value, ApiError> {
    Ok(shelf.find(id)?.render(shape))
}

fn write(world: &mut World, call: &Call, path: &[&str]) -> Result<Value, ApiError> {
    match path {
        ["billing_portal", "configurations"] => portal::create_configuration(world, call),
        ["billing_portal", "configurations", id] => portal::update_configuration(world, call, id),
        ["billing_portal", "sessions"] => portal::create_session(world, call),
        ["checkout", "sessions"] => checkout::create(world, call),
        ["checkout", "sessions", id, "expire"] => checkout::expire(world, call, id),
        ["coupons"] => coupon::create(world, call),
        ["customers"] => customer::create(world, call),
        ["customers", id] => customer::update(world, call, id),
        ["invoiceitems"] => invoice_item::create(world, call),
        ["invoices"] => invoice::create(world, call),
        ["invoices", id] => invoice::update(world, call, id),
        ["invoices", id, "finalize"] => invoice::finalize(world, call, id),
        ["invoices", id, "mark_uncollectible"] => invoice::mark_uncollectible(world, call, id),
        ["invoices", id, "pay"] => invoice::pay(world, call, id),
        ["invoices", id, "void"] => invoice::void(world, call, id),
        ["payment_intents", id, "confirm"] => payment_intent::confirm(world, call, id),
        ["payment_methods"] => payment_method::create(world, call),
        ["payment_methods", id, "attach"] => payment_method::attach(world, call, id),
        ["payment_methods", id, "detach"] => payment_method::detach(world, call, id),
        ["payment_pages", id, "confirm"] => checkout::confirm(world, call, id),
        ["prices"] => price::create(world, call),
        ["prices", id] => price::update(world, call, id),
        ["products"] => product::create(world, call),
        ["products", id] => product::update(world, call, id),
        ["subscriptions"] => subscription::create(world, call),
        ["subscriptions", id] => subscription::update(world, call, id),
        ["subscriptions", id, "resume"] => subscription::resume(world, call, id),
        ["test_helpers", "test_clocks"] => test_clock::create(world, call),
        ["test_helpers", "test_clocks", id, "advance"] => test_clock::advance(world, call, id),
        ["webhook_endpoints"] => webhook_endpoint::create(world, call),
        ["webhook_endpoints", id] => webhook_endpoint::update(world, call, id),
        _ => Err(ApiError::unknown_path(&call.method, &call.path)),
    }
}

fn delete(world: &mut World, call: &Call, path: &[&str]) -> Result<Value, ApiError> {
    match path {
        ["coupons", id] => coupon::delete(world, id),
        ["customers", id] => customer::delete(world, id),
        ["subscriptions", id] => subscription::cancel(world, call, id),
        ["test_helpers", "test_clocks", id] => test_clock::delete(world, id),
        ["webhook_endpoints", id] => webhook_endpoint::delete(world, id),
        _ => Err(ApiError::unknown_path(&call.method, &call.path)),
    }
}
