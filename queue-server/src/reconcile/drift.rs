//! What a run found, by field.

use std::collections::BTreeMap;

use billing_core::id::SubscriptionId;
use billing_core::ledger::Outcome;
use billing_core::store::SubscriptionRow;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::vocabulary;

/// Differences that are kept one by one; all are counted, and stand in the log and in the audit chain.
const KEPT: usize = 1000;

/// What a run found. Free of personal data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct Report {
    /// Subscriptions that were looked at.
    #[schema(required = true)]
    pub(crate) subscriptions: u64,
    /// Those of them that were not known here.
    #[schema(required = true)]
    pub(crate) imported: u64,
    /// Those of them that were other than Stripe shows.
    #[schema(required = true)]
    pub(crate) repaired: u64,
    /// How often each field was.
    #[schema(required = true)]
    pub(crate) fields: BTreeMap<String, u64>,
    /// The first of those differences.
    #[schema(required = true)]
    pub(crate) differences: Vec<Difference>,
    /// Live subscriptions here that Stripe does not have.
    #[schema(required = true, value_type = Vec<vocabulary::StripeId>)]
    pub(crate) unknown: Vec<SubscriptionId>,
    /// Open invoices that were looked at.
    #[schema(required = true)]
    pub(crate) invoices: u64,
    /// Events that were looked at, and those that changed something.
    #[schema(required = true)]
    pub(crate) events: u64,
    #[schema(required = true)]
    pub(crate) events_applied: u64,
    /// Objects of Stripe's that can't be read, and were passed over.
    #[schema(required = true)]
    pub(crate) unreadable: u64,
}

/// A field that was other than it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Difference {
    #[schema(value_type = vocabulary::StripeId)]
    stripe_subscription_id: SubscriptionId,
    field: String,
    #[schema(value_type = Value)]
    was: Value,
    #[schema(value_type = Value)]
    is: Value,
}

impl Report {
    /// Compares what was stored with what is.
    pub(super) fn compare(&mut self, before: &[SubscriptionRow], after: &[SubscriptionRow]) {
        for row in after {
            self.subscriptions += 1;
            let id = &row.stripe_subscription_id;
            let known = before.iter().find(|row| row.stripe_subscription_id == *id);
            let Some(known) = known else {
                self.imported += 1;
                continue;
            };
            let (was, is) = (shown(known), shown(row));
            let mut differs = false;
            for (field, is) in is {
                let was = was.get(&field).cloned().unwrap_or_default();
                if was != is {
                    differs = true;
                    self.note(id, field, was, is);
                }
            }
            self.repaired += u64::from(differs);
        }
    }

    fn note(&mut self, id: &SubscriptionId, field: String, was: Value, is: Value) {
        tracing::warn!(subscription_id = %id, field, %was, %is, "a subscription was other than Stripe shows");
        *self.fields.entry(field.clone()).or_default() += 1;
        if self.differences.len() < KEPT {
            self.differences.push(Difference {
                stripe_subscription_id: id.clone(),
                field,
                was,
                is,
            });
        }
    }

    /// A live subscription here that Stripe does not have.
    pub(super) fn unknown(&mut self, id: &SubscriptionId) {
        tracing::error!(subscription_id = %id, "a live subscription is not at Stripe: is the key of this account and mode?");
        if self.unknown.len() < KEPT {
            self.unknown.push(id.clone());
        }
    }

    pub(super) fn took_event(&mut self, outcome: Outcome) {
        self.events += 1;
        self.events_applied += u64::from(outcome == Outcome::Applied);
    }
}

/// What anybody sees of a subscription.
fn shown(row: &SubscriptionRow) -> Map<String, Value> {
    match serde_json::to_value(&row.view) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}
