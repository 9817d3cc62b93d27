//! What follows from a change: rows that differ, their audit drafts, the customer's mirror row.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;

use super::{Book, Books, Cause, Notice, diff};
use crate::account::{Account, Entitlement};
use crate::alert::Alert;
use crate::change::AccountChange;
use crate::id::{CustomerId, StripeCustomerId};
use crate::ledger::Found;
use crate::mirror::{MalformedRow, MirrorTime};
use crate::store::{CustomerRow, InvoiceRow, MirrorState, SubscriptionRow};

impl Books<'_> {
    /// Applies a change, and says whether anything that is stored changed.
    pub(super) fn apply(
        &mut self,
        change: &AccountChange,
        actor: &'static str,
        now: Timestamp,
    ) -> bool {
        self.keep_terms(change);
        let drafts_before = self.drafts.len();
        let cause = Cause {
            actor,
            event: Some(&change.event_id),
            now,
        };
        let owner_before = self
            .books
            .get(&change.account)
            .map(|book| book.account.owner());
        let book = self
            .books
            .entry(change.account.clone())
            .or_insert_with(|| Book {
                account: Account::new(change.account.clone()),
                customer: None,
                subscriptions: BTreeMap::new(),
                invoices: BTreeMap::new(),
            });
        book.account.apply(change);
        let owner = book.account.owner();
        self.move_account(&change.account, owner_before.as_ref(), &owner);
        let owners: BTreeSet<_> = owner_before.into_iter().chain([owner]).collect();
        self.settle_customer(&change.account, cause);
        self.settle_invoices(&change.account, cause);
        for owner in owners {
            self.settle_owner(&owner, cause);
        }
        self.doubt(change, now);
        self.drafts.len() > drafts_before
    }

    fn move_account(
        &mut self,
        account: &StripeCustomerId,
        from: Option<&CustomerId>,
        to: &CustomerId,
    ) {
        if from == Some(to) {
            return;
        }
        if let Some(accounts) = from.and_then(|from| self.accounts_of.get_mut(from)) {
            accounts.remove(account);
        }
        let accounts = self.accounts_of.entry(to.clone()).or_default();
        accounts.insert(account.clone());
    }

    fn settle_customer(&mut self, account: &StripeCustomerId, cause: Cause<'_>) {
        let Some(book) = self.books.get_mut(account) else {
            return;
        };
        let row = CustomerRow {
            stripe_customer_id: account.clone(),
            record: book.account.customer.clone(),
        };
        if book.customer.as_ref() == Some(&row) {
            return;
        }
        let details = diff::of_customer(book.customer.as_ref(), &row);
        book.customer = Some(row);
        self.changed_customers.insert(account.clone());
        self.draft("customer.changed", account.as_str(), details, cause);
    }

    fn settle_invoices(&mut self, account: &StripeCustomerId, cause: Cause<'_>) {
        let Some(book) = self.books.get_mut(account) else {
            return;
        };
        let changed: Vec<_> = book
            .account
            .invoices
            .iter()
            .filter(|(id, record)| book.invoices.get(id).map(|row| &row.record) != Some(record))
            .map(|(id, record)| InvoiceRow {
                stripe_customer_id: account.clone(),
                stripe_invoice_id: id.clone(),
                record: record.clone(),
            })
            .collect();
        for row in changed {
            let id = row.stripe_invoice_id.clone();
            let Some(book) = self.books.get_mut(account) else {
                return;
            };
            let details = diff::of(book.invoices.get(&id), &row);
            book.invoices.insert(id.clone(), row);
            self.changed_invoices.insert((account.clone(), id.clone()));
            self.draft("invoice.changed", id.as_str(), details, cause);
        }
    }

    /// What follows for a customer: the views of all subscriptions bound to them, and their row.
    pub(super) fn settle_owner(&mut self, owner: &CustomerId, cause: Cause<'_>) {
        let accounts = self.accounts_of.get(owner).cloned().unwrap_or_default();
        for account in &accounts {
            self.settle_subscriptions(account, cause);
        }
        let views = accounts
            .iter()
            .filter_map(|account| self.books.get(account))
            .flat_map(|book| book.subscriptions.iter().map(|(id, row)| (id, &row.view)));
        let entitlement = Entitlement::of(views, self.policy);
        self.show(owner, entitlement, cause);
    }

    fn settle_subscriptions(&mut self, account: &StripeCustomerId, cause: Cause<'_>) {
        let Some(book) = self.books.get(account) else {
            return;
        };
        for (id, view) in book.account.views(self.policy, cause.now) {
            let Some(book) = self.books.get_mut(account) else {
                return;
            };
            let Some(record) = book.account.subscriptions.get(&id).cloned() else {
                continue;
            };
            let row = SubscriptionRow {
                stripe_customer_id: account.clone(),
                stripe_subscription_id: id.clone(),
                record,
                view,
            };
            let before = book.subscriptions.get(&id);
            if before == Some(&row) {
                continue;
            }
            let details = diff::of(before, &row);
            let prices_changed = before.map(|before| &before.view.prices) != Some(&row.view.prices);
            let unknown_price = row
                .view
                .prices
                .iter()
                .any(|price| self.policy.catalogue.tier_of(price).is_none());
            // A look that leaves the doubt that it was asked to lift is tried again by itself, with back-off.
            let was_in_doubt = before.is_some_and(|before| before.view.in_doubt);
            let doubtful = row.view.in_doubt && !(was_in_doubt && cause.actor == "refresh");
            book.subscriptions.insert(id.clone(), row);
            self.changed_subscriptions
                .insert((account.clone(), id.clone()));
            if doubtful {
                self.mark_subscription(id.as_str(), cause.now);
            }
            if details != diff::NOTHING {
                self.draft("subscription.changed", id.as_str(), details, cause);
            }
            if prices_changed && unknown_price {
                let notice = Notice {
                    alert: Alert::PriceUnknown,
                    subject: id.to_string(),
                    now: cause.now,
                };
                self.notices.push(notice);
            }
        }
    }

    /// Sends a customer's row, in a new version if the mirror has one that is as new.
    pub(super) fn send_above(
        &mut self,
        customer: &CustomerId,
        found: Option<&Found>,
        now: Timestamp,
    ) {
        let Some(before) = self.mirrors.get(customer).cloned() else {
            return;
        };
        let due_at = MirrorTime::from_timestamp(now);
        self.dirty.insert(customer.clone(), due_at);
        let Some(found) = found else { return };
        let cause = Cause {
            actor: "internal",
            event: None,
            now,
        };
        let details = match &found.row {
            Ok(row) => diff::of(row.as_ref(), &before.row()),
            Err(MalformedRow { column }) => json!({ "malformed": column }).to_string(),
        };
        self.draft("mirror.drifted", customer.as_str(), details, cause);
        let version = found.version;
        let version = version.filter(|version| *version <= MirrorTime::horizon(now));
        if version < Some(before.updated_at) {
            return;
        }
        let state = MirrorState {
            updated_at: MirrorTime::mint(version, now),
            ..before.clone()
        };
        let details = diff::of(Some(&before), &state);
        self.draft("mirror.changed", customer.as_str(), details, cause);
        self.changed_mirrors.insert(customer.clone());
        self.mirrors.insert(customer.clone(), state);
    }

    /// Sees to it that a customer's mirror row shows an entitlement.
    pub(super) fn show(
        &mut self,
        customer: &CustomerId,
        entitlement: Entitlement,
        cause: Cause<'_>,
    ) {
        let before = self.mirrors.get(customer);
        let kept = before.map(|before| before.updated_at);
        let unchanged = |state: &MirrorState| Some(state.row()) == before.map(MirrorState::row);
        let same_version = kept
            .map(|kept| MirrorState::new(customer.clone(), entitlement.clone(), kept))
            .filter(unchanged);
        if same_version
            .as_ref()
            .is_some_and(|state| Some(state) == before)
        {
            return;
        }
        let state = match same_version {
            Some(state) => state,
            None => {
                let version = MirrorTime::mint(kept, cause.now);
                let state = MirrorState::new(customer.clone(), entitlement, version);
                let details = diff::of(before, &state);
                let due_at = MirrorTime::from_timestamp(cause.now);
                self.dirty.insert(customer.clone(), due_at);
                self.draft("mirror.changed", customer.as_str(), details, cause);
                state
            }
        };
        self.changed_mirrors.insert(customer.clone());
        self.mirrors.insert(customer.clone(), state);
    }
}
