//! Prices: so much money, once or every so often.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};

use super::call::Call;
use super::error::ApiError;
use super::form::{Metadata, Params};
use super::object::Object;
use super::shape::Shape;
use super::shelf::Shelf;
use super::world::World;

mod lookup_key;

/// The unit of a billing period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Year,
}

/// How often a recurring price is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    unit: Unit,
    count: i64,
}

impl Interval {
    fn parse(recurring: &Params) -> Result<Self, ApiError> {
        let unit = match recurring.required("interval")? {
            "day" => Unit::Day,
            "week" => Unit::Week,
            "month" => Unit::Month,
            "year" => Unit::Year,
            other => {
                let message = format!("Invalid recurring[interval]: {other}");
                return Err(ApiError::refused(message).in_param("recurring[interval]"));
            }
        };
        let count = recurring.integer("interval_count")?.unwrap_or(1);
        if !(1..=1095).contains(&count) {
            return Err(
                ApiError::refused("Invalid interval count.").in_param("recurring[interval_count]")
            );
        }
        Ok(Self { unit, count })
    }

    fn name(self) -> &'static str {
        match self.unit {
            Unit::Day => "day",
            Unit::Week => "week",
            Unit::Month => "month",
            Unit::Year => "year",
        }
    }

    /// The first boundary after `time` of the periods that are counted from `anchor`.
    ///
    /// Counting from the anchor keeps the day: a subscription begun on the 31st is billed on the 28th
    /// of February and again on the 31st of March.
    pub(super) fn boundary_after(self, anchor: i64, time: i64) -> i64 {
        let boundaries = (1i64..).map(|periods| self.boundary(anchor, periods));
        boundaries
            .take_while(Option::is_some)
            .flatten()
            .find(|at| *at > time)
            .unwrap_or(i64::MAX)
    }

    fn boundary(self, anchor: i64, periods: i64) -> Option<i64> {
        let number = self.count.checked_mul(periods)?;
        let span = match self.unit {
            Unit::Day => Span::new().try_days(number),
            Unit::Week => Span::new().try_weeks(number),
            Unit::Month => Span::new().try_months(number),
            Unit::Year => Span::new().try_years(number),
        };
        let from = Timestamp::from_second(anchor)
            .ok()?
            .to_zoned_datetime(TimeZone::UTC);
        let to = from.checked_add(span.ok()?).ok()?;
        Some(to.timestamp().as_second())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Price {
    id: String,
    created: i64,
    pub(super) active: bool,
    pub(super) currency: String,
    lookup_key: Option<String>,
    metadata: Metadata,
    nickname: Option<String>,
    pub(super) product: String,
    pub(super) recurring: Option<Interval>,
    pub(super) unit_amount: i64,
}

impl Price {
    /// How long a period is, roughly: enough to tell the shorter of two. Nothing when it is paid once.
    pub(super) fn length(&self) -> i64 {
        self.recurring.map_or(0, |interval| {
            let days = match interval.unit {
                Unit::Day => 1,
                Unit::Week => 7,
                Unit::Month => 30,
                Unit::Year => 365,
            };
            days * interval.count
        })
    }

    /// `per month`, `every 3 months`.
    pub(super) fn rhythm(&self) -> String {
        match self.recurring {
            None => "once".to_owned(),
            Some(interval) if interval.count == 1 => format!("per {}", interval.name()),
            Some(interval) => format!("every {} {}s", interval.count, interval.name()),
        }
    }
}

impl Object for Price {
    const NOUN: &'static str = "price";

    fn id(&self) -> &str {
        &self.id
    }

    fn clock(&self) -> Option<&str> {
        None
    }

    fn customer(&self) -> Option<&str> {
        None
    }

    fn shelf(world: &mut World) -> &mut Shelf<Self> {
        &mut world.prices
    }

    fn render(&self, _: Shape) -> Value {
        let recurring = self.recurring.map(|interval| {
            json!({
                "interval": interval.name(),
                "interval_count": interval.count,
                "meter": null,
                "trial_period_days": null,
                "usage_type": "licensed",
            })
        });
        json!({
            "id": self.id,
            "object": "price",
            "active": self.active,
            "billing_scheme": "per_unit",
            "created": self.created,
            "currency": self.currency,
            "custom_unit_amount": null,
            "livemode": false,
            "lookup_key": self.lookup_key,
            "metadata": self.metadata,
            "nickname": self.nickname,
            "product": self.product,
            "recurring": recurring,
            "tax_behavior": "unspecified",
            "tiers_mode": null,
            "transform_quantity": null,
            "type": if recurring.is_some() { "recurring" } else { "one_time" },
            "unit_amount": self.unit_amount,
            "unit_amount_decimal": self.unit_amount.to_string(),
        })
    }
}

/// `POST /v1/prices`
pub(super) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let currency = params.required("currency")?.to_owned();
    let unit_amount = params.required_amount("unit_amount")?;
    if unit_amount < 0 {
        return Err(ApiError::refused("Invalid non-negative integer").in_param("unit_amount"));
    }
    let recurring = params.group("recurring");
    let recurring = if recurring.is_empty() {
        None
    } else {
        Some(Interval::parse(&recurring)?)
    };
    let lookup_key = params.text("lookup_key").map(str::to_owned);
    let active = params.flag("active")?.unwrap_or(true);
    lookup_key::check(world, params, None)?;
    let product = product_of(world, params)?;
    lookup_key::take(world, params, None)?;
    let mut metadata = Metadata::new();
    params.merge_metadata(&mut metadata);
    let price = Price {
        id: world.ids.make("price_"),
        created: world.now(None),
        active,
        currency,
        lookup_key,
        metadata,
        nickname: params.text("nickname").map(str::to_owned),
        product,
        recurring,
        unit_amount,
    };
    world.prices.put(price.clone());
    world.announce("price.created", &price);
    Ok(price.render(call.shape))
}

