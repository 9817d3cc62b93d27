#![doc = include_str!("../README.md")]

pub mod driver;
pub mod simulator;
pub mod stripe_cli;
