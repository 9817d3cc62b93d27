//! The statements of those who read one customer, a page of customers, or what was set aside.
//!
//! A customer is $1, as an array of texts; an account that nobody is bound to is $2, likewise. What is theirs is found
//! by indexes and bounded by what one customer has, however many customers there are. What was set aside is few.

use crate::database::{Dialect, Kind};
use crate::store::tables;

pub(super) struct Reads {
    sql: Dialect,
    /// The condition on `billing_customer`.
    own: String,
    /// The query of the customer's accounts.
    accounts: String,
}

impl Reads {
    pub(super) fn of(sql: Dialect) -> Self {
        let own = format!(
            "({} or ({} and queue_customer_id is null))",
            sql.among("queue_customer_id", 1),
            sql.among("stripe_customer_id", 2),
        );
        Self {
            sql,
            accounts: format!("select stripe_customer_id from billing_customer where {own}"),
            own,
        }
    }

    /// All but invoices, at one moment.
    pub(super) fn records(&self) -> String {
        let sql = self.sql;
        let of_accounts = sql.within("stripe_customer_id", &self.accounts);
        let of_customer = sql.among("queue_customer_id", 1);
        let waiting = sql.rows(
            [("dirty_since", Kind::Instant)],
            &format!("mirror_outbox where {of_customer}"),
        );
        object(&[
            ("customers", tables::CUSTOMER.select(sql, &self.own)),
            (
                "subscriptions",
                tables::SUBSCRIPTION.select(sql, &of_accounts),
            ),
            ("mirrors", tables::MIRROR_ROW.select(sql, &of_customer)),
            ("waiting", waiting),
        ])
    }

    /// Invoices, the newest first, of those before ($3, $4, $5): $6 of them.
    pub(super) fn invoices_page(&self) -> String {
        let sql = self.sql;
        let [id, account] = ["stripe_invoice_id", "stripe_customer_id"]
            .map(|name| format!("{name} collate {}", sql.byte_order()));
        let rows = format!(
            "(select * from billing_invoice
              where {of_accounts}
                and (created < {created} or (created = {created} and ({id} < $4 or ({id} = $4 and {account} < $5))))
              order by created desc, {id} desc, {account} desc limit {limit}) as page",
            of_accounts = sql.within("stripe_customer_id", &self.accounts),
            created = sql.parameter(3, Kind::Seconds),
            limit = sql.parameter(6, Kind::Integer),
        );
        tables::INVOICE.select_from(sql, &rows)
    }

    /// What the audit chain has of a customer, and of the accounts, subscriptions and invoices that are theirs now;
    /// the newest first, before $3: $4 rows. The chain itself is never walked for it. Each kind of subject goes with
    /// its own actions: an id of the seller's may look like one of Stripe's.
    pub(super) fn timeline_page(&self) -> String {
        let sql = self.sql;
        let of_accounts = sql.within("stripe_customer_id", &self.accounts);
        let ids = |column: &str, table: &str| {
            let ids = format!("select {column} from {table} where {of_accounts}");
            sql.within("subject", &ids)
        };
        let own = [
            format!(
                "{} and action not in ('customer.changed', 'subscription.changed', 'invoice.changed', 'event.quarantined')",
                sql.among("subject", 1)
            ),
            format!(
                "{} and action = 'customer.changed'",
                sql.within("subject", &self.accounts)
            ),
            format!(
                "{} and action = 'subscription.changed'",
                ids("stripe_subscription_id", "billing_subscription")
            ),
            format!(
                "{} and action = 'invoice.changed'",
                ids("stripe_invoice_id", "billing_invoice")
            ),
        ]
        .map(|which| {
            let before = sql.parameter(3, Kind::Integer);
            format!("select seq from billing_action_log where {which} and seq < {before}")
        });
        let rows = format!(
            "billing_action_log where seq in (select seq from own order by seq desc limit {})",
            sql.parameter(4, Kind::Integer)
        );
        format!(
            "with own as materialized ({}) {}",
            own.join(" union all "),
            tables::ACTION_LOG.select_from(sql, &rows),
        )
    }

    /// All customers after $1, in the order of their ids' bytes: $2 of them.
    pub(super) fn customer_ids(&self) -> String {
        let sql = self.sql;
        let rows = format!(
            "(select queue_customer_id from mirror_row where queue_customer_id > $1
                 order by queue_customer_id limit {}) as page",
            sql.parameter(2, Kind::Integer),
        );
        sql.rows([("queue_customer_id", Kind::Text)], &rows)
    }

    /// The accounts of these customers, their subscriptions, and all that events told of the terms of those, at one moment.
    /// They are put together by whoever reads them: joined here, they would be compared each with each.
    pub(super) fn terms(&self) -> String {
        let sql = self.sql;
        let of_accounts = sql.within("stripe_customer_id", &self.accounts);
        let accounts = [
            ("stripe_customer_id", Kind::Text),
            ("queue_customer_id", Kind::Text),
            ("deleted_at", Kind::Seconds),
        ];
        let subscriptions = [
            ("stripe_customer_id", Kind::Text),
            ("stripe_subscription_id", Kind::Text),
            ("contenders", Kind::Json),
            ("coupons", Kind::Json),
        ];
        object(&[
            (
                "accounts",
                sql.rows(accounts, &format!("billing_customer where {}", self.own)),
            ),
            (
                "subscriptions",
                sql.rows(
                    subscriptions,
                    &format!("billing_subscription where {of_accounts}"),
                ),
            ),
            ("terms", tables::TERMS.select(sql, &of_accounts)),
        ])
    }

    /// Whose account $1 is; nothing is said of one that nobody is bound to.
    pub(super) fn owner(&self) -> String {
        self.sql.rows(
            [("queue_customer_id", Kind::Text)],
            "billing_customer where stripe_customer_id = $1",
        )
    }

    /// What was set aside, by event and reason, after ($1, $2): $3 rows.
    pub(super) fn quarantine_page(&self) -> String {
        let sql = self.sql;
        let [event, reason] =
            ["event_id", "reason"].map(|name| format!("{name} collate {}", sql.byte_order()));
        let rows = format!(
            "(select * from billing_quarantine
              where {event} > $1 or ({event} = $1 and {reason} > $2)
              order by {event}, {reason} limit {}) as page",
            sql.parameter(3, Kind::Integer)
        );
        tables::QUARANTINE.select_from(sql, &rows)
    }
}

/// One JSON object of what some queries tell.
fn object(queries: &[(&str, String)]) -> String {
    let fields: Vec<String> = queries
        .iter()
        .map(|(name, query)| format!("'\"{name}\":' || ({query})"))
        .collect();
    format!("select '{{' || {} || '}}'", fields.join(" || ',' || "))
}
