//! The running server, from outside: a process of its own for every test, with a database of its
//! own. Modules mirror the paths.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on should panic"
)]

mod audit;
mod bad_input;
mod chance;
mod config;
mod connections;
mod customer_list;
mod customers;
mod deadline;
mod disk;
mod drift;
mod faults;
mod host;
mod kill;
mod load;
mod lock;
mod mirror;
mod mirror_outage;
mod mirror_push;
mod money;
mod openapi;
mod outage;
mod poison;
mod pool;
mod privacy;
mod probes;
mod proxy;
mod raw;
mod receiver;
mod reconcile;
mod records;
mod refresh;
mod replicas;
mod revenue;
mod rolling;
mod support;
mod switch;
mod webhook;
