//! The money path: how customers start, change and end a subscription through Stripe (B1–B5).
//!
//! 1. Whatever is about to cost money is claimed in the database before Stripe is asked, and asked under a key that
//!    follows from the claim ([`claim`]). So two calls at once, a crash between any two steps, or an answer that
//!    never came make one subscription.
//! 2. A customer acts on accounts that are bound to them and on nothing else. No price, amount, customer or trial is
//!    taken from a client.
//! 3. What Stripe answers goes through the ledger like any event ([`sync`]). Nothing that a browser says on its
//!    return grants anything (B5).
//! 4. No call to Stripe is made inside a transaction.

mod checkout;
mod claim;
mod plan_change;
mod portal;
mod prices;
mod subscribe;
mod sync;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use billing_core::id::CustomerId;
use billing_core::policy::Policy;
use billing_core::store::Records;
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use checkout::CheckoutOpened;
pub(crate) use plan_change::PlanChange;
pub(crate) use prices::Prices;
pub(crate) use subscribe::Subscribed;

use crate::app::App;
use crate::config::{MoneyConfig, Plans};
use crate::http::Problem;
use crate::stripe::{Stripe, StripeError};

/// Requests that may be at Stripe at once; more are asked to come again.
const AT_ONCE: usize = 256;
/// How long a request may take in all. What it began stands in its claim.
const DEADLINE: Duration = Duration::from_secs(40);

/// What the money path works with.
pub(crate) struct Money {
    pub(crate) stripe: Stripe,
    pub(crate) config: MoneyConfig,
    pub(crate) plans: Plans,
    pub(crate) prices: Prices,
    permits: Semaphore,
    turns: Turns,
}

/// One request of each customer at a time: so that none takes what is there for all, and those of one don't get into
/// each other's way. (Of several servers they may; the claim sees to that.)
#[derive(Default)]
struct Turns(Mutex<HashMap<CustomerId, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    fn of(&self, customer: &CustomerId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(customer.clone()).or_default())
    }
}

impl Money {
    pub(crate) fn new(stripe: Stripe, config: MoneyConfig, plans: Plans) -> Self {
        Self {
            prices: Prices::new(stripe.clone()),
            stripe,
            config,
            plans,
            permits: Semaphore::new(AT_ONCE),
            turns: Turns::default(),
        }
    }

    /// Makes a call that is in nobody's turn, within the bounds of all.
    pub(crate) async fn ask<T, E: Into<Problem>>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Problem> {
        let _permit = self.permit()?;
        let answer = tokio::time::timeout(DEADLINE, call).await;
        answer.map_or(Err(Problem::Stripe(StripeError::TimedOut)), |answer| {
            answer.map_err(Into::into)
        })
    }

    fn permit(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let permit = self.permits.try_acquire();
        permit.map_err(|_| Problem::TooManyCalls)
    }
}

/// One customer, and all that it takes to act for them.
pub(crate) struct Desk {
    app: Arc<App>,
    customer: CustomerId,
}

impl Desk {
    pub(crate) fn new(app: Arc<App>, customer: CustomerId) -> Self {
        Self { app, customer }
    }

    /// Does something for the customer, to its end also when the client hangs up: an answer of Stripe's that nobody
    /// takes would have to be asked for again.
    pub(crate) async fn run<T, F>(self, act: impl FnOnce(Self) -> F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let turn = self.money()?.turns.of(&self.customer);
        let app = Arc::clone(&self.app);
        let acting = act(self);
        let task = tokio::spawn(async move {
            let in_turn = async {
                let _turn = turn.lock_owned().await;
                let money = app.money.as_ref().ok_or(Problem::StripeNotConfigured)?;
                let _permit = money.permit()?;
                acting.await
            };
            let in_time = tokio::time::timeout(DEADLINE, in_turn).await;
            in_time.unwrap_or(Err(Problem::Stripe(StripeError::TimedOut)))
        });
        task.await.unwrap_or(Err(Problem::Panicked))
    }

    fn money(&self) -> Result<&Money, Problem> {
        self.app.money.as_ref().ok_or(Problem::StripeNotConfigured)
    }

    fn stripe(&self) -> Result<&Stripe, Problem> {
        Ok(&self.money()?.stripe)
    }

    fn policy(&self) -> &Policy {
        &self.app.policy
    }

    async fn records(&self) -> Result<Records, Problem> {
        self.app.records_of(&self.customer).await
    }
}
