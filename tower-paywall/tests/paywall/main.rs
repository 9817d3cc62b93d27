//! The paywall over bare tower services and axum routers.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod booth;
mod closed;
mod composed;
mod denial;
mod identity;
mod observed;
mod open;
mod path;
#[cfg(all(unix, feature = "postgres"))]
mod postgres;
mod ready;
mod told;
