//! Customers.

use serde_json::{Value, json};

use super::call::Call;
use super::created::CreatedFilter;
use super::error::ApiError;
use super::form::{Metadata, Params};
use super::object::Object;
use super::shape::Shape;
use super::shelf::Shelf;
use super::subscription::Ending;
use super::world::World;

/// What Stripe takes when it makes a customer; what has no effect here is accepted all the same.
const CREATE_PARAMS: &[&str] = &[
    "address",
    "balance",
    "business_name",
    "cash_balance",
    "description",
    "email",
    "expand",
    "individual_name",
    "invoice_prefix",
    "invoice_settings",
    "metadata",
    "name",
    "next_invoice_sequence",
    "payment_method",
    "phone",
    "preferred_locales",
    "shipping",
    "tax",
    "tax_exempt",
    "tax_id_data",
    "test_clock",
    "validate",
];

#[derive(Clone, Debug)]
pub(super) struct Customer {
    id: String,
    created: i64,
    clock: Option<String>,
    pub(super) deleted: bool,
    address: Option<Value>,
    /// Below zero: a credit for coming invoices.
    pub(super) balance: i64,
    currency: Option<String>,
    description: Option<String>,
    pub(super) email: Option<String>,
    pub(super) name: Option<String>,
    phone: Option<String>,
    metadata: Metadata,
    pub(super) invoice_prefix: String,
    pub(super) next_invoice_sequence: u32,
    pub(super) default_payment_method: Option<String>,
}

impl Object for Customer {
    const NOUN: &'static str = "customer";

    fn id(&self) -> &str {
        &self.id
    }

    fn clock(&self) -> Option<&str> {
        self.clock.as_deref()
    }

    fn customer(&self) -> Option<&str> {
        Some(&self.id)
    }

    fn shelf(world: &mut World) -> &mut Shelf<Self> {
        &mut world.customers
    }

    fn render(&self, _: Shape) -> Value {
        json!({
            "id": self.id,
            "object": "customer",
            "address": self.address,
            "balance": self.balance,
            "created": self.created,
            "currency": self.currency,
            "default_source": null,
            "delinquent": false,
            "description": self.description,
            "discount": null,
            "email": self.email,
            "invoice_prefix": self.invoice_prefix,
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method": self.default_payment_method,
                "footer": null,
                "rendering_options": null,
            },
            "livemode": false,
            "metadata": self.metadata,
            "name": self.name,
            "next_invoice_sequence": self.next_invoice_sequence,
            "phone": self.phone,
            "preferred_locales": [],
            "shipping": null,
            "tax_exempt": "none",
            "test_clock": self.clock,
        })
    }
}

impl Customer {
    fn take(&mut self, params: &Params) {
        params.merge_text("description", &mut self.description);
        params.merge_text("email", &mut self.email);
        params.merge_text("name", &mut self.name);
        params.merge_text("phone", &mut self.phone);
        params.merge_metadata(&mut self.metadata);
        let address = params.group("address");
        if !address.is_empty() {
            self.address = Some(address.as_json());
        }
    }
}

impl World {
    /// The customer that a parameter names; a deleted one can't be used any more.
    pub(super) fn customer_in(&self, params: &Params) -> Result<Customer, ApiError> {
        let id = params.required("customer")?;
        self.living_customer(id)
            .map_err(|error| error.in_param("customer"))
    }

    /// A customer of whom nothing is known, not kept yet.
    pub(super) fn blank_customer(&mut self, clock: Option<String>) -> Customer {
        Customer {
            id: self.ids.make("cus_"),
            created: self.now(clock.as_deref()),
            clock,
            deleted: false,
            address: None,
            balance: 0,
            currency: None,
            description: None,
            email: None,
            name: None,
            phone: None,
            metadata: Metadata::new(),
            invoice_prefix: self.ids.make("").to_ascii_uppercase(),
            next_invoice_sequence: 1,
            default_payment_method: None,
        }
    }

    /// Announces the change, if it is one.
    pub(super) fn set_balance(&mut self, id: &str, balance: i64) -> Result<(), ApiError> {
        self.amend::<Customer>(id, "customer.updated", |customer| {
            customer.balance = balance
        })
        .map(drop)
    }

