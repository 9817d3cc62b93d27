//! The statements of the store, built once for each kind of database.

use super::customers::CustomersPages;
use super::reads::Reads;
use crate::database::{Dialect, Insert, Kind, PerDialect};
use crate::mirror::sql::COLUMNS;
use crate::store::tables;

/// All statements.
pub(super) struct Statements {
    pub(super) lock_head: String,
    pub(super) read_head: String,
    pub(super) claim: String,
    pub(super) load_customers: String,
    pub(super) load_subscriptions: String,
    pub(super) load_invoices: String,
    pub(super) load_mirrors: String,
    pub(super) load_claims: String,
    pub(super) load_terms: String,
    pub(super) save_customers: Insert,
    pub(super) save_subscriptions: Insert,
    pub(super) save_terms: Insert,
    pub(super) save_invoices: Insert,
    pub(super) save_events: Insert,
    pub(super) save_quarantine: Insert,
    pub(super) save_mirrors: Insert,
    pub(super) save_claims: Insert,
    pub(super) release: String,
    pub(super) mark_dirty: Insert,
    pub(super) append: Insert,
    pub(super) move_head: String,
    pub(super) audit_page: String,
    pub(super) records: String,
    pub(super) invoices_page: String,
    pub(super) timeline_page: String,
    pub(super) quarantine_page: String,
    pub(super) mark: Insert,
    pub(super) unmark: String,
    pub(super) to_refresh: String,
    pub(super) postpone: Insert,
    pub(super) refresh_depth: String,
    pub(super) open_invoices: String,
    pub(super) customers_pages: CustomersPages,
    pub(super) owner: String,
    pub(super) customer_ids: String,
    pub(super) terms: String,
    pub(super) waiting_among: String,
    pub(super) reconcile_run: String,
    pub(super) take_reconcile: String,
    pub(super) keep_reconcile: String,
    pub(super) leave_reconcile: String,
    pub(super) end_reconcile: String,
    pub(super) subscriptions: String,
    pub(super) unseen_subscriptions: String,
    pub(super) open_invoices_lot: String,
    pub(super) due: String,
    pub(super) to_lease: String,
    pub(super) lease: String,
    pub(super) hold: String,
    pub(super) done: String,
    pub(super) retry: String,
    pub(super) end_lease: String,
    pub(super) depth: String,
}

