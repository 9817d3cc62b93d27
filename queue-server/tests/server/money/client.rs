//! The client of Stripe's API by itself.
