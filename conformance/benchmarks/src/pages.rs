//! What is read of all customers: pages of them, and their revenue.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use billing_core::catalogue::Tier;
use billing_core::id::CustomerId;
use billing_core::mirror::MirrorStatus;
use billing_core::policy::Policy;
use billing_core::store::{CustomerFilter, SqlStore};
use jiff::Timestamp;

use crate::ingest::middle;

/// Customers on a page, as the server has them unless asked for another number.
const PAGE: u32 = 100;
/// Pages of each kind, here and there.
const PAGES: u64 = 40;

/// How long a page takes, in the middle, of the kind that takes longest.
pub async fn time(url: &str, customers: u64) -> Result<Duration> {
    let store = SqlStore::open(url).await?;
    let filters = [
        CustomerFilter::default(),
        CustomerFilter {
            status: Some(MirrorStatus::Active),
            ..CustomerFilter::default()
        },
        CustomerFilter {
            plan_tier: Some(Tier::parse("pro")?),
            in_grace: Some(false),
            ..CustomerFilter::default()
        },
        // Nobody is.
        CustomerFilter {
            status: Some(MirrorStatus::Paused),
            ..CustomerFilter::default()
        },
        CustomerFilter {
            in_grace: Some(true),
            ..CustomerFilter::default()
        },
        CustomerFilter {
            in_doubt: Some(true),
            ..CustomerFilter::default()
        },
    ];
    let mut longest = Duration::ZERO;
    for filter in &filters {
        let mut times = Vec::new();
        for number in 0..PAGES {
            let after = CustomerId::parse(format!("stripe:cus_{}", number * customers / PAGES))?;
            let began = Instant::now();
            let page = store.customers(filter, Some(&after), PAGE).await?;
            times.push(began.elapsed());
            ensure!(page.len() <= PAGE as usize, "a page is too long");
        }
        longest = longest.max(middle(times));
    }
    store.close().await;
    Ok(longest)
}

/// How long it takes to tell the revenue of all customers, of this month and the eleven before.
pub async fn time_revenue(url: &str, policy: &Policy) -> Result<Duration> {
    let store = SqlStore::open(url).await?;
    let began = Instant::now();
    let revenue = store.revenue(policy, Timestamp::now(), 12).await?;
    let took = began.elapsed();
    ensure!(!revenue.mrr.is_empty(), "nobody pays");
    store.close().await;
    Ok(took)
}
