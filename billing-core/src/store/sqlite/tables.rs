//! Queue's tables, as far as rows are read or written by the set.

use super::table::Kind::{Bool, Json, Plain};
use super::table::Table;

pub(super) const CUSTOMER: Table = Table {
    name: "billing_customer",
    key: &["stripe_customer_id"],
    columns: &[
        ("queue_customer_id", Plain),
        ("bound_at", Plain),
        ("bound_by", Plain),
        ("deleted_at", Plain),
        ("personal_at", Plain),
        ("personal_by", Plain),
        ("email", Plain),
        ("name", Plain),
        ("address_line1", Plain),
        ("address_line2", Plain),
        ("address_city", Plain),
        ("address_state", Plain),
        ("address_postal_code", Plain),
        ("address_country", Plain),
    ],
};

pub(super) const SUBSCRIPTION: Table = Table {
    name: "billing_subscription",
    key: &["stripe_customer_id", "stripe_subscription_id"],
    columns: &[
        ("terminal", Bool),
        ("stamp", Plain),
        ("contenders", Json),
        ("active_at", Plain),
        ("past_due_since", Plain),
        ("price_changed_at", Plain),
        ("price_changes", Json),
        ("status", Plain),
        ("entitled", Bool),
        ("ended", Bool),
        ("mirror_status", Plain),
        ("plan_tier", Plain),
        ("prices", Json),
        ("current_period_end", Plain),
        ("grace_ends_at", Plain),
        ("cancel_at_period_end", Bool),
        ("cancel_at", Plain),
        ("resumes_at", Plain),
        ("latest_invoice", Plain),
        ("feature_locked_at", Plain),
        ("in_doubt", Bool),
        ("next_deadline", Plain),
    ],
};

pub(super) const INVOICE: Table = Table {
    name: "billing_invoice",
    key: &["stripe_customer_id", "stripe_invoice_id"],
    columns: &[
        ("stripe_subscription_id", Plain),
        ("status", Plain),
        ("created", Plain),
        ("finalized_at", Plain),
        ("paid_at", Plain),
        ("billing_reason", Plain),
        ("first_failed_at", Plain),
        ("last_failed_at", Plain),
        ("first_failed_attempt", Plain),
        ("failed_attempts", Plain),
    ],
};

pub(super) const EVENT: Table = Table {
    name: "processed_stripe_events",
    key: &["event_id"],
    columns: &[
        ("type", Plain),
        ("created", Plain),
        ("facts_digest", Plain),
        ("outcome", Plain),
        ("received_at", Plain),
    ],
};

pub(super) const QUARANTINE: Table = Table {
    name: "billing_quarantine",
    key: &["event_id", "reason"],
    columns: &[
        ("type", Plain),
        ("created", Plain),
        ("object_id", Plain),
        ("received_at", Plain),
    ],
};

pub(super) const ACTION_LOG: Table = Table {
    name: "billing_action_log",
    key: &["seq"],
    columns: &[
        ("recorded_at", Plain),
        ("actor", Plain),
        ("action", Plain),
        ("subject", Plain),
        ("event_id", Plain),
        ("details", Plain),
        ("preimage", Plain),
        ("mac", Plain),
        ("key_id", Plain),
    ],
};

pub(super) const MIRROR_ROW: Table = Table {
    name: "mirror_row",
    key: &["queue_customer_id"],
    columns: &[
        ("plan_tier", Plain),
        ("status", Plain),
        ("current_period_end", Plain),
        ("updated_at", Plain),
        ("next_deadline", Plain),
    ],
};
