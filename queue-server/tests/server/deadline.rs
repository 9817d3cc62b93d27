//! What changes with time alone (A6).

use billing_core::id::CustomerId;
use billing_core::mirror::{MirrorReader, MirrorStatus, SqlMirror};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Installation, customer_created, eventually, subscription_created};

fn in_seconds(seconds: i64) -> i64 {
    Timestamp::now().as_second() + seconds
}

async fn status(mirror: &SqlMirror, customer: &str) -> Option<MirrorStatus> {
    let customer = CustomerId::parse(customer).unwrap();
    mirror.read(&customer).await.unwrap().map(|row| row.status)
}

fn failed_invoice(subscription: &str, customer: &str, first_failed_at: i64) -> Value {
    json!({"object": "event", "id": "evt_failed", "type": "invoice.payment_failed",
        "created": first_failed_at, "livemode": false,
        "data": {"object": {"object": "invoice", "id": "in_1", "customer": customer,
            "parent": {"subscription_details": {"subscription": subscription}},
            "status": "open", "created": first_failed_at, "attempt_count": 1}}})
}

#[tokio::test]
async fn ends_of_grace_of_subscriptions_and_of_pauses_take_effect_once_over_three_servers() {
    let installation = Installation::new();
    let servers = [
        installation.serve().await,
        installation.serve().await,
        installation.serve().await,
    ];
    let mirror = SqlMirror::open(installation.database_url()).unwrap();
    for number in 1..=3 {
        let created = customer_created(
            &format!("evt_{number}"),
            &format!("cus_{number}"),
            &format!("user-{number}"),
        );
        assert_eq!(servers[0].outcome(&created).await, "applied");
    }
    let mut cancelling = subscription_created("evt_cancelling", "cus_1", "active");
    cancelling["data"]["object"]["cancel_at"] = json!(in_seconds(8));
    let mut paused = subscription_created("evt_paused", "cus_2", "active");
    paused["data"]["object"]["pause_collection"] =
        json!({"behavior": "void", "resumes_at": in_seconds(8)});
    let week = 7 * 86_400;
    let mut past_due = subscription_created("evt_past_due", "cus_3", "past_due");
    past_due["created"] = json!(in_seconds(8 - week));
    let failed = failed_invoice("sub_of_cus_3", "cus_3", in_seconds(8 - week));
    for event in [&cancelling, &paused, &past_due, &failed] {
        assert_eq!(servers[1].outcome(event).await, "applied");
    }
    let expect = async |statuses: [MirrorStatus; 3]| {
        eventually("the rows follow", async || {
            for (number, status_wanted) in (1..).zip(statuses) {
                if status(&mirror, &format!("user-{number}")).await != Some(status_wanted) {
                    return false;
                }
            }
            true
        })
        .await;
    };
    expect([
        MirrorStatus::Active,
        MirrorStatus::Paused,
        MirrorStatus::Active,
    ])
    .await;
    // Two of three die; whoever is left does all of it.
    let [first, second, third] = servers;
    first.kill().await;
    second.kill().await;
    expect([
        MirrorStatus::Canceled,
        MirrorStatus::Active,
        MirrorStatus::PastDue,
    ])
    .await;
    let once = "select count(*) from billing_action_log where actor = 'clock' and action = 'mirror.changed'";
    assert_eq!(installation.count(once).await, 3);
    let more = installation.serve().await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(installation.count(once).await, 3);
    drop((third, more));
    assert!(
        installation
            .run(&["audit", "verify"])
            .await
            .status
            .success()
    );
}

/// Needs the feature `failpoints`, which `--all-features` has.
#[cfg(feature = "failpoints")]
#[tokio::test]
async fn deadlines_take_effect_once_over_three_servers_that_die_and_whose_clocks_step() {
    const ROUNDS: usize = 4;
    const EACH: usize = 12;
    let mut installation = Installation::new();
    let clocks = [0, 1, 2].map(|number| installation.path(&format!("clock-{number}")));
    let step = |offsets: [i64; 3]| {
        for (clock, offset) in clocks.iter().zip(offsets) {
            // Never half a number.
            let new = clock.with_extension("new");
            std::fs::write(&new, offset.to_string()).unwrap();
            std::fs::rename(new, clock).unwrap();
        }
    };
    step([0, 0, 0]);
    let mut servers = Vec::new();
    for clock in &clocks {
        installation = installation.with("QUEUE_CLOCK_OFFSET", clock.to_str().unwrap());
        servers.push(installation.serve().await);
    }
    // A quarter of them ends in 10 minutes, another in 20, and so on.
    for number in 0..ROUNDS * EACH {
        let customer = format!("cus_{number}");
        let mut ending = subscription_created(&format!("evt_s{number}"), &customer, "active");
        let minutes = i64::try_from(10 * (1 + number / EACH)).unwrap();
        ending["data"]["object"]["cancel_at"] = json!(in_seconds(60 * minutes));
        let created = customer_created(
            &format!("evt_c{number}"),
            &customer,
            &format!("user-{number}"),
        );
        for event in [created, ending] {
            assert_eq!(servers[number % 3].outcome(&event).await, "applied");
        }
    }
    let mirrored = "select count(*) from billing_subscription_mirror where status = 'canceled'";
    let settled = "select count(*) from billing_action_log
        where actor = 'clock' and action = 'mirror.changed'";
    let reaches = async |installation: &Installation, count, wanted: usize| {
        eventually("the clock's work is done", async || {
            usize::try_from(installation.count(count).await) == Ok(wanted)
        })
        .await;
    };
    let rounds = [[0, 700, -900], [-3000, 0, 1300], [1900, -600, 1900]];
    for (round, offsets) in (1..).zip(rounds) {
        step(offsets);
        // One dies in the midst of it, and comes again.
        let dying = round % 3;
        servers.remove(dying).kill().await;
        installation = installation.with("QUEUE_CLOCK_OFFSET", clocks[dying].to_str().unwrap());
        servers.insert(dying, installation.serve().await);
        reaches(&installation, mirrored, round * EACH).await;
        step([0, 0, 0]);
    }
    // The last ones wait for the mirror, put off and leased by clocks that were an hour ahead.
    let away = "alter table billing_subscription_mirror rename to away";
    installation.meddle(away).await.unwrap();
    step([3600, 3600, 3600]);
    reaches(&installation, settled, ROUNDS * EACH).await;
    servers.remove(0).kill().await;
    step([0, 0, 0]);
    let leased_by_the_dead = installation.engine().pick(
        "update mirror_outbox set lease_holder = 'dead',
             lease_until = strftime('%Y-%m-%d %H:%M:%S.000000', 'now', '+1 hour'),
             due_at = strftime('%Y-%m-%d %H:%M:%S.000000', 'now', '+1 hour')",
        "update mirror_outbox set lease_holder = 'dead',
             lease_until = now() + interval '1 hour', due_at = now() + interval '1 hour'",
    );
    installation.meddle(leased_by_the_dead).await.unwrap();
    let back = "alter table away rename to billing_subscription_mirror";
    installation.meddle(back).await.unwrap();
    reaches(&installation, mirrored, ROUNDS * EACH).await;
    reaches(&installation, "select count(*) from mirror_outbox", 0).await;
    let done = installation.count(settled).await;
    eprintln!("{} deadlines of {}, each once", done, ROUNDS * EACH);
    assert_eq!(usize::try_from(done), Ok(ROUNDS * EACH));
    installation.assert_one_effect_each().await;
}
