//! A command, interpreted, and what it touches.

use jiff::Timestamp;

use crate::change::{AccountChange, Change, Said};
use crate::claim::{Claim, ClaimStep};
use crate::event::{Event, FactsDigest};
use crate::id::{ClaimId, CustomerId, EventId};
use crate::ledger::{Act, Command, Found};
use crate::policy::Policy;
use crate::store::{Keys, RefreshRow};

pub(super) enum Task<'a> {
    Ingest(&'a Event, FactsDigest, Change),
    Register(&'a CustomerId),
    Settle(&'a CustomerId),
    Refresh(Vec<&'a AccountChange>, Option<&'a RefreshRow>),
    SendAgain(&'a CustomerId, Option<&'a Found>),
    Claim(&'a Claim),
    Advance(&'a CustomerId, &'a ClaimId, &'a ClaimStep),
    Record(&'a Act),
}

impl<'a> Task<'a> {
    pub(super) fn of(command: &'a Command, policy: &Policy, now: Timestamp) -> Self {
        match command {
            Command::Ingest(event) => {
                let change = Change::from_event(event, policy, now);
                Self::Ingest(event, event.facts_digest(), change)
            }
            Command::RegisterCustomer(customer) => Self::Register(customer),
            Command::Settle(customer) => Self::Settle(customer),
            Command::Refresh { snapshots, mark } => {
                let changes = snapshots.iter().map(|snapshot| &snapshot.change);
                Self::Refresh(changes.collect(), mark.as_ref())
            }
            Command::SendAgain { customer, found } => Self::SendAgain(customer, found.as_ref()),
            Command::Claim(claim) => Self::Claim(claim),
            Command::Advance {
                customer,
                claim,
                step,
            } => Self::Advance(customer, claim, step),
            Command::Record(act) => Self::Record(act),
        }
    }

    /// The event whose id must be claimed.
    pub(super) fn event(&self) -> Option<&EventId> {
        match self {
            Self::Ingest(event, ..) => Some(&event.id),
            _ => None,
        }
    }

    /// Names what must be loaded for it.
    pub(super) fn name_keys(&self, keys: &mut Keys) {
        match self {
            Self::Ingest(_, _, Change::Account(change)) => name_keys_of(change, keys),
            Self::Ingest(_, _, Change::Nothing | Change::SetAside(_)) | Self::Record(_) => {}
            Self::Register(customer) | Self::Settle(customer) | Self::SendAgain(customer, _) => {
                keys.accounts.extend(customer.unbound_account());
                keys.customers.insert((*customer).clone());
            }
            Self::Refresh(changes, _) => {
                for change in changes {
                    name_keys_of(change, keys);
                    if let Said::Subscription(facts) = &change.said {
                        keys.terms.insert(facts.customer.clone());
                    }
                }
            }
            Self::Claim(claim) => {
                keys.customers.insert(claim.queue_customer_id.clone());
                keys.claims.insert(claim.queue_customer_id.clone());
            }
            Self::Advance(customer, _, step) => {
                keys.customers.insert((*customer).clone());
                keys.claims.insert((*customer).clone());
                if let ClaimStep::CustomerMade(account) = step {
                    keys.accounts.insert(account.clone());
                }
            }
        }
    }
}

fn name_keys_of(change: &AccountChange, keys: &mut Keys) {
    keys.accounts.insert(change.account.clone());
    match &change.said {
        Said::Customer(facts) => keys.customers.extend(facts.queue_customer_id.clone()),
        Said::Claimed(customer) => {
            keys.customers.insert(customer.clone());
        }
        Said::Subscription(_) | Said::Invoice(_) | Said::CustomerGone => {}
    }
}
