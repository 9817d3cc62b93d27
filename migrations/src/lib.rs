//! billing-migrations
