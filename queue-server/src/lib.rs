#![doc = include_str!("../README.md")]

pub mod cli;
pub mod config;
pub mod http;
pub mod stripe;

mod app;
mod audit;
mod clock;
mod deadline;

#[cfg(feature = "failpoints")]
mod failpoint;
mod look;
mod mirror;
mod money;
mod origin;
mod reconcile;
mod refresh;
mod serve;
mod setup;
mod telemetry;
mod worker;
