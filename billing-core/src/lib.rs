#![cfg_attr(feature = "sqlite", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "sqlite"),
    doc = "Stripe billing state; see the README for the whole."
)]

pub mod account;
pub mod alert;
pub mod audit;
pub mod catalogue;
pub mod change;
pub mod claim;
#[cfg(feature = "_store")]
mod database;
pub mod decision;
pub mod event;
mod hexadecimal;
pub mod id;
#[cfg(feature = "_store")]
pub mod ledger;
pub mod mirror;
pub mod personal;
pub mod policy;
#[cfg(feature = "_store")]
pub mod revenue;
mod sha256;
pub mod signature;
#[cfg(feature = "_store")]
pub mod store;
pub mod time;
