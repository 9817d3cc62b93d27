//! Claims: what makes a subscription one, however often and from wherever it is asked for (B1).

use billing_core::claim::{Claim, ClaimStep, Via, Wanted};
use billing_core::id::{ClaimId, ObjectId, StripeCustomerId, SubscriptionId};
use billing_core::ledger::{Command, Outcome};
use billing_core::mirror::MirrorTime;
use jiff::SignedDuration;

use super::{CheckoutOpened, Desk, Subscribed};
use crate::clock;
use crate::http::Problem;
use crate::stripe::{Key, StripeError, StripeSubscription};

/// How long Stripe certainly remembers an idempotency key: it does for a day.
const KEYS_LAST: SignedDuration = SignedDuration::from_hours(23);
/// How often a customer's claim may turn out to be over, or to be for something else, within one request.
const ROUNDS: usize = 4;

/// What became of a claim at Stripe.
pub(super) enum Pursued<T> {
    /// The customer has something to pay.
    Pending(T),
    /// They have paid: the subscription runs.
    Paid,
    /// Nothing more comes of it.
    Over,
}

/// What an account has at Stripe.
#[derive(Default)]
pub(super) struct AtStripe {
    /// Whether a subscription runs.
    pub(super) runs: bool,
    /// The subscription that was made for the claim, and waits for its payment.
    pub(super) claimed: Option<SubscriptionId>,
    /// The checkout session that was opened for the claim.
    pub(super) session: Option<ObjectId>,
}

/// Where the customer pays.
pub(super) enum ToPay {
    /// On the seller's own page.
    OnPage(Subscribed),
    /// On Stripe's.
    AtStripe(CheckoutOpened),
}

impl Desk {
    /// Claims what the customer wants, and pursues it to where they can pay.
    pub(super) async fn claim(&self, wanted: &Wanted) -> Result<ToPay, Problem> {
        for _ in 0..ROUNDS {
            let Some(claim) = self.hold(wanted).await? else {
                continue;
            };
            let pursued = match self.further(&claim, wanted).await {
                Ok(Pursued::Pending(Some(to_pay))) => return Ok(to_pay),
                Ok(pursued) => pursued,
                Err(Problem::Stripe(StripeError::Missing)) => self.look_what_is_missing().await?,
                Err(problem) => return Err(problem),
            };
            match pursued {
                Pursued::Paid => return Err(Problem::SubscriptionAlreadyActive),
                Pursued::Over => {
                    self.advance(&claim, ClaimStep::Ended).await?;
                }
                Pursued::Pending(_) => {}
            }
        }
        Err(Problem::SubscribeInProgress)
    }

    /// Takes a claim as far as it goes now: to where the customer can pay for what is wanted, if it is for that.
    async fn further(
        &self,
        claim: &Claim,
        wanted: &Wanted,
    ) -> Result<Pursued<Option<ToPay>>, Problem> {
        let retired = if claim.object_id.is_none() && self.is_forgotten(claim) {
            // Stripe may not know the key any more, and would do it again.
            self.retire_forgotten(claim).await?
        } else if suits(&claim.wanted, wanted) {
            return Ok(match self.pursue(claim).await? {
                Pursued::Pending(to_pay) => Pursued::Pending(Some(to_pay)),
                Pursued::Paid => Pursued::Paid,
                Pursued::Over => Pursued::Over,
            });
        } else {
            self.retire(claim).await?
        };
        Ok(match retired {
            Pursued::Pending(()) => Pursued::Pending(None),
            Pursued::Paid => Pursued::Paid,
            Pursued::Over => Pursued::Over,
        })
    }

    /// Stripe misses something of a claim. A customer that was deleted there is committed, so that another one is made;
    /// a claim whose object is gone ends.
    async fn look_what_is_missing(&self) -> Result<Pursued<Option<ToPay>>, Problem> {
        let missing = Problem::Stripe(StripeError::Missing);
        let claim = self.app.claim_of(&self.customer).await?.ok_or(missing)?;
        let account = claim.stripe_customer_id.as_ref().ok_or(missing)?;
        let answer = self.stripe()?.customer(account).await?;
        if answer.object.deleted {
            let gone = answer
                .snapshot()
                .map_err(|_| Problem::Stripe(StripeError::Unreadable))?;
            let command = Command::refresh(vec![gone]);
            self.app.commit(command, clock::now()).await?;
            return Ok(Pursued::Over);
        }
        match claim.object_id {
            Some(_) => Ok(Pursued::Over),
            None => Err(missing),
        }
    }

