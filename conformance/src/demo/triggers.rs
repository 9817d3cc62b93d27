//! Each event type that the server handles, by an unmodified trigger, with its true result.
//!
//! A trigger makes a price of its own, which is in no catalogue: it grants nothing. It bills one-off invoices, which
//! never count for access, and its checkout is a guest's.

use std::collections::BTreeSet;

use anyhow::Context;
use billing_core::id::{CustomerId, StripeCustomerId};
use serde_json::Value;

use super::hands::Hands;
use super::report::{Differences, show_row, table};
use super::system::System;
use crate::simulator::Delivery;

const EITHER: &str = "applied or stale";

/// A trigger, and what must come of its event: outcome, mirror row, the gate's answer, and why.
const EXPECTED: [(&str, &str, &str, &str, &str); 11] = [
    (
        "customer.created",
        "applied",
        "free/none",
        "402",
        "never subscribed",
    ),
    (
        "customer.updated",
        EITHER,
        "free/none",
        "402",
        "never subscribed",
    ),
    (
        "customer.deleted",
        "applied",
        "free/none",
        "402",
        "never subscribed",
    ),
    (
        "customer.subscription.created",
        "applied",
        "free/active",
        "402",
        "a price in no catalogue",
    ),
    (
        "customer.subscription.updated",
        "applied",
        "free/active",
        "402",
        "a price in no catalogue",
    ),
    (
        "customer.subscription.deleted",
        "applied",
        "free/canceled",
        "402",
        "ended",
    ),
    (
        "customer.subscription.trial_will_end",
        "applied",
        "free/trialing",
        "402",
        "a price in no catalogue",
    ),
    (
        "invoice.finalized",
        "applied",
        "free/none",
        "402",
        "a one-off invoice: recorded",
    ),
    (
        "invoice.paid",
        "stale",
        "free/none",
        "402",
        "a one-off invoice: invoice.updated told it before",
    ),
    (
        "invoice.payment_failed",
        "applied",
        "free/none",
        "402",
        "a one-off invoice: recorded",
    ),
    (
        "checkout.session.completed",
        "ignored",
        "no row",
        "401",
        "a guest: nobody's",
    ),
];

pub(super) async fn show(
    system: &System,
    hands: &Hands,
    differences: &mut Differences,
) -> anyhow::Result<()> {
    println!(
        "Eleven triggers. Each makes its own customer and price; all it sends is delivered, signed:"
    );
    let mut table = table(&[
        "stripe trigger",
        "HTTP",
        "delivered: outcome",
        "mirror row",
        system.gates_heading(),
        "because",
    ]);
    for (event_type, outcome, row, answer, because) in EXPECTED {
        let before = system.stripe.deliveries().len();
        hands.trigger(event_type).await?;
        let deliveries = system.settle(before).await?;
        let delivery = deliveries
            .iter()
            .find(|delivery| delivery.event_type == event_type);
        let delivery = delivery.with_context(|| format!("the trigger sent no {event_type}"))?;
        let customer = customer_of(delivery)?;
        let mirror_row = match &customer {
            Some(customer) => system.mirror_row(customer).await?,
            None => None,
        };
        let gate = system.ask_gates(customer.as_ref()).await?;
        let statuses: BTreeSet<_> = deliveries.iter().map(status_of).collect();
        let came = outcome_of(delivery);
        // Of two events of one second that say the same, the one with the greater id is kept: made up by Stripe.
        let expected = if outcome == EITHER && ["applied", "stale"].contains(&came.as_str()) {
            &came
        } else {
            outcome
        };
        differences.check(event_type, "the outcome", &came, expected);
        table.add_row([
            event_type.to_owned(),
            differences.check(
                event_type,
                "HTTP status",
                &Vec::from_iter(statuses).join(" "),
                "200",
            ),
            delivered(&deliveries),
            differences.check(
                event_type,
                "the mirror row",
                &show_row(mirror_row.as_ref()),
                row,
            ),
            differences.check(
                event_type,
                "the gates' answer",
                &gate,
                &system.of_each_gate(answer),
            ),
            because.to_owned(),
        ]);
    }
    println!("{table}\n");
    Ok(())
}

/// Whom the event is about: nobody bound these customers to an id of the seller's.
fn customer_of(delivery: &Delivery) -> anyhow::Result<Option<CustomerId>> {
    let id = delivery
        .customer_id
        .as_deref()
        .map(StripeCustomerId::parse)
        .transpose()?;
    Ok(id.as_ref().map(CustomerId::unbound))
}

fn status_of(delivery: &Delivery) -> String {
    delivery
        .outcome
        .as_ref()
        .map_or_else(String::clone, u16::to_string)
}

/// The events that concern something that is kept, each with its outcome, and how many others.
pub(super) fn delivered(deliveries: &[Delivery]) -> String {
    let (ignored, kept): (Vec<_>, Vec<_>) = deliveries
        .iter()
        .map(|delivery| (delivery, outcome_of(delivery)))
        .partition(|(_, outcome)| outcome == "ignored");
    let mut lines: Vec<String> = kept
        .iter()
        .map(|(delivery, outcome)| format!("{}: {outcome}", delivery.event_type))
        .collect();
    match ignored.as_slice() {
        [] => {}
        [(delivery, _)] => lines.push(format!("{}: ignored", delivery.event_type)),
        several => lines.push(format!("{} of other types: ignored", several.len())),
    }
    lines.join("\n")
}

fn outcome_of(delivery: &Delivery) -> String {
    let body: Value = serde_json::from_str(&delivery.response_body).unwrap_or_default();
    body["outcome"].as_str().unwrap_or("none").to_owned()
}
