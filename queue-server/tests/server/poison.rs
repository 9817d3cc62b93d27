//! One bad item harms only itself, whoever shares its batch.

use std::collections::BTreeMap;
use std::time::Duration;

use billing_core::id::CustomerId;
use billing_core::mirror::{MirrorReader, MirrorStatus, SqlMirror};
use reqwest::StatusCode;
use serde_json::{Value, json};
use test_database::{Engine, TestDatabase};
use tokio::task::JoinSet;

use crate::lock::Lock;
use crate::support::{
    Installation, Server, customer_created, eventually, sign, subscription_created,
};

/// Who shares the batch.
const MATES: usize = 20;

fn created(number: usize) -> Value {
    let (event, customer) = (format!("evt_c{number}"), format!("cus_{number}"));
    customer_created(&event, &customer, &format!("user-{number}"))
}

fn subscribed(number: usize) -> Value {
    subscription_created(
        &format!("evt_s{number}"),
        &format!("cus_{number}"),
        "active",
    )
}

/// Delivers events so that they share a transaction: they gather while somebody else holds the lock
/// that the one before them waits for. The codes that came back, by event.
async fn deliver_together(
    installation: &Installation,
    server: &Server,
    events: Vec<Value>,
) -> BTreeMap<String, String> {
    let lock = Lock::take(installation).await;
    let mut deliveries = JoinSet::new();
    let mut send = |event: Value| {
        let (client, url) = (server.client.clone(), server.url("/api/v1/billing/webhook"));
        deliveries.spawn(async move {
            let body = event.to_string();
            let header = sign(body.as_bytes(), jiff::Timestamp::now());
            let request = client.post(url).header("stripe-signature", header);
            let answer = request.body(body).send().await.unwrap();
            let answer: Value = answer.json().await.unwrap();
            let said = answer.get("outcome").unwrap_or(&answer["code"]);
            let id = event["id"].as_str().unwrap();
            (id.to_owned(), said.as_str().unwrap().to_owned())
        });
    };
    // This one waits for the lock, alone; the others wait for this one.
    let begun = server.metric("billing_batch_size_count").await;
    let first = format!("evt_first_{}", begun.unwrap_or_default());
    send(customer_created(&first, "cus_first", "user-first"));
    eventually("the first one is begun", async || {
        server.metric("billing_batch_size_count").await > begun
    })
    .await;
    let together = events.len() as f64;
    events.into_iter().for_each(&mut send);
    eventually("the others wait", async || {
        server.metric("billing_queue_depth").await == Some(together)
    })
    .await;
    lock.release().await;
    let mut said: BTreeMap<_, _> = deliveries.join_all().await.into_iter().collect();
    let first = said.remove(&first).unwrap();
    assert!(["applied", "stale"].contains(&first.as_str()), "{first}");
    said
}

/// Damages a customer's subscription by hand; says how to mend it.
async fn damage(installation: &Installation, json: &str) -> String {
    let whole: String = {
        let query = "select cast(contenders as text) from billing_subscription
            where stripe_customer_id = 'cus_0'";
        let database = installation.database().await;
        sqlx::query_scalar(query)
            .fetch_one(&database)
            .await
            .unwrap()
    };
    let damage = |json: &str| {
        format!(
            "update billing_subscription set contenders = '{json}' where stripe_customer_id = 'cus_0'"
        )
    };
    let by_hand = match installation.engine() {
        Engine::Sqlite => format!("pragma ignore_check_constraints = true; {}", damage(json)),
        Engine::Postgres => damage(json),
    };
    installation.meddle(&by_hand).await.unwrap();
    damage(&whole)
}

