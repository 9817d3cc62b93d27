//! Payment methods: cards, which is all that this simulator knows.

use serde_json::{Value, json};

use super::call::Call;
use super::card::{Charge, TestCard};
use super::customer::Customer;
use super::error::ApiError;
use super::form::{Metadata, Params};
use super::object::Object;
use super::shape::Shape;
use super::shelf::Shelf;
use super::world::World;

#[derive(Clone, Debug)]
pub(super) struct PaymentMethod {
    id: String,
    created: i64,
    clock: Option<String>,
    customer: Option<String>,
    /// A detached method can't be used again.
    spent: bool,
    pub(super) card: TestCard,
    /// Its owner has passed 3-D Secure with it.
    pub(super) authenticated: bool,
    pub(super) billing_details: Option<Value>,
    metadata: Metadata,
}

impl Object for PaymentMethod {
    const NOUN: &'static str = "PaymentMethod";

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
        &mut world.payment_methods
    }

    fn render(&self, _: Shape) -> Value {
        let none =
            json!({ "address": null, "email": null, "name": null, "phone": null, "tax_id": null });
        json!({
            "id": self.id,
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": self.billing_details.as_ref().unwrap_or(&none),
            "card": {
                "brand": self.card.brand,
                "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
                "country": "US",
                "display_brand": self.card.brand,
                "exp_month": 12,
                "exp_year": 2040,
                "funding": "credit",
                "generated_from": null,
                "last4": self.card.last4(),
                "networks": { "available": [self.card.brand], "preferred": null },
                "three_d_secure_usage": { "supported": true },
                "wallet": null,
            },
            "created": self.created,
            "customer": self.customer,
            "livemode": false,
            "metadata": self.metadata,
            "type": "card",
        })
    }
}

impl PaymentMethod {
    pub(super) fn charge(&self) -> Charge {
        match self.card.charge() {
            Charge::Challenged if self.authenticated => Charge::Paid,
            other => other,
        }
    }

    /// Nobody's yet, or the customer's own.
    pub(super) fn is_usable_by(&self, customer: Option<&str>) -> bool {
        !self.spent && (self.customer.is_none() || self.customer() == customer)
    }
}

impl World {
    /// A method by its id; a magic id makes a new one each time, as with Stripe.
    pub(super) fn method_or_magic(&mut self, id: &str) -> Result<PaymentMethod, ApiError> {
        match TestCard::by_payment_method(id) {
            Some(card) => Ok(self.new_method(card)),
            None => self.payment_methods.find(id).cloned(),
        }
    }

    fn new_method(&mut self, card: TestCard) -> PaymentMethod {
        PaymentMethod {
            id: self.ids.make("pm_"),
            created: self.now(None),
            clock: None,
            customer: None,
            spent: false,
            card,
            authenticated: false,
            billing_details: None,
            metadata: Metadata::new(),
        }
    }

    /// A method from `type=card`, `card[…]`, `billing_details[…]`.
    pub(super) fn make_method(&mut self, params: &Params) -> Result<PaymentMethod, ApiError> {
        if params.required("type")? != "card" {
            return Err(
                ApiError::not_simulated("payment methods other than cards").in_param("type")
            );
        }
        let mut method = self.new_method(test_card(&params.group("card"))?);
        let details = params.group("billing_details");
        if !details.is_empty() {
            method.billing_details = Some(details.as_json());
        }
        params.merge_metadata(&mut method.metadata);
        self.payment_methods.put(method.clone());
        Ok(method)
    }

    /// A card that its owner holds out, after 3-D Secure or before.
    pub(super) fn present_card(&mut self, card: TestCard, authenticated: bool) -> PaymentMethod {
        let mut method = self.new_method(card);
        method.authenticated = authenticated;
        self.payment_methods.put(method.clone());
        method
    }

