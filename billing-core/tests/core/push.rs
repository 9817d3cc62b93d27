//! Rows over HTTP: what one side writes the other reads, nothing else is believed, and only one
//! answer means that rows arrived (M3, M4, S1).

use std::sync::{Arc, Mutex};

use billing_core::catalogue::Tier;
use billing_core::id::{CustomerId, MAX_ID_LENGTH};
use billing_core::mirror::push::{self, MAX_ROWS, MalformedPush, PushAnswer, read_answer};
use billing_core::mirror::{
    MalformedRow, MirrorRow, MirrorSink, MirrorStatus, MirrorTime, SinkError,
};
use billing_core::signature::{self, Delivery, MAX_BODY_BYTES, SignatureError, SigningKeys};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::arbitrary::BASE;
use crate::property::Property;

const STATUSES: [MirrorStatus; 8] = [
    MirrorStatus::Active,
    MirrorStatus::Trialing,
    MirrorStatus::PastDue,
    MirrorStatus::Unpaid,
    MirrorStatus::Paused,
    MirrorStatus::Incomplete,
    MirrorStatus::Canceled,
    MirrorStatus::None,
];

fn now() -> Timestamp {
    Timestamp::from_second(BASE).unwrap()
}

fn keys() -> SigningKeys {
    SigningKeys::parse("one,another").unwrap()
}

/// A mirror that remembers what it took, or fails.
#[derive(Clone, Default)]
struct Mirror {
    rows: Arc<Mutex<Vec<MirrorRow>>>,
    fails: Option<SinkError>,
}

impl MirrorSink for Mirror {
    async fn apply(&self, rows: &[MirrorRow]) -> Result<(), SinkError> {
        self.rows.lock().unwrap().extend_from_slice(rows);
        self.fails.clone().map_or(Ok(()), Err)
    }
}

impl Mirror {
    /// Has it receive a body that is signed well.
    async fn receive(&self, body: impl Into<Vec<u8>>) -> PushAnswer {
        let body = body.into();
        let header = signature::sign(&body, &keys(), now());
        push::receive(Delivery::new(body, [header]), &keys(), self, now()).await
    }

    fn holds(&self) -> Vec<MirrorRow> {
        self.rows.lock().unwrap().clone()
    }
}

fn arbitrary_row() -> impl Strategy<Value = MirrorRow> {
    let instant = 0..253_402_128_000_000_000_i64;
    let row = ("[!-~]{1,255}", "[a-z0-9_]{1,64}", 0..STATUSES.len());
    let instants = (prop::option::of(instant.clone()), instant);
    (row, instants).prop_map(|((customer, tier, status), (period_end, updated_at))| {
        let time = |at| MirrorTime::from_timestamp(Timestamp::from_microsecond(at).unwrap());
        MirrorRow {
            queue_customer_id: CustomerId::parse(customer).unwrap(),
            plan_tier: Tier::parse(tier).unwrap(),
            status: STATUSES[status],
            current_period_end: period_end.map(time),
            updated_at: time(updated_at),
        }
    })
}

fn row() -> Value {
    json!({"queue_customer_id": "user-17", "plan_tier": "pro", "status": "active",
           "current_period_end": "2027-02-01 00:00:00.000000",
           "updated_at": "2027-01-15 08:00:00.000001"})
}

#[test]
fn what_is_encoded_arrives_and_any_flipped_bit_is_not_believed_m4_s1() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let rows = prop::collection::vec(arbitrary_row(), 0..8);
    let flip = (any::<prop::sample::Index>(), 0..8_u8);
    Property::in_cases(200).holds((rows, flip), |(rows, (at, bit))| {
        runtime.block_on(async {
            let mirror = Mirror::default();
            let body = push::encode(&rows);
            let answer = mirror.receive(body.clone()).await;
            prop_assert_eq!(&answer, &PushAnswer::Applied { rows: rows.len() });
            prop_assert_eq!(read_answer(answer.status(), &answer.body()), Ok(()));
            prop_assert_eq!(mirror.holds(), rows);

            let mirror = Mirror::default();
            let header = signature::sign(&body, &keys(), now());
            let mut flipped = body;
            let at = at.index(flipped.len());
            flipped[at] ^= 1 << bit;
            let delivery = Delivery::new(flipped, [header]);
            let answer = push::receive(delivery, &keys(), &mirror, now()).await;
            prop_assert_eq!(answer, PushAnswer::NotBelieved(SignatureError::NoMatch));
            prop_assert!(mirror.holds().is_empty());
            Ok(())
        })
    });
}

