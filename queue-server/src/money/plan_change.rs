//! Changing to a dearer plan, at once and with proration; to a cheaper one in the portal, at the end of the period.

use billing_core::catalogue::Tier;
use billing_core::event::SubscriptionStatus;
use billing_core::ledger::{Act, Command};
use serde::Serialize;
use utoipa::ToSchema;

use super::Desk;
use crate::clock;
use crate::http::{Problem, vocabulary};
use crate::stripe::{Key, StripeError};

/// What came of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanChange {
    /// `changed`: the plan is paid for. `pending`: it waits for its payment. `unchanged`: it was the plan already.
    #[schema(value_type = vocabulary::PlanChangeOutcome)]
    outcome: &'static str,
    #[schema(value_type = vocabulary::Tier)]
    plan_tier: Tier,
    /// What the page needs to take the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

impl Desk {
    /// Moves the customer's subscription to a dearer plan.
    pub(crate) async fn change_plan(self, tier: String) -> Result<PlanChange, Problem> {
        let money = self.money()?;
        let plan = money.plans.of(&tier).ok_or(Problem::PlanUnknown)?;
        let records = self.records().await?;
        let row = records
            .best(self.policy())
            .filter(|row| row.runs())
            .ok_or(Problem::SubscriptionMissing)?;
        // What Stripe has now, and not what we last heard of.
        let subscription = self.refresh(&row.stripe_subscription_id).await?.object;
        match subscription.status {
            SubscriptionStatus::Active | SubscriptionStatus::Trialing => {}
            _ if subscription.status.is_terminal() => return Err(Problem::SubscriptionMissing),
            _ => return Err(Problem::PaymentDue),
        }
        let [item] = subscription.items.data.as_slice() else {
            return Err(Problem::PlanChangeInPortal);
        };
        let catalogue = &self.policy().catalogue;
        let rank = |tier| catalogue.tiers().rank(tier);
        // What no plan is sold at may be dearer than any: nobody changes that but in the portal.
        let current = catalogue.tier_of(&item.price.id).map(&rank);
        let current = current.ok_or(Problem::PlanChangeInPortal)?;
        if current > rank(&plan.plan_tier) {
            return Err(Problem::PlanChangeInPortal);
        }
        if current == rank(&plan.plan_tier) {
            return Ok(PlanChange {
                outcome: "unchanged",
                plan_tier: plan.plan_tier.clone(),
                client_secret: None,
            });
        }
        // It will cost money: it stands in the audit chain before it is asked for.
        let act = Act::PlanChangeAsked {
            customer: self.customer.clone(),
            subscription: subscription.id.clone(),
            plan_tier: plan.plan_tier.clone(),
            price: plan.price.clone(),
        };
        self.app.commit(Command::Record(act), clock::now()).await?;
        let answer = money
            .stripe
            .upgrade_subscription(&subscription.id, &item.id, &plan.price, Key::drawn())
            .await?;
        let answer = self.fresh(answer).await?;
        self.take(&answer).await?;
        let changed = &answer.object;
        if changed.pending_update.is_none() {
            return Ok(PlanChange {
                outcome: "changed",
                plan_tier: plan.plan_tier.clone(),
                client_secret: None,
            });
        }
        let client_secret = changed.client_secret().ok_or(StripeError::Unreadable)?;
        Ok(PlanChange {
            outcome: "pending",
            plan_tier: plan.plan_tier.clone(),
            client_secret: Some(client_secret.to_owned()),
        })
    }
}
