//! What changes with time alone (A6).

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{Installation, customer_created, eventually, subscription_created};

/// Of each kind.
const EACH: usize = 8;
/// Until their time comes: for the servers to have taken them by then.
const AHEAD_SECONDS: i64 = 15;
/// How late a change may be, on a machine that has other things to do.
const LATE: SignedDuration = SignedDuration::from_secs(10);
const WEEK_SECONDS: i64 = 7 * 86_400;

/// What time does to a subscription, and how its row shows that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cancelling,
    Paused,
    Failing,
}

const KINDS: [Kind; 3] = [Kind::Cancelling, Kind::Paused, Kind::Failing];

/// Rows that show what their time did to them.
const CHANGED_IN_MIRROR: &str = "select count(*) from billing_subscription_mirror
    where status = 'canceled' and queue_customer_id like 'cancelling-%'
       or status = 'active' and queue_customer_id like 'paused-%'
       or status = 'past_due' and queue_customer_id like 'failing-%'";
/// Those that do not yet.
const UNCHANGED_IN_MIRROR: &str = "select count(*) from billing_subscription_mirror
    where status = 'active' and queue_customer_id like 'cancelling-%'
       or status = 'paused' and queue_customer_id like 'paused-%'
       or status = 'active' and queue_customer_id like 'failing-%'";
/// What the clock did, in the audit chain.
const SETTLED: &str = "select count(*) from billing_action_log
    where actor = 'clock' and action = 'mirror.changed'";

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Cancelling => "cancelling",
            Self::Paused => "paused",
            Self::Failing => "failing",
        }
    }

    /// The life of a customer whose time comes at an instant, in seconds since 1970.
    fn events(self, number: usize, at: i64) -> Vec<Value> {
        let customer = format!("cus_{}_{number}", self.name());
        let user = format!("{}-{number}", self.name());
        let created = customer_created(&format!("evt_c_{customer}"), &customer, &user);
        let subscribed = |status| {
            let id = format!("evt_s_{customer}");
            subscription_created(&id, &customer, status)
        };
        match self {
            Self::Cancelling => {
                let mut cancelling = subscribed("active");
                cancelling["data"]["object"]["cancel_at"] = json!(at);
                vec![created, cancelling]
            }
            Self::Paused => {
                let mut paused = subscribed("active");
                paused["data"]["object"]["pause_collection"] =
                    json!({"behavior": "void", "resumes_at": at});
                vec![created, paused]
            }
            Self::Failing => {
                let mut past_due = subscribed("past_due");
                past_due["created"] = json!(at - WEEK_SECONDS);
                let failed = failed_invoice(&customer, at - WEEK_SECONDS);
                vec![created, past_due, failed]
            }
        }
    }
}

fn failed_invoice(customer: &str, first_failed_at: i64) -> Value {
    json!({"object": "event", "id": format!("evt_failed_{customer}"),
        "type": "invoice.payment_failed", "created": first_failed_at, "livemode": false,
        "data": {"object": {"object": "invoice", "id": format!("in_{customer}"), "customer": customer,
            "parent": {"subscription_details": {"subscription": format!("sub_of_{customer}")}},
            "status": "open", "created": first_failed_at, "attempt_count": 1}}})
}

fn in_seconds(seconds: i64) -> i64 {
    Timestamp::now().as_second() + seconds
}

/// Until a count of so many, in the end; how long that took.
async fn reaches(installation: &Installation, count: &'static str, wanted: usize) -> Duration {
    let began = Instant::now();
    eventually("the rows follow", async || {
        usize::try_from(installation.count(count).await) == Ok(wanted)
    })
    .await;
    began.elapsed()
}

#[tokio::test]
async fn what_time_changes_changes_on_time_and_once_over_three_servers() {
    let all = KINDS.len() * EACH;
    let installation = Installation::new();
    let servers = [
        installation.serve().await,
        installation.serve().await,
        installation.serve().await,
    ];
    // One of each kind every second.
    let first = in_seconds(AHEAD_SECONDS);
    for (number, at) in (first..).enumerate().take(EACH) {
        for event in KINDS.iter().flat_map(|kind| kind.events(number, at)) {
            assert_eq!(servers[number % 3].outcome(&event).await, "applied");
        }
    }
    reaches(&installation, UNCHANGED_IN_MIRROR, all).await;
    let mut servers = servers.map(Some);
    let mut latest = SignedDuration::ZERO;
    for (number, at) in (first..).enumerate().take(EACH) {
        let at = Timestamp::from_second(at).unwrap();
        let (before, wanted) = (number * KINDS.len(), (number + 1) * KINDS.len());
        loop {
            let settled = usize::try_from(installation.count(SETTLED).await).unwrap();
            let late = Timestamp::now().duration_since(at);
            assert!(late >= SignedDuration::ZERO || settled <= before, "early");
            assert!(late < LATE, "{settled} of {wanted} changed {late:#} late");
            if settled >= wanted {
                latest = latest.max(late);
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Two of three die in the midst of it; whoever is left does the rest.
        if let Some(dying) = [2, 4].iter().position(|dies_after| *dies_after == number)
            && let Some(server) = servers[dying].take()
        {
            server.kill().await;
        }
    }
    reaches(&installation, CHANGED_IN_MIRROR, all).await;
    let more = installation.serve().await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let settled = installation.count(SETTLED).await;
    eprintln!("{settled} changes of {all} by time, each once, the slowest {latest:#} late");
    assert_eq!(usize::try_from(settled), Ok(all));
    drop((servers, more));
    installation.assert_one_effect_each().await;
}

/// Needs the feature `failpoints`, which `--all-features` has.
#[cfg(feature = "failpoints")]
#[tokio::test]
async fn deadlines_take_effect_once_over_three_servers_that_die_and_whose_clocks_step() {
    const ROUNDS: usize = 4;
    let all = ROUNDS * EACH * KINDS.len();
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
    // A quarter of them, of each kind, has its time in 10 minutes, another in 20, and so on.
    for number in 0..ROUNDS * EACH {
        let minutes = i64::try_from(10 * (1 + number / EACH)).unwrap();
        for event in KINDS.map(|kind| kind.events(number, in_seconds(60 * minutes))) {
            for event in event {
                assert_eq!(servers[number % 3].outcome(&event).await, "applied");
            }
        }
    }
    let mut slowest = Duration::ZERO;
    let rounds = [[0, 700, -900], [-3000, 0, 1300], [1900, -600, 1900]];
    for (round, offsets) in (1..).zip(rounds) {
        step(offsets);
        // One dies in the midst of it, and comes again.
        let dying = round % 3;
        servers.remove(dying).kill().await;
        installation = installation.with("QUEUE_CLOCK_OFFSET", clocks[dying].to_str().unwrap());
        servers.insert(dying, installation.serve().await);
        let changed = round * EACH * KINDS.len();
        slowest = slowest.max(reaches(&installation, CHANGED_IN_MIRROR, changed).await);
        step([0, 0, 0]);
    }
    // The last ones wait for the mirror, put off and leased by clocks that were an hour ahead.
    let away = "alter table billing_subscription_mirror rename to away";
    installation.meddle(away).await.unwrap();
    step([3600, 3600, 3600]);
    reaches(&installation, SETTLED, all).await;
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
    reaches(&installation, CHANGED_IN_MIRROR, all).await;
    reaches(&installation, "select count(*) from mirror_outbox", 0).await;
    let done = installation.count(SETTLED).await;
    eprintln!("{done} changes of {all} by time, each once; the slowest round took {slowest:?}");
    assert_eq!(usize::try_from(done), Ok(all));
    installation.assert_one_effect_each().await;
}
