//! Looks at objects through Stripe's API, as the ledger takes them (O4).

use billing_core::event::Snapshot;
use billing_core::id::{InvoiceId, ObjectId, StripeCustomerId, SubscriptionId};
use billing_core::store::{SqlStore, StoreError};

use crate::stripe::{Answer, Stripe, StripeError};

/// Why a look failed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum LookError {
    /// Stripe did not answer as it should.
    #[error(transparent)]
    Stripe(#[from] StripeError),
    /// The database did not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LookError {
    /// A stable name.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Stripe(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}

/// An object of a kind that we keep.
enum Object {
    Customer(StripeCustomerId),
    Subscription(SubscriptionId),
    Invoice(InvoiceId),
}

impl Object {
    fn of(id: &ObjectId) -> Option<Self> {
        let text = id.as_str();
        match text.split_once('_').map_or(text, |(kind, _)| kind) {
            "sub" => SubscriptionId::parse(text).map(Self::Subscription).ok(),
            "in" => InvoiceId::parse(text).map(Self::Invoice).ok(),
            // The seller may choose ids of customers.
            _ => StripeCustomerId::parse(text).map(Self::Customer).ok(),
        }
    }
}

/// What Stripe shows of an object; nothing of one of a kind that is not kept, or that is not there.
pub(crate) async fn at_object(
    stripe: &Stripe,
    store: &SqlStore,
    id: &ObjectId,
) -> Result<Vec<Snapshot>, LookError> {
    match Object::of(id) {
        Some(Object::Subscription(id)) => at_subscription(stripe, store, &id).await,
        Some(Object::Invoice(id)) => Ok(at_invoice(stripe, &id).await?),
        Some(Object::Customer(id)) => {
            let answer = found(stripe.customer(&id).await)?;
            Ok(read(answer, Answer::snapshot)?)
        }
        None => Ok(Vec::new()),
    }
}

/// What it shows of an invoice.
pub(crate) async fn at_invoice(
    stripe: &Stripe,
    id: &InvoiceId,
) -> Result<Vec<Snapshot>, StripeError> {
    read(found(stripe.invoice(id).await)?, Answer::snapshot)
}

/// What it shows of a subscription, its latest invoice, and every other that is open as far as we know.
pub(crate) async fn at_subscription(
    stripe: &Stripe,
    store: &SqlStore,
    id: &SubscriptionId,
) -> Result<Vec<Snapshot>, LookError> {
    let answer = stripe.subscription(id).await?;
    let looked = answer.snapshots()?;
    if looked.is_empty() {
        return Ok(looked);
    }
    let owes = answer.object.owes();
    let mut snapshots = Vec::new();
    for invoice in store.open_invoices(&answer.object.customer, id).await? {
        if looked.iter().any(|it| it.object_id() == invoice.as_str()) {
            continue;
        }
        let answer = found(stripe.invoice(&invoice).await)?;
        snapshots.extend(read(answer, |answer| answer.invoice_snapshot(owes))?);
    }
    snapshots.extend(looked);
    Ok(snapshots)
}

/// An answer, or that there is no such object any more: a draft of an invoice may be deleted.
fn found<T>(answer: Result<T, StripeError>) -> Result<Option<T>, StripeError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(StripeError::Missing) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read<T, E>(
    answer: Option<T>,
    snapshot: impl FnOnce(&T) -> Result<Snapshot, E>,
) -> Result<Vec<Snapshot>, StripeError> {
    let snapshot = answer.as_ref().map(snapshot).transpose();
    let snapshot = snapshot.map_err(|_| StripeError::Unreadable)?;
    Ok(snapshot.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_what_its_id_says() {
        let kind = |id: &str| Object::of(&ObjectId::parse(id).unwrap());
        assert!(matches!(kind("cus_1"), Some(Object::Customer(_))));
        assert!(matches!(kind("sub_1"), Some(Object::Subscription(_))));
        assert!(matches!(kind("in_1"), Some(Object::Invoice(_))));
        assert!(matches!(kind("jenny"), Some(Object::Customer(_))));
    }
}
