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
        let mut lines = self.lines_of_period(subscription);
        let renews = reason == BillingReason::SubscriptionCycle;
        let invoice = self.blank_for(subscription, reason)?;
        lines.extend(
            self.waiting_lines(&invoice, |item| match item.subscription() {
                Some(of) => of == subscription.id(),
                None => renews,
            }),
        );
        self.fill(invoice, subscription, lines, period)
    }

    /// A draft for what a change of items costs now: prorations and, `in_full`, the period that begins.
    pub(in crate::simulator) fn draft_for_update(
        &mut self,
        subscription: &Subscription,
        in_full: bool,
    ) -> Result<Invoice, ApiError> {
        let invoice = self.blank_for(subscription, BillingReason::SubscriptionUpdate)?;
        let of_this = |item: &InvoiceItem| item.subscription() == Some(subscription.id());
        let mut lines = self.waiting_lines(&invoice, of_this);
        if in_full {
            lines.extend(self.lines_of_period(subscription));
        }
        let now = invoice.created;
        self.fill(invoice, subscription, lines, (now, now))
    }

    fn lines_of_period(&mut self, subscription: &Subscription) -> Vec<Line> {
        let free = subscription.status == subscription::Status::Trialing;
        let line = |item| Line::of_subscription(self.ids.make("il_"), subscription, item, free);
        subscription.items.iter().map(line).collect()
    }

    /// Takes what waits for the customer's next invoice, as far as it is `wanted`.
    fn waiting_lines(
        &mut self,
        invoice: &Invoice,
        wanted: impl Fn(&InvoiceItem) -> bool,
    ) -> Vec<Line> {
        let waits = |item: &&InvoiceItem| {
            item.customer() == Some(invoice.customer.as_str())
                && item.invoice.is_none()
                && wanted(item)
        };
        let waiting: Vec<InvoiceItem> = self.invoice_items.iter().filter(waits).cloned().collect();
        let line = |mut item: InvoiceItem| {
            let line = Line::of_item(self.ids.make("il_"), &item);
            item.invoice = Some(invoice.id.clone());
            self.invoice_items.put(item);
            line
        };
        waiting.into_iter().map(line).collect()
    }

    fn blank_for(
        &mut self,
        subscription: &Subscription,
        reason: BillingReason,
    ) -> Result<Invoice, ApiError> {
        let customer = self.customers.find(&subscription.customer)?.clone();
        Ok(self.blank_invoice(&customer, reason, subscription.currency()))
    }

    /// Completes a subscription's draft and keeps it.
    fn fill(
        &mut self,
        mut invoice: Invoice,
        subscription: &Subscription,
        lines: Vec<Line>,
        period: (i64, i64),
    ) -> Result<Invoice, ApiError> {
        let kept_back = subscription.status == subscription::Status::Unpaid
            || subscription
                .pause_collection
                .is_some_and(|pause| pause.behavior == PausedInvoices::KeepAsDraft);
        invoice.subscription = Some(subscription.id().to_owned());
        invoice.subscription_metadata = subscription.metadata.clone();
        // Prorations are reduced already.
        let full: i64 = lines
            .iter()
            .filter(|line| line.is_of_period())
            .map(|line| line.amount)
            .sum();
        if let Some(discount) = &subscription.discount {
            let off = discount.off(full, invoice.created);
            invoice.discount = (off > 0).then(|| (discount.clone(), off));
        }
        invoice.lines = lines;
        invoice.auto_advance = !kept_back;
        if invoice.billing_reason == BillingReason::SubscriptionCycle && invoice.auto_advance {
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
        let currency = currency.unwrap_or("usd");
        let mut invoice = self.blank_invoice(customer, BillingReason::Manual, currency);
        if include {
            invoice.lines = self.waiting_lines(&invoice, |item| item.subscription().is_none());
        }
        if let Some(line) = invoice.lines.first() {
            invoice.currency.clone_from(&line.currency);
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
            discount: None,
            amount_paid: 0,
            starting_balance: 0,
            ending_balance: None,
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
