//! What plans cost: Stripe's prices, kept for a while (B3).
//!
//! Anybody may ask: one who does asks Stripe for all, nobody waits for long, and what did not answer is not asked again
//! at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use billing_core::id::PriceId;

use crate::stripe::{Price, Stripe, StripeError};

/// How long an amount is shown before Stripe is asked again. Stripe never changes the amount of a price.
const FRESH: Duration = Duration::from_secs(600);
/// How long it is shown when Stripe can't be asked.
const USABLE: Duration = Duration::from_secs(24 * 3600);
/// How long nobody asks again when Stripe did not answer.
const PAUSE: Duration = Duration::from_secs(5);
/// How long one who asks waits for another's answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Prices as they were last read.
#[derive(Clone)]
pub(crate) struct Prices {
    stripe: Stripe,
    known: Arc<Mutex<HashMap<PriceId, Known>>>,
    /// Whose turn it is to ask.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Default)]
struct Known {
    /// The price, and when it was read.
    price: Option<(Arc<Price>, Instant)>,
    /// Why it could not be read again, and when.
    failed: Option<(StripeError, Instant)>,
}

impl Known {
    /// What can be said without asking.
    fn answer(&self) -> Option<Result<Arc<Price>, StripeError>> {
        let paused = self.failed.filter(|(_, at)| at.elapsed() < PAUSE);
        match &self.price {
            Some((price, at)) if at.elapsed() < FRESH => Some(Ok(Arc::clone(price))),
            Some((price, at)) if paused.is_some() && at.elapsed() < USABLE => {
                Some(Ok(Arc::clone(price)))
            }
            _ => paused.map(|(error, _)| Err(error)),
        }
    }

    /// What can be shown while another asks.
    fn usable(&self) -> Option<Arc<Price>> {
        let (price, at) = self.price.as_ref()?;
        (at.elapsed() < USABLE).then(|| Arc::clone(price))
    }
}

impl Prices {
    pub(super) fn new(stripe: Stripe) -> Self {
        Self {
            stripe,
            known: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// A price, fresh or as it was last read.
    pub(crate) async fn of(&self, id: &PriceId) -> Result<Arc<Price>, StripeError> {
        let known = self.known(id);
        if let Some(answer) = known.answer() {
            return answer;
        }
        // To its end also when the client hangs up: the next one would have to begin anew.
        let asking = tokio::spawn(self.clone().ask(id.clone()));
        if let Some(price) = known.usable() {
            return Ok(price);
        }
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(answer)) => answer,
            _ => Err(StripeError::TimedOut),
        }
    }

    fn known(&self, id: &PriceId) -> Known {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).cloned().unwrap_or_default()
    }

    async fn ask(self, id: PriceId) -> Result<Arc<Price>, StripeError> {
        let _turn = self.turn.lock().await;
        // Another may have asked meanwhile.
        if let Some(answer) = self.known(&id).answer() {
            return answer;
        }
        let answer = self.stripe.price(&id).await;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(id).or_default();
        match answer {
            Ok(answer) => {
                let price = Arc::new(answer.object);
                known.price = Some((Arc::clone(&price), Instant::now()));
                known.failed = None;
                Ok(price)
            }
            Err(error) => {
                known.failed = Some((error, Instant::now()));
                known.usable().ok_or(error)
            }
        }
    }
}
