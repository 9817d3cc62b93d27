//! Coupons, and the discounts that they become on a subscription.

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

/// How much less is to be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    /// In hundredths of a per cent.
    Percent(i64),
    Amount(i64),
}

/// How long a discount lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duration {
    /// One invoice that has something to reduce.
    Once,
    Repeating {
        months: i64,
    },
    Forever,
}

impl Duration {
    fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Repeating { .. } => "repeating",
            Self::Forever => "forever",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Coupon {
    id: String,
    created: i64,
    name: Option<String>,
    reduction: Reduction,
    /// Of an amount.
    currency: Option<String>,
    duration: Duration,
    times_redeemed: u32,
    metadata: Metadata,
}

impl Object for Coupon {
    const NOUN: &'static str = "coupon";

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
        &mut world.coupons
    }

    fn render(&self, _: Shape) -> Value {
        let (percent_off, amount_off) = match self.reduction {
            Reduction::Percent(hundredths) => (Some(percent(hundredths)), None),
            Reduction::Amount(amount) => (None, Some(amount)),
        };
        let months = match self.duration {
            Duration::Repeating { months } => Some(months),
            _ => None,
        };
        json!({
            "id": self.id,
            "object": "coupon",
            "amount_off": amount_off,
            "created": self.created,
            "currency": self.currency,
            "duration": self.duration.name(),
            "duration_in_months": months,
            "livemode": false,
            "max_redemptions": null,
            "metadata": self.metadata,
            "name": self.name,
            "percent_off": percent_off,
            "redeem_by": null,
            "times_redeemed": self.times_redeemed,
            "valid": true,
        })
    }
}

/// Whole per cents as integers, as Stripe shows them where they are.
fn percent(hundredths: i64) -> Value {
    if hundredths % 100 == 0 {
        return (hundredths / 100).into();
    }
    // At most five digits: exact enough in a float.
    (f64::from(i32::try_from(hundredths).unwrap_or_default()) / 100.0).into()
}

impl Coupon {
    /// What it takes off an amount.
    pub(super) fn off(&self, amount: i64) -> i64 {
        let off = match self.reduction {
            Reduction::Percent(hundredths) => {
                let exact = i128::from(amount) * i128::from(hundredths);
                i64::try_from((exact + 5_000) / 10_000).unwrap_or(i64::MAX)
            }
            Reduction::Amount(off) => off,
        };
        off.min(amount).max(0)
    }
}

/// A coupon on a subscription.
#[derive(Clone, Debug)]
pub(super) struct Discount {
    pub(super) id: String,
    coupon: Coupon,
    customer: String,
    subscription: String,
    start: i64,
    end: Option<i64>,
    /// An invoice was reduced by it.
    pub(super) used: bool,
}

impl Discount {
    pub(super) fn render(&self, shape: Shape) -> Value {
        json!({
            "id": self.id,
            "object": "discount",
            "checkout_session": null,
            "coupon": self.coupon.render(shape),
            "customer": self.customer,
            "end": self.end,
            "invoice": null,
            "invoice_item": null,
            "promotion_code": null,
            "source": { "coupon": self.coupon.id, "type": "coupon" },
            "start": self.start,
            "subscription": self.subscription,
            "subscription_item": null,
        })
    }

    /// Nothing is reduced by it any more.
    pub(super) fn is_over(&self, now: i64) -> bool {
        (self.coupon.duration == Duration::Once && self.used)
            || self.end.is_some_and(|end| end <= now)
    }

    /// What it takes off an invoice that is drafted now.
    pub(super) fn off(&self, amount: i64, now: i64) -> i64 {
        if self.is_over(now) {
            return 0;
        }
        self.coupon.off(amount)
    }

    /// What is left of the price of a part of a period. Amounts are taken off whole invoices only.
    pub(super) fn reduced(&self, amount: i64, now: i64) -> i64 {
        match self.coupon.reduction {
            Reduction::Percent(_) => amount - self.off(amount, now),
            Reduction::Amount(_) => amount,
        }
    }
}

impl World {
    /// The coupon of `discounts[0][coupon]`; none where no discount is asked for.
    pub(super) fn coupon_in(&self, params: &Params) -> Result<Option<Coupon>, ApiError> {
        for name in ["coupon", "promotion_code"] {
            if params.has(name) {
                return Err(
                    ApiError::not_simulated("discounts but by discounts[0][coupon]").in_param(name),
                );
            }
        }
        match params.list("discounts").as_slice() {
            [] => Ok(None),
            [discount] => {
                let coupon = self.coupons.find(discount.required("coupon")?);
                let coupon = coupon.map_err(|error| error.in_param("discounts[coupon]"))?;
                Ok(Some(coupon.clone()))
            }
            _ => Err(ApiError::not_simulated("more than one discount").in_param("discounts")),
        }
    }

