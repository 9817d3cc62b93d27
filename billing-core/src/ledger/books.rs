//! The books of one batch: what was loaded, what the commands made of it, what is to be written.
//!
//! Commands of one batch fold in memory: the second event of an account sees what the first one
//! left. Every record that changes gets its row in the audit chain here and nowhere else (C3).

mod claims;
mod diff;
mod doubt;
mod settle;
mod task;
mod terms;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::json;

use super::{Command, Found, Outcome};
use crate::account::Account;
use crate::alert::Alert;
use crate::audit::Draft;
use crate::change::{Change, QuarantineReason, SetAside};
use crate::claim::Claim;
use crate::event::{Event, FactsDigest};
use crate::id::{CustomerId, EventId, InvoiceId, ObjectId, StripeCustomerId, SubscriptionId};
use crate::mirror::MirrorTime;
use crate::policy::Policy;
use crate::store::{
    Claimed, CustomerRow, DirtyRow, EventRow, InvoiceRow, Keys, Loaded, MirrorState,
    ProcessedOutcome, QuarantineRow, RefreshRow, SubscriptionRow, TermsRow, WriteSet,
};
use task::Task;

/// Something to alert of once it is committed.
pub(super) struct Notice {
    pub(super) alert: Alert,
    /// An id.
    pub(super) subject: String,
    pub(super) now: Timestamp,
}

/// Who did what is written to the audit chain.
#[derive(Clone, Copy)]
struct Cause<'a> {
    actor: &'static str,
    event: Option<&'a EventId>,
    now: Timestamp,
}

/// An account, and its rows as they are or will be stored.
struct Book {
    account: Account,
    customer: Option<CustomerRow>,
    subscriptions: BTreeMap<SubscriptionId, SubscriptionRow>,
    invoices: BTreeMap<InvoiceId, InvoiceRow>,
}

pub(super) struct Books<'a> {
    policy: &'a Policy,
    tasks: Vec<(Task<'a>, Timestamp)>,
    claimed: HashMap<EventId, Claimed>,
    books: BTreeMap<StripeCustomerId, Book>,
    /// The accounts of each customer.
    accounts_of: BTreeMap<CustomerId, BTreeSet<StripeCustomerId>>,
    mirrors: BTreeMap<CustomerId, MirrorState>,
    events: BTreeMap<EventId, EventRow>,
    quarantine: BTreeMap<(EventId, QuarantineReason), QuarantineRow>,
    released: BTreeSet<EventId>,
    changed_customers: BTreeSet<StripeCustomerId>,
    changed_subscriptions: BTreeSet<(StripeCustomerId, SubscriptionId)>,
    changed_invoices: BTreeSet<(StripeCustomerId, InvoiceId)>,
    /// What was told of terms before, where a look is to be compared with it.
    told_terms: BTreeMap<(StripeCustomerId, SubscriptionId), Vec<TermsRow>>,
    terms: Vec<TermsRow>,
    changed_mirrors: BTreeSet<CustomerId>,
    claims: BTreeMap<CustomerId, Claim>,
    changed_claims: BTreeSet<CustomerId>,
    dirty: BTreeMap<CustomerId, MirrorTime>,
    marked: BTreeMap<ObjectId, RefreshRow>,
    unmarked: Vec<RefreshRow>,
    drafts: Vec<(Draft, MirrorTime)>,
    notices: Vec<Notice>,
}

