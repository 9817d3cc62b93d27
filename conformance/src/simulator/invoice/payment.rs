//! Finalizing, charging and retrying.
//!
//! `attempt_count` counts the first attempt, whoever made it, and after that only automatic retries:
//! what a customer tries by hand does not use up the schedule.

use super::{Invoice, Status};
use crate::simulator::agenda::Task;
use crate::simulator::error::ApiError;
use crate::simulator::object::Object;
use crate::simulator::payment_intent::{Charged, Purpose};
use crate::simulator::payment_method::PaymentMethod;
use crate::simulator::shape::Shape;
use crate::simulator::subscription::{self, PausedInvoices, Subscription};
use crate::simulator::world::World;

/// Who tries to collect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Attempt {
    Automatic,
    /// A server, by request.
    Manual,
    /// The customer, who can be asked to authenticate the payment and comes back to this address.
    OnSession(Option<String>),
}

impl World {
    /// The card that a subscription is charged to: its own, else the customer's default.
    pub(in crate::simulator) fn card_for(
        &self,
        sub: &Subscription,
    ) -> Result<Option<PaymentMethod>, ApiError> {
        let customer = self.customers.find(&sub.customer)?;
        let chosen = sub
            .default_payment_method
            .as_ref()
            .or(customer.default_payment_method.as_ref());
        let method = chosen.and_then(|id| self.payment_methods.find(id).ok());
        Ok(method
            .filter(|method| method.customer() == Some(customer.id()))
            .cloned())
    }

    pub(in crate::simulator) fn card_of_invoice(
        &self,
        invoice: &Invoice,
    ) -> Result<Option<PaymentMethod>, ApiError> {
        if let Some(id) = &invoice.default_payment_method {
            return Ok(self.payment_methods.find(id).ok().cloned());
        }
        if let Some(id) = &invoice.subscription {
            return self.card_for(self.subscriptions.find(id)?);
        }
        let customer = self.customers.find(&invoice.customer)?;
        let default = customer.default_payment_method.as_ref();
        Ok(default
            .and_then(|id| self.payment_methods.find(id).ok())
            .cloned())
    }

    /// From draft to open: the invoice gets its number and, if there is anything to pay, a payment intent.
    pub(in crate::simulator) fn finalize(&mut self, id: &str) -> Result<Invoice, ApiError> {
        let mut invoice = self.invoices.find(id)?.clone();
        let mut customer = self.customers.find(&invoice.customer)?.clone();
        invoice.number = Some(format!(
            "{}-{:04}",
            customer.invoice_prefix, customer.next_invoice_sequence
        ));
        customer.next_invoice_sequence += 1;
        self.customers.put(customer.clone());
        invoice.starting_balance = customer.balance;
        invoice.ending_balance = Some((customer.balance + invoice.total()).min(0));
        invoice.status = Status::Open;
        invoice.finalizes_at = None;
        invoice.transitions.finalized_at = Some(self.now(invoice.clock()));
        if invoice.amount_due() > 0 {
            let intent = self.open_payment_intent(Purpose {
                customer: Some(invoice.customer.clone()),
                clock: invoice.clock.clone(),
                amount: invoice.amount_due(),
                currency: invoice.currency.clone(),
                invoice: Some(invoice.id.clone()),
                for_future: invoice.subscription.is_some(),
            });
            invoice.payment_intent = Some(intent.id().to_owned());
        }
        self.invoices.put(invoice.clone());
        self.announce("invoice.finalized", &invoice);
        let balance = invoice.ending_balance.unwrap_or_default();
        self.set_balance(&invoice.customer, balance)?;
        Ok(invoice)
    }

    /// The hour of a draft is over.
    pub(in crate::simulator) fn finalize_when_due(&mut self, id: &str) -> Result<(), ApiError> {
        let invoice = self.invoices.find(id)?.clone();
        if !invoice.is_draft() || !invoice.auto_advance {
            return Ok(());
        }
        let subscription = invoice
            .subscription
            .as_deref()
            .and_then(|id| self.subscriptions.find(id).ok());
        match subscription
            .and_then(|subscription| subscription.pause_collection)
            .map(|pause| pause.behavior)
        {
            Some(PausedInvoices::KeepAsDraft) => return Ok(()),
            Some(PausedInvoices::Void) => {
                self.finalize(id)?;
                return self.void_invoice(id);
            }
            Some(PausedInvoices::MarkUncollectible) => {
                self.finalize(id)?;
                return self.write_off_invoice(id);
            }
            None => {}
        }
        self.finalize(id)?;
        // A decline has been recorded and announced; the clock has nobody to tell.
        drop(self.collect_now(id));
        Ok(())
    }

    /// The time of an automatic retry has come.
    pub(in crate::simulator) fn retry_payment(&mut self, id: &str) -> Result<(), ApiError> {
        let invoice = self.invoices.find(id)?;
        let now = self.now(invoice.clock());
        let due = invoice.next_payment_attempt.is_some_and(|at| at <= now);
        if due && invoice.status == Status::Open {
            drop(self.collect_now(id));
        }
        Ok(())
    }