    /// Redeems a coupon for a subscription.
    pub(super) fn redeem(
        &mut self,
        mut coupon: Coupon,
        subscription: &str,
        customer: &str,
        now: i64,
    ) -> Discount {
        coupon.times_redeemed += 1;
        self.coupons.put(coupon.clone());
        let end = match coupon.duration {
            Duration::Repeating { months } => months_after(now, months),
            Duration::Once | Duration::Forever => None,
        };
        Discount {
            id: self.ids.make("di_"),
            coupon,
            customer: customer.to_owned(),
            subscription: subscription.to_owned(),
            start: now,
            end,
            used: false,
        }
    }
}

fn months_after(time: i64, months: i64) -> Option<i64> {
    let span = Span::new().try_months(months).ok()?;
    let from = Timestamp::from_second(time).ok()?;
    let to = from
        .to_zoned_datetime(TimeZone::UTC)
        .checked_add(span)
        .ok()?;
    Some(to.timestamp().as_second())
}

/// `POST /v1/coupons`
pub(super) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    for name in [
        "applies_to",
        "max_redemptions",
        "redeem_by",
        "currency_options",
    ] {
        if params.has(name) {
            return Err(ApiError::not_simulated("coupons with limits").in_param(name));
        }
    }
    let (reduction, currency) = reduction(params)?;
    let duration = duration(params)?;
    let id = match params.text("id") {
        Some(id) if world.coupons.find(id).is_ok() => {
            let message = "A coupon with that id exists already.";
            return Err(ApiError::invalid("resource_already_exists", message));
        }
        Some(id) => id.to_owned(),
        None => world.ids.make(""),
    };
    let mut coupon = Coupon {
        id,
        created: world.now(None),
        name: params.text("name").map(str::to_owned),
        reduction,
        currency,
        duration,
        times_redeemed: 0,
        metadata: Metadata::new(),
    };
    params.merge_metadata(&mut coupon.metadata);
    world.coupons.put(coupon.clone());
    world.announce("coupon.created", &coupon);
    Ok(coupon.render(call.shape))
}

fn reduction(params: &Params) -> Result<(Reduction, Option<String>), ApiError> {
    match (params.text("percent_off"), params.has("amount_off")) {
        (Some(text), false) => {
            let parsed: Option<f64> = text.parse().ok();
            let percent = parsed.filter(|percent| *percent > 0.0 && *percent <= 100.0);
            let Some(percent) = percent else {
                let message = "percent_off must be more than 0 and at most 100.";
                return Err(ApiError::refused(message).in_param("percent_off"));
            };
            #[expect(clippy::cast_possible_truncation, reason = "between 0 and 10,000")]
            let hundredths = (percent * 100.0).round() as i64;
            Ok((Reduction::Percent(hundredths), None))
        }
        (None, true) => {
            let amount = params.required_amount("amount_off")?;
            if amount <= 0 {
                let message = "amount_off must be more than 0.";
                return Err(ApiError::refused(message).in_param("amount_off"));
            }
            let currency = params.required("currency")?.to_owned();
            Ok((Reduction::Amount(amount), Some(currency)))
        }
        _ => Err(ApiError::refused(
            "A coupon needs either percent_off or amount_off.",
        )),
    }
}

fn duration(params: &Params) -> Result<Duration, ApiError> {
    match params.text("duration") {
        None | Some("once") => Ok(Duration::Once),
        Some("forever") => Ok(Duration::Forever),
        Some("repeating") => {
            params.required("duration_in_months")?;
            let months = params.bounded("duration_in_months", 1..=1200)?;
            Ok(Duration::Repeating {
                months: months.unwrap_or(1),
            })
        }
        Some(other) => {
            Err(ApiError::refused(format!("Invalid duration: {other}")).in_param("duration"))
        }
    }
}

/// `DELETE /v1/coupons/:id`. Discounts that it has become stay.
pub(super) fn delete(world: &mut World, id: &str) -> Result<Value, ApiError> {
    let coupon = world.coupons.remove(id)?;
    world.announce("coupon.deleted", &coupon);
    Ok(json!({ "id": id, "object": "coupon", "deleted": true }))
}
