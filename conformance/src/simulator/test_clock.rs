//! Test clocks: time that moves only when told to.
//!
//! A customer made with `test_clock=clock_…` lives on that clock with all that belongs to it. Stripe
//! advances a clock in the background (`advancing`, later `ready`); here the work is done before the
//! response, which therefore already says `ready`. Stripe's limits (three customers on a clock, two
//! billing intervals per advance) are not enforced.

use serde_json::{Value, json};

use super::call::Call;
use super::error::ApiError;
use super::object::Object;
use super::shape::Shape;
use super::shelf::Shelf;
use super::world::World;

/// Stripe deletes a clock after 30 days; here the date is only shown.
const LIFETIME: i64 = 30 * 24 * 3600;

#[derive(Clone, Debug)]
pub(super) struct TestClock {
    id: String,
    created: i64,
    pub(super) frozen_time: i64,
    name: Option<String>,
    advancing: bool,
}

impl Object for TestClock {
    const NOUN: &'static str = "test clock";

    fn id(&self) -> &str {
        &self.id
    }

    /// The clock itself stands outside its own time.
    fn clock(&self) -> Option<&str> {
        None
    }

    fn customer(&self) -> Option<&str> {
        None
    }

    fn shelf(world: &mut World) -> &mut Shelf<Self> {
        &mut world.clocks
    }

    fn render(&self, _: Shape) -> Value {
        let status = if self.advancing { "advancing" } else { "ready" };
        json!({
            "id": self.id,
            "object": "test_helpers.test_clock",
            "created": self.created,
            "deletes_after": self.created + LIFETIME,
            "frozen_time": self.frozen_time,
            "livemode": false,
            "name": self.name,
            "status": status,
            "status_details": {},
        })
    }
}

/// `POST /v1/test_helpers/test_clocks`
pub(super) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    call.params.only(&["frozen_time", "name", "expand"])?;
    let clock = TestClock {
        frozen_time: call.params.required_timestamp("frozen_time")?,
        id: world.ids.make("clock_"),
        created: world.now(None),
        name: call.params.text("name").map(str::to_owned),
        advancing: false,
    };
    world.clocks.put(clock.clone());
    world.announce("test_helpers.test_clock.created", &clock);
    Ok(clock.render(call.shape))
}

/// `POST /v1/test_helpers/test_clocks/:id/advance`
pub(super) fn advance(world: &mut World, call: &Call, id: &str) -> Result<Value, ApiError> {
    call.params.only(&["frozen_time", "expand"])?;
    let mut clock = world.clocks.find(id)?.clone();
    let to = call.params.required_timestamp("frozen_time")?;
    if to <= clock.frozen_time {
        let message =
            "A test clock only moves forward: frozen_time must be later than the clock's.";
        return Err(ApiError::refused(message).in_param("frozen_time"));
    }
    clock.advancing = true;
    world.clocks.put(clock.clone());
    world.announce("test_helpers.test_clock.advancing", &clock);
    world.wind(id, to)?;
    let mut clock = world.clocks.find(id)?.clone();
    clock.advancing = false;
    world.clocks.put(clock.clone());
    world.announce("test_helpers.test_clock.ready", &clock);
    Ok(clock.render(call.shape))
}

/// `DELETE /v1/test_helpers/test_clocks/:id`: its customers go with it.
pub(super) fn delete(world: &mut World, id: &str) -> Result<Value, ApiError> {
    let clock = world.clocks.find(id)?.clone();
    let lives_here =
        |customer: &&super::customer::Customer| customer.clock() == Some(id) && !customer.deleted;
    let residents: Vec<String> = world
        .customers
        .iter()
        .filter(lives_here)
        .map(|c| c.id().to_owned())
        .collect();
    for customer in residents {
        super::customer::remove(world, &customer)?;
    }
    world.clocks.remove(id)?;
    world.announce("test_helpers.test_clock.deleted", &clock);
    Ok(json!({ "id": id, "object": "test_helpers.test_clock", "deleted": true }))
}
