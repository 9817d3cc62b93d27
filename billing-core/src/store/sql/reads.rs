//! The statements of those who read one customer, or what was set aside.
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
        let waiting = format!(
            "select {} from mirror_outbox where {of_customer}",
            sql.array(&format!(
                "'dirty_since', {}",
                sql.json("dirty_since", Kind::Instant)
            ))
        );
        let parts = [
            ("customers", tables::CUSTOMER.select(sql, &self.own)),
            (
                "subscriptions",
                tables::SUBSCRIPTION.select(sql, &of_accounts),
            ),
            ("mirrors", tables::MIRROR_ROW.select(sql, &of_customer)),
            ("waiting", waiting),
        ]
        .map(|(name, query)| format!("'\"{name}\":' || ({query})"));
        format!("select '{{' || {} || '}}'", parts.join(" || ',' || "))
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

    /// Whose account $1 is; nothing is said of one that nobody is bound to.
    pub(super) fn owner(&self) -> String {
        format!(
            "select {} from billing_customer where stripe_customer_id = $1",
            self.sql.array("'queue_customer_id', queue_customer_id")
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
