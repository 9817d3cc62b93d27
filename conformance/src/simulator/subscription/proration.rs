//! Proration: what a change of items in the middle of a period is worth.
//!
//! For each item that changes there is a credit for the unused rest of the period at the old price and a charge
//! for it at the new one. The rest is counted by the second; each amount is rounded to the nearest unit by itself.

use super::{Item, Subscription};
use crate::simulator::error::ApiError;
use crate::simulator::form::Params;
use crate::simulator::invoice_item::{InvoiceItem, Waiting};
use crate::simulator::object::Object;
use crate::simulator::world::World;

/// `proration_behavior`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::simulator) enum ProrationBehavior {
    /// The parts wait for the next invoice.
    #[default]
    CreateProrations,
    /// They are invoiced at once.
    AlwaysInvoice,
    None,
}

impl ProrationBehavior {
    pub(in crate::simulator) fn parse(params: &Params) -> Result<Option<Self>, ApiError> {
        if params.has("proration_date") {
            return Err(ApiError::not_simulated("proration_date").in_param("proration_date"));
        }
        match params.text("proration_behavior") {
            None => Ok(None),
            Some("create_prorations") => Ok(Some(Self::CreateProrations)),
            Some("always_invoice") => Ok(Some(Self::AlwaysInvoice)),
            Some("none") => Ok(Some(Self::None)),
            Some(other) => {
                let message = format!("Invalid proration_behavior: {other}");
                Err(ApiError::refused(message).in_param("proration_behavior"))
            }
        }
    }

    pub(in crate::simulator) fn name(self) -> &'static str {
        match self {
            Self::CreateProrations => "create_prorations",
            Self::AlwaysInvoice => "always_invoice",
            Self::None => "none",
        }
    }
}

/// A credit (below zero) or a charge for the rest of a period.
#[derive(Clone, Debug)]
pub(super) struct Proration {
    item: Item,
    pub(super) amount: i64,
    period: (i64, i64),
}

/// The credits and charges for going from one set of items to another at `now`. Where a new period begins, the new
/// items are charged in full by its invoice: then there are credits only.
pub(super) fn prorations(before: &Subscription, after: &Subscription, now: i64) -> Vec<Proration> {
    let period = (now, before.period_end);
    let rest = before.period_end - now;
    let whole = before.period_end - before.period_start;
    let reduced = |amount: i64| {
        let discount = before.discount.as_ref();
        discount.map_or(amount, |discount| discount.reduced(amount, now))
    };
    let part = |item: &Item, sign: i64| Proration {
        item: item.clone(),
        amount: sign * share(reduced(item.amount()), rest, whole),
        period,
    };
    let unchanged = |item: &Item, others: &[Item]| {
        others.iter().any(|other| {
            other.id == item.id
                && other.price.id() == item.price.id()
                && other.quantity == item.quantity
        })
    };
    let restarts = after.period_start != before.period_start;
    let mut parts = Vec::new();
    for item in &before.items {
        if restarts || !unchanged(item, &after.items) {
            parts.push(part(item, -1));
        }
    }
    for item in &after.items {
        if !restarts && !unchanged(item, &before.items) {
            parts.push(part(item, 1));
        }
    }
    parts.retain(|part| part.amount != 0);
    parts
}

/// `amount * rest / whole`, rounded half up.
fn share(amount: i64, rest: i64, whole: i64) -> i64 {
    if whole <= 0 {
        return 0;
    }
    let (amount, rest, whole) = (i128::from(amount), i128::from(rest), i128::from(whole));
    let rounded = (2 * amount * rest + whole) / (2 * whole);
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

impl World {
    /// Puts the parts where the subscription's next invoice finds them.
    pub(super) fn add_prorations(&mut self, subscription: &Subscription, parts: &[Proration]) {
        for part in parts {
            let item = &part.item;
            let product = self.products.find(&item.price.product);
            let name = product.map_or("the subscription", |product| &product.name);
            let description = if part.amount < 0 {
                format!("Unused time on {name}")
            } else {
                format!("Remaining time on {name}")
            };
            let waiting = Waiting {
                subscription: subscription.id.clone(),
                subscription_item: item.id.clone(),
                period: part.period,
            };
            let added = InvoiceItem::proration(
                self.ids.make("ii_"),
                subscription,
                item,
                part.amount,
                description,
                waiting,
                self.now(subscription.clock()),
            );
            self.invoice_items.put(added.clone());
            self.announce("invoiceitem.created", &added);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn shares_are_rounded_to_the_nearest() {
        assert_eq!(share(2900, 1, 2), 1450);
        assert_eq!(share(1, 1, 2), 1);
        assert_eq!(share(100, 1, 3), 33);
        assert_eq!(share(100, 2, 3), 67);
        assert_eq!(share(100, 3, 3), 100);
    }
}
