//! Claims to subscribe, and acts that are written down (B1).

use jiff::Timestamp;
use serde_json::json;

use super::{Books, Cause};
use crate::change::AccountChange;
use crate::claim::{Claim, ClaimStep, Via, Wanted};
use crate::id::{ClaimId, CustomerId, StripeCustomerId};
use crate::ledger::{Act, Outcome};
use crate::mirror::MirrorTime;
use crate::store::SubscriptionRow;

/// What no event and no clock does: the seller's customer, through the seller's own pages.
const ACTOR: &str = "customer";

impl Books<'_> {
    /// Takes a claim, unless the customer has a subscription, or a claim of which something may still come.
    pub(super) fn claim(&mut self, claim: &Claim, now: Timestamp) -> Outcome {
        let customer = &claim.queue_customer_id;
        if self.is_subscribed(customer) {
            return Outcome::Refused;
        }
        if self.claims.get(customer).is_some_and(Claim::is_open) {
            return Outcome::Duplicate;
        }
        let details = json!({
            "claim": claim.claim_id,
            "via": claim.wanted.via,
            "plan_tier": claim.wanted.plan_tier,
            "price": claim.wanted.price_id,
        });
        self.keep(claim.clone());
        self.act("claim.opened", customer, details, now);
        Outcome::Applied
    }

    /// Whether any subscription of theirs runs, or may: all but those that are over, and those whose first
    /// payment never came.
    fn is_subscribed(&self, customer: &CustomerId) -> bool {
        let accounts = self.accounts_of.get(customer).into_iter().flatten();
        accounts
            .filter_map(|account| self.books.get(account))
            .flat_map(|book| book.subscriptions.values())
            .any(SubscriptionRow::runs)
    }

    pub(super) fn advance(
        &mut self,
        customer: &CustomerId,
        claim: &ClaimId,
        step: &ClaimStep,
        now: Timestamp,
    ) -> Outcome {
        let held = self.claims.get(customer);
        let held = held.filter(|held| held.claim_id == *claim && held.is_open());
        let Some(held) = held.cloned() else {
            return Outcome::Stale;
        };
        match step {
            ClaimStep::CustomerMade(account) => self.note_account(held, account, now),
            ClaimStep::ObjectMade(object) if held.object_id.is_none() => {
                let action = match held.wanted.via {
                    Via::Subscribe => "subscription.opened",
                    Via::Checkout => "checkout.opened",
                };
                let details = json!({ "claim": claim, "object": object });
                self.act(action, customer, details, now);
                self.keep(Claim {
                    object_id: Some(object.clone()),
                    ..held
                });
                Outcome::Applied
            }
            ClaimStep::ObjectMade(_) => Outcome::Duplicate,
            ClaimStep::Ended => {
                self.act("claim.ended", customer, json!({ "claim": claim }), now);
                // What a page put into its addresses is nobody's business any more.
                let wanted = Wanted {
                    success_url: None,
                    cancel_url: None,
                    ..held.wanted
                };
                self.keep(Claim {
                    ended_at: Some(MirrorTime::from_timestamp(now)),
                    wanted,
                    ..held
                });
                Outcome::Applied
            }
        }
    }

    /// The customer that Stripe has for a claim is bound to whom it was made for, before any event says so.
    fn note_account(&mut self, held: Claim, account: &StripeCustomerId, now: Timestamp) -> Outcome {
        if held.stripe_customer_id.is_some() {
            return Outcome::Duplicate;
        }
        let customer = held.queue_customer_id.clone();
        let Ok(change) = AccountChange::claimed(account.clone(), customer.clone(), &held.claim_id)
        else {
            return Outcome::Refused;
        };
        self.apply(&change, ACTOR, now);
        let details = json!({ "claim": held.claim_id, "account": account });
        self.act("claim.changed", &customer, details, now);
        self.keep(Claim {
            stripe_customer_id: Some(account.clone()),
            ..held
        });
        Outcome::Applied
    }

    fn keep(&mut self, claim: Claim) {
        let customer = claim.queue_customer_id.clone();
        self.changed_claims.insert(customer.clone());
        self.claims.insert(customer, claim);
    }

    pub(super) fn write_down(&mut self, act: &Act, now: Timestamp) -> Outcome {
        match act {
            Act::PortalOpened { customer, account } => {
                self.act(
                    "portal.opened",
                    customer,
                    json!({ "account": account }),
                    now,
                );
            }
            Act::PlanChangeAsked {
                customer,
                subscription,
                plan_tier,
                price,
            } => {
                let details = json!({
                    "subscription": subscription,
                    "plan_tier": plan_tier,
                    "price": price,
                });
                self.act("plan.change_asked", customer, details, now);
            }
        }
        Outcome::Applied
    }

    fn act(
        &mut self,
        action: &'static str,
        customer: &CustomerId,
        details: serde_json::Value,
        now: Timestamp,
    ) {
        let cause = Cause {
            actor: ACTOR,
            event: None,
            now,
        };
        self.draft(action, customer.as_str(), details.to_string(), cause);
    }
}