    /// Whether the id names a card that can be attached: asked before anything is changed.
    pub(super) fn check_attachable(&self, id: &str) -> Result<(), ApiError> {
        let card = match TestCard::by_payment_method(id) {
            Some(card) => card,
            None => {
                let method = self.payment_methods.find(id)?;
                if method.spent || method.customer.is_some() {
                    let message = "This PaymentMethod is attached to a customer already, or was detached from one.";
                    return Err(ApiError::refused(message));
                }
                method.card
            }
        };
        card.attach().map_err(|decline| ApiError::card(&decline))
    }

    /// Attaches without announcing it.
    pub(super) fn put_payment_method_on(
        &mut self,
        id: &str,
        customer: &Customer,
    ) -> Result<PaymentMethod, ApiError> {
        self.check_attachable(id)?;
        let mut method = self.method_or_magic(id)?;
        method.customer = Some(customer.id().to_owned());
        method.clock = customer.clock().map(str::to_owned);
        self.payment_methods.put(method.clone());
        Ok(method)
    }

    /// A method that belongs to the customer.
    pub(super) fn method_of(
        &self,
        id: &str,
        customer: &Customer,
    ) -> Result<PaymentMethod, ApiError> {
        let method = self.payment_methods.find(id)?;
        if method.customer() == Some(customer.id()) {
            return Ok(method.clone());
        }
        let message = format!("The customer does not have a payment method with the ID {id}.");
        Err(ApiError::invalid("resource_missing", message))
    }

    pub(super) fn detach_all(&mut self, customer: &str) {
        let attached = self
            .payment_methods
            .iter()
            .filter(|method| method.customer() == Some(customer));
        for mut method in attached.cloned().collect::<Vec<_>>() {
            method.customer = None;
            method.spent = true;
            self.payment_methods.put(method);
        }
    }
}

/// `POST /v1/payment_methods`
pub(super) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    Ok(world.make_method(&call.params)?.render(call.shape))
}

fn test_card(card: &Params) -> Result<TestCard, ApiError> {
    if let Some(token) = card.text("token") {
        let known = TestCard::by_token(token);
        return known
            .ok_or_else(|| ApiError::resource_missing("token", token).in_param("card[token]"));
    }
    let known = TestCard::by_number(card.required("number")?);
    known.ok_or_else(|| ApiError::not_simulated("that card number").in_param("card[number]"))
}

/// `POST /v1/payment_methods/:id/attach`
pub(super) fn attach(world: &mut World, call: &Call, id: &str) -> Result<Value, ApiError> {
    let customer = world.customer_in(&call.params)?;
    let method = world.put_payment_method_on(id, &customer)?;
    world.announce("payment_method.attached", &method);
    Ok(method.render(call.shape))
}

/// `POST /v1/payment_methods/:id/detach`
pub(super) fn detach(world: &mut World, call: &Call, id: &str) -> Result<Value, ApiError> {
    let before = world.payment_methods.find(id)?.clone();
    let Some(owner) = before.customer.clone() else {
        return Err(ApiError::refused(
            "The payment method is not attached to a customer.",
        ));
    };
    let mut after = before.clone();
    after.customer = None;
    after.spent = true;
    world.payment_methods.put(after.clone());
    world.announce_change("payment_method.detached", &before, &after);
    let was_default = world
        .customers
        .find(&owner)?
        .default_payment_method
        .as_deref()
        == Some(id);
    if was_default {
        world.amend::<Customer>(&owner, "customer.updated", |customer| {
            customer.default_payment_method = None
        })?;
    }
    Ok(after.render(call.shape))
}

/// `GET /v1/payment_methods?customer=…` and `GET /v1/customers/:id/payment_methods`
pub(super) fn list(world: &World, call: &Call, customer: Option<&str>) -> Result<Value, ApiError> {
    let wanted = customer.or_else(|| call.params.text("customer"));
    world.payment_methods.page(call, |method| {
        wanted.is_some() && method.customer() == wanted
    })
}
