//! Many calls at once, failures and deaths: one subscription.
