#![doc = include_str!("../README.md")]

pub mod client;
pub mod demo;
pub mod driver;
pub mod simulator;
pub mod stripe_cli;
