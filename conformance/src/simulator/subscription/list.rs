//! `GET /v1/subscriptions`

use serde_json::Value;

use crate::simulator::call::Call;
use crate::simulator::created::CreatedFilter;
use crate::simulator::error::ApiError;
use crate::simulator::object::Object;
use crate::simulator::world::World;

/// By `customer`, `price`, `created`, `test_clock` and `status`: `all`, `ended`, or one of them; without it those that are not canceled.
pub(in crate::simulator) fn list(world: &World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let (customer, status) = (params.text("customer"), params.text("status"));
    let (price, clock) = (params.text("price"), params.text("test_clock"));
    let created = CreatedFilter::parse(params)?;
    world.subscriptions.page(call, |subscription| {
        let in_status = match status {
            None => subscription.status.name() != "canceled",
            Some("all") => true,
            Some("ended") => subscription.status.is_over(),
            Some(wanted) => subscription.status.name() == wanted,
        };
        in_status
            && created.takes(subscription.created)
            && customer.is_none_or(|customer| subscription.customer == customer)
            && price.is_none_or(|price| {
                subscription
                    .items
                    .iter()
                    .any(|item| item.price.id() == price)
            })
            && clock.is_none_or(|clock| subscription.clock() == Some(clock))
    })
}
