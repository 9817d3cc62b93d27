//! Products.

use serde_json::{Value, json};

use super::call::Call;
use super::error::ApiError;
use super::form::{Metadata, Params};
use super::object::Object;
use super::shape::Shape;
use super::shelf::Shelf;
use super::world::World;

#[derive(Clone, Debug)]
pub(super) struct Product {
    id: String,
    created: i64,
    updated: i64,
    active: bool,
    pub(super) name: String,
    description: Option<String>,
    metadata: Metadata,
}

impl Object for Product {
    const NOUN: &'static str = "product";

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
        &mut world.products
    }

    fn render(&self, _: Shape) -> Value {
        json!({
            "id": self.id,
            "object": "product",
            "active": self.active,
            "created": self.created,
            "default_price": null,
            "description": self.description,
            "images": [],
            "livemode": false,
            "marketing_features": [],
            "metadata": self.metadata,
            "name": self.name,
            "package_dimensions": null,
            "shippable": null,
            "statement_descriptor": null,
            "tax_code": null,
            "type": "service",
            "unit_label": null,
            "updated": self.updated,
            "url": null,
        })
    }
}

/// `POST /v1/products`
pub(super) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    if params.has("default_price_data") {
        return Err(ApiError::not_simulated("products with default_price_data"));
    }
    let id = chosen_id(world, params)?;
    let name = params.required("name")?.to_owned();
    let active = params.flag("active")?.unwrap_or(true);
    let product = make(world, name, |product| {
        if let Some(id) = id {
            product.id = id;
        }
        product.active = active;
        params.merge_text("description", &mut product.description);
        params.merge_metadata(&mut product.metadata);
    });
    Ok(product.render(call.shape))
}

/// A product's id may be chosen; no two have the same.
fn chosen_id(world: &World, params: &Params) -> Result<Option<String>, ApiError> {
    let Some(id) = params.text("id") else {
        return Ok(None);
    };
    if world.products.find(id).is_ok() {
        let message = format!("Product already exists: '{id}'");
        return Err(ApiError::invalid("resource_already_exists", message).in_param("id"));
    }
    Ok(Some(id.to_owned()))
}

/// `POST /v1/products/:id`
pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Result<Value, ApiError> {
    let params = &call.params;
    let active = params.flag("active")?;
    let now = world.now(None);
    let updated = world.amend::<Product>(id, "product.updated", |product| {
        product.active = active.unwrap_or(product.active);
        if let Some(name) = params.text("name") {
            product.name = name.to_owned();
        }
        params.merge_text("description", &mut product.description);
        params.merge_metadata(&mut product.metadata);
        product.updated = now;
    })?;
    Ok(updated.render(call.shape))
}

/// `GET /v1/products`, also by `active` and `ids[]`.
pub(super) fn list(world: &World, call: &Call) -> Result<Value, ApiError> {
    let active = call.params.flag("active")?;
    let ids = call.params.texts("ids");
    world.products.page(call, |product| {
        active.is_none_or(|active| product.active == active)
            && (ids.is_empty() || ids.contains(&product.id))
    })
}

/// Puts a new product on the shelf and announces it.
pub(super) fn make(world: &mut World, name: String, fill: impl FnOnce(&mut Product)) -> Product {
    let now = world.now(None);
    let mut product = Product {
        id: world.ids.make("prod_"),
        created: now,
        updated: now,
        active: true,
        name,
        description: None,
        metadata: Metadata::new(),
    };
    fill(&mut product);
    world.products.put(product.clone());
    world.announce("product.created", &product);
    product
}