impl<'a> Books<'a> {
    pub(super) fn new(policy: &'a Policy, work: &[(&'a Command, Timestamp)]) -> Self {
        Self {
            policy,
            tasks: work
                .iter()
                .map(|(command, now)| (Task::of(command, policy, *now), *now))
                .collect(),
            claimed: HashMap::new(),
            books: BTreeMap::new(),
            accounts_of: BTreeMap::new(),
            mirrors: BTreeMap::new(),
            events: BTreeMap::new(),
            quarantine: BTreeMap::new(),
            released: BTreeSet::new(),
            changed_customers: BTreeSet::new(),
            changed_subscriptions: BTreeSet::new(),
            changed_invoices: BTreeSet::new(),
            told_terms: BTreeMap::new(),
            terms: Vec::new(),
            changed_mirrors: BTreeSet::new(),
            claims: BTreeMap::new(),
            changed_claims: BTreeSet::new(),
            dirty: BTreeMap::new(),
            marked: BTreeMap::new(),
            unmarked: Vec::new(),
            drafts: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// The events whose ids must be claimed.
    pub(super) fn events(&self) -> Vec<EventId> {
        let events = self.tasks.iter().filter_map(|(task, _)| task.event());
        let events: BTreeSet<_> = events.cloned().collect();
        events.into_iter().collect()
    }

    pub(super) fn take_claimed(&mut self, claimed: HashMap<EventId, Claimed>) {
        self.claimed = claimed;
    }

    /// What the commands touch.
    pub(super) fn wanted(&self) -> Keys {
        let mut keys = Keys::default();
        for (task, _) in &self.tasks {
            task.name_keys(&mut keys);
        }
        keys
    }

    pub(super) fn take_records(&mut self, loaded: Loaded) {
        for row in loaded.customers {
            let mut account = Account::new(row.stripe_customer_id.clone());
            account.customer = row.record.clone();
            self.accounts_of
                .entry(account.owner())
                .or_default()
                .insert(account.id.clone());
            let book = Book {
                account,
                customer: Some(row.clone()),
                subscriptions: BTreeMap::new(),
                invoices: BTreeMap::new(),
            };
            self.books.insert(row.stripe_customer_id, book);
        }
        for row in loaded.subscriptions {
            let Some(book) = self.books.get_mut(&row.stripe_customer_id) else {
                continue;
            };
            let mut record = row.record.clone();
            record.mend();
            book.account
                .subscriptions
                .insert(row.stripe_subscription_id.clone(), record);
            book.subscriptions
                .insert(row.stripe_subscription_id.clone(), row);
        }
        for row in loaded.invoices {
            let Some(book) = self.books.get_mut(&row.stripe_customer_id) else {
                continue;
            };
            book.account
                .invoices
                .insert(row.stripe_invoice_id.clone(), row.record.clone());
            book.invoices.insert(row.stripe_invoice_id.clone(), row);
        }
        for row in loaded.terms {
            let subscription = (
                row.stripe_customer_id.clone(),
                row.stripe_subscription_id.clone(),
            );
            self.told_terms.entry(subscription).or_default().push(row);
        }
        let claims = loaded.claims.into_iter();
        self.claims
            .extend(claims.map(|claim| (claim.queue_customer_id.clone(), claim)));
        let mirrors = loaded.mirrors.into_iter();
        self.mirrors
            .extend(mirrors.map(|row| (row.queue_customer_id.clone(), row)));
    }

    /// Takes all commands, in order.
    pub(super) fn take_all(&mut self) -> Vec<Outcome> {
        let tasks = std::mem::take(&mut self.tasks);
        let take = |(task, now)| match task {
            Task::Ingest(event, digest, change) => self.ingest(event, &digest, change, now),
            Task::Register(customer) => self.register(customer, now),
            Task::Settle(customer) => self.settle(customer, now),
            Task::Refresh(changes, mark) => self.refresh(&changes, mark, now),
            Task::SendAgain(customer, found) => self.send_again(customer, found, now),
            Task::Claim(claim) => self.claim(claim, now),
            Task::Advance(customer, claim, step) => self.advance(customer, claim, step, now),
            Task::Record(act) => self.write_down(act, now),
        };
        tasks.into_iter().map(take).collect()
    }

    /// Gives a customer a row, or sees to it that the one they have shows what follows now: also
    /// from a catalogue that has changed.
    fn register(&mut self, customer: &CustomerId, now: Timestamp) -> Outcome {
        match self.settle_now(customer, "internal", now) {
            true => Outcome::Applied,
            false => Outcome::Duplicate,
        }
    }

    /// Sees to it that a customer's row is as it should be and goes to the mirror, above what it has.
    fn send_again(
        &mut self,
        customer: &CustomerId,
        found: Option<&Found>,
        now: Timestamp,
    ) -> Outcome {
        self.settle_now(customer, "internal", now);
        self.send_above(customer, found, now);
        Outcome::Applied
    }

    fn settle(&mut self, customer: &CustomerId, now: Timestamp) -> Outcome {
        match self.settle_now(customer, "clock", now) {
            true => Outcome::Applied,
            false => Outcome::Stale,
        }
    }

    /// Settles a customer without an event, and says whether anything that is stored changed.
    pub(super) fn settle_now(
        &mut self,
        customer: &CustomerId,
        actor: &'static str,
        now: Timestamp,
    ) -> bool {
        let (rows_before, drafts_before) = (self.changed_mirrors.len(), self.drafts.len());
        let cause = Cause {
            actor,
            event: None,
            now,
        };
        self.settle_owner(customer, cause);
        (self.changed_mirrors.len(), self.drafts.len()) != (rows_before, drafts_before)
    }

    fn ingest(
        &mut self,
        event: &Event,
        digest: &FactsDigest,
        change: Change,
        now: Timestamp,
    ) -> Outcome {
        let known = self.claimed.get(&event.id).cloned();
        if let Some(known) = &known
            && matches!(
                known.outcome,
                ProcessedOutcome::Applied | ProcessedOutcome::Stale
            )
        {
            if digest.contradicts(&known.facts_digest) {
                let reason = QuarantineReason::FactsDiffer;
                self.set_aside(
                    event,
                    SetAside {
                        reason,
                        object_id: event.facts.object_id(),
                    },
                    now,
                );
            }
            return Outcome::Duplicate;
        }
        let (outcome, processed) = match change {
            Change::SetAside(set_aside) => {
                // The same event set aside again is no news.
                let again = known.as_ref().is_some_and(|known| {
                    known.outcome == ProcessedOutcome::Quarantined
                        && !digest.contradicts(&known.facts_digest)
                });
                if !again {
                    self.set_aside(event, set_aside, now);
                }
                (Outcome::Quarantined, ProcessedOutcome::Quarantined)
            }
            Change::Nothing => (Outcome::Ignored, ProcessedOutcome::Ignored),
            Change::Account(change) => {
                if self.apply(&change, "stripe", now) {
                    (Outcome::Applied, ProcessedOutcome::Applied)
                } else {
                    (Outcome::Stale, ProcessedOutcome::Stale)
                }
            }
        };
        if processed != ProcessedOutcome::Quarantined
            && known.is_some_and(|known| known.outcome == ProcessedOutcome::Quarantined)
        {
            self.released.insert(event.id.clone());
            // What this batch set aside itself is not in the store yet.
            self.quarantine.retain(|(id, reason), _| {
                *id != event.id || *reason == QuarantineReason::FactsDiffer
            });
        }
        self.record(event, digest.to_text(), processed, now);
        outcome
    }

    fn record(
        &mut self,
        event: &Event,
        facts_digest: String,
        outcome: ProcessedOutcome,
        now: Timestamp,
    ) {
        let claimed = Claimed {
            outcome,
            facts_digest: facts_digest.clone(),
        };
        self.claimed.insert(event.id.clone(), claimed);
        let row = EventRow {
            event_id: event.id.clone(),
            event_type: event.event_type.as_str().to_owned(),
            created: event.created,
            facts_digest,
            outcome,
            received_at: MirrorTime::from_timestamp(now),
        };
        self.events.insert(event.id.clone(), row);
    }

    fn set_aside(&mut self, event: &Event, set_aside: SetAside, now: Timestamp) {
        let object = set_aside.object();
        let SetAside { reason, object_id } = set_aside;
        let alert = match reason {
            QuarantineReason::FactsDiffer => Alert::FactsDiffer,
            _ => Alert::EventQuarantined,
        };
        self.notices.push(Notice {
            alert,
            subject: event.id.to_string(),
            now,
        });
        let cause = Cause {
            actor: "stripe",
            event: Some(&event.id),
            now,
        };
        let details =
            json!({ "reason": reason, "type": event.event_type.as_str(), "object_id": object_id });
        self.draft(
            "event.quarantined",
            event.id.as_str(),
            details.to_string(),
            cause,
        );
        if let Some(object) = object {
            self.mark(object, now, now);
        }
        let row = QuarantineRow {
            event_id: event.id.clone(),
            reason,
            event_type: event.event_type.as_str().to_owned(),
            created: event.created,
            object_id,
            received_at: MirrorTime::from_timestamp(now),
        };
        self.quarantine.insert((event.id.clone(), reason), row);
    }

    fn draft(&mut self, action: &'static str, subject: &str, details: String, cause: Cause<'_>) {
        let draft = Draft {
            actor: cause.actor,
            action,
            subject: subject.to_owned(),
            event_id: cause.event.map(EventId::to_string),
            details,
        };
        self.drafts
            .push((draft, MirrorTime::from_timestamp(cause.now)));
    }

    /// All that is to be written: records, and drafts for the audit chain; and what to alert of afterwards.
    pub(super) fn close(self) -> (WriteSet, Vec<(Draft, MirrorTime)>, Vec<Notice>) {
        let mut writes = WriteSet {
            events: self.events.into_values().collect(),
            quarantine: self.quarantine.into_values().collect(),
            released: self.released.into_iter().collect(),
            terms: self.terms,
            ..WriteSet::default()
        };
        let book_of = |account: &StripeCustomerId| self.books.get(account);
        let customers = self.changed_customers.iter();
        writes.customers = customers
            .filter_map(|id| book_of(id)?.customer.clone())
            .collect();
        let subscriptions = self.changed_subscriptions.iter();
        writes.subscriptions = subscriptions
            .filter_map(|(account, id)| book_of(account)?.subscriptions.get(id).cloned())
            .collect();
        let invoices = self.changed_invoices.iter();
        writes.invoices = invoices
            .filter_map(|(account, id)| book_of(account)?.invoices.get(id).cloned())
            .collect();
        let mirrors = self.changed_mirrors.iter();
        writes.mirrors = mirrors
            .filter_map(|id| self.mirrors.get(id).cloned())
            .collect();
        let claims = self.changed_claims.iter();
        writes.claims = claims
            .filter_map(|id| self.claims.get(id).cloned())
            .collect();
        let dirty = self.dirty.iter();
        writes.dirty = dirty
            .filter_map(|(id, since)| {
                Some(DirtyRow {
                    queue_customer_id: id.clone(),
                    version: self.mirrors.get(id)?.updated_at,
                    dirty_since: *since,
                    due_at: *since,
                })
            })
            .collect();
        writes.marked = self.marked.into_values().collect();
        writes.unmarked = self.unmarked;
        (writes, self.drafts, self.notices)
    }
}
