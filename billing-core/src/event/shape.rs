//! Which fields of an event are read; everything else is passed over (E2).

use super::json::{SCALAR, Shape};

/// An id, or the object that it names when Stripe expands it.
const REFERENCE: Shape = Shape::of(&[("id", SCALAR)]);

const ADDRESS: Shape = Shape::of(&[
    ("line1", SCALAR),
    ("line2", SCALAR),
    ("city", SCALAR),
    ("state", SCALAR),
    ("postal_code", SCALAR),
    ("country", SCALAR),
]);

const PRICE: Shape = Shape::of(&[
    ("id", SCALAR),
    ("currency", SCALAR),
    ("unit_amount", SCALAR),
    ("unit_amount_decimal", SCALAR),
    (
        "recurring",
        Shape::of(&[
            ("interval", SCALAR),
            ("interval_count", SCALAR),
            ("usage_type", SCALAR),
        ]),
    ),
    (
        "transform_quantity",
        Shape::of(&[("divide_by", SCALAR), ("round", SCALAR)]),
    ),
]);

const COUPON: Shape = Shape::of(&[
    ("percent_off", SCALAR),
    ("amount_off", SCALAR),
    ("currency", SCALAR),
    ("duration", SCALAR),
]);

/// An id, or the discount, which has its coupon in one place or the other.
const DISCOUNT: Shape = Shape::of(&[
    ("id", SCALAR),
    ("coupon", COUPON),
    ("source", Shape::of(&[("coupon", COUPON)])),
]);

const ITEMS: Shape = Shape::of(&[(
    "data",
    Shape::of(&[
        ("price", PRICE),
        ("quantity", SCALAR),
        ("current_period_end", SCALAR),
        ("discounts", DISCOUNT),
    ]),
)]);

/// The fields read of any object: `type` may follow `data`, so one shape serves all of them.
pub(super) const OBJECT: Shape = Shape::of(&[
    ("id", SCALAR),
    ("object", SCALAR),
    ("created", SCALAR),
    ("status", SCALAR),
    ("deleted", SCALAR),
    ("attempted", SCALAR),
    ("customer", REFERENCE),
    ("metadata", Shape::of(&[("queue_customer_id", SCALAR)])),
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
        Shape::of(&[("behavior", SCALAR), ("resumes_at", SCALAR)]),
    ),
    ("latest_invoice", REFERENCE),
    ("pending_update", Shape::of(&[("expires_at", SCALAR)])),
    ("subscription", REFERENCE),
    (
        "parent",
        Shape::of(&[(
            "subscription_details",
            Shape::of(&[("subscription", REFERENCE)]),
        )]),
    ),
    (
        "status_transitions",
        Shape::of(&[("finalized_at", SCALAR), ("paid_at", SCALAR)]),
    ),
    ("attempt_count", SCALAR),
    ("billing_reason", SCALAR),
]);

/// The fields read of an event.
pub(crate) static EVENT: Shape = Shape::of(&[
    ("id", SCALAR),
    ("object", SCALAR),
    ("type", SCALAR),
    ("created", SCALAR),
    ("livemode", SCALAR),
    ("account", SCALAR),
    (
        "data",
        Shape::of(&[("object", OBJECT), ("previous_attributes", OBJECT)]),
    ),
    ("related_object", REFERENCE),
]);
