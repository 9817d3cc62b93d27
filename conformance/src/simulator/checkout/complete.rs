//! The customer pays, or doesn't in time.

use super::{Mode, Session, Status};
use crate::simulator::card::Charge;
use crate::simulator::customer::Customer;
use crate::simulator::error::ApiError;
use crate::simulator::object::Object;
use crate::simulator::payment_intent::{Charged, Purpose};
use crate::simulator::payment_method::PaymentMethod;
use crate::simulator::shape::Shape;
use crate::simulator::world::World;

impl World {
    /// Takes the payment. A card that is declined leaves the session open.
    pub(in crate::simulator) fn complete_session(
        &mut self,
        id: &str,
        method: &PaymentMethod,
        shape: Shape,
    ) -> Result<Session, ApiError> {
        let mut session = self.sessions.find(id)?.clone();
        if session.status != Status::Open {
            return Err(ApiError::refused(
                "This checkout session is complete or expired already.",
            ));
        }
        match session.mode {
            Mode::Payment => self.pay_once(&mut session, method, shape)?,
            Mode::Subscription => self.subscribe_for(&mut session, method)?,
        }
        session.status = Status::Complete;
        session.billing_details.clone_from(&method.billing_details);
        self.sessions.put(session.clone());
        self.announce("checkout.session.completed", &session);
        Ok(session)
    }

    fn pay_once(
        &mut self,
        session: &mut Session,
        method: &PaymentMethod,
        shape: Shape,
    ) -> Result<(), ApiError> {
        let mut intent = self.open_payment_intent(Purpose {
            customer: session.customer.clone(),
            clock: session.clock.clone(),
            amount: session.amount_total,
            currency: session.currency.clone(),
            invoice: None,
            for_future: false,
        });
        intent.shipping.clone_from(&session.shipping);
        self.payment_intents.put(intent.clone());
        let charged = self.charge_intent(intent.id(), method, None, shape)?;
        if charged == Charged::Challenged {
            return Err(ApiError::not_simulated(
                "3-D Secure in /v1/payment_pages (the page does it)",
            ));
        }
        session.payment_intent = Some(intent.id().to_owned());
        Ok(())
    }

    /// Makes the subscription, which the card pays for from now on.
    fn subscribe_for(
        &mut self,
        session: &mut Session,
        method: &PaymentMethod,
    ) -> Result<(), ApiError> {
        if session.amount_total > 0 {
            match method.charge() {
                Charge::Paid => {}
                Charge::Declined(decline) => return Err(ApiError::card(&decline)),
                Charge::Challenged => {
                    return Err(ApiError::requires_action(
                        "subscription_payment_intent_requires_action",
                    ));
                }
            }
        }
        if method.customer().is_none() {
            self.check_attachable(method.id())?;
        }
        let customer = match &session.customer {
            Some(id) => self.living_customer(id)?,
            None => self.customer_of_guest(session),
        };
        session.customer = Some(customer.id().to_owned());
        if method.customer().is_none() {
            let attached = self.put_payment_method_on(method.id(), &customer)?;
            self.announce("payment_method.attached", &attached);
        }
        let mut params = session.subscription_data.clone();
        params.set("payment_behavior", "error_if_incomplete");
        params.set("default_payment_method", method.id());
        if let Some(coupon) = &session.coupon {
            params.set("discounts[0][coupon]", coupon.id());
        }
        for (at, item) in session.items.iter().enumerate() {
            params.set(&format!("items[{at}][price]"), item.price.id());
            params.set(
                &format!("items[{at}][quantity]"),
                &item.quantity.to_string(),
            );
        }
        let id = self.subscribe(&params, &customer)?;
        let subscription = self.subscriptions.find(&id)?;
        session.invoice.clone_from(&subscription.latest_invoice);
        session.subscription = Some(id);
        Ok(())
    }

    fn customer_of_guest(&mut self, session: &Session) -> Customer {
        let mut customer = self.blank_customer(None);
        customer.email.clone_from(&session.customer_email);
        self.customers.put(customer.clone());
        self.announce("customer.created", &customer);
        customer
    }

    /// Its time is over.
    pub(in crate::simulator) fn expire_session_when_due(
        &mut self,
        id: &str,
    ) -> Result<(), ApiError> {
        if self.sessions.find(id)?.status == Status::Open {
            self.expire_session(id)?;
        }
        Ok(())
    }

    /// Nobody can pay it any more.
    pub(super) fn expire_session(&mut self, id: &str) -> Result<Session, ApiError> {
        let mut session = self.sessions.find(id)?.clone();
        session.status = Status::Expired;
        self.sessions.put(session.clone());
        self.announce("checkout.session.expired", &session);
        Ok(session)
    }
}