#[tokio::test]
async fn a_damaged_row_fails_its_own_customer_and_nobody_elses_batch() {
    let installation = Installation::new();
    let server = installation.serve().await;
    for event in [created(0), subscribed(0)] {
        assert_eq!(server.outcome(&event).await, "applied");
    }
    let mut damages = vec![r#"{"not": "a list"}"#, r#"[{"event_id": 5}]"#];
    if installation.engine() == Engine::Sqlite {
        // PostgreSQL stores nothing of the kind.
        damages.push("no JSON at all");
    }
    for (round, json) in (1..).zip(damages) {
        let mend = damage(&installation, json).await;
        let mut poison = subscribed(0);
        poison["id"] = json!(format!("evt_poison_{round}"));
        poison["type"] = json!("customer.subscription.updated");
        poison["data"]["object"]["cancel_at_period_end"] = json!(round % 2 == 1);
        let numbers = round * MATES..(round + 1) * MATES;
        let mut events: Vec<Value> = numbers.map(created).collect();
        events.insert(MATES / 2, poison.clone());
        let mut said = deliver_together(&installation, &server, events).await;
        let refused = said.remove(poison["id"].as_str().unwrap());
        eprintln!(
            "{json}: {refused:?}, of its batch-mates {} answered",
            said.len()
        );
        assert_eq!(refused.as_deref(), Some("database_corrupt"), "{json}");
        assert!(
            said.values().all(|said| said == "applied"),
            "{json}: {said:?}"
        );
        eventually("it is told", async || {
            installation.log().contains("billing.ledger.command_failed")
        })
        .await;
        assert_eq!(
            server.deliver(&poison).await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        installation.meddle(&mend).await.unwrap();
        assert_eq!(server.outcome(&poison).await, "applied", "{json}");
    }
    installation.assert_one_effect_each().await;
}

#[tokio::test]
async fn what_the_database_refuses_fails_alone() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let refuse = installation.engine().pick(
        "create trigger refuse before insert on billing_customer when new.stripe_customer_id = 'cus_0'
         begin select raise(abort, 'no'); end",
        "create function refuse() returns trigger language plpgsql as
             $$ begin raise exception 'no'; end $$;
         create trigger refuse before insert on billing_customer for each row
             when (new.stripe_customer_id = 'cus_0') execute function refuse()",
    );
    installation.meddle(refuse).await.unwrap();
    let events = (0..=MATES).map(created).collect();
    let mut said = deliver_together(&installation, &server, events).await;
    let refused = said.remove("evt_c0");
    let applied = said.values().filter(|said| *said == "applied").count();
    eprintln!("one is {refused:?}, {applied} of its {MATES} batch-mates applied");
    assert_eq!(refused.as_deref(), Some("database_refused"));
    assert!(said.values().all(|said| said == "applied"), "{said:?}");
    assert_eq!(said.len(), MATES);
    installation.assert_one_effect_each().await;
}

#[tokio::test]
async fn a_row_that_the_mirror_refuses_holds_up_no_other() {
    let installation = Installation::new();
    let app = TestDatabase::existing(installation.engine());
    let installation = installation.with("MIRROR_DATABASE_URL", app.url());
    let mirror = SqlMirror::create(app.url()).await.unwrap();
    let refuse = installation.engine().pick(
        "create trigger refuse before insert on billing_subscription_mirror
         when new.queue_customer_id = 'user-0' begin select raise(abort, 'no'); end",
        "alter table billing_subscription_mirror add check (queue_customer_id <> 'user-0')",
    );
    let away = "alter table billing_subscription_mirror rename to away";
    let back = "alter table away rename to billing_subscription_mirror";
    let host = app.connect().await;
    sqlx::raw_sql(refuse).execute(&host).await.unwrap();
    // All of them wait for one pass.
    sqlx::raw_sql(away).execute(&host).await.unwrap();
    let server = installation.serve().await;
    for number in 0..=MATES {
        for event in [created(number), subscribed(number)] {
            assert_eq!(server.outcome(&event).await, "applied");
        }
    }
    sqlx::raw_sql(back).execute(&host).await.unwrap();
    let status = async |number: usize| {
        let customer = CustomerId::parse(format!("user-{number}")).unwrap();
        let row = mirror.read(&customer).await.unwrap();
        row.map(|row| row.status)
    };
    for number in 1..=MATES {
        eventually("the others arrive", async || {
            status(number).await == Some(MirrorStatus::Active)
        })
        .await;
    }
    eventually("it is told", async || {
        installation.log().contains("mirror_rows_refused")
    })
    .await;
    assert_eq!(status(0).await, None);
    eventually("it alone waits", async || {
        let metrics = server.get("/metrics").await.text().await.unwrap();
        metrics.contains("billing_mirror_waiting 1\n")
    })
    .await;
    eprintln!("one row is refused and waits; {MATES} of {MATES} others arrived");
    let relent = installation.engine().pick(
        "drop trigger refuse",
        "alter table billing_subscription_mirror
             drop constraint billing_subscription_mirror_queue_customer_id_check",
    );
    sqlx::raw_sql(relent).execute(&host).await.unwrap();
    tokio::time::timeout(Duration::from_secs(70), async {
        while status(0).await != Some(MirrorStatus::Active) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("it arrives in the end");
}
