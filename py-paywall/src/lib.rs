//! `py_paywall._native`: the gate of `billing-core`, for Python.
//!
//! Private: what users see is the package `py_paywall`, which is documented there. Three rules hold
//! for all that is in here:
//!
//! 1. Nothing that a request can reach raises: a panic of ours is an answer that keeps the gate
//!    closed ([`closed`]). `except Exception` would not catch PyO3's own `PanicException`, and it
//!    would take the worker down with it.
//! 2. The runtime's thread never takes the interpreter's lock: it can neither wait for Python nor
//!    be waited for at the interpreter's end.
//! 3. What belongs to the parent's threads is made anew in a child of a fork ([`process`]). What does
//!    not, because it is the whole process's, is free when Python forks: SQLite is closed then, and
//!    the runtime's thread stands still ([`fork`]).

mod alerts;
mod barrier;
mod closed;
mod completions;
mod decision;
mod fork;
mod gate;
mod inspect;
mod migration;
mod mirror;
mod process;
mod receiver;
mod token;
mod url;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::{
        alerts::Alerts,
        completions::Completions,
        decision::{Decision, Problem, decide_row},
        fork::{after_fork, before_fork},
        gate::{Gate, Gates},
        inspect::inspect,
        migration::mirror_migration,
        mirror::Mirror,
        receiver::{Answered, Receiver},
        token::mint_customer_token,
    };
}
