//! Claims to subscribe, and snapshots of what Stripe's API showed (B1, E4, O4).

use billing_core::claim::{Claim, ClaimStep, Via, Wanted};
use billing_core::event::{Look, Snapshot};
use billing_core::id::{ClaimId, CustomerId, ObjectId, PriceId, StripeCustomerId};
use billing_core::ledger::{Act, Command, Outcome};
use billing_core::mirror::MirrorTime;
use billing_core::time::StripeTime;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bodies::{Shape, decode, event};
use crate::test_ledger::{TestLedger, policy};

const BEGAN: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(BEGAN + seconds).unwrap()
}

fn jenny() -> CustomerId {
    CustomerId::parse("jenny").unwrap()
}

fn account(id: &str) -> StripeCustomerId {
    StripeCustomerId::parse(id).unwrap()
}

fn claim(id: char) -> Claim {
    let wanted = Wanted {
        via: Via::Subscribe,
        plan_tier: policy().catalogue.tiers().highest().clone(),
        price_id: PriceId::parse("price_plus").unwrap(),
        payment_method_id: None,
        success_url: None,
        cancel_url: None,
    };
    let id = ClaimId::parse(id.to_string().repeat(32)).unwrap();
    Claim::new(jenny(), id, wanted, MirrorTime::from_timestamp(at(0)))
}

fn advance(claim: &Claim, step: ClaimStep) -> Command {
    Command::Advance {
        customer: jenny(),
        claim: claim.claim_id.clone(),
        step,
    }
}

fn subscription(status: &str) -> Value {
    Shape::Basil.subscription(
        "sub_1",
        &json!({"status": status, "prices": ["price_plus"], "end": BEGAN + 2_592_000, "customer": "cus_1"}),
    )
}

/// A look that counts from a second on, and came in another.
fn look(true_at: i64, second: i64) -> Look {
    let time = |second| StripeTime::from_seconds(BEGAN + second).unwrap();
    Look {
        true_at: time(true_at),
        until: time(second.max(true_at)),
        taken_at: at(second),
    }
}

fn snapshot(status: &str, second: i64) -> Snapshot {
    let body = subscription(status).to_string();
    Snapshot::decode(body.as_bytes(), look(second, second)).unwrap()
}

impl TestLedger {
    async fn commits(&self, command: Command, outcome: Outcome) {
        let committed = self.ledger.commit(command.clone(), at(10)).await;
        assert_eq!(committed, Ok(outcome), "{command:?}");
    }

    async fn status(&self) -> String {
        let records = self.store.records_of(&jenny()).await.unwrap();
        let row = records.mirror.map(|row| row.row());
        row.map_or_else(|| "none".to_owned(), |row| row.status.to_string())
    }
}

#[tokio::test]
async fn a_customer_holds_one_claim_until_it_ends_b1() {
    let ledger = TestLedger::start().await;
    let (first, second) = (claim('a'), claim('b'));
    let hold = |claim: &Claim| Command::Claim(Box::new(claim.clone()));
    ledger.commits(hold(&first), Outcome::Applied).await;
    ledger.commits(hold(&second), Outcome::Duplicate).await;
    ledger.commits(hold(&first), Outcome::Duplicate).await;
    let object = |id: &str| ClaimStep::ObjectMade(ObjectId::parse(id).unwrap());
    // Of a claim that is not held nothing is noted.
    ledger
        .commits(advance(&second, object("sub_2")), Outcome::Stale)
        .await;
    ledger
        .commits(advance(&first, object("sub_1")), Outcome::Applied)
        .await;
    ledger
        .commits(advance(&first, object("sub_2")), Outcome::Duplicate)
        .await;
    let held = ledger.store.claim_of(&jenny()).await.unwrap().unwrap();
    assert_eq!(held.object_id, Some(ObjectId::parse("sub_1").unwrap()));
    ledger
        .commits(advance(&first, ClaimStep::Ended), Outcome::Applied)
        .await;
    ledger
        .commits(advance(&first, ClaimStep::Ended), Outcome::Stale)
        .await;
    ledger.commits(hold(&second), Outcome::Applied).await;
    let held = ledger.store.claim_of(&jenny()).await.unwrap().unwrap();
    assert_eq!((held.claim_id, held.object_id), (second.claim_id, None));
}

