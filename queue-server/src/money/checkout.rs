//! `checkout`: on Stripe's own page, and the way back from it (B2, B5).

use billing_core::claim::{Claim, ClaimStep, Via, Wanted};
use billing_core::id::ObjectId;
use billing_core::ledger::Outcome;
use serde::Serialize;
use utoipa::ToSchema;

use super::Desk;
use super::claim::{Pursued, ToPay, reach, standing};
use crate::http::{Problem, vocabulary};
use crate::stripe::{CheckoutSession, CheckoutStatus, Key, NewCheckout, StripeError};

/// Where the customer goes.
#[derive(Serialize, ToSchema)]
pub(crate) struct CheckoutOpened {
    url: String,
    #[schema(value_type = vocabulary::StripeId)]
    session_id: ObjectId,
}

impl Desk {
    /// Opens a checkout session, or finds the one that is open.
    pub(crate) async fn checkout(
        self,
        tier: String,
        success_url: String,
        cancel_url: String,
    ) -> Result<CheckoutOpened, Problem> {
        let money = self.money()?;
        let plan = money.plans.of(&tier).ok_or(Problem::PlanUnknown)?;
        for url in [&success_url, &cancel_url] {
            if !money.config.return_origins.allow(url) {
                return Err(Problem::ReturnUrlRefused);
            }
        }
        let wanted = Wanted {
            via: Via::Checkout,
            plan_tier: plan.plan_tier.clone(),
            price_id: plan.price.clone(),
            payment_method_id: None,
            success_url: Some(with_session(&success_url)),
            cancel_url: Some(cancel_url),
        };
        match self.claim(&wanted).await? {
            ToPay::AtStripe(opened) => Ok(opened),
            ToPay::OnPage(_) => Err(Problem::SubscribeInProgress),
        }
    }

    pub(super) async fn pursue_checkout(&self, claim: &Claim) -> Result<Pursued<ToPay>, Problem> {
        let Some(session) = self.session_of(claim).await? else {
            return Ok(Pursued::Paid);
        };
        match self.standing_of(&session).await? {
            Pursued::Paid => Ok(Pursued::Paid),
            Pursued::Over => Ok(Pursued::Over),
            Pursued::Pending(()) => Ok(Pursued::Pending(ToPay::AtStripe(CheckoutOpened {
                url: session.url.ok_or(StripeError::Unreadable)?,
                session_id: session.id,
            }))),
        }
    }

    /// The claim's session, which is opened if it is not yet; `None`: a subscription runs already.
    async fn session_of(&self, claim: &Claim) -> Result<Option<CheckoutSession>, Problem> {
        let stripe = self.stripe()?;
        if let Some(id) = &claim.object_id {
            return Ok(Some(stripe.checkout(id).await?.object));
        }
        let account = self.account_for(claim).await?;
        let found = self.look_at_stripe(&account, &claim.claim_id).await?;
        if found.runs {
            return Ok(None);
        }
        if let Some(opened) = found.session {
            let session = stripe.checkout(&opened).await?.object;
            return self.note_session(claim, session).await.map(Some);
        }
        let new = NewCheckout {
            account: &account,
            customer: &self.customer,
            claim: &claim.claim_id,
            price: &claim.wanted.price_id,
            success_url: claim.wanted.success_url.as_deref().unwrap_or_default(),
            cancel_url: claim.wanted.cancel_url.as_deref().unwrap_or_default(),
        };
        let key = Key::of_claim(&claim.claim_id, "checkout");
        let session = match stripe.create_checkout(&new, key).await {
            // What it was when it was made is not what it is now.
            Ok(answer) if answer.is_replayed() => stripe.checkout(&answer.object.id).await?.object,
            Ok(answer) => answer.object,
            Err(error) => {
                if error.is_final() {
                    self.advance(claim, ClaimStep::Ended).await?;
                }
                return Err(error.into());
            }
        };
        self.note_session(claim, session).await.map(Some)
    }

    async fn note_session(
        &self,
        claim: &Claim,
        session: CheckoutSession,
    ) -> Result<CheckoutSession, Problem> {
        reach("session_made");
        let step = ClaimStep::ObjectMade(session.id.clone());
        if self.advance(claim, step).await? == Outcome::Stale {
            // The claim has ended meanwhile: this could be paid beside what another call makes.
            return Err(match self.expire_session(&session.id).await? {
                Pursued::Paid => Problem::SubscriptionAlreadyActive,
                Pursued::Over | Pursued::Pending(()) => Problem::SubscribeInProgress,
            });
        }
        reach("session_noted");
        Ok(session)
    }

    /// Where a session stands: a complete one, where its subscription stands.
    async fn standing_of(&self, session: &CheckoutSession) -> Result<Pursued<()>, Problem> {
        match (session.status, &session.subscription) {
            (CheckoutStatus::Open, _) => Ok(Pursued::Pending(())),
            (CheckoutStatus::Expired, _) => Ok(Pursued::Over),
            (CheckoutStatus::Complete, None) => Err(StripeError::Unreadable.into()),
            (CheckoutStatus::Complete, Some(subscription)) => {
                let answer = self.refresh_young(subscription).await?;
                Ok(standing(&answer.object))
            }
        }
    }

    /// Closes a claim's session, unless it is paid.
    pub(super) async fn retire_checkout(&self, claim: &Claim) -> Result<Pursued<()>, Problem> {
        let Some(session) = self.session_of(claim).await? else {
            return Ok(Pursued::Paid);
        };
        self.expire_session(&session.id).await
    }

    /// Closes a session, unless it is paid.
    pub(super) async fn expire_session(&self, id: &ObjectId) -> Result<Pursued<()>, Problem> {
        let stripe = self.stripe()?;
        let session = stripe.checkout(id).await?.object;
        if session.status == CheckoutStatus::Open {
            match stripe.expire_checkout(id, Key::drawn()).await {
                Ok(_) | Err(StripeError::Refused) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let session = stripe.checkout(id).await?.object;
        self.standing_of(&session).await
    }

    /// The customer came back from Checkout: looks at Stripe, and not at what the browser says, whether they paid.
    /// Only the session that we opened for this very customer is looked at.
    pub(crate) async fn sync_checkout(self, session: String) -> Result<(), Problem> {
        let claim = self.app.claim_of(&self.customer).await?;
        let claimed = claim
            .filter(|claim| claim.wanted.via == Via::Checkout)
            .and_then(|claim| Some((claim.object_id?, claim.stripe_customer_id)));
        let Some((id, account)) = claimed.filter(|(id, _)| id.as_str() == session) else {
            return Err(Problem::CheckoutUnknown);
        };
        let session = self.stripe()?.checkout(&id).await?.object;
        if session.customer != account {
            return Err(StripeError::Unreadable.into());
        }
        self.standing_of(&session).await.map(drop)
    }
}

/// The same URL with the session's id, which Stripe fills in, for the page that the customer comes back to.
fn with_session(url: &str) -> String {
    let (before, fragment) = match url.split_once('#') {
        Some((before, fragment)) => (before, format!("#{fragment}")),
        None => (url, String::new()),
    };
    let joint = if before.contains('?') { '&' } else { '?' };
    format!("{before}{joint}session_id={{CHECKOUT_SESSION_ID}}{fragment}")
}