#[test]
fn the_most_rows_of_the_longest_fit_into_a_body_m4() {
    let longest = MirrorRow {
        // Each of these is two bytes in JSON.
        queue_customer_id: CustomerId::parse("\"".repeat(MAX_ID_LENGTH)).unwrap(),
        plan_tier: Tier::parse("p".repeat(64)).unwrap(),
        status: MirrorStatus::Incomplete,
        current_period_end: Some(MirrorTime::from_timestamp(Timestamp::MAX)),
        updated_at: MirrorTime::from_timestamp(Timestamp::MAX),
    };
    let body = push::encode(&vec![longest; MAX_ROWS]);
    assert!(body.len() < MAX_BODY_BYTES, "{} bytes", body.len());
}

#[tokio::test]
async fn the_body_is_as_documented_m4() {
    let rows: Vec<MirrorRow> = serde_json::from_value(json!([row()])).unwrap();
    let never = MirrorRow {
        current_period_end: None,
        ..rows[0].clone()
    };
    assert_eq!(
        String::from_utf8(push::encode(&[rows[0].clone(), never])).unwrap(),
        concat!(
            r#"{"rows":[{"queue_customer_id":"user-17","plan_tier":"pro","status":"active","#,
            r#""current_period_end":"2027-02-01 00:00:00.000000","#,
            r#""updated_at":"2027-01-15 08:00:00.000001"},"#,
            r#"{"queue_customer_id":"user-17","plan_tier":"pro","status":"active","#,
            r#""current_period_end":null,"updated_at":"2027-01-15 08:00:00.000001"}]}"#
        )
    );
}

