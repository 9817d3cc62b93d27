//! Many reads at once as few queries.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use billing_core::id::CustomerId;
use billing_core::mirror::{BatchReader, Coalescing, MirrorError, MirrorReader, UnverifiedRow};
use futures::future::join_all;

/// Has a row for every customer whose name is a number, says of how many it was asked each time, and answers for some
/// names otherwise.
#[derive(Clone, Default)]
struct Counting(Arc<Mutex<Vec<usize>>>);

impl Counting {
    /// How many customers each query was about.
    fn queries(&self) -> Vec<usize> {
        self.0.lock().unwrap().clone()
    }
}

impl BatchReader for Counting {
    async fn read_many(&self, customers: &[CustomerId]) -> Result<Vec<UnverifiedRow>, MirrorError> {
        self.0.lock().unwrap().push(customers.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
        let named = |name: &str| customers.iter().any(|customer| customer.as_str() == name);
        assert!(!named("panics"), "asked to panic");
        if named("fails") {
            return Err(MirrorError::Unavailable);
        }
        let numbers = customers
            .iter()
            .filter(|customer| customer.as_str().parse::<u32>().is_ok());
        let rows = numbers.map(|customer| UnverifiedRow {
            queue_customer_id: customer.to_string(),
            plan_tier: "pro".to_owned(),
            status: if customer.as_str() == "13" {
                "ACTIVE"
            } else {
                "active"
            }
            .to_owned(),
            current_period_end: None,
            updated_at: "2027-01-15 08:00:00.000000".to_owned(),
        });
        Ok(rows.collect())
    }
}

fn id(name: &str) -> CustomerId {
    CustomerId::parse(name).unwrap()
}

#[tokio::test]
async fn a_thousand_reads_at_once_are_few_queries_and_each_gets_its_own_row() {
    let reader = Counting::default();
    let coalescing = Coalescing::new(reader.clone(), 2);
    let names: Vec<String> = (0..1000)
        .map(|n| {
            if n % 3 == 0 {
                format!("nobody-{n}")
            } else {
                n.to_string()
            }
        })
        .collect();
    let reads = names.iter().map(|name| {
        let coalescing = coalescing.clone();
        async move { coalescing.read(&id(name)).await }
    });
    for (name, answer) in names.iter().zip(join_all(reads).await) {
        match answer {
            Ok(Some(row)) => assert_eq!(row.queue_customer_id.as_str(), name),
            Ok(None) => assert!(name.starts_with("nobody")),
            // A malformed row is its own customer's trouble.
            Err(error) => assert!(matches!(error, MirrorError::Malformed(_)) && name == "13"),
        }
    }
    let queries = reader.queries().len();
    assert!(queries <= 6, "{queries} queries for 1000 reads");
}

#[tokio::test]
async fn reads_that_wait_are_divided_among_the_queries_that_may_run_at_once() {
    for (at_once, divided) in [(1, vec![32]), (2, vec![16, 16]), (3, vec![11, 11, 10])] {
        let reader = Counting::default();
        let coalescing = Coalescing::new(reader.clone(), at_once);
        for _ in 0..2 {
            let reads = (100..132).map(|n: u32| {
                let coalescing = coalescing.clone();
                async move { coalescing.read(&id(&n.to_string())).await.unwrap() }
            });
            assert!(join_all(reads).await.iter().all(Option::is_some));
        }
        assert_eq!(reader.queries(), divided.repeat(2));
    }
}

#[tokio::test]
async fn a_query_that_fails_or_panics_closes_its_own_reads_and_no_later_ones() {
    let coalescing = Coalescing::new(Counting::default(), 1);
    for (name, error) in [
        ("fails", MirrorError::Unavailable),
        ("panics", MirrorError::Panicked),
    ] {
        assert_eq!(coalescing.read(&id(name)).await, Err(error));
        assert!(coalescing.read(&id("7")).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn reads_that_are_given_up_hold_up_no_other() {
    let coalescing = Coalescing::new(Counting::default(), 1);
    for _ in 0..50 {
        let customer = id("1");
        let given_up = coalescing.read(&customer);
        assert!(
            tokio::time::timeout(Duration::from_millis(1), given_up)
                .await
                .is_err()
        );
    }
    assert!(coalescing.read(&id("2")).await.unwrap().is_some());
}
