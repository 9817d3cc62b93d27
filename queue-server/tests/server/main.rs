//! The running server, from outside: a process of its own for every test, with a database of its
//! own. Modules mirror the paths.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on should panic"
)]

mod audit;
mod bad_input;
mod config;
mod connections;
mod customers;
mod deadline;
mod faults;
mod kill;
mod mirror;
mod outage;
mod pool;
mod privacy;
mod probes;
mod proxy;
mod raw;
mod replicas;
mod support;
mod switch;
mod webhook;
