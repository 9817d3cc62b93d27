//! How long requests take.

use std::ops::RangeInclusive;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// Draws the time of each request; the n-th time follows from the seed and n.
#[derive(Debug)]
pub(super) struct Latency {
    range: RangeInclusive<Duration>,
    seed: u64,
    drawn: u64,
}

impl Latency {
    pub(super) fn new(range: RangeInclusive<Duration>, seed: u64) -> Self {
        Self {
            range,
            seed,
            drawn: 0,
        }
    }

    pub(super) fn draw(&mut self) -> Duration {
        let spread = self.range.end().saturating_sub(*self.range.start());
        if spread.is_zero() {
            return *self.range.start();
        }
        self.drawn += 1;
        let hash = Sha256::new()
            .chain_update(self.seed.to_be_bytes())
            .chain_update(self.drawn.to_be_bytes())
            .finalize();
        let share = f64::from(u16::from_be_bytes([hash[0], hash[1]])) / f64::from(u16::MAX);
        *self.range.start() + spread.mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_times_within_the_range() {
        let range = Duration::from_millis(10)..=Duration::from_millis(50);
        let draw = || {
            let mut latency = Latency::new(range.clone(), 7);
            (0..100).map(|_| latency.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
        assert!(draw().iter().all(|wait| range.contains(wait)));
    }
}
