//! How fast it is, beside what the machine can do at all.
//!
//! `cargo xtask bench` runs all of it and writes `docs/PERFORMANCE.md`. The machine is shared by
//! the load, the server and the database, and is noisy: what counts is measured side by side, in
//! one run, and told as a ratio.

pub mod bare;
pub mod embedded;
pub mod event;
pub mod ingest;
pub mod limits;
pub mod load;
pub mod machine;
pub mod pages;
pub mod pure;
pub mod reads;
pub mod reconcile;
pub mod report;
pub mod server;
pub mod wheel;
