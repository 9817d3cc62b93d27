//! What plans cost: Stripe's prices, kept for a while (B3).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use billing_core::id::PriceId;
use tokio::sync::Mutex;

use crate::stripe::{Price, Stripe, StripeError};

/// How long an amount is shown before Stripe is asked again. Stripe never changes the amount of a price.
const FRESH: Duration = Duration::from_secs(600);
/// How long it is shown when Stripe can't be asked.
const USABLE: Duration = Duration::from_secs(24 * 3600);
/// How long nobody asks again when Stripe did not answer.
const PAUSE: Duration = Duration::from_secs(5);

/// Prices as they were last read.
pub(crate) struct Prices {
    stripe: Stripe,
    /// One who asks asks for all that wait.
    read: Mutex<HashMap<PriceId, Read>>,
}

struct Read {
    price: Arc<Price>,
    read_at: Instant,
    /// When it was last tried in vain.
    failed_at: Option<Instant>,
}

impl Prices {
    pub(super) fn new(stripe: Stripe) -> Self {
        Self {
            stripe,
            read: Mutex::default(),
        }
    }

    /// A price, fresh or as it was last read.
    pub(crate) async fn of(&self, id: &PriceId) -> Result<Arc<Price>, StripeError> {
        let mut read = self.read.lock().await;
        if let Some(known) = read.get(id) {
            let paused = known.failed_at.is_some_and(|at| at.elapsed() < PAUSE);
            if known.read_at.elapsed() < FRESH || paused {
                return Ok(Arc::clone(&known.price));
            }
        }
        match self.stripe.price(id).await {
            Ok(answer) => {
                let price = Arc::new(answer.object);
                read.insert(
                    id.clone(),
                    Read {
                        price: Arc::clone(&price),
                        read_at: Instant::now(),
                        failed_at: None,
                    },
                );
                Ok(price)
            }
            Err(error) => match read.get_mut(id) {
                Some(known) if known.read_at.elapsed() < USABLE => {
                    known.failed_at = Some(Instant::now());
                    Ok(Arc::clone(&known.price))
                }
                _ => Err(error),
            },
        }
    }
}