#[tokio::test]
async fn who_has_a_subscription_claims_none_and_who_never_paid_does_b1() {
    for (status, outcome) in [
        ("active", Outcome::Refused),
        ("trialing", Outcome::Refused),
        ("past_due", Outcome::Refused),
        ("unpaid", Outcome::Refused),
        ("paused", Outcome::Refused),
        ("a_status_of_the_future", Outcome::Refused),
        ("incomplete", Outcome::Applied),
        ("incomplete_expired", Outcome::Applied),
        ("canceled", Outcome::Applied),
    ] {
        let ledger = TestLedger::start().await;
        let customer = Shape::Basil.customer("cus_1", &json!({"user": "jenny"}));
        let created = event("evt_1", "customer.created", BEGAN, customer);
        ledger
            .ingest(&decode(created.to_string()).unwrap(), at(10))
            .await;
        let started = event(
            "evt_2",
            "customer.subscription.created",
            BEGAN,
            subscription(status),
        );
        ledger
            .ingest(&decode(started.to_string()).unwrap(), at(10))
            .await;
        let command = Command::Claim(Box::new(claim('a')));
        assert_eq!(
            ledger.ledger.commit(command, at(10)).await,
            Ok(outcome),
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_claim_binds_its_account_whatever_metadata_say_and_whenever_e4_o6() {
    for claimed_first in [true, false] {
        let ledger = TestLedger::start().await;
        let customer = Shape::Basil.customer("cus_1", &json!({"user": "mallory"}));
        let created = event("evt_1", "customer.created", BEGAN, customer);
        let created = decode(created.to_string()).unwrap();
        if !claimed_first {
            ledger.ingest(&created, at(10)).await;
        }
        let claim = claim('a');
        ledger
            .commits(Command::Claim(Box::new(claim.clone())), Outcome::Applied)
            .await;
        let made = advance(&claim, ClaimStep::CustomerMade(account("cus_1")));
        ledger.commits(made.clone(), Outcome::Applied).await;
        ledger.commits(made, Outcome::Duplicate).await;
        if claimed_first {
            ledger.ingest(&created, at(10)).await;
        }
        ledger
            .commits(
                Command::refresh(vec![snapshot("active", 5)]),
                Outcome::Applied,
            )
            .await;
        assert_eq!(ledger.status().await, "active");
        let records = ledger.store.records_of(&jenny()).await.unwrap();
        assert_eq!(records.account(&policy()), Some(&account("cus_1")));
        let mallory = CustomerId::parse("mallory").unwrap();
        let records = ledger.store.records_of(&mallory).await.unwrap();
        assert!(records.customers.is_empty());
    }
}

#[tokio::test]
async fn snapshots_compete_with_events_in_any_order_o1_o4() {
    let events = [
        ("customer.subscription.created", "evt_1", 0, "incomplete"),
        ("customer.subscription.deleted", "evt_9", 9, "canceled"),
    ];
    // Of each moment: what is known, and what must be shown.
    for (deleted, shows) in [(false, "active"), (true, "canceled")] {
        let mut seen = Vec::new();
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            let ledger = TestLedger::start().await;
            for step in order {
                match step {
                    0 | 1 if step == 1 && !deleted => {}
                    0 | 1 => {
                        let (event_type, id, second, status) = events[step];
                        let body = event(id, event_type, BEGAN + second, subscription(status));
                        ledger
                            .ingest(&decode(body.to_string()).unwrap(), at(10))
                            .await;
                    }
                    2 => {
                        let refresh = Command::refresh(vec![snapshot("incomplete", 1)]);
                        ledger.ledger.commit(refresh, at(10)).await.unwrap();
                    }
                    _ => {
                        let refresh = Command::refresh(vec![snapshot("active", 3)]);
                        ledger.ledger.commit(refresh, at(10)).await.unwrap();
                    }
                }
            }
            let row = &ledger.rows("billing_subscription").await[0];
            seen.push((row["status"].clone(), row["contenders"].clone()));
            assert_eq!(row["status"], shows, "{order:?}");
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    }
}

#[tokio::test]
async fn the_same_seen_often_in_a_second_is_kept_once_and_two_things_are_doubt_o3_o4() {
    let ledger = TestLedger::start().await;
    for number in 0..40 {
        let body = subscription("active").to_string();
        let seen = Snapshot::decode(body.as_bytes(), look(0, number)).unwrap();
        let outcome = ledger
            .ledger
            .commit(Command::refresh(vec![seen]), at(10))
            .await;
        let expected = if number == 0 {
            Outcome::Applied
        } else {
            Outcome::Stale
        };
        assert_eq!(outcome, Ok(expected));
    }
    let in_doubt = async || ledger.rows("billing_subscription").await[0]["in_doubt"] == 1;
    assert!(!in_doubt().await);
    let body = subscription("unpaid").to_string();
    let later = Snapshot::decode(body.as_bytes(), look(0, 50)).unwrap();
    ledger
        .commits(Command::refresh(vec![later]), Outcome::Applied)
        .await;
    assert!(in_doubt().await);
    assert_eq!(
        ledger.rows("billing_subscription").await[0]["status"],
        "unpaid"
    );
}

#[test]
fn what_is_no_object_of_ours_is_no_snapshot() {
    for body in [
        "",
        "{}",
        "[]",
        r#"{"object": "charge", "id": "ch_1"}"#,
        r#"{"object": "subscription", "id": "sub_1"}"#,
        r#"{"object": "subscription", "object": "customer", "id": "cus_1"}"#,
        r#"{"object": "list", "data": []}"#,
    ] {
        assert!(
            Snapshot::decode(body.as_bytes(), look(0, 0)).is_err(),
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_act_stands_in_the_chain_and_changes_nothing_else_c3() {
    let ledger = TestLedger::start().await;
    let act = Act::PortalOpened {
        customer: jenny(),
        account: account("cus_1"),
    };
    ledger.commits(Command::Record(act), Outcome::Applied).await;
    let rows = ledger.rows("billing_action_log").await;
    let [row] = &rows[..] else {
        panic!("{rows:?}");
    };
    assert_eq!(
        (&row["actor"], &row["action"], &row["subject"]),
        (&json!("customer"), &json!("portal.opened"), &json!("jenny"))
    );
    assert!(ledger.rows("mirror_row").await.is_empty());
}

/// An invoice of sub_1 that was tried in vain.
fn invoice(finalized_at: i64) -> Value {
    let mut invoice = Shape::Basil.invoice(
        "in_1",
        &json!({"customer": "cus_1", "status": "open", "created": finalized_at, "finalized": finalized_at,
                "attempts": 1, "subscription": "sub_1"}),
    );
    invoice["attempted"] = json!(true);
    invoice
}

#[tokio::test]
async fn a_debt_that_only_snapshots_show_began_when_its_invoice_became_final_a3_o4() {
    const DAY: i64 = 86_400;
    for (days, status) in [(3, "past_due"), (9, "unpaid")] {
        let ledger = TestLedger::start().await;
        let began = BEGAN - 30 * DAY;
        let started = event(
            "evt_1",
            "customer.subscription.created",
            began,
            subscription("active"),
        );
        ledger
            .ingest(&decode(started.to_string()).unwrap(), at(0))
            .await;
        let mut seen = Vec::new();
        for number in 0..3 {
            let owed = invoice(BEGAN - days * DAY).to_string();
            let owed = Snapshot::decode_owed(owed.as_bytes(), look(number, number)).unwrap();
            let command = Command::refresh(vec![owed, snapshot("past_due", number)]);
            ledger.ledger.commit(command, at(number)).await.unwrap();
            let row = &ledger.rows("billing_subscription").await[0];
            assert_eq!(row["status"], status, "after {days} days");
            seen.push(row["grace_ends_at"].clone());
        }
        // Looking again does not begin it again.
        assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    }
}

#[tokio::test]
async fn a_customer_that_stripe_says_is_gone_keeps_a_tombstone_o5() {
    let ledger = TestLedger::start().await;
    let claim = claim('a');
    ledger
        .commits(Command::Claim(Box::new(claim.clone())), Outcome::Applied)
        .await;
    let made = advance(&claim, ClaimStep::CustomerMade(account("cus_1")));
    ledger.commits(made, Outcome::Applied).await;
    ledger
        .commits(
            Command::refresh(vec![snapshot("active", 5)]),
            Outcome::Applied,
        )
        .await;
    let gone = json!({"id": "cus_1", "object": "customer", "deleted": true}).to_string();
    let gone = Snapshot::decode(gone.as_bytes(), look(6, 8)).unwrap();
    ledger
        .commits(Command::refresh(vec![gone]), Outcome::Applied)
        .await;
    assert_eq!(ledger.status().await, "canceled");
    let records = ledger.store.records_of(&jenny()).await.unwrap();
    assert_eq!(records.account(&policy()), None);
}
