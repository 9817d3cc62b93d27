//! The simulated account: every object, the clocks they live on, and the moment it is.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::agenda::{Agenda, Task};
use super::call::Cause;
use super::checkout::Session;
use super::config::Rules;
use super::coupon::Coupon;
use super::customer::Customer;
use super::delivery::DeliveryDesk;
use super::error::ApiError;
use super::event::EventRecord;
use super::id::IdMaker;
use super::invoice::Invoice;
use super::invoice_item::InvoiceItem;
use super::payment_intent::PaymentIntent;
use super::payment_method::PaymentMethod;
use super::portal::{Configuration, PortalSession};
use super::price::Price;
use super::product::Product;
use super::shelf::Shelf;
use super::subscription::Subscription;
use super::test_clock::TestClock;
use super::webhook_endpoint::WebhookEndpoint;

/// Everything behind the API. One request, or one tick of a clock, changes it at a time.
pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) ids: IdMaker,
    /// `acct_…`
    account: String,
    pub(super) agenda: Agenda,
    /// The request that is being answered; empty while a clock works.
    pub(super) cause: Cause,
    pub(super) desk: DeliveryDesk,
    pub(super) events: Vec<EventRecord>,
    pub(super) clocks: Shelf<TestClock>,
    pub(super) configurations: Shelf<Configuration>,
    pub(super) coupons: Shelf<Coupon>,
    pub(super) customers: Shelf<Customer>,
    pub(super) endpoints: Shelf<WebhookEndpoint>,
    pub(super) invoice_items: Shelf<InvoiceItem>,
    pub(super) invoices: Shelf<Invoice>,
    pub(super) payment_intents: Shelf<PaymentIntent>,
    pub(super) payment_methods: Shelf<PaymentMethod>,
    pub(super) portal_sessions: Shelf<PortalSession>,
    pub(super) prices: Shelf<Price>,
    pub(super) products: Shelf<Product>,
    pub(super) sessions: Shelf<Session>,
    pub(super) subscriptions: Shelf<Subscription>,
    /// While the tasks of real time are worked off: the moment each was due.
    moment: Option<i64>,
}

impl World {
    pub(super) fn new(rules: Rules, seed: u64, desk: DeliveryDesk) -> Self {
        let mut ids = IdMaker::new(seed);
        Self {
            account: ids.make("acct_"),
            rules,
            ids,
            agenda: Agenda::default(),
            cause: Cause::default(),
            desk,
            events: Vec::new(),
            clocks: Shelf::default(),
            configurations: Shelf::default(),
            coupons: Shelf::default(),
            customers: Shelf::default(),
            endpoints: Shelf::default(),
            invoice_items: Shelf::default(),
            invoices: Shelf::default(),
            payment_intents: Shelf::default(),
            payment_methods: Shelf::default(),
            portal_sessions: Shelf::default(),
            prices: Shelf::default(),
            products: Shelf::default(),
            sessions: Shelf::default(),
            subscriptions: Shelf::default(),
            moment: None,
        }
    }

    /// `GET /v1/account`
    pub(super) fn account(&self) -> Value {
        json!({
            "id": self.account,
            "object": "account",
            "charges_enabled": true,
            "country": "US",
            "default_currency": "usd",
            "details_submitted": true,
            "payouts_enabled": true,
            "type": "standard",
        })
    }

    /// The time on a test clock, or real time.
    pub(super) fn now(&self, clock: Option<&str>) -> i64 {
        let frozen = clock.and_then(|id| self.clocks.find(id).ok());
        match frozen {
            Some(clock) => clock.frozen_time,
            None => self.moment.unwrap_or_else(unix_time),
        }
    }

    /// Performs all that has fallen due in real time.
    pub(super) fn catch_up(&mut self) {
        let now = unix_time();
        while let Some((at, task)) = self.agenda.take_due(None, now) {
            self.moment = Some(at);
            self.perform(task);
        }
        self.moment = None;
    }

    /// Moves a test clock forward, stopping at every task on the way.
    pub(super) fn wind(&mut self, clock: &str, to: i64) -> Result<(), ApiError> {
        while let Some((at, task)) = self.agenda.take_due(Some(clock), to) {
            self.set_clock(clock, |frozen| frozen.max(at))?;
            self.perform(task);
        }
        self.set_clock(clock, |_| to)
    }

    fn set_clock(&mut self, id: &str, time: impl FnOnce(i64) -> i64) -> Result<(), ApiError> {
        let mut clock = self.clocks.find(id)?.clone();
        clock.frozen_time = time(clock.frozen_time);
        self.clocks.put(clock);
        Ok(())
    }

    fn perform(&mut self, task: Task) {
        let outcome = match &task {
            Task::AnnounceTrialEnd(id) => self.announce_trial_end(id),
            Task::EndPeriod(id) => self.end_period(id),
            Task::CancelSubscription(id) => self.cancel_when_reached(id),
            Task::ExpireIncomplete(id) => self.expire_incomplete(id),
            Task::ExpirePendingUpdate(id) => self.expire_pending_update(id),
            Task::ResumeCollection(id) => self.resume_collection(id),
            Task::ExpireSession(id) => self.expire_session_when_due(id),
            Task::FinalizeInvoice(id) => self.finalize_when_due(id),
            Task::RetryPayment(id) => self.retry_payment(id),
        };
        if let Err(error) = outcome {
            tracing::warn!(?task, ?error, "a task of the clock failed");
        }
    }
}

/// Real time in whole seconds.
pub(super) fn unix_time() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