#[tokio::test]
async fn what_is_signed_and_no_push_is_refused_whole_m4() {
    let with = |column: &str, value: Value| {
        let mut odd = row();
        odd[column] = value;
        json!({"rows": [row(), odd]}).to_string()
    };
    let without = |column: &str| {
        let mut odd = row();
        odd.as_object_mut().unwrap().remove(column);
        json!({"rows": [odd]}).to_string()
    };
    let bad = |column| MalformedPush::Row(MalformedRow { column });
    let many = json!({"rows": vec![row(); MAX_ROWS + 1]});
    let mut cases = vec![
        (String::new(), MalformedPush::NoRows),
        ("null".to_owned(), MalformedPush::NoRows),
        ("{}".to_owned(), MalformedPush::NoRows),
        (json!([row()]).to_string(), MalformedPush::NoRows),
        (json!({"rows": row()}).to_string(), MalformedPush::NoRows),
        (json!({"rows": [null]}).to_string(), MalformedPush::NoRows),
        (r#"{"rows":[],"rows":[]}"#.to_owned(), MalformedPush::NoRows),
        (r#"{"rows":[]} {}"#.to_owned(), MalformedPush::NoRows),
        (many.to_string(), MalformedPush::TooManyRows),
        (
            with("queue_customer_id", json!("")),
            bad("queue_customer_id"),
        ),
        (
            with("queue_customer_id", json!("a b")),
            bad("queue_customer_id"),
        ),
        (with("plan_tier", json!("Pro")), bad("plan_tier")),
        (with("status", json!("Active")), bad("status")),
        (with("status", json!("resurrected")), bad("status")),
        (
            with("current_period_end", json!("infinity")),
            bad("current_period_end"),
        ),
        (
            with("current_period_end", json!("2027-02-01T00:00:00Z")),
            bad("current_period_end"),
        ),
        (
            with("updated_at", json!("2027-01-15 08:00:00")),
            bad("updated_at"),
        ),
        (with("plan_tier", json!(null)), bad("plan_tier")),
        (with("updated_at", json!(1_800_000_000)), bad("updated_at")),
    ];
    for column in [
        "queue_customer_id",
        "plan_tier",
        "status",
        "current_period_end",
        "updated_at",
    ] {
        cases.push((without(column), MalformedPush::NoRows));
    }
    for (body, error) in cases {
        let mirror = Mirror::default();
        let shown: String = body.chars().take(200).collect();
        let answer = mirror.receive(body).await;
        assert_eq!(answer, PushAnswer::Malformed(error), "{shown}");
        assert_eq!(answer.reason(), "push_malformed");
        assert_eq!(
            read_answer(answer.status(), &answer.body()),
            Err(SinkError::Refused),
            "the sender then sends the rows apart"
        );
        assert_eq!(mirror.holds(), [], "{shown}");
    }
}

#[tokio::test]
async fn what_a_later_sender_adds_is_passed_over_m4() {
    let mut row = row();
    row["feature_locked_at"] = json!(null);
    let mirror = Mirror::default();
    let answer = mirror.receive(json!({"version": 2, "rows": [row]}).to_string());
    assert_eq!(answer.await, PushAnswer::Applied { rows: 1 });
}

#[tokio::test]
async fn every_failure_of_the_mirror_reaches_the_sender_as_what_it_is_m3_m4() {
    for error in [
        SinkError::TableMissing,
        SinkError::Unavailable,
        SinkError::Refused,
    ] {
        let mirror = Mirror {
            fails: Some(error.clone()),
            ..Mirror::default()
        };
        let answer = mirror.receive(push::encode(&[])).await;
        assert_eq!(answer, PushAnswer::NotApplied(error.clone()));
        assert_eq!(read_answer(answer.status(), &answer.body()), Err(error));
        let later = answer.headers().contains(&("retry-after", "5"));
        assert_eq!(later, answer.status() == 503);
    }
}

#[tokio::test]
async fn a_failure_to_believe_looks_the_same_whatever_the_cause_s4() {
    let body = push::encode(&[]);
    let good = signature::sign(&body, &keys(), now());
    let old = signature::sign(&body, &keys(), now() - jiff::SignedDuration::from_secs(301));
    let other = signature::sign(&body, &SigningKeys::parse("other").unwrap(), now());
    let headers = [
        vec![],
        vec![good.clone(), good],
        vec![old],
        vec![other],
        vec!["v1".to_owned()],
    ];
    for headers in headers {
        let mirror = Mirror::default();
        let delivery = Delivery::new(body.clone(), &headers);
        let answer = push::receive(delivery, &keys(), &mirror, now()).await;
        assert_eq!(
            (answer.status(), answer.code()),
            (400, "signature_invalid"),
            "{headers:?}"
        );
        assert_eq!(
            answer.body(),
            br#"{"title":"Bad Request","status":400,"code":"signature_invalid","detail":"The signature did not verify."}"#
        );
        assert_eq!(
            read_answer(400, &answer.body()),
            Err(SinkError::Unavailable)
        );
    }
    let large = Mirror::default()
        .receive(vec![b' '; MAX_BODY_BYTES + 1])
        .await;
    assert_eq!((large.status(), large.code()), (413, "body_too_large"));
    assert_eq!(read_answer(413, &large.body()), Err(SinkError::Unavailable));
}

#[test]
fn only_one_answer_means_that_rows_arrived_m3() {
    let applied = br#"{"outcome":"applied"}"#.as_slice();
    let refused = br#"{"code":"mirror_rows_refused"}"#.as_slice();
    let table_missing = br#"{"code":"mirror_table_missing"}"#.as_slice();
    assert_eq!(read_answer(200, applied), Ok(()));
    assert_eq!(read_answer(422, refused), Err(SinkError::Refused));
    assert_eq!(
        read_answer(503, table_missing),
        Err(SinkError::TableMissing)
    );
    for (status, body) in [
        (200, b"".as_slice()),
        (200, b"OK"),
        (200, b"<html>Welcome</html>"),
        (200, b"{}"),
        (200, br#"{"outcome":"ignored"}"#),
        (200, br#"{"outcome":["applied"]}"#),
        (200, refused),
        (201, applied),
        (204, b""),
        (307, applied),
        (400, refused),
        (
            422,
            br#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
        ),
        (422, table_missing),
        (500, applied),
        (503, refused),
        (503, b""),
        (503, br#"{"code":"mirror_unavailable"}"#),
    ] {
        let shown = String::from_utf8_lossy(body);
        assert_eq!(
            read_answer(status, body),
            Err(SinkError::Unavailable),
            "{status} {shown}"
        );
    }
}