/// `POST /v1/prices/:id`: amounts stay as they are, as with Stripe.
pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Result<Value, ApiError> {
    let params = &call.params;
    let active = params.flag("active")?;
    for name in ["unit_amount", "currency", "recurring", "product"] {
        if params.has(name) {
            return Err(ApiError::parameter_unknown(name));
        }
    }
    world.prices.find(id)?;
    lookup_key::check(world, params, Some(id))?;
    lookup_key::take(world, params, Some(id))?;
    let updated = world.amend::<Price>(id, "price.updated", |price| {
        price.active = active.unwrap_or(price.active);
        params.merge_text("nickname", &mut price.nickname);
        params.merge_text("lookup_key", &mut price.lookup_key);
        params.merge_metadata(&mut price.metadata);
    })?;
    world.show_price(&updated);
    Ok(updated.render(call.shape))
}

/// An existing product, or one made on the spot from `product_data[name]`.
fn product_of(world: &mut World, params: &Params) -> Result<String, ApiError> {
    let data = params.group("product_data");
    if data.is_empty() {
        let id = params.required("product")?;
        let product = world
            .products
            .find(id)
            .map_err(|error| error.in_param("product"))?;
        return Ok(product.id().to_owned());
    }
    let name = data.required("name")?.to_owned();
    let product = super::product::make(world, name, |_| {});
    Ok(product.id().to_owned())
}

/// `GET /v1/prices`, also by `lookup_keys[]`, `product`, `active`, `currency` and `type`.
pub(super) fn list(world: &World, call: &Call) -> Result<Value, ApiError> {
    let keys = call.params.texts("lookup_keys");
    let (product, currency) = (call.params.text("product"), call.params.text("currency"));
    let active = call.params.flag("active")?;
    let kind = call.params.text("type");
    world.prices.page(call, |price| {
        let key = price.lookup_key.as_ref();
        (keys.is_empty() || key.is_some_and(|key| keys.contains(key)))
            && product.is_none_or(|product| price.product == product)
            && currency.is_none_or(|currency| price.currency == currency)
            && active.is_none_or(|active| price.active == active)
            && kind.is_none_or(|kind| (kind == "recurring") == price.recurring.is_some())
    })
}
