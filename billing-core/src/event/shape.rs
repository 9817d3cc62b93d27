//! Which fields of an event are read; everything else is passed over (E2).

use super::json::{SCALAR, Shape};

/// An id, or the object that it names when Stripe expands it.
const REFERENCE: Shape = Shape(&[("id", SCALAR)]);

const ADDRESS: Shape = Shape(&[
    ("line1", SCALAR),
    ("line2", SCALAR),
    ("city", SCALAR),
    ("state", SCALAR),
    ("postal_code", SCALAR),
    ("country", SCALAR),
]);

const PRICE: Shape = Shape(&[
    ("id", SCALAR),
    ("currency", SCALAR),
    ("unit_amount", SCALAR),
    ("unit_amount_decimal", SCALAR),
    (
        "recurring",
        Shape(&[
            ("interval", SCALAR),
            ("interval_count", SCALAR),
            ("usage_type", SCALAR),
        ]),
    ),
    (
        "transform_quantity",
        Shape(&[("divide_by", SCALAR), ("round", SCALAR)]),
    ),
]);

const COUPON: Shape = Shape(&[
    ("percent_off", SCALAR),
    ("amount_off", SCALAR),
    ("currency", SCALAR),
    ("duration", SCALAR),
]);

/// An id, or the discount, which has its coupon in one place or the other.
const DISCOUNT: Shape = Shape(&[
    ("id", SCALAR),
    ("coupon", COUPON),
    ("source", Shape(&[("coupon", COUPON)])),
]);

const ITEMS: Shape = Shape(&[(
    "data",
    Shape(&[
        ("price", PRICE),
        ("quantity", SCALAR),
        ("current_period_end", SCALAR),
        ("discounts", DISCOUNT),
    ]),
)]);

/// The fields read of any object: `type` may follow `data`, so one shape serves all of them.
pub(super) const OBJECT: Shape = Shape(&[
    ("id", SCALAR),
    ("object", SCALAR),
    ("created", SCALAR),
    ("status", SCALAR),
    ("deleted", SCALAR),
    ("attempted", SCALAR),
    ("customer", REFERENCE),
    ("metadata", Shape(&[("queue_customer_id", SCALAR)])),
    ("email", SCALAR),
    ("name", SCALAR),
    ("address", ADDRESS),
    ("items", ITEMS),
    ("currency", SCALAR),
    ("discount", DISCOUNT),
    ("discounts", DISCOUNT),
    ("current_period_end", SCALAR),
    ("cancel_at_period_end", SCALAR),
    ("cancel_at", SCALAR),
    ("trial_end", SCALAR),
    ("ended_at", SCALAR),
    (
        "pause_collection",
        Shape(&[("behavior", SCALAR), ("resumes_at", SCALAR)]),
    ),
    ("latest_invoice", REFERENCE),
    ("pending_update", Shape(&[("expires_at", SCALAR)])),
    ("subscription", REFERENCE),
    (
        "parent",
        Shape(&[(
            "subscription_details",
            Shape(&[("subscription", REFERENCE)]),
        )]),
    ),
    (
        "status_transitions",
        Shape(&[("finalized_at", SCALAR), ("paid_at", SCALAR)]),
    ),
    ("attempt_count", SCALAR),
    ("billing_reason", SCALAR),
]);

/// The fields read of an event.
pub(crate) static EVENT: Shape = Shape(&[
    ("id", SCALAR),
    ("object", SCALAR),
    ("type", SCALAR),
    ("created", SCALAR),
    ("livemode", SCALAR),
    ("account", SCALAR),
    (
        "data",
        Shape(&[("object", OBJECT), ("previous_attributes", OBJECT)]),
    ),
    ("related_object", REFERENCE),
]);
