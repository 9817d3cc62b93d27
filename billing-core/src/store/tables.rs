//! Queue's tables, as far as rows are read or written by the set.

use super::table::Table;
use crate::database::Kind::{Bool, Bytes, Instant, Integer, Json, Seconds, Text};

pub(super) const CUSTOMER: Table = Table {
    name: "billing_customer",
    key: &[("stripe_customer_id", Text)],
    columns: &[
        ("queue_customer_id", Text),
        ("bound_at", Seconds),
        ("bound_by", Text),
        ("deleted_at", Seconds),
        ("personal_at", Seconds),
        ("personal_by", Text),
        ("email", Text),
        ("name", Text),
        ("address_line1", Text),
        ("address_line2", Text),
        ("address_city", Text),
        ("address_state", Text),
        ("address_postal_code", Text),
        ("address_country", Text),
    ],
};

pub(super) const SUBSCRIPTION: Table = Table {
    name: "billing_subscription",
    key: &[
        ("stripe_customer_id", Text),
        ("stripe_subscription_id", Text),
    ],
    columns: &[
        ("terminal", Bool),
        ("stamp", Seconds),
        ("contenders", Json),
        ("active_at", Seconds),
        ("past_due_since", Seconds),
        ("price_changed_at", Seconds),
        ("price_changes", Json),
        ("seen_until", Seconds),
        ("coupons", Json),
        ("status", Text),
        ("entitled", Bool),
        ("ended", Bool),
        ("mirror_status", Text),
        ("plan_tier", Text),
        ("prices", Json),
        ("current_period_end", Seconds),
        ("grace_ends_at", Seconds),
        ("cancel_at_period_end", Bool),
        ("cancel_at", Seconds),
        ("resumes_at", Seconds),
        ("latest_invoice", Text),
        ("feature_locked_at", Seconds),
        ("in_doubt", Bool),
        ("next_deadline", Seconds),
    ],
};

pub(super) const TERMS: Table = Table {
    name: "subscription_terms",
    key: &[
        ("stripe_customer_id", Text),
        ("stripe_subscription_id", Text),
        ("created", Seconds),
        ("event_id", Text),
    ],
    columns: &[("kind", Text), ("post", Json), ("pre", Json)],
};

pub(super) const INVOICE: Table = Table {
    name: "billing_invoice",
    key: &[("stripe_customer_id", Text), ("stripe_invoice_id", Text)],
    columns: &[
        ("stripe_subscription_id", Text),
        ("status", Text),
        ("created", Seconds),
        ("finalized_at", Seconds),
        ("paid_at", Seconds),
        ("billing_reason", Text),
        ("first_failed_at", Seconds),
        ("last_failed_at", Seconds),
        ("first_failed_attempt", Integer),
        ("failed_attempts", Integer),
    ],
};

pub(super) const EVENT: Table = Table {
    name: "processed_stripe_events",
    key: &[("event_id", Text)],
    columns: &[
        ("type", Text),
        ("created", Seconds),
        ("facts_digest", Text),
        ("outcome", Text),
        ("received_at", Instant),
    ],
};

pub(super) const QUARANTINE: Table = Table {
    name: "billing_quarantine",
    key: &[("event_id", Text), ("reason", Text)],
    columns: &[
        ("type", Text),
        ("created", Seconds),
        ("object_id", Text),
        ("received_at", Instant),
    ],
};

pub(super) const REFRESH_QUEUE: Table = Table {
    name: "refresh_queue",
    key: &[("object_id", Text)],
    columns: &[
        ("due_at", Instant),
        ("tries", Integer),
        ("marked_at", Instant),
    ],
};

pub(super) const ACTION_LOG: Table = Table {
    name: "billing_action_log",
    key: &[("seq", Integer)],
    columns: &[
        ("recorded_at", Instant),
        ("actor", Text),
        ("action", Text),
        ("subject", Text),
        ("event_id", Text),
        ("details", Text),
        ("preimage", Bytes),
        ("mac", Text),
        ("key_id", Text),
    ],
};

pub(super) const MIRROR_ROW: Table = Table {
    name: "mirror_row",
    key: &[("queue_customer_id", Text)],
    columns: &[
        ("plan_tier", Text),
        ("status", Text),
        ("current_period_end", Instant),
        ("updated_at", Instant),
        ("next_deadline", Seconds),
        ("grace_ends_at", Seconds),
        ("in_doubt", Bool),
    ],
};

pub(super) const CLAIM: Table = Table {
    name: "subscribe_claim",
    key: &[("queue_customer_id", Text)],
    columns: &[
        ("claim_id", Text),
        ("via", Text),
        ("plan_tier", Text),
        ("price_id", Text),
        ("payment_method_id", Text),
        ("success_url", Text),
        ("cancel_url", Text),
        ("stripe_customer_id", Text),
        ("object_id", Text),
        ("claimed_at", Instant),
        ("ended_at", Instant),
    ],
};

pub(super) const CHAIN: Table = Table {
    name: "billing_chain",
    key: &[("seq", Integer)],
    columns: &[("mac", Text), ("key_check", Text)],
};

pub(super) const OUTBOX: Table = Table {
    name: "mirror_outbox",
    key: &[("queue_customer_id", Text)],
    columns: &[
        ("version", Instant),
        ("dirty_since", Instant),
        ("due_at", Instant),
    ],
};
