use std::sync::Mutex;

use billing_core::mirror::push::{self, PushAnswer};
use billing_core::mirror::{MirrorRow, MirrorSink, SinkError};
use billing_core::signature::{Delivery, SigningKeys};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Vectors};

#[derive(Deserialize)]
struct Input {
    secrets: String,
    now: i64,
    headers: Vec<String>,
    #[serde(flatten)]
    body: Body,
    mirror: Option<String>,
}

/// A mirror that takes rows, or fails with a code.
struct Mirror {
    applied: Mutex<Vec<MirrorRow>>,
    fails: Option<String>,
}

impl MirrorSink for Mirror {
    async fn apply(&self, rows: &[MirrorRow]) -> Result<(), SinkError> {
        let errors = [
            SinkError::TableMissing,
            SinkError::Unavailable,
            SinkError::Refused,
        ];
        if let Some(code) = &self.fails {
            let named = errors.into_iter().find(|error| error.code() == code);
            return Err(named.unwrap());
        }
        self.applied.lock().unwrap().extend_from_slice(rows);
        Ok(())
    }
}

fn rendered(answer: &PushAnswer) -> Value {
    json!({"status": answer.status(), "headers": answer.headers(),
           "body": String::from_utf8(answer.body()).unwrap()})
}

#[test]
fn pushes_are_answered_and_applied_as_the_vectors_say_m4_s1_s4() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    Vectors::<Input>::read("push.json").check(|input| {
        let keys = SigningKeys::parse(&input.secrets).unwrap();
        let mirror = Mirror {
            applied: Mutex::default(),
            fails: input.mirror,
        };
        let delivery = Delivery::new(input.body.bytes(), &input.headers);
        let now = Timestamp::from_second(input.now).unwrap();
        let answer = runtime.block_on(push::receive(delivery, &keys, &mirror, now));
        json!({"answer": rendered(&answer), "applied": mirror.applied.into_inner().unwrap()})
    });
}
