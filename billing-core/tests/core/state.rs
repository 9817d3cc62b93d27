//! The state that O1 speaks of: all that is stored, but for what depends on arrival.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::arbitrary::BASE;
use crate::history::Moment;
use crate::tag::Tag;
use crate::test_ledger::TestLedger;

/// The rows of each table.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct State(pub(crate) BTreeMap<&'static str, Vec<Value>>);

impl State {
    pub(crate) async fn of(ledger: &TestLedger) -> Self {
        let mut tables = BTreeMap::new();
        for table in [
            "billing_customer",
            "billing_subscription",
            "billing_invoice",
        ] {
            tables.insert(table, ledger.rows(table).await);
        }
        let owners: BTreeSet<String> = tables["billing_customer"].iter().map(owner).collect();
        let mut mirrors = ledger.rows("mirror_row").await;
        for row in &mut mirrors {
            row.as_object_mut().unwrap().remove("updated_at");
        }
        // The row that was left under an id that nothing is bound to any more says what no row
        // would say: which ids those are, depends on the order in which bindings came.
        mirrors.retain(|row| {
            let left_behind = row["plan_tier"] == "free"
                && row["status"] == "none"
                && row["current_period_end"].is_null()
                && !owners.contains(row["queue_customer_id"].as_str().unwrap());
            !left_behind
        });
        tables.insert("mirror_row", mirrors);
        Self(tables)
    }

    /// The states of copies that share a database, each as if it had been alone.
    pub(crate) fn apart(self) -> BTreeMap<Tag, Self> {
        let mut states = BTreeMap::<Tag, Self>::new();
        for (table, rows) in self.0 {
            for row in rows {
                let (tag, row) = Tag::taken_off(&row);
                let tables = &mut states.entry(tag).or_default().0;
                tables.entry(table).or_default().push(row);
            }
        }
        states
    }

    /// What its rows say, in the form of the histories.
    pub(crate) fn told(&self, now: i64) -> Moment {
        let rows = |table| self.0.get(table).into_iter().flatten();
        let id = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let subscriptions = rows("billing_subscription").map(|row| {
            let prices = row["prices"].as_array().unwrap().iter();
            let prices: Vec<_> = prices.map(|price| price.as_str().unwrap()).collect();
            let told = json!([
                row["status"],
                row["entitled"],
                prices.join("+").replace("price_", ""),
                offset(&row["current_period_end"]),
                offset(&row["grace_ends_at"]),
                offset(&row["feature_locked_at"]),
                row["in_doubt"],
            ]);
            (id(row, "stripe_subscription_id"), told)
        });
        let mirrors = rows("mirror_row").map(|row| {
            let told = json!([
                row["plan_tier"],
                row["status"],
                offset(&row["current_period_end"]),
                offset(&row["next_deadline"]),
            ]);
            (id(row, "queue_customer_id"), told)
        });
        Moment(now, subscriptions.collect(), mirrors.collect())
    }
}

fn owner(customer: &Value) -> String {
    match customer["queue_customer_id"].as_str() {
        Some(bound) => bound.to_owned(),
        None => format!(
            "stripe:{}",
            customer["stripe_customer_id"].as_str().unwrap()
        ),
    }
}

/// Seconds since [`BASE`] of a time of Stripe's, in seconds, or of ours, as text.
pub(crate) fn offset(time: &Value) -> Option<i64> {
    match time {
        Value::Number(seconds) => Some(seconds.as_i64().unwrap() - BASE),
        Value::String(text) => {
            let time: Timestamp = format!("{text}Z").parse().unwrap();
            Some(time.as_second() - BASE)
        }
        _ => None,
    }
}
