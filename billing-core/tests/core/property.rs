//! Properties: random cases from a seed that is printed when one fails, and replays it.

use std::hash::{BuildHasher, RandomState};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use test_database::Engine;

/// The variable that replays a failure.
const SEED: &str = "PROPTEST_RNG_SEED";

/// Of so many cases, PostgreSQL gets one: to make a database there takes that much longer.
const FEWER: u32 = 3;

/// What random cases are made from: by the variable, else at random.
pub(crate) fn seed() -> u64 {
    let chosen = std::env::var(SEED).ok();
    chosen
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| RandomState::new().hash_one(SEED))
}

/// How to replay what came of a seed.
pub(crate) fn replay_with(seed: u64) -> String {
    format!("replay with {SEED}={seed}")
}

/// Something that holds for all cases.
pub(crate) struct Property {
    config: Config,
    chosen: bool,
    seed: u64,
}

impl Property {
    /// Looked at in this many cases, unless `PROPTEST_CASES` says how many.
    pub(crate) fn in_cases(cases: u32) -> Self {
        let seed = seed();
        let chosen = std::env::var_os("PROPTEST_CASES").is_some();
        let config = Config::default();
        let config = Config {
            cases: if chosen { config.cases } else { cases },
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(seed),
            max_shrink_iters: 2000,
            ..config
        };
        Self {
            config,
            chosen,
            seed,
        }
    }

    /// The same, where each case makes databases of its own: fewer cases where that takes long, and
    /// fewer attempts to make a failure smaller.
    pub(crate) fn of_databases(mut self) -> Self {
        if Engine::chosen() == Engine::Postgres && !self.chosen {
            self.config.cases = self.config.cases.div_ceil(FEWER);
        }
        self.config.max_shrink_iters = 60;
        self
    }

    /// Checks it.
    pub(crate) fn holds<S: Strategy>(
        self,
        cases: S,
        check: impl Fn(S::Value) -> Result<(), TestCaseError>,
    ) {
        if let Err(error) = TestRunner::new(self.config).run(&cases, check) {
            panic!("{error}\n{}", replay_with(self.seed));
        }
    }
}
