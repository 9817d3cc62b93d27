//! All customers, in pages, or those whom somebody looks for.

use serde::Deserialize;

use super::{SqlStore, json, parse};
use crate::catalogue::Tier;
use crate::database::{Dialect, Kind};
use crate::id::{CustomerId, StripeCustomerId};
use crate::mirror::MirrorStatus;
use crate::store::{MirrorState, StoreError, tables};

/// Whom to list. What is not set is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerFilter {
    /// What their id begins with.
    pub id_prefix: String,
    /// Their status.
    pub status: Option<MirrorStatus>,
    /// Their tier.
    pub plan_tier: Option<Tier>,
    /// Whether they are in grace.
    pub in_grace: Option<bool>,
    /// Whether something of theirs is in doubt.
    pub in_doubt: Option<bool>,
}

/// The statements of a page, each on the index that finds its rows with the fewest others between them.
pub(super) struct CustomersPages {
    in_doubt: String,
    in_grace: String,
    status: String,
    plan_tier: String,
    all: String,
}

impl CustomersPages {
    /// Of those from $1 on, and not $2, and before $3: $4 rows, in the order of their ids' bytes. The filter is $5 to $8:
    /// a text that is empty asks for nothing.
    pub(super) fn of(sql: Dialect) -> Self {
        let asks =
            |parameter: usize, condition: &str| format!("(${parameter} = '' or {condition})");
        let (status, plan_tier) = ("status = $5", "plan_tier = $6");
        let in_grace = "(grace_ends_at is not null) = ($7 = 'true')";
        let in_doubt = "in_doubt = ($8 = 'true')";
        let rest = [
            asks(5, status),
            asks(6, plan_tier),
            asks(7, in_grace),
            asks(8, in_doubt),
        ]
        .join(" and ");
        let page = |first: &str| {
            let rows = format!(
                "(select * from mirror_row
                  where {first} and queue_customer_id >= $1 and queue_customer_id <> $2 and queue_customer_id < $3
                    and {rest}
                  order by queue_customer_id limit {}) as page",
                sql.parameter(4, Kind::Integer)
            );
            tables::MIRROR_ROW.select_from(sql, &rows)
        };
        Self {
            in_doubt: page("in_doubt"),
            in_grace: page("grace_ends_at is not null"),
            status: page(status),
            plan_tier: page(plan_tier),
            all: page("true"),
        }
    }

    fn for_filter(&self, filter: &CustomerFilter) -> &String {
        match filter {
            CustomerFilter {
                in_doubt: Some(true),
                ..
            } => &self.in_doubt,
            CustomerFilter {
                in_grace: Some(true),
                ..
            } => &self.in_grace,
            CustomerFilter {
                status: Some(_), ..
            } => &self.status,
            CustomerFilter {
                plan_tier: Some(_), ..
            } => &self.plan_tier,
            _ => &self.all,
        }
    }
}

impl SqlStore {
    /// Customers' mirror rows as they should be, in the order of their ids' bytes: so many, of those after one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn customers(
        &self,
        filter: &CustomerFilter,
        after: Option<&CustomerId>,
        limit: u32,
    ) -> Result<Vec<MirrorState>, StoreError> {
        let prefix = &filter.id_prefix;
        let after = after.map(CustomerId::as_str).unwrap_or_default();
        let asked = |asked: Option<bool>| asked.map(|asked| asked.to_string()).unwrap_or_default();
        let parameters = [
            after.max(prefix).to_owned(),
            after.to_owned(),
            end_of(prefix),
            limit.to_string(),
            filter.status.map(|it| it.to_string()).unwrap_or_default(),
            filter
                .plan_tier
                .as_ref()
                .map(Tier::to_string)
                .unwrap_or_default(),
            asked(filter.in_grace),
            asked(filter.in_doubt),
        ];
        let page = self.statements().customers_pages.for_filter(filter);
        let mut rows: Vec<MirrorState> = parse(self.database.fetch(page, &parameters).await?)?;
        rows.sort_by(|one, other| one.queue_customer_id.cmp(&other.queue_customer_id));
        Ok(rows)
    }

    /// The mirror rows of these customers, as they should be.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mirror_rows_of(
        &self,
        customers: &[CustomerId],
    ) -> Result<Vec<MirrorState>, StoreError> {
        let statement = &self.statements().load_mirrors;
        parse(self.database.fetch(statement, &[json(customers)?]).await?)
    }

    /// The customer whom an account is bound to, or stands for as long as it is to nobody; `None`: no such account is
    /// known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn owner_of(
        &self,
        account: &StripeCustomerId,
    ) -> Result<Option<CustomerId>, StoreError> {
        #[derive(Deserialize)]
        struct Bound {
            queue_customer_id: Option<CustomerId>,
        }
        let owner = &self.statements().owner;
        let bound = self.database.fetch(owner, &[account.to_string()]).await?;
        let bound: Option<Bound> = parse(bound)?.pop();
        Ok(bound.map(|bound| {
            let owner = bound.queue_customer_id;
            owner.unwrap_or_else(|| CustomerId::unbound(account))
        }))
    }
}

/// What comes after all ids that begin so. Ids are printable ASCII.
fn end_of(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    let next = end
        .pop()
        .and_then(|last| char::from_u32(u32::from(last) + 1));
    end.push(next.unwrap_or('\u{7f}'));
    end
}
