//! What a customer has, over all of their subscriptions: the mirror row without its stamp (A1).

use super::SubscriptionView;
use crate::catalogue::Tier;
use crate::id::SubscriptionId;
use crate::mirror::MirrorStatus;
use crate::policy::Policy;
use crate::time::StripeTime;

/// A customer's tier and status, until when, and when that changes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// The tier of the best subscription.
    pub plan_tier: Tier,
    /// Its status.
    pub status: MirrorStatus,
    /// The end of its period, or of grace where that is sooner.
    pub current_period_end: Option<StripeTime>,
    /// The next instant at which the row changes without an event (A6).
    pub next_deadline: Option<StripeTime>,
    /// Until when the best subscription is in grace, while it is.
    pub grace_ends_at: Option<StripeTime>,
    /// Whether any of the subscriptions is in doubt.
    pub in_doubt: bool,
}

impl Entitlement {
    /// What somebody has who never subscribed.
    #[must_use]
    pub fn none(policy: &Policy) -> Self {
        Self {
            plan_tier: policy.catalogue.tiers().lowest().clone(),
            status: MirrorStatus::None,
            current_period_end: None,
            next_deadline: None,
            grace_ends_at: None,
            in_doubt: false,
        }
    }

    /// What the customer has whose subscriptions these are, over all accounts bound to them.
    #[must_use]
    pub fn of<'a>(
        subscriptions: impl IntoIterator<Item = (&'a SubscriptionId, &'a SubscriptionView)>,
        policy: &Policy,
    ) -> Self {
        let views: Vec<_> = subscriptions.into_iter().collect();
        let next_deadline = views
            .iter()
            .filter_map(|(_, view)| view.next_deadline)
            .min();
        let in_doubt = views.iter().any(|(_, view)| view.in_doubt);
        match Self::best(views, policy) {
            None => Self::none(policy),
            Some((_, view)) if view.ended => Self {
                status: MirrorStatus::Canceled,
                in_doubt,
                ..Self::none(policy)
            },
            Some((_, view)) => Self {
                plan_tier: view.plan_tier.clone(),
                status: view.mirror_status,
                current_period_end: view.current_period_end.map(|end| {
                    view.grace_ends_at
                        .map_or(end, |grace_ends_at| end.min(grace_ends_at))
                }),
                next_deadline,
                grace_ends_at: view.grace_ends_at,
                in_doubt,
            },
        }
    }

    /// The subscription that counts among those of one customer (A1).
    pub fn best<'a>(
        subscriptions: impl IntoIterator<Item = (&'a SubscriptionId, &'a SubscriptionView)>,
        policy: &Policy,
    ) -> Option<(&'a SubscriptionId, &'a SubscriptionView)> {
        let rank = |view: &SubscriptionView| policy.catalogue.tiers().rank(&view.plan_tier);
        subscriptions.into_iter().max_by_key(|(id, view)| {
            (
                view.entitled,
                !view.ended,
                rank(view),
                view.current_period_end,
                *id,
            )
        })
    }
}