    pub(super) fn living_customer(&self, id: &str) -> Result<Customer, ApiError> {
        let customer = self.customers.find(id)?;
        if customer.deleted {
            return Err(ApiError::resource_missing(Customer::NOUN, id));
        }
        Ok(customer.clone())
    }
}

/// `POST /v1/customers`
pub(super) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    params.only(CREATE_PARAMS)?;
    let clock = params.text("test_clock").map(str::to_owned);
    if let Some(clock) = &clock {
        world
            .clocks
            .find(clock)
            .map_err(|error| error.in_param("test_clock"))?;
    }
    let method = params.text("payment_method");
    if let Some(method) = method {
        world
            .check_attachable(method)
            .map_err(|error| error.in_param("payment_method"))?;
    }
    let default = params
        .group("invoice_settings")
        .text("default_payment_method")
        .map(str::to_owned);
    if default.is_some() && default.as_deref() != method {
        let message = "The customer does not have a payment method with that id.";
        return Err(ApiError::invalid("resource_missing", message)
            .in_param("invoice_settings[default_payment_method]"));
    }
    let balance = params.integer("balance")?.unwrap_or(0);
    let mut customer = world.blank_customer(clock);
    customer.balance = balance;
    customer.take(params);
    world.customers.put(customer.clone());
    if let Some(method) = method {
        let attached = world.put_payment_method_on(method, &customer)?;
        customer.default_payment_method = default.is_some().then(|| attached.id().to_owned());
        world.customers.put(customer.clone());
        world.announce("customer.created", &customer);
        world.announce("payment_method.attached", &attached);
    } else {
        world.announce("customer.created", &customer);
    }
    Ok(customer.render(call.shape))
}

/// `GET /v1/customers/:id`; of a deleted one only a stub is left.
pub(super) fn retrieve(world: &World, call: &Call, id: &str) -> Result<Value, ApiError> {
    let customer = world.customers.find(id)?;
    Ok(if customer.deleted {
        stub(id)
    } else {
        customer.render(call.shape)
    })
}

/// `POST /v1/customers/:id`
pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Result<Value, ApiError> {
    let customer = world.living_customer(id)?;
    let settings = call.params.group("invoice_settings");
    let param = "invoice_settings[default_payment_method]";
    let default = settings.text("default_payment_method");
    let default = default.map(|method| {
        world
            .method_of(method, &customer)
            .map_err(|error| error.in_param(param))
    });
    let default = default.transpose()?.map(|method| method.id().to_owned());
    let balance = call.params.integer("balance")?;
    let changed = world.amend::<Customer>(id, "customer.updated", |customer| {
        customer.take(&call.params);
        customer.balance = balance.unwrap_or(customer.balance);
        if default.is_some() || settings.unsets("default_payment_method") {
            customer.default_payment_method = default;
        }
    })?;
    Ok(changed.render(call.shape))
}

/// `GET /v1/customers`, also by `email`, `created` and `test_clock`.
pub(super) fn list(world: &World, call: &Call) -> Result<Value, ApiError> {
    let email = call.params.text("email");
    let clock = call.params.text("test_clock");
    let created = CreatedFilter::parse(&call.params)?;
    world.customers.page(call, |customer| {
        !customer.deleted
            && created.takes(customer.created)
            && email.is_none_or(|email| customer.email.as_deref() == Some(email))
            && customer.clock() == clock
    })
}

/// `DELETE /v1/customers/:id`
pub(super) fn delete(world: &mut World, id: &str) -> Result<Value, ApiError> {
    remove(world, id)?;
    Ok(stub(id))
}

/// Ends the customer's subscriptions, then the customer.
pub(super) fn remove(world: &mut World, id: &str) -> Result<(), ApiError> {
    let mut customer = world.living_customer(id)?;
    for subscription in world.running_subscriptions(id) {
        world.end_subscription(&subscription, Ending::Requested)?;
    }
    world.detach_all(id);
    customer.deleted = true;
    world.customers.put(customer.clone());
    world.announce("customer.deleted", &customer);
    Ok(())
}

fn stub(id: &str) -> Value {
    json!({ "id": id, "object": "customer", "deleted": true })
}
