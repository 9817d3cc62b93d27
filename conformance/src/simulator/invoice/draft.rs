//! How drafts come about: for a subscription's period, or by request from what waits for a customer.

use super::{BillingReason, Invoice, Line, Status, Transitions};
use crate::simulator::customer::Customer;
use crate::simulator::error::ApiError;
use crate::simulator::form::Metadata;
use crate::simulator::invoice_item::InvoiceItem;
use crate::simulator::object::Object;
use crate::simulator::subscription::{self, PausedInvoices, Subscription};
use crate::simulator::world::World;

impl World {
    /// A draft for the current period of a subscription, not announced yet.
    pub(in crate::simulator) fn draft_for(
        &mut self,
        subscription: &Subscription,
        reason: BillingReason,
        period: (i64, i64),
    ) -> Result<Invoice, ApiError> {
        let customer = self.customers.find(&subscription.customer)?.clone();
        let free = subscription.status == subscription::Status::Trialing;
        let line = |item| Line::of_subscription(self.ids.make("il_"), subscription, item, free);
        let lines = subscription.items.iter().map(line).collect();
        let kept_back = subscription.status == subscription::Status::Unpaid
            || subscription
                .pause_collection
                .is_some_and(|pause| pause.behavior == PausedInvoices::KeepAsDraft);
        let mut invoice = self.blank_invoice(&customer, reason, subscription.currency());
        invoice.subscription = Some(subscription.id().to_owned());
        invoice.subscription_metadata = subscription.metadata.clone();
        invoice.lines = lines;
        invoice.auto_advance = !kept_back;
        if reason == BillingReason::SubscriptionCycle && invoice.auto_advance {
            invoice.finalizes_at = Some(invoice.created.saturating_add(self.rules.finalize_after));
        }
        (invoice.period_start, invoice.period_end) = period;
        self.invoices.put(invoice.clone());
        Ok(invoice)
    }

    /// A draft made by request, with the items that wait when `include`.
    pub(super) fn manual_draft(
        &mut self,
        customer: &Customer,
        include: bool,
        currency: Option<&str>,
    ) -> Invoice {
        let waits =
            |item: &&InvoiceItem| item.customer() == Some(customer.id()) && item.invoice.is_none();
        let waiting: Vec<InvoiceItem> = self.invoice_items.iter().filter(waits).cloned().collect();
        let waiting = if include { waiting } else { Vec::new() };
        let currency = waiting
            .first()
            .map(|item| item.currency.as_str())
            .or(currency)
            .unwrap_or("usd");
        let mut invoice = self.blank_invoice(customer, BillingReason::Manual, currency);
        for mut item in waiting.clone() {
            invoice
                .lines
                .push(Line::of_item(self.ids.make("il_"), &item));
            item.invoice = Some(invoice.id.clone());
            self.invoice_items.put(item);
        }
        invoice
    }

    fn blank_invoice(
        &mut self,
        customer: &Customer,
        billing_reason: BillingReason,
        currency: &str,
    ) -> Invoice {
        let now = self.now(customer.clock());
        Invoice {
            id: self.ids.make("in_"),
            created: now,
            clock: customer.clock().map(str::to_owned),
            customer: customer.id().to_owned(),
            customer_email: customer.email.clone(),
            customer_name: customer.name.clone(),
            subscription: None,
            subscription_metadata: Metadata::new(),
            billing_reason,
            status: Status::Draft,
            lines: Vec::new(),
            currency: currency.to_owned(),
            amount_paid: 0,
            attempt_count: 0,
            attempted: false,
            auto_advance: false,
            finalizes_at: None,
            next_payment_attempt: None,
            default_payment_method: None,
            description: None,
            metadata: Metadata::new(),
            number: None,
            payment_intent: None,
            period_start: now,
            period_end: now,
            transitions: Transitions::default(),
        }
    }
}
