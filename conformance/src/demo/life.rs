//! One customer's life: what they do on the seller's pages goes through the server, what happens at Stripe is told by
//! fixture files.
//!
//! It happens on a test clock that starts 27 hours ago and ends within the day: the server refuses events from
//! further ahead than that, so the plan is paid by the day.

use anyhow::Context;
use billing_core::id::CustomerId;
use jiff::Timestamp;
use serde_json::Value;

use super::hands::Hands;
use super::pages::Pages;
use super::report::{Differences, show_row, table};
use super::system::{System, scenario};
use super::triggers::delivered;

/// The customer's id at the seller's.
pub(super) const CUSTOMER: &str = "jenny-17";

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Who does something in a step.
#[derive(Clone, Copy)]
enum Act {
    /// The world: a file of calls to Stripe.
    World(&'static str),
    /// The customer, on the seller's pages.
    Subscribe,
    Upgrade,
    CancelInPortal,
}

/// A step of the life: who acts, the mirror row and the gate's answer that it must lead to, and what happens.
const STEPS: [(Act, &str, &str, &str); 8] = [
    (
        Act::World("signed_up"),
        "free/none",
        "402",
        "signs up: no plan yet",
    ),
    (
        Act::Subscribe,
        "pro/active",
        "200",
        "subscribes to pro, by the day: pays in the browser",
    ),
    (
        Act::Upgrade,
        "pro_plus/active",
        "200",
        "upgrades to pro_plus: pays the difference",
    ),
    (
        Act::World("payment_failed"),
        "pro_plus/active",
        "200",
        "renewal fails: in grace",
    ),
    (
        Act::World("second_failure"),
        "pro_plus/past_due",
        "402",
        "the retry fails too: grace ends",
    ),
    (
        Act::World("paid"),
        "pro_plus/active",
        "200",
        "pays with another card",
    ),
    (
        Act::CancelInPortal,
        "pro_plus/active",
        "200",
        "cancels on the portal's page: keeps what is paid",
    ),
    (
        Act::World("period_ended"),
        "free/canceled",
        "402",
        "the period ends",
    ),
];

pub(super) async fn show(
    system: &System,
    hands: &Hands,
    differences: &mut Differences,
) -> anyhow::Result<()> {
    println!(
        "One customer's life: on the seller's pages through queue-server, and with what happens at Stripe, from \
         conformance/scenarios/life:"
    );
    let mut table = table(&[
        "what happens",
        "delivered: outcome",
        "mirror row",
        "paid or in grace until",
        system.gates_heading(),
    ]);
    let customer = CustomerId::parse(CUSTOMER)?;
    system.register(&customer).await?;
    let life = Life {
        starts_at: Timestamp::now().as_second() - 27 * HOUR,
    };
    let pages = Pages::new(system, CUSTOMER);
    for (act, row, answer, what) in STEPS {
        let before = system.stripe.deliveries().len();
        life.take_step(act, system, hands, &pages)
            .await
            .with_context(|| format!("step: {what}"))?;
        let deliveries = system.settle(before).await?;
        let mirror_row = system.mirror_row(&customer).await?;
        let until = mirror_row.as_ref().and_then(|row| row.current_period_end);
        let gate = system.ask_gates(Some(&customer)).await?;
        table.add_row([
            what.to_owned(),
            delivered(&deliveries),
            differences.check(what, "the mirror row", &show_row(mirror_row.as_ref()), row),
            until.map_or_else(String::new, |until| {
                until.timestamp().strftime("%Y-%m-%d %H:%M").to_string()
            }),
            differences.check(
                what,
                "the gates' answer",
                &gate,
                &system.of_each_gate(answer),
            ),
        ]);
    }
    println!("{table}\n");
    Ok(())
}

/// What the fixture files are told.
struct Life {
    starts_at: i64,
}

impl Life {
    async fn take_step(
        &self,
        act: Act,
        system: &System,
        hands: &Hands,
        pages: &Pages<'_>,
    ) -> anyhow::Result<()> {
        match act {
            Act::Subscribe => pages.subscribe("pro", "pm_card_visa").await,
            Act::Upgrade => pages.change_plan("pro_plus").await,
            Act::CancelInPortal => pages.cancel_in_portal().await,
            Act::World(step) => {
                let variables = self.variables(system)?;
                let variables: Vec<_> = variables
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                let file = scenario(&format!("life/{step}.json"));
                hands.fixtures(&file, &variables).await
            }
        }
    }

    /// The variables of the files: times and the price from us, ids as the simulator gave them so far.
    fn variables(&self, system: &System) -> anyhow::Result<Vec<(&'static str, String)>> {
        // A renewal's invoice stays a draft for an hour; a failed payment is tried again an hour later.
        let renewal_fails_at = self.starts_at + DAY + HOUR + 60;
        let mut variables = vec![
            ("LIFE_CUSTOMER_ID", CUSTOMER.to_owned()),
            ("LIFE_STARTS_AT", self.starts_at.to_string()),
            ("LIFE_RENEWAL_FAILS_AT", renewal_fails_at.to_string()),
            ("LIFE_RETRY_FAILS_AT", (renewal_fails_at + HOUR).to_string()),
            (
                "LIFE_PERIOD_ENDS_AT",
                (self.starts_at + 2 * DAY + 60).to_string(),
            ),
        ];
        let events = system.stripe.events();
        let objects = events
            .iter()
            .rev()
            .map(|event| &event.body["data"]["object"]);
        let ours = |object: &&Value| object["metadata"]["queue_customer_id"] == CUSTOMER;
        let Some(customer) = objects
            .clone()
            .find(|object| object["object"] == "customer" && ours(object))
        else {
            return Ok(variables);
        };
        let of =
            |object: &Value, field: &str| object[field].as_str().unwrap_or_default().to_owned();
        variables.push(("LIFE_CUSTOMER", of(customer, "id")));
        variables.push(("LIFE_CLOCK", of(customer, "test_clock")));
        let mut theirs = objects.filter(|object| object["customer"] == customer["id"]);
        if let Some(subscription) = theirs.find(|object| object["object"] == "subscription") {
            variables.push(("LIFE_SUBSCRIPTION", of(subscription, "id")));
        }
        Ok(variables)
    }
}
