//! The simulator checked from outside: over HTTP, by the official CLI, and by the official Python client.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail a test by panicking"
)]

mod binary;
mod catalogue;
mod checkout;
mod client;
mod clock;
mod coupons;
mod delivery;
mod demo;
mod dunning;
mod events;
mod failures;
mod idempotency;
mod official_cli;
mod official_python;
mod payments;
mod portal;
mod proration;
mod receiver;
mod requests;
mod scenarios;
mod shapes;
mod subscriptions;
