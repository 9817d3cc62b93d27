//! Checkout: sessions in payment mode, and the payment page that a browser (or the Stripe CLI) confirms.

use serde_json::{Value, json};

use super::call::Call;
use super::error::ApiError;
use super::form::{Metadata, Params};
use super::object::Object;
use super::payment_intent::{Charged, PaymentIntent, Purpose};
use super::payment_method::PaymentMethod;
use super::shape::Shape;
use super::shelf::Shelf;
use super::world::World;

/// An open session could be paid for 24 hours; here the date is only shown.
const LIFETIME: i64 = 24 * 3600;

#[derive(Clone, Debug)]
pub(super) struct Session {
    id: String,
    created: i64,
    clock: Option<String>,
    customer: Option<String>,
    customer_email: Option<String>,
    client_reference_id: Option<String>,
    success_url: Option<String>,
    cancel_url: Option<String>,
    metadata: Metadata,
    amount_total: i64,
    currency: String,
    shipping: Option<Value>,
    /// The billing details of who paid, and the payment.
    payment: Option<(Option<Value>, String)>,
}

impl Object for Session {
    const NOUN: &'static str = "checkout.session";

    fn id(&self) -> &str {
        &self.id
    }

    fn clock(&self) -> Option<&str> {
        self.clock.as_deref()
    }

    fn customer(&self) -> Option<&str> {
        self.customer.as_deref()
    }

    fn shelf(world: &mut World) -> &mut Shelf<Self> {
        &mut world.sessions
    }

    fn render(&self, _: Shape) -> Value {
        let complete = self.payment.is_some();
        let intent = self.payment.as_ref().map(|(_, intent)| intent);
        let url = format!("https://checkout.stripe.com/c/pay/{}", self.id);
        json!({
            "id": self.id,
            "object": "checkout.session",
            "amount_subtotal": self.amount_total,
            "amount_total": self.amount_total,
            "automatic_tax": { "enabled": false, "liability": null, "status": null },
            "cancel_url": self.cancel_url,
            "client_reference_id": self.client_reference_id,
            "client_secret": null,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_creation": if self.customer.is_none() { Some("if_required") } else { None },
            "customer_details": self.customer_details(),
            "customer_email": self.customer_email,
            "expires_at": self.created + LIFETIME,
            "invoice": null,
            "livemode": false,
            "locale": null,
            "metadata": self.metadata,
            "mode": "payment",
            "payment_intent": intent,
            "payment_link": null,
            "payment_method_types": ["card"],
            "payment_status": if complete { "paid" } else { "unpaid" },
            "setup_intent": null,
            "status": if complete { "complete" } else { "open" },
            "subscription": null,
            "success_url": self.success_url,
            "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
            "ui_mode": "hosted",
            "url": if complete { None } else { Some(url) },
        })
    }
}

impl Session {
    fn customer_details(&self) -> Value {
        let Some((billing, _)) = &self.payment else {
            return Value::Null;
        };
        let given = |name: &str| {
            billing
                .as_ref()
                .and_then(|billing| billing.get(name))
                .cloned()
        };
        json!({
            "address": given("address"),
            "email": given("email").or(self.customer_email.clone().map(Value::from)),
            "name": given("name"),
            "phone": given("phone"),
            "tax_exempt": "none",
            "tax_ids": [],
        })
    }
}

/// `POST /v1/checkout/sessions`
pub(super) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    if params.required("mode")? != "payment" {
        return Err(
            ApiError::not_simulated("checkout in modes other than payment").in_param("mode"),
        );
    }
    let customer = match params.text("customer") {
        Some(_) => Some(world.customer_in(params)?),
        None => None,
    };
    let (amount_total, currency) = total(world, &params.list("line_items"))?;
    let shipping = params.group("payment_intent_data").group("shipping");
    let clock = customer
        .as_ref()
        .and_then(|customer| customer.clock())
        .map(str::to_owned);
    let mut session = Session {
        id: world.ids.make("cs_test_"),
        created: world.now(clock.as_deref()),
        clock,
        customer: customer.map(|customer| customer.id().to_owned()),
        customer_email: params.text("customer_email").map(str::to_owned),
        client_reference_id: params.text("client_reference_id").map(str::to_owned),
        success_url: params.text("success_url").map(str::to_owned),
        cancel_url: params.text("cancel_url").map(str::to_owned),
        metadata: Metadata::new(),
        amount_total,
        currency,
        shipping: (!shipping.is_empty()).then(|| shipping.as_json()),
        payment: None,
    };
    params.merge_metadata(&mut session.metadata);
    world.sessions.put(session.clone());
    Ok(session.render(call.shape))
}

fn total(world: &World, items: &[Params]) -> Result<(i64, String), ApiError> {
    if items.is_empty() {
        return Err(ApiError::parameter_missing("line_items"));
    }
    let mut total = 0i64;
    let mut currency = String::new();
    for item in items {
        if item.has("price_data") {
            return Err(ApiError::not_simulated("price_data in line items").in_param("line_items"));
        }
        let price = world.prices.find(item.required("price")?);
        let price = price.map_err(|error| error.in_param("line_items[price]"))?;
        if price.recurring.is_some() {
            return Err(
                ApiError::refused("Payment mode takes no recurring prices.").in_param("line_items")
            );
        }
        let quantity = item.quantity()?;
        total = total.saturating_add(price.unit_amount.saturating_mul(quantity));
        currency.clone_from(&price.currency);
    }
    Ok((total, currency))
}

/// `GET /v1/payment_pages/:session`: what the hosted page shows. Stripe does not document this object.
pub(super) fn page(world: &World, call: &Call, id: &str) -> Result<Value, ApiError> {
    let session = world.sessions.find(id)?;
    let mut page = session.render(call.shape);
    page["session_id"] = session.id.as_str().into();
    Ok(page)
}

/// `POST /v1/payment_pages/:session/confirm`: the guest pays.
pub(super) fn confirm(world: &mut World, call: &Call, id: &str) -> Result<Value, ApiError> {
    let mut session = world.sessions.find(id)?.clone();
    if session.payment.is_some() {
        return Err(ApiError::refused(
            "This checkout session is complete already.",
        ));
    }
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
    let method: PaymentMethod = found?.clone();
    let mut intent: PaymentIntent = world.open_payment_intent(Purpose {
        customer: session.customer.clone(),
        clock: session.clock.clone(),
        amount: session.amount_total,
        currency: session.currency.clone(),
        invoice: None,
        for_future: false,
    });
    intent.shipping.clone_from(&session.shipping);
    world.payment_intents.put(intent.clone());
    let charged = world.charge_intent(intent.id(), &method, None, call.shape)?;
    if charged == Charged::Challenged {
        return Err(ApiError::not_simulated(
            "3-D Secure in checkout in payment mode",
        ));
    }
    session.payment = Some((method.billing_details.clone(), intent.id().to_owned()));
    world.sessions.put(session.clone());
    world.announce("checkout.session.completed", &session);
    page(world, call, id)
}
