//! Random orders of delivery, from a seed that replays them.

use std::fmt;
use std::ops::RangeInclusive;

use rand::distr::uniform::SampleUniform;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

use crate::property;

/// The most deliveries that are repeated.
const MOST_DUPLICATES: usize = 3;

/// Whether the long version was asked for: `BILLING_TEST_ORDERS=all`.
pub(crate) fn all_orders() -> bool {
    std::env::var("BILLING_TEST_ORDERS").is_ok_and(|orders| orders == "all")
}

/// All orders of so many events.
pub(crate) fn permutations(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let shorter = permutations(last).into_iter();
    let longer = shorter.flat_map(|order| {
        (0..count).map(move |at| {
            let mut order = order.clone();
            order.insert(at, last);
            order
        })
    });
    longer.collect()
}

/// Prints, when something fails, how to replay it.
#[derive(Debug)]
pub(crate) struct Shuffle {
    seed: u64,
    random: StdRng,
}

impl Shuffle {
    pub(crate) fn new() -> Self {
        let seed = property::seed();
        let random = StdRng::seed_from_u64(seed);
        Self { seed, random }
    }

    /// One of a range.
    pub(crate) fn among<T: SampleUniform + PartialOrd>(&mut self, range: RangeInclusive<T>) -> T {
        self.random.random_range(range)
    }

    /// The same in another order.
    pub(crate) fn shuffled<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let mut items = items.to_vec();
        items.shuffle(&mut self.random);
        items
    }

    /// In another order, and some more than once.
    pub(crate) fn with_duplicates(&mut self, items: &[usize]) -> Vec<usize> {
        let count = self.random.random_range(0..=MOST_DUPLICATES);
        let mut again = items.to_vec();
        again.extend((0..count).filter_map(|_| items.choose(&mut self.random)));
        self.shuffled(&again)
    }

    /// In this order, and one of them once more, after or before its place.
    pub(crate) fn with_one_again(&mut self, mut order: Vec<usize>) -> Vec<usize> {
        let again = order.choose(&mut self.random).copied();
        let at = self.random.random_range(0..=order.len());
        order.splice(at..at, again);
        order
    }
}

impl fmt::Display for Shuffle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&property::replay_with(self.seed))
    }
}
