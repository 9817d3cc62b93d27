//! Invoices that nobody will pay: voided, written off, or left alone.

use super::{Invoice, Status};
use crate::simulator::error::ApiError;
use crate::simulator::object::Object;
use crate::simulator::world::World;

impl World {
    pub(in crate::simulator) fn void_invoice(&mut self, id: &str) -> Result<(), ApiError> {
        let now = self.now(self.invoices.find(id)?.clock());
        let voided = self.amend::<Invoice>(id, "invoice.updated", |invoice| {
            invoice.status = Status::Void;
            invoice.auto_advance = false;
            invoice.next_payment_attempt = None;
            invoice.transitions.voided_at = Some(now);
        })?;
        if let Some(intent) = &voided.payment_intent {
            self.cancel_payment_intent(intent)?;
        }
        // What it took of the customer's credit is given back.
        let taken =
            voided.starting_balance - voided.ending_balance.unwrap_or(voided.starting_balance);
        let balance = self.customers.find(&voided.customer)?.balance;
        self.set_balance(&voided.customer, balance + taken)?;
        self.announce("invoice.voided", &voided);
        Ok(())
    }

    pub(super) fn write_off_invoice(&mut self, id: &str) -> Result<(), ApiError> {
        let now = self.now(self.invoices.find(id)?.clock());
        let written_off = self.amend::<Invoice>(id, "invoice.updated", |invoice| {
            invoice.status = Status::Uncollectible;
            invoice.auto_advance = false;
            invoice.next_payment_attempt = None;
            invoice.transitions.marked_uncollectible_at = Some(now);
        })?;
        self.announce("invoice.marked_uncollectible", &written_off);
        Ok(())
    }

    /// What closing an invoice by request means for its subscription: one that never began expires,
    /// one that was behind is no longer.
    pub(super) fn release_subscription(&mut self, invoice: &Invoice) -> Result<(), ApiError> {
        if let Some(id) = invoice.subscription.as_deref() {
            self.give_up_incomplete(id)?;
        }
        self.recover(invoice)
    }

    /// The subscription ended: its drafts and open invoices are not collected automatically any more.
    pub(in crate::simulator) fn stop_collecting(
        &mut self,
        subscription: &str,
    ) -> Result<(), ApiError> {
        let collected = |invoice: &&Invoice| {
            invoice.subscription.as_deref() == Some(subscription)
                && matches!(invoice.status, Status::Draft | Status::Open)
        };
        let unpaid: Vec<String> = self
            .invoices
            .iter()
            .filter(collected)
            .map(|invoice| invoice.id.clone())
            .collect();
        for id in unpaid {
            self.amend::<Invoice>(&id, "invoice.updated", |invoice| {
                invoice.auto_advance = false;
                invoice.finalizes_at = None;
                invoice.next_payment_attempt = None;
            })?;
        }
        Ok(())
    }
}
