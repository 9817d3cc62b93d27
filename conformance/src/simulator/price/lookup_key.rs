//! Lookup keys: names of prices, each of one price at a time.

use super::Price;
use crate::simulator::error::ApiError;
use crate::simulator::form::Params;
use crate::simulator::object::Object;
use crate::simulator::world::World;

/// Refuses a key that another price has, unless it is to be transferred.
pub(super) fn check(world: &World, params: &Params, own: Option<&str>) -> Result<(), ApiError> {
    let transfers = params.flag("transfer_lookup_key")?.unwrap_or(false);
    match holder(world, params, own) {
        Some(price) if !transfers => {
            let message = format!("The price {} already uses that lookup key.", price.id());
            Err(ApiError::refused(message).in_param("lookup_key"))
        }
        _ => Ok(()),
    }
}

/// Takes the key from the price that has it.
pub(super) fn take(world: &mut World, params: &Params, own: Option<&str>) -> Result<(), ApiError> {
    let loser = holder(world, params, own).map(|price| price.id().to_owned());
    if let Some(loser) = loser {
        world.amend::<Price>(&loser, "price.updated", |price| price.lookup_key = None)?;
    }
    Ok(())
}

/// The price that has the wanted key already, if it is another.
fn holder<'a>(world: &'a World, params: &Params, own: Option<&str>) -> Option<&'a Price> {
    let key = params.text("lookup_key")?;
    let holds =
        |price: &&Price| price.lookup_key.as_deref() == Some(key) && Some(price.id()) != own;
    world.prices.iter().find(holds)
}