    async fn pursue(&self, claim: &Claim) -> Result<Pursued<ToPay>, Problem> {
        match claim.wanted.via {
            Via::Subscribe => self.pursue_subscription(claim).await,
            Via::Checkout => self.pursue_checkout(claim).await,
        }
    }

    /// Sees to it that nothing more comes of a claim, unless it is paid.
    async fn retire(&self, claim: &Claim) -> Result<Pursued<()>, Problem> {
        match claim.wanted.via {
            Via::Subscribe => self.retire_claimed_subscription(claim).await,
            Via::Checkout => self.retire_checkout(claim).await,
        }
    }

    /// The customer's claim: a new one, or the one that they hold.
    async fn hold(&self, wanted: &Wanted) -> Result<Option<Claim>, Problem> {
        let now = clock::now();
        let drawn = ClaimId::parse(format!("{:032x}", rand::random::<u128>()))
            .map_err(|_| Problem::Panicked)?;
        let claim = Claim::new(
            self.customer.clone(),
            drawn,
            wanted.clone(),
            MirrorTime::from_timestamp(now),
        );
        let command = Command::Claim(Box::new(claim));
        let mut outcome = self.app.commit(command.clone(), now).await?;
        if outcome == Outcome::Refused && self.recheck().await? {
            outcome = self.app.commit(command, now).await?;
        }
        reach("claimed");
        if outcome == Outcome::Refused {
            return Err(Problem::SubscriptionAlreadyActive);
        }
        let held = self.app.claim_of(&self.customer).await?;
        Ok(held.filter(Claim::is_open))
    }

    /// Asks Stripe whether what our records call running still runs. Whoever lost an event must not be kept from
    /// subscribing again.
    async fn recheck(&self) -> Result<bool, Problem> {
        let records = self.records().await?;
        let mut over = false;
        for row in records.subscriptions.iter().filter(|row| row.runs()) {
            let answer = self.refresh(&row.stripe_subscription_id).await?;
            over |= answer.object.status.is_terminal();
        }
        Ok(over)
    }

    fn is_forgotten(&self, claim: &Claim) -> bool {
        clock::now().duration_since(claim.claimed_at.timestamp()) > KEYS_LAST
    }

    /// Looks whether anything came of a claim whose key Stripe may have forgotten.
    async fn retire_forgotten(&self, claim: &Claim) -> Result<Pursued<()>, Problem> {
        let Some(account) = &claim.stripe_customer_id else {
            return Ok(Pursued::Over);
        };
        let found = self.look_at_stripe(account, &claim.claim_id).await?;
        match (found.claimed, found.session) {
            _ if found.runs => Ok(Pursued::Paid),
            (Some(subscription), _) => self.retire_subscription(&subscription).await,
            (None, Some(session)) => self.expire_session(&session).await,
            (None, None) => Ok(Pursued::Over),
        }
    }

    /// Notes what became of a claim. `Stale`: it has ended meanwhile, and whatever came of it must not be paid.
    pub(super) async fn advance(&self, claim: &Claim, step: ClaimStep) -> Result<Outcome, Problem> {
        let command = Command::Advance {
            customer: self.customer.clone(),
            claim: claim.claim_id.clone(),
            step,
        };
        self.app.commit(command, clock::now()).await
    }

    /// The customer at Stripe that a claim is for: one that is bound to them, or a new one.
    pub(super) async fn account_for(&self, claim: &Claim) -> Result<StripeCustomerId, Problem> {
        if let Some(account) = &claim.stripe_customer_id {
            return Ok(account.clone());
        }
        let records = self.records().await?;
        let account = match records.account(self.policy()) {
            Some(account) => account.clone(),
            None => {
                let key = Key::of_claim(&claim.claim_id, "customer");
                match self.stripe()?.create_customer(&self.customer, key).await {
                    Ok(made) => made.object.id,
                    Err(error) => {
                        if error.is_final() {
                            self.advance(claim, ClaimStep::Ended).await?;
                        }
                        return Err(error.into());
                    }
                }
            }
        };
        reach("customer_made");
        self.advance(claim, ClaimStep::CustomerMade(account))
            .await?;
        reach("customer_noted");
        // Another call may have been there first, with another account: then it is that one.
        let noted = self.app.claim_of(&self.customer).await?;
        noted
            .filter(|noted| noted.claim_id == claim.claim_id)
            .and_then(|noted| noted.stripe_customer_id)
            .ok_or(Problem::SubscribeInProgress)
    }