impl Statements {
    pub(super) fn of(dialect: Dialect) -> &'static Self {
        static STATEMENTS: PerDialect<Statements> = PerDialect::new();
        STATEMENTS.get(dialect, Self::build)
    }

    fn build(sql: Dialect) -> Self {
        let of_accounts = sql.among("stripe_customer_id", 1);
        let read_head = tables::CHAIN.select(sql, "id = 1");
        let reads = Reads::of(sql);
        Self {
            lock_head: tables::CHAIN.select_from(
                sql,
                &format!("(select * from billing_chain where id = 1{}) as locked", sql.for_update()),
            ),
            read_head,
            claim: tables::EVENT.select(sql, &sql.among("event_id", 1)),
            load_customers: tables::CUSTOMER.select(
                sql,
                &format!(
                    "{of_accounts} or {of_customers} or {of_their_customers}",
                    of_customers = sql.among("queue_customer_id", 2),
                    of_their_customers = sql.within(
                        "queue_customer_id",
                        &format!("select queue_customer_id from billing_customer where {of_accounts}"),
                    ),
                ),
            ),
            load_subscriptions: tables::SUBSCRIPTION.select(sql, &of_accounts),
            load_invoices: tables::INVOICE.select(sql, &of_accounts),
            load_mirrors: tables::MIRROR_ROW
                .select(sql, &sql.among("queue_customer_id", 1)),
            load_claims: tables::CLAIM.select(sql, &sql.among("queue_customer_id", 1)),
            load_terms: tables::TERMS.select(sql, &of_accounts),
            save_customers: tables::CUSTOMER.upsert(),
            save_subscriptions: tables::SUBSCRIPTION.upsert(),
            save_terms: tables::TERMS.insert_or("on conflict do nothing"),
            save_invoices: tables::INVOICE.upsert(),
            save_events: tables::EVENT.upsert(),
            save_quarantine: tables::QUARANTINE.upsert(),
            save_mirrors: tables::MIRROR_ROW.upsert(),
            save_claims: tables::CLAIM.upsert(),
            // An event set aside for other facts than its first body's stays so: only its own
            // reason goes.
            release: format!(
                "delete from billing_quarantine where reason <> 'facts_differ' and {}",
                sql.among("event_id", 1)
            ),
            mark_dirty: tables::OUTBOX.insert_or(
                "on conflict (queue_customer_id) do update
                 set version = excluded.version,
                     due_at = case when mirror_outbox.due_at < excluded.due_at
                                   then mirror_outbox.due_at else excluded.due_at end",
            ),
            append: tables::ACTION_LOG.insert(),
            move_head: format!(
                "update billing_chain set seq = {}, mac = $2, key_check = $3 where id = 1",
                sql.parameter(1, Kind::Integer)
            ),
            audit_page: tables::ACTION_LOG.select(
                sql,
                &format!(
                    "seq in (select seq from billing_action_log where seq > {} order by seq limit 1000)",
                    sql.parameter(1, Kind::Integer)
                ),
            ),
            records: reads.records(),
            invoices_page: reads.invoices_page(),
            timeline_page: reads.timeline_page(),
            quarantine_page: reads.quarantine_page(),
            // New doubt about an object that waits already: it is looked at sooner, and with fresh patience.
            mark: tables::REFRESH_QUEUE.insert_or(
                "on conflict (object_id) do update
                 set tries = 0, marked_at = excluded.marked_at,
                     due_at = case when refresh_queue.due_at < excluded.due_at
                                   then refresh_queue.due_at else excluded.due_at end",
            ),
            // Unless it was marked again since the mark was taken.
            unmark: sql.delete_among(
                "refresh_queue",
                &["object_id", "marked_at"],
                &format!(
                    "select {}, {} from {}",
                    sql.field("object_id", Kind::Text),
                    sql.field("marked_at", Kind::Instant),
                    sql.items(1),
                ),
            ),
            to_refresh: tables::REFRESH_QUEUE.select_from(
                sql,
                &format!(
                    "(select * from refresh_queue where due_at <= {now} or due_at > {latest}
                      order by due_at limit {limit}{skip_locked}) as due",
                    now = sql.parameter(1, Kind::Instant),
                    latest = sql.parameter(2, Kind::Instant),
                    limit = sql.parameter(3, Kind::Integer),
                    skip_locked = sql.skip_locked("refresh_queue"),
                ),
            ),
            postpone: tables::REFRESH_QUEUE.upsert(),
            refresh_depth: sql.rows(
                [("waiting", Kind::Integer), ("oldest", Kind::Instant)],
                "(select count(*) as waiting, min(marked_at) as oldest from refresh_queue) as depth",
            ),
            open_invoices: sql.rows(
                [("stripe_invoice_id", Kind::Text)],
                "billing_invoice where stripe_customer_id = $1 and stripe_subscription_id = $2 and status = 'open'",
            ),
            customers_pages: CustomersPages::of(sql),
            owner: reads.owner(),
            customer_ids: reads.customer_ids(),
            terms: reads.terms(),
            waiting_among: sql.rows(
                [("queue_customer_id", Kind::Text)],
                &format!("mirror_outbox where {}", sql.among("queue_customer_id", 1)),
            ),
            reconcile_run: sql.rows(
                [
                    ("lease_until", Kind::Instant),
                    ("progress", Kind::Text),
                    ("ended_at", Kind::Instant),
                ],
                "reconcile_run",
            ),
            take_reconcile: format!(
                "update reconcile_run set holder = $1, lease_until = {until}
                 where holder is null or lease_until <= {now} or lease_until > {horizon}",
                until = sql.parameter(2, Kind::Instant),
                now = sql.parameter(3, Kind::Instant),
                horizon = sql.parameter(4, Kind::Instant),
            ),
            keep_reconcile: format!(
                "update reconcile_run set lease_until = {}, progress = $3, ended_at = null where holder = $1",
                sql.parameter(2, Kind::Instant),
            ),
            leave_reconcile:
                "update reconcile_run set holder = null, lease_until = null, progress = $2, ended_at = null
                 where holder = $1"
                    .to_owned(),
            end_reconcile: format!(
                "update reconcile_run set holder = null, lease_until = null, progress = $2, ended_at = {}
                 where holder = $1",
                sql.parameter(3, Kind::Instant),
            ),
            subscriptions: tables::SUBSCRIPTION.select(sql, &sql.among("stripe_subscription_id", 1)),
            unseen_subscriptions: lot(
                sql,
                "billing_subscription",
                ["stripe_customer_id", "stripe_subscription_id"],
                &format!(
                    "ended = false and (seen_until is null or seen_until < {})",
                    sql.parameter(3, Kind::Seconds)
                ),
                "stripe_subscription_id",
            ),
            open_invoices_lot: lot(
                sql,
                "billing_invoice",
                ["stripe_customer_id", "stripe_invoice_id"],
                "status = 'open'",
                "stripe_subscription_id",
            ),
            due: sql.rows(
                [("queue_customer_id", Kind::Text)],
                &format!(
                    "(select queue_customer_id from mirror_row where next_deadline <= {}
                      order by next_deadline limit {}) as due",
                    sql.parameter(1, Kind::Seconds),
                    sql.parameter(2, Kind::Integer),
                ),
            ),
            // What is put off, or leased, for longer than anybody does, was so by a clock that has
            // gone back since: it does not wait until that time comes again.
            to_lease: sql.rows(
                COLUMNS.into_iter().chain([("attempts", Kind::Integer)]),
                &format!(
                    "(select m.*, o.attempts from mirror_outbox o
                      join mirror_row m on m.queue_customer_id = o.queue_customer_id
                      where (o.due_at <= {now} or o.due_at > {latest})
                        and (o.lease_until is null or o.lease_until <= {now} or o.lease_until > {horizon})
                      order by o.due_at limit {limit}{skip_locked}) as leased",
                    now = sql.parameter(1, Kind::Instant),
                    latest = sql.parameter(2, Kind::Instant),
                    horizon = sql.parameter(3, Kind::Instant),
                    limit = sql.parameter(4, Kind::Integer),
                    skip_locked = sql.skip_locked("o"),
                ),
            ),
            lease: format!(
                "update mirror_outbox set lease_holder = $1, lease_until = {until} where {ids}",
                until = sql.parameter(2, Kind::Instant),
                ids = sql.among("queue_customer_id", 3),
            ),
            // The ledger marks rows in the order of their ids too: no two wait for each other.
            hold: format!(
                "select cast(count(*) as text) from (
                     select 1 from mirror_outbox where {}
                     order by queue_customer_id collate {}{}) as held",
                sql.among("queue_customer_id", 1),
                sql.byte_order(),
                sql.for_update(),
            ),
            // Whoever holds the lease by now: the version is the guard, and it was sent.
            done: sql.delete_among(
                "mirror_outbox",
                &["queue_customer_id", "version"],
                &format!(
                    "select {}, {} from {}",
                    sql.field("customer", Kind::Text),
                    sql.field("version", Kind::Instant),
                    sql.items(1),
                ),
            ),
            retry: format!(
                "update mirror_outbox set attempts = attempts + 1, due_at = retry.due_at
                 from (select {} as id, {} as version, {} as due_at from {}) as retry
                 where queue_customer_id = retry.id and mirror_outbox.version = retry.version",
                sql.field("customer", Kind::Text),
                sql.field("version", Kind::Instant),
                sql.field("due_at", Kind::Instant),
                sql.items(1),
            ),
            end_lease: format!(
                "update mirror_outbox set lease_holder = null, lease_until = null
                 where lease_holder = $1 and {}",
                sql.among("queue_customer_id", 2)
            ),
            depth: sql.rows(
                [("waiting", Kind::Integer), ("oldest", Kind::Instant)],
                "(select count(*) as waiting, min(dirty_since) as oldest from mirror_outbox) as outbox",
            ),
        }
    }
}

/// A walk through a whole table, in the order of its key and after ($1, $2): a thousand rows, whether each is wanted, and
/// its subscription. The last one is where to go on, in whatever order the database sorts.
fn lot(sql: Dialect, table: &str, key: [&str; 2], wanted: &str, subscription: &str) -> String {
    let [account, id] = key;
    let rows = format!(
        "(select {account} as account, {id} as id, {subscription} as subscription,
                 case when {wanted} then 1 else 0 end as wanted
          from {table} where ({account}, {id}) > ($1, $2) order by {account}, {id} limit 1000) as lot"
    );
    let texts = ["account", "id", "subscription"].map(|name| (name, Kind::Text));
    sql.rows(texts.into_iter().chain([("wanted", Kind::Integer)]), &rows)
}