    /// Charges an open invoice to the card it finds.
    pub(in crate::simulator) fn collect_now(&mut self, id: &str) -> Result<(), ApiError> {
        let card = self.card_of_invoice(self.invoices.find(id)?)?;
        self.attempt(id, card.as_ref(), Attempt::Automatic, Shape::Basil)
    }

    /// One attempt at an open invoice; the error is the card's.
    pub(in crate::simulator) fn attempt(
        &mut self,
        id: &str,
        card: Option<&PaymentMethod>,
        attempt: Attempt,
        shape: Shape,
    ) -> Result<(), ApiError> {
        let invoice = self.invoices.find(id)?.clone();
        let Some(intent) = &invoice.payment_intent else {
            return self.settle(id, None);
        };
        let no_card = || {
            ApiError::invalid(
                "resource_missing",
                "There is no default payment method for this invoice.",
            )
        };
        let return_url = match &attempt {
            Attempt::OnSession(return_url) => return_url.clone(),
            Attempt::Automatic | Attempt::Manual => None,
        };
        let charged = match card {
            Some(card) => self.charge_intent(intent, card, return_url, shape),
            None => Err(no_card()),
        };
        match charged {
            Ok(Charged::Paid) => self.settle(id, Some(&attempt)),
            Ok(Charged::Challenged) => self.ask_customer(&invoice, &attempt),
            Err(error) => {
                self.record_failure(&invoice, &attempt)?;
                Err(error)
            }
        }
    }

    /// The payment waits for the customer. If they are there that is no failure.
    fn ask_customer(&mut self, invoice: &Invoice, attempt: &Attempt) -> Result<(), ApiError> {
        let on_session = matches!(attempt, Attempt::OnSession(_));
        if !on_session {
            self.record_failure(invoice, attempt)?;
        }
        let waiting = self.invoices.find(&invoice.id)?.clone();
        self.announce("invoice.payment_action_required", &waiting);
        if on_session {
            return Ok(());
        }
        Err(ApiError::requires_action(
            "invoice_payment_intent_requires_action",
        ))
    }

    /// The invoice is paid: by a charge, because there is nothing to pay, or outside Stripe.
    pub(super) fn settle(&mut self, id: &str, attempt: Option<&Attempt>) -> Result<(), ApiError> {
        let now = self.now(self.invoices.find(id)?.clock());
        let paid = self.amend::<Invoice>(id, "invoice.updated", |invoice| {
            invoice.status = Status::Paid;
            invoice.amount_paid = invoice.amount_due();
            invoice.attempt_count +=
                u32::from(attempt.is_some_and(|attempt| counts(invoice, attempt)));
            invoice.attempted = true;
            invoice.auto_advance = false;
            invoice.next_payment_attempt = None;
            invoice.transitions.paid_at = Some(now);
        })?;
        self.announce("invoice.paid", &paid);
        self.announce("invoice.payment_succeeded", &paid);
        self.recover(&paid)
    }

    pub(in crate::simulator) fn record_failure(
        &mut self,
        invoice: &Invoice,
        attempt: &Attempt,
    ) -> Result<(), ApiError> {
        let counts = counts(invoice, attempt);
        let attempts = invoice.attempt_count + u32::from(counts);
        let retried = self.is_retried(invoice);
        let wait = self
            .rules
            .retry_after
            .get(attempts.saturating_sub(1) as usize)
            .copied();
        let next = wait
            .filter(|_| retried)
            .map(|wait| self.now(invoice.clock()).saturating_add(wait));
        let next = if counts {
            next
        } else {
            invoice.next_payment_attempt
        };
        let failed = self.amend::<Invoice>(&invoice.id, "invoice.updated", |invoice| {
            invoice.attempted = true;
            invoice.attempt_count = attempts;
            invoice.next_payment_attempt = next;
        })?;
        self.announce("invoice.payment_failed", &failed);
        if let Some(at) = next.filter(|_| counts) {
            self.agenda
                .plan(failed.clock(), at, Task::RetryPayment(failed.id.clone()));
        }
        self.fall_behind(&failed, counts && next.is_none())
    }

    /// First invoices are not retried: their subscription expires instead. Nor are those collected by hand.
    fn is_retried(&self, invoice: &Invoice) -> bool {
        let subscription = invoice
            .subscription
            .as_deref()
            .and_then(|id| self.subscriptions.find(id).ok());
        let runs = |subscription: &Subscription| {
            matches!(
                subscription.status,
                subscription::Status::Active | subscription::Status::PastDue
            )
        };
        invoice.auto_advance && subscription.is_none_or(runs)
    }
}

fn counts(invoice: &Invoice, attempt: &Attempt) -> bool {
    *attempt == Attempt::Automatic || invoice.attempt_count == 0
}