    /// What the customer has at Stripe, and our records may lack: what runs is committed. Unpaid subscriptions and open
    /// checkouts of ours are ended, but for those of this claim: they could still be paid beside it.
    pub(super) async fn look_at_stripe(
        &self,
        account: &StripeCustomerId,
        claim: &ClaimId,
    ) -> Result<AtStripe, Problem> {
        let mut found = AtStripe::default();
        self.look_at_account(account, claim, &mut found).await?;
        // Many accounts may be bound to one customer (E4).
        for bound in self.records().await?.customers {
            let other = &bound.stripe_customer_id;
            if other == account || bound.record.deleted_at.is_some() {
                continue;
            }
            match self.look_at_account(other, claim, &mut found).await {
                Ok(()) | Err(Problem::Stripe(StripeError::Missing)) => {}
                Err(problem) => return Err(problem),
            }
        }
        Ok(found)
    }

    async fn look_at_account(
        &self,
        account: &StripeCustomerId,
        claim: &ClaimId,
        found: &mut AtStripe,
    ) -> Result<(), Problem> {
        for subscription in self.stripe()?.subscriptions_of(account).await? {
            match standing(&subscription) {
                Pursued::Over => {}
                Pursued::Paid => {
                    self.refresh(&subscription.id).await?;
                    found.runs = true;
                }
                Pursued::Pending(()) if subscription.claim() == Some(claim.as_str()) => {
                    found.claimed = Some(subscription.id);
                }
                Pursued::Pending(()) if subscription.claim().is_some() => {
                    let retired = self.retire_subscription(&subscription.id).await?;
                    found.runs |= matches!(retired, Pursued::Paid);
                }
                Pursued::Pending(()) => {}
            }
        }
        for session in self.stripe()?.open_checkouts_of(account).await? {
            if session.claim() == Some(claim.as_str()) {
                found.session = Some(session.id);
            } else if session.claim().is_some() {
                let expired = self.expire_session(&session.id).await?;
                found.runs |= matches!(expired, Pursued::Paid);
            }
        }
        Ok(())
    }

    /// Voids the first invoice of a subscription that was not paid, which ends it. Never cancels: whoever pays at
    /// this very moment keeps what they paid for.
    pub(super) async fn retire_subscription(
        &self,
        id: &SubscriptionId,
    ) -> Result<Pursued<()>, Problem> {
        let stripe = self.stripe()?;
        let subscription = stripe.subscription(id).await?.object;
        if subscription.is_pending()
            && let Some(invoice) = subscription.latest_invoice_id()
        {
            match stripe.void_invoice(invoice, Key::drawn()).await {
                // It was paid, or another call voided it: what the subscription says then counts.
                Ok(_) | Err(StripeError::Refused) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let subscription = self.refresh(id).await?.object;
        Ok(standing(&subscription))
    }
}

/// Where a subscription stands, for whom it is to be paid.
pub(super) fn standing(subscription: &StripeSubscription) -> Pursued<()> {
    if subscription.is_pending() {
        Pursued::Pending(())
    } else if subscription.status.is_terminal() {
        Pursued::Over
    } else {
        Pursued::Paid
    }
}

/// Whether a claim is for what is wanted now. A payment method may be left to the page.
fn suits(claimed: &Wanted, wanted: &Wanted) -> bool {
    let payment_method_id = match &wanted.payment_method_id {
        Some(id) => Some(id.clone()),
        None => claimed.payment_method_id.clone(),
    };
    *claimed
        == Wanted {
            payment_method_id,
            ..wanted.clone()
        }
}

/// A point at which the tests kill the process.
pub(super) fn reach(point: &str) {
    #[cfg(feature = "failpoints")]
    crate::failpoint::reach(point);
    #[cfg(not(feature = "failpoints"))]
    let _ = point;
}
