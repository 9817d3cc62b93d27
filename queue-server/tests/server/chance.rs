//! What a test leaves to chance, from a seed that gives the same choices again.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The variable that replays the choices; when processes get their turns is nobody's choice.
const SEED: &str = "PROPTEST_RNG_SEED";

pub(crate) struct Chance(StdRng);

impl Chance {
    /// Its seed is printed, which shows where the test fails.
    pub(crate) fn new() -> Self {
        let chosen = std::env::var(SEED).ok();
        let seed = chosen
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| RandomState::new().hash_one(SEED));
        eprintln!("choices of {SEED}={seed}");
        Self(StdRng::seed_from_u64(seed))
    }

    pub(crate) fn number(&mut self, range: Range<usize>) -> usize {
        self.0.random_range(range)
    }

    pub(crate) fn microseconds(&mut self, range: Range<u64>) -> Duration {
        Duration::from_micros(self.0.random_range(range))
    }
}
