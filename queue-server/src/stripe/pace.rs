//! How often a call is tried, and how long it waits between tries.

use std::time::Duration;

use rand::RngExt;

/// The pace of retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How often a call is tried in all.
    pub tries: u32,
    /// The pause after the first try; each is twice the one before.
    pub first: Duration,
    /// The longest pause. A `Retry-After` beyond it ends the call: whoever waits for us would be gone.
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            tries: 3,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(5),
        }
    }
}

impl Pace {
    /// The pause after a try, counted from 0: between a half and the whole of what it would be without jitter,
    /// so that callers that failed together don't come back together. `None`: don't try again.
    pub(super) fn pause(self, tried: u32, retry_after: Option<Duration>) -> Option<Duration> {
        if tried + 1 >= self.tries {
            return None;
        }
        if retry_after.is_some_and(|wanted| wanted > self.longest) {
            return None;
        }
        let whole = self.first.saturating_mul(1 << tried.min(16));
        let whole = whole.min(self.longest);
        let jittered = whole.mul_f64(rand::rng().random_range(0.5..=1.0));
        Some(jittered.max(retry_after.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_jitter_and_end() {
        let pace = Pace {
            tries: 4,
            ..Pace::default()
        };
        for (tried, whole) in [(0, 500), (1, 1000), (2, 2000)] {
            let pause = pace.pause(tried, None).unwrap_or_default();
            let whole = Duration::from_millis(whole);
            assert!((whole / 2..=whole).contains(&pause), "{tried}: {pause:?}");
        }
        assert_eq!(pace.pause(3, None), None);
    }

    #[test]
    fn what_stripe_asks_to_wait_is_waited_and_no_longer_than_anybody_would() {
        let pace = Pace::default();
        let asked = Duration::from_secs(4);
        assert_eq!(pace.pause(0, Some(asked)), Some(asked));
        assert_eq!(pace.pause(0, Some(Duration::from_secs(6))), None);
    }
}
