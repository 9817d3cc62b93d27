//! `POST /v1/checkout/sessions`

use serde_json::Value;

use super::{LineItem, Mode, Session, Status};
use crate::simulator::agenda::Task;
use crate::simulator::call::Call;
use crate::simulator::customer::Customer;
use crate::simulator::error::ApiError;
use crate::simulator::form::{Metadata, Params};
use crate::simulator::object::Object;
use crate::simulator::world::World;

/// A session can be paid for 24 hours, or for less if that is asked for.
const LIFETIME: i64 = 24 * 3600;
const SHORTEST: i64 = 30 * 60;

pub(in crate::simulator) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let mode = match params.required("mode")? {
        "payment" => Mode::Payment,
        "subscription" => Mode::Subscription,
        _ => return Err(ApiError::not_simulated("checkout in setup mode").in_param("mode")),
    };
    params.none_of(&["shipping_options", "setup_intent_data", "optional_items"])?;
    let customer = customer(world, params)?;
    check_urls(params, mode)?;
    let items = world.line_items(&params.list("line_items"), mode)?;
    let clock = customer.as_ref().and_then(Customer::clock);
    let now = world.now(clock);
    let expires_at = expires_at(params, now)?;
    let shipping = params.group("payment_intent_data").group("shipping");
    let subscription_data = params.group("subscription_data");
    let on_trial = subscription_data.has("trial_period_days") || subscription_data.has("trial_end");
    let coupon = world.coupon_in(params)?;
    let total: i64 = items.iter().map(LineItem::amount).sum();
    let subtotal = if on_trial { 0 } else { total };
    let off = coupon.as_ref().map_or(0, |coupon| coupon.off(subtotal));
    let prefix = if world.rules.livemode {
        "cs_live_"
    } else {
        "cs_test_"
    };
    let id = world.ids.make(prefix);
    let mut session = Session {
        url: format!("{}/c/pay/{id}", world.rules.base_url),
        id,
        created: now,
        clock: clock.map(str::to_owned),
        mode,
        status: Status::Open,
        customer: customer.as_ref().map(|customer| customer.id().to_owned()),
        customer_email: params.text("customer_email").map(str::to_owned),
        client_reference_id: params.text("client_reference_id").map(str::to_owned),
        success_url: params.text("success_url").map(str::to_owned),
        cancel_url: params.text("cancel_url").map(str::to_owned),
        expires_at,
        metadata: Metadata::new(),
        amount_subtotal: subtotal,
        amount_total: subtotal - off,
        coupon,
        currency: items[0].price.currency.clone(),
        items,
        shipping: (!shipping.is_empty()).then(|| shipping.as_json()),
        subscription_data,
        billing_details: None,
        payment_intent: None,
        subscription: None,
        invoice: None,
    };
    params.merge_metadata(&mut session.metadata);
    world.sessions.put(session.clone());
    let task = Task::ExpireSession(session.id.clone());
    world.agenda.plan(session.clock(), expires_at, task);
    Ok(session.render(call.shape))
}

fn customer(world: &World, params: &Params) -> Result<Option<Customer>, ApiError> {
    if !params.has("customer") {
        return Ok(None);
    }
    if params.has("customer_email") {
        let message = "Only one of customer and customer_email can be specified.";
        return Err(ApiError::refused(message).in_param("customer_email"));
    }
    world.customer_in(params).map(Some)
}

/// Both must be addresses that a browser can be sent to.
fn check_urls(params: &Params, mode: Mode) -> Result<(), ApiError> {
    if mode == Mode::Subscription {
        params.required("success_url")?;
    }
    for name in ["success_url", "cancel_url"] {
        let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        if params.text(name).is_some_and(|url| !is_web(url)) {
            return Err(ApiError::invalid("url_invalid", "Not a valid URL.").in_param(name));
        }
    }
    Ok(())
}

fn expires_at(params: &Params, now: i64) -> Result<i64, ApiError> {
    let wanted = params.timestamp("expires_at")?.unwrap_or(now + LIFETIME);
    if (now + SHORTEST..=now + LIFETIME).contains(&wanted) {
        return Ok(wanted);
    }
    let message = "expires_at must be from 30 minutes to 24 hours from now.";
    Err(ApiError::refused(message).in_param("expires_at"))
}

impl World {
    fn line_items(&mut self, items: &[Params], mode: Mode) -> Result<Vec<LineItem>, ApiError> {
        if items.is_empty() {
            return Err(ApiError::parameter_missing("line_items"));
        }
        items
            .iter()
            .map(|item| self.line_item(item, mode))
            .collect()
    }

    fn line_item(&mut self, item: &Params, mode: Mode) -> Result<LineItem, ApiError> {
        if item.has("price_data") {
            return Err(ApiError::not_simulated("price_data in line items").in_param("line_items"));
        }
        let price = self.prices.find(item.required("price")?);
        let price = price.map_err(|error| error.in_param("line_items[price]"))?;
        if !price.active {
            let message = "The price is inactive; only active ones are taken.";
            return Err(ApiError::refused(message).in_param("line_items[price]"));
        }
        match (mode, price.recurring) {
            (Mode::Payment, Some(_)) => {
                let message = "Payment mode takes no recurring prices.";
                return Err(ApiError::refused(message).in_param("line_items"));
            }
            (Mode::Subscription, None) => {
                return Err(ApiError::not_simulated(
                    "prices that aren't recurring in subscription mode",
                )
                .in_param("line_items"));
            }
            _ => {}
        }
        let (price, quantity) = (price.clone(), item.quantity()?);
        let product = self.products.find(&price.product)?;
        Ok(LineItem {
            description: product.name.clone(),
            id: self.ids.make("li_"),
            price,
            quantity,
        })
    }
}
