//! `subscribe`: on the seller's own page, with Stripe's Payment Element (B1).

use billing_core::claim::{Claim, ClaimStep, Via, Wanted};
use billing_core::id::{ObjectId, PaymentMethodId, StripeCustomerId, SubscriptionId};
use billing_core::ledger::Outcome;
use serde::Serialize;
use utoipa::ToSchema;

use super::Desk;
use super::claim::{Pursued, ToPay, reach, standing};
use crate::http::{Problem, vocabulary};
use crate::stripe::{Answer, Key, NewSubscription, StripeError, StripeSubscription};

/// What the page needs to take the payment.
#[derive(Serialize, ToSchema)]
pub(crate) struct Subscribed {
    client_secret: String,
    #[schema(value_type = vocabulary::StripeId)]
    subscription_id: SubscriptionId,
}

impl Desk {
    /// Makes a subscription whose first payment is due, or finds the one that waits for it.
    pub(crate) async fn subscribe(
        self,
        tier: String,
        payment_method: Option<PaymentMethodId>,
    ) -> Result<Subscribed, Problem> {
        let plan = self.money()?.plans.of(&tier).ok_or(Problem::PlanUnknown)?;
        let wanted = Wanted {
            via: Via::Subscribe,
            plan_tier: plan.plan_tier.clone(),
            price_id: plan.price.clone(),
            payment_method_id: payment_method,
            success_url: None,
            cancel_url: None,
        };
        match self.claim(&wanted).await? {
            ToPay::OnPage(subscribed) => Ok(subscribed),
            ToPay::AtStripe(_) => Err(Problem::SubscribeInProgress),
        }
    }

    pub(super) async fn pursue_subscription(
        &self,
        claim: &Claim,
    ) -> Result<Pursued<ToPay>, Problem> {
        let answer = match claim.object_id.as_ref().and_then(subscription_id) {
            Some(id) => self.stripe()?.subscription(&id).await?,
            None => match self.make_subscription(claim).await? {
                Some(answer) => answer,
                None => return Ok(Pursued::Paid),
            },
        };
        self.take(&answer).await?;
        reach("synced");
        match standing(&answer.object) {
            Pursued::Paid => Ok(Pursued::Paid),
            Pursued::Over => Ok(Pursued::Over),
            Pursued::Pending(()) => {
                let client_secret = answer
                    .object
                    .client_secret()
                    .ok_or(StripeError::Unreadable)?;
                Ok(Pursued::Pending(ToPay::OnPage(Subscribed {
                    client_secret: client_secret.to_owned(),
                    subscription_id: answer.object.id.clone(),
                })))
            }
        }
    }

    /// Makes the claim's subscription, if it is not made yet; `None`: another one runs already.
    async fn make_subscription(
        &self,
        claim: &Claim,
    ) -> Result<Option<Answer<StripeSubscription>>, Problem> {
        let account = self.account_for(claim).await?;
        let found = self.look_at_stripe(&account, &claim.claim_id).await?;
        if found.runs {
            return Ok(None);
        }
        let answer = match found.claimed {
            Some(made) => self.stripe()?.subscription(&made).await?,
            None => match self.ask_for_subscription(claim, &account).await {
                Ok(answer) => self.fresh(answer).await?,
                Err(error) => return self.not_made(claim, &account, error).await,
            },
        };
        self.note_subscription(claim, answer).await.map(Some)
    }

    async fn note_subscription(
        &self,
        claim: &Claim,
        answer: Answer<StripeSubscription>,
    ) -> Result<Answer<StripeSubscription>, Problem> {
        reach("subscription_made");
        let object = ObjectId::parse(answer.object.id.as_str());
        let object = object.map_err(|_| StripeError::Unreadable)?;
        let noted = self.advance(claim, ClaimStep::ObjectMade(object)).await?;
        reach("subscription_noted");
        if noted == Outcome::Stale {
            // The claim has ended meanwhile: this could be paid beside what another call makes.
            return Err(match self.retire_subscription(&answer.object.id).await? {
                Pursued::Paid => Problem::SubscriptionAlreadyActive,
                Pursued::Over | Pursued::Pending(()) => Problem::SubscribeInProgress,
            });
        }
        Ok(answer)
    }

    /// Stripe did not make it, or does not say so.
    async fn not_made(
        &self,
        claim: &Claim,
        account: &StripeCustomerId,
        error: StripeError,
    ) -> Result<Option<Answer<StripeSubscription>>, Problem> {
        if matches!(error, StripeError::KeySpent | StripeError::KeyReused) {
            let found = self.look_at_stripe(account, &claim.claim_id).await?;
            if let Some(made) = found.claimed {
                let answer = self.stripe()?.subscription(&made).await?;
                return self.note_subscription(claim, answer).await.map(Some);
            }
        }
        if error.is_final() {
            // The customer may try with something else, or under another key.
            self.advance(claim, ClaimStep::Ended).await?;
        }
        Err(match error {
            StripeError::Missing | StripeError::Refused
                if claim.wanted.payment_method_id.is_some() =>
            {
                Problem::PaymentMethodRefused
            }
            error => error.into(),
        })
    }

    async fn ask_for_subscription(
        &self,
        claim: &Claim,
        account: &StripeCustomerId,
    ) -> Result<Answer<StripeSubscription>, StripeError> {
        let Some(money) = &self.app.money else {
            return Err(StripeError::NotReached);
        };
        let attached = match &claim.wanted.payment_method_id {
            None => None,
            Some(id) => {
                let key = Key::of_claim(&claim.claim_id, "payment-method");
                match money.stripe.attach_payment_method(id, account, key).await {
                    Ok(attached) => Some(attached.object.id),
                    // It may be theirs already.
                    Err(StripeError::Refused)
                        if money.stripe.has_payment_method(account, id).await? =>
                    {
                        Some(id.clone())
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let new = NewSubscription {
            account,
            customer: &self.customer,
            claim: &claim.claim_id,
            price: &claim.wanted.price_id,
            payment_method: attached.as_ref(),
        };
        let key = Key::of_claim(&claim.claim_id, "subscription");
        money.stripe.create_subscription(&new, key).await
    }

    /// Ends a claim's subscription, unless it is paid. Whether it was made is known only by asking for it once more,
    /// under the same key.
    pub(super) async fn retire_claimed_subscription(
        &self,
        claim: &Claim,
    ) -> Result<Pursued<()>, Problem> {
        match claim.object_id.as_ref().and_then(subscription_id) {
            Some(id) => self.retire_subscription(&id).await,
            None => match self.make_subscription(claim).await? {
                Some(answer) => self.retire_subscription(&answer.object.id).await,
                None => Ok(Pursued::Paid),
            },
        }
    }
}

fn subscription_id(object: &ObjectId) -> Option<SubscriptionId> {
    SubscriptionId::parse(object.as_str()).ok()
}
