//! The words and identifiers that requests and answers are made of, as the description has them.

use billing_core::catalogue;
use billing_core::change::QuarantineReason as Reason;
use billing_core::event::MAX_TYPE_LENGTH;
use billing_core::id::MAX_ID_LENGTH;
use billing_core::ledger;
use billing_core::mirror;
use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! vocabulary {
    ($($(#[doc = $doc:literal])+ $name:ident = $schema:expr;)+) => {$(
        $(#[doc = $doc])+
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let schema: ObjectBuilder = $schema;
                schema.description(Some(concat!($($doc),+).trim())).into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

vocabulary! {
    /// A customer as the seller knows them, or `stripe:cus_…`, whom only Stripe knows.
    CustomerId = plain();
    /// A customer as the seller knows them: printable ASCII without spaces, not beginning with `stripe:`.
    ChosenCustomerId = text("^(?!stripe:)[!-~]+$", CHOSEN_LENGTH);
    /// The id of one of Stripe's objects, as `cus_…` or `sub_…`.
    StripeId = plain();
    /// The id of one of Stripe's events.
    EventId = text("^evt_[A-Za-z0-9_]+$", MAX_ID_LENGTH);
    /// The id of one of Stripe's payment methods.
    PaymentMethodId = text("^pm_[A-Za-z0-9_]+$", MAX_ID_LENGTH);
    /// The name of a tier, such as `pro`.
    Tier = text("^[a-z0-9_]+$", catalogue::MAX_TIER_LENGTH);
    /// An ISO 4217 code in lower case.
    Currency = text("^[a-z]{3}$", 3);
    /// A month, such as `2027-01`.
    Month = text("^[0-9]{4}-[0-9]{2}$", 7);
    /// A status of Stripe's. There may be others than these some day.
    SubscriptionStatus = string().examples([
        "incomplete", "incomplete_expired", "trialing", "active", "past_due", "unpaid", "paused", "canceled",
    ]);
    /// The status of an invoice.
    InvoiceStatus = words(["draft", "open", "uncollectible", "void", "paid"]);
    /// The status of a mirror row.
    MirrorStatus = words(mirror::MirrorStatus::ALL.map(mirror::MirrorStatus::as_str));
    /// What came of an event.
    EventOutcome = words([
        ledger::Outcome::Duplicate,
        ledger::Outcome::Quarantined,
        ledger::Outcome::Ignored,
        ledger::Outcome::Stale,
        ledger::Outcome::Applied,
    ].map(ledger::Outcome::as_str));
    /// Whether a row was made or changed.
    RegistrationOutcome = words([ledger::Outcome::Applied, ledger::Outcome::Duplicate].map(ledger::Outcome::as_str));
    /// What is done about the mirror.
    MirrorSyncOutcome = words(["sent", "asked"]);
    /// What came of a change of plan.
    PlanChangeOutcome = words(["changed", "pending", "unchanged"]);
    /// Whether billing is on.
    Switch = words(["on", "off"]);
    /// What a gate says.
    GateDecision = words([
        "allow", "no_row", "not_entitled", "tier_too_low", "period_over", "mirror_row_malformed",
    ]);
    /// Why an event was set aside.
    QuarantineReason = words([
        Reason::ThinEvent,
        Reason::WrongLivemode,
        Reason::WrongAccount,
        Reason::ImplausibleTime,
        Reason::Unreadable,
        Reason::FactsDiffer,
    ].map(Reason::as_str));
    /// An event, exactly as Stripe sends and signs it. A thin event is taken too, and set aside.
    StripeEvent = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("id", EventId::schema())
        .property("object", words(["event"]))
        .property("type", string().min_length(Some(1)).max_length(Some(MAX_TYPE_LENGTH)))
        .property("created", ObjectBuilder::new().schema_type(Type::Integer).format(Some(INT64)))
        .property("data", ObjectBuilder::new().schema_type(Type::Object))
        .required("id").required("object").required("type").required("created").required("data")
        .additional_properties(Some(AdditionalProperties::FreeForm(true)));
    /// Why a request was refused (RFC 9457).
    Problem = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("title", string().description(Some("The name of the status.")))
        .property("status", ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(400)).maximum(Some(599)))
        .property("code", string().pattern(Some("^[A-Za-z_]+$")).description(Some(
            "Which refusal it is: a stable word, in the metrics and the log too. There may be new ones.",
        )))
        .property("detail", string().description(Some("What a person is told.")))
        .required("title").required("status").required("code").required("detail")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
}

/// Room is left for the prefix of customers that only Stripe knows.
const CHOSEN_LENGTH: usize = MAX_ID_LENGTH - "stripe:".len();
const INT64: SchemaFormat = SchemaFormat::KnownFormat(KnownFormat::Int64);

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn text(pattern: &str, max_length: usize) -> ObjectBuilder {
    string()
        .pattern(Some(pattern))
        .min_length(Some(1))
        .max_length(Some(max_length))
}

/// Printable ASCII without spaces.
fn plain() -> ObjectBuilder {
    text("^[!-~]+$", MAX_ID_LENGTH)
}

fn words<const COUNT: usize>(words: [&'static str; COUNT]) -> ObjectBuilder {
    string().enum_values(Some(words.map(Value::from)))
}
