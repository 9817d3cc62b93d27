//! Which of the events of one second came last (O3).
//!
//! Stripe's stamps are whole seconds, and its ids tell nothing of order. What does is that an
//! update shows the state before and after: a second's updates are the edges of a walk over the
//! states, and where a walk must end can often be told without its order.

use std::hash::Hash;

use super::{Contender, Subscription};
use crate::account::contenders::Contenders;
use crate::account::walk::{End, Walk};
use crate::event::{StateVector, SubscriptionEventKind};
use crate::id::EventId;

/// The state that the contenders for the stamp add up to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settled<'a, V = StateVector> {
    /// The state.
    pub state: &'a V,
    /// Whether another order of the same events could have ended elsewhere.
    pub in_doubt: bool,
}

type Entry<'a, V> = (&'a EventId, &'a Contender<V>);

impl Subscription {
    /// Settles the contenders. `None` only for a record without any, which nothing makes.
    #[must_use]
    pub fn settle(&self) -> Option<Settled<'_>> {
        self.contenders.settle()
    }
}

impl<V: Eq + Hash> Contenders<Contender<V>> {
    /// Settles the events of one instant, whatever they tell.
    pub(crate) fn settle(&self) -> Option<Settled<'_, V>> {
        let mut entries: Vec<Entry<'_, V>> = self.iter().collect();
        if entries.iter().any(|(_, contender)| contender.is_deletion()) {
            entries.retain(|(_, contender)| contender.is_deletion());
        }
        let (edges, visits): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|(_, contender)| contender.moves());
        let settled = if edges.is_empty() {
            settle_visits(&visits)
        } else {
            Some(settle_edges(&edges, &visits))
        };
        settled.map(|settled| Settled {
            in_doubt: settled.in_doubt || self.overflowed(),
            ..settled
        })
    }
}

/// Without a move, the kind of event tells: what is created first is not what comes later.
fn settle_visits<'a, V: PartialEq>(visits: &[Entry<'a, V>]) -> Option<Settled<'a, V>> {
    let rank = visits.iter().map(|(_, contender)| contender.rank()).max()?;
    let mut ranking = visits
        .iter()
        .filter(|(_, contender)| contender.rank() == rank);
    let (_, last) = ranking.next_back()?;
    Some(Settled {
        state: &last.post,
        in_doubt: ranking.any(|(_, contender)| contender.post != last.post),
    })
}

fn settle_edges<'a, V: Eq + Hash>(
    edges: &[Entry<'a, V>],
    visits: &[Entry<'a, V>],
) -> Settled<'a, V> {
    let walk = Walk::of(
        edges
            .iter()
            .filter_map(|(_, edge)| Some((edge.pre.as_ref()?, &edge.post))),
    );
    let end = match walk.end() {
        End::At(state) => Some(state),
        // It ends where it began, and what was just created began there.
        End::Closed => visits
            .iter()
            .rev()
            .find(|(_, visit)| visit.rank() == 0 && walk.touches(&visit.post))
            .map(|(_, visit)| &visit.post),
        End::Undecided => None,
    };
    match end {
        Some(state) => {
            let strange = visits.iter().any(|(_, visit)| !walk.touches(&visit.post));
            let contradicted = visits
                .iter()
                .any(|(_, visit)| visit.shows_a_final_state() && visit.post != *state);
            Settled {
                state,
                in_doubt: strange || contradicted,
            }
        }
        None => Settled {
            state: latest_candidate(edges, &walk),
            in_doubt: true,
        },
    }
}

/// A guess that does not depend on arrival: the candidate entered by the greatest event id.
fn latest_candidate<'a, V: Eq + Hash>(edges: &[Entry<'a, V>], walk: &Walk<'a, V>) -> &'a V {
    let candidates = walk.candidates();
    let entered = edges
        .iter()
        .rev()
        .find(|(_, edge)| candidates.contains(&&edge.post));
    // Every candidate is entered by some edge; the last edge stands in for a proof of that.
    &entered.unwrap_or(&edges[edges.len() - 1]).1.post
}

impl<V: PartialEq> Contender<V> {
    fn is_deletion(&self) -> bool {
        self.kind == SubscriptionEventKind::Deleted
    }

    /// Whether the event shows a move from one state to another: an edge. All others are visits.
    fn moves(&self) -> bool {
        self.pre.as_ref().is_some_and(|pre| *pre != self.post)
    }

    /// An update without `previous_attributes` shows the state at its own time, which of all
    /// places in the second is most likely the last.
    fn shows_a_final_state(&self) -> bool {
        self.pre.is_none() && self.kind == SubscriptionEventKind::Updated
    }

    fn rank(&self) -> u8 {
        match self.kind {
            SubscriptionEventKind::Created => 0,
            SubscriptionEventKind::TrialWillEnd => 1,
            _ => 2,
        }
    }
}
