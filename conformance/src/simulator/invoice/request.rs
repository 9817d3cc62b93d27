//! `/v1/invoices`

use serde_json::Value;

use super::payment::Attempt;
use super::{Invoice, Status};
use crate::simulator::agenda::Task;
use crate::simulator::call::Call;
use crate::simulator::created::CreatedFilter;
use crate::simulator::error::ApiError;
use crate::simulator::object::Object;
use crate::simulator::world::World;

/// `POST /v1/invoices`
pub(in crate::simulator) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let customer = world.customer_in(params)?;
    if params.has("subscription") || params.text("collection_method") == Some("send_invoice") {
        return Err(ApiError::not_simulated(
            "invoices by request for a subscription, or sent by mail",
        ));
    }
    let include = match params.text("pending_invoice_items_behavior") {
        None | Some("exclude") => false,
        Some("include") => true,
        Some(other) => {
            let message = format!("Invalid pending_invoice_items_behavior: {other}");
            return Err(ApiError::refused(message).in_param("pending_invoice_items_behavior"));
        }
    };
    let auto_advance = params.flag("auto_advance")?.unwrap_or(false);
    let default_payment_method = params.text("default_payment_method");
    let method = default_payment_method
        .map(|id| world.method_of(id, &customer))
        .transpose()?;
    let mut invoice = world.manual_draft(&customer, include, params.text("currency"));
    invoice.default_payment_method = method.map(|method| method.id().to_owned());
    params.merge_text("description", &mut invoice.description);
    params.merge_metadata(&mut invoice.metadata);
    if auto_advance {
        let at = invoice.created.saturating_add(world.rules.finalize_after);
        invoice.auto_advance = true;
        invoice.finalizes_at = Some(at);
        world.agenda.plan(
            invoice.clock(),
            at,
            Task::FinalizeInvoice(invoice.id.clone()),
        );
    }
    world.invoices.put(invoice.clone());
    world.announce("invoice.created", &invoice);
    Ok(invoice.render(call.shape))
}

/// `POST /v1/invoices/:id`: metadata, description and `auto_advance`.
pub(in crate::simulator) fn update(
    world: &mut World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    let auto_advance = call.params.flag("auto_advance")?;
    let updated = world.amend::<Invoice>(id, "invoice.updated", |invoice| {
        call.params
            .merge_text("description", &mut invoice.description);
        call.params.merge_metadata(&mut invoice.metadata);
        invoice.auto_advance = auto_advance.unwrap_or(invoice.auto_advance);
    })?;
    Ok(updated.render(call.shape))
}

/// `GET /v1/invoices`, also by `customer`, `subscription`, `status` and `created`.
pub(in crate::simulator) fn list(world: &World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let (customer, subscription) = (params.text("customer"), params.text("subscription"));
    let status = params.text("status");
    let created = CreatedFilter::parse(params)?;
    world.invoices.page(call, |invoice| {
        created.takes(invoice.created)
            && customer.is_none_or(|customer| invoice.customer == customer)
            && subscription.is_none_or(|id| invoice.subscription.as_deref() == Some(id))
            && status.is_none_or(|status| invoice.status.name() == status)
    })
}

/// `POST /v1/invoices/:id/finalize`; with `auto_advance` it is charged at once (Stripe: within the hour).
pub(in crate::simulator) fn finalize(
    world: &mut World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    let invoice = world.invoices.find(id)?.clone();
    if !invoice.is_draft() {
        return Err(ApiError::refused("This invoice is already finalized.").in_param("id"));
    }
    let finalized = world.finalize(id)?;
    if invoice.auto_advance || finalized.amount_due() == 0 {
        // A decline is recorded on the invoice; finalizing it succeeded.
        drop(world.collect_now(id));
    }
    Ok(world.invoices.find(id)?.render(call.shape))
}

/// `POST /v1/invoices/:id/pay`
pub(in crate::simulator) fn pay(
    world: &mut World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    let invoice = world.invoices.find(id)?.clone();
    match invoice.status {
        Status::Paid => return Err(ApiError::refused("Invoice is already paid")),
        Status::Void => return Err(ApiError::refused("This invoice can no longer be paid.")),
        Status::Draft | Status::Open | Status::Uncollectible => {}
    }
    let outside = call.params.flag("paid_out_of_band")? == Some(true);
    let card = match call.params.text("payment_method") {
        Some(method) => {
            let customer = world.living_customer(&invoice.customer)?;
            Some(
                world
                    .method_of(method, &customer)
                    .map_err(|error| error.in_param("payment_method"))?,
            )
        }
        None => world.card_of_invoice(&invoice)?,
    };
    if card.is_none() && !outside && invoice.amount_due() > 0 {
        let message = "There is no default payment method for this invoice: set one, or name one in payment_method.";
        return Err(ApiError::refused(message));
    }
    if invoice.is_draft() {
        world.finalize(id)?;
    }
    if outside {
        world.settle(id, None)?;
    } else {
        world.attempt(id, card.as_ref(), Attempt::Manual, call.shape)?;
    }
    Ok(world.invoices.find(id)?.render(call.shape))
}

/// `POST /v1/invoices/:id/void`
pub(in crate::simulator) fn void(
    world: &mut World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    let invoice = world.invoices.find(id)?.clone();
    if !matches!(invoice.status, Status::Open | Status::Uncollectible) {
        return Err(ApiError::refused(
            "You can only void an open or uncollectible invoice.",
        ));
    }
    world.void_invoice(id)?;
    world.release_subscription(&invoice)?;
    Ok(world.invoices.find(id)?.render(call.shape))
}

/// `POST /v1/invoices/:id/mark_uncollectible`
pub(in crate::simulator) fn mark_uncollectible(
    world: &mut World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    let invoice = world.invoices.find(id)?.clone();
    if invoice.status != Status::Open {
        return Err(ApiError::refused(
            "You can only mark an open invoice as uncollectible.",
        ));
    }
    world.write_off_invoice(id)?;
    world.release_subscription(&invoice)?;
    Ok(world.invoices.find(id)?.render(call.shape))
}
