//! What billing-core promises, tested through its public interface. Rules are named by their ids.
//!
//! Random cases print the seed that replays them: `PROPTEST_RNG_SEED`; `PROPTEST_CASES` says how
//! many there are.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod accounts;
mod answers;
mod arbitrary;
mod audit;
mod backlog;
mod bodies;
mod canary;
mod claims;
mod coalescing;
mod decode;
mod every_order;
mod history;
mod ledger;
mod life;
mod life_of_bindings;
mod looks;
mod order;
mod outbox;
mod privacy;
mod property;
mod push;
mod refresh;
mod revenue;
mod scenarios;
mod script;
mod set_aside;
mod settle;
mod shuffle;
mod state;
mod stored_orders;
mod tag;
mod test_ledger;
mod unruly;
mod vectors;
