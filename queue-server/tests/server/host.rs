//! The database of a host, whose mirror keeps a record of what reached it; and rows that change
//! again and again, to see them arrive there.

use billing_core::id::CustomerId;
use billing_core::mirror::{MirrorReader, MirrorTime, SqlMirror};
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::AnyPool;
use test_database::Engine;

use crate::support::{Server, customer_created, subscription_created};

/// Whose rows change.
pub(crate) const CUSTOMERS: i64 = 10;

const RECORD_OF_SQLITE: &str = "create table record
        (number integer primary key, customer text, version text);
    create trigger record_of_inserts after insert on billing_subscription_mirror begin
        insert into record (customer, version) values (new.queue_customer_id, new.updated_at); end;
    create trigger record_of_updates after update on billing_subscription_mirror begin
        insert into record (customer, version) values (new.queue_customer_id, new.updated_at); end";
const RECORD_OF_POSTGRES: &str = "create table record
        (number bigint generated always as identity, customer text, version timestamptz);
    create function record() returns trigger language plpgsql security definer as $$ begin
        insert into record (customer, version) values (new.queue_customer_id, new.updated_at);
        return new; end $$;
    create trigger record after insert or update on billing_subscription_mirror
        for each row execute function record()";

/// A mirror with the host's own record of every version that reached it.
pub(crate) struct Host {
    url: String,
    mirror: SqlMirror,
}

impl Host {
    /// Makes the table and the record, in a database that is there or a file that need not be.
    pub(crate) async fn make(url: &str) -> Self {
        let mirror = SqlMirror::create(url).await.unwrap();
        let host = Self {
            url: url.to_owned(),
            mirror,
        };
        let record = match url.starts_with("sqlite:") {
            true => RECORD_OF_SQLITE,
            false => RECORD_OF_POSTGRES,
        };
        host.run(record).await;
        host
    }

    async fn connect(&self) -> AnyPool {
        test_database::connect(&self.url).await.unwrap()
    }

    /// What its owner does.
    pub(crate) async fn run(&self, statement: &str) {
        let database = self.connect().await;
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        sqlx::raw_sql(statement).execute(&database).await.unwrap();
        database.close().await;
    }

    async fn ask(&self, query: &'static str) -> i64 {
        let database = self.connect().await;
        let answer = sqlx::query_scalar(query).fetch_one(&database).await;
        database.close().await;
        answer.unwrap()
    }

    /// No version came after a later one, and the newest is there. How many came.
    pub(crate) async fn assert_caught_up_in_order(&self, versions: &Versions) -> i64 {
        let not_grown = "select count(*) from (select version <= lag(version) over
            (partition by customer order by number) as smaller from record) as seen where smaller";
        let not_grown = self.ask(not_grown).await;
        assert_eq!(not_grown, 0, "a version came after a later one");
        for customer in 0..CUSTOMERS {
            let customer = CustomerId::parse(format!("user-{customer}")).unwrap();
            let row = self.mirror.read(&customer).await.unwrap().unwrap();
            assert_eq!(row.current_period_end, Some(versions.newest_period_end()));
        }
        self.ask("select count(*) from record").await
    }

    pub(crate) async fn close(self) {
        self.mirror.close().await;
    }
}

/// Subscriptions whose period ends a day later with every version.
pub(crate) struct Versions {
    midnight: i64,
    newest: i64,
}

impl Versions {
    /// Of customers who are made now; the first version of their subscriptions is the next one.
    pub(crate) async fn begin(server: &Server) -> Self {
        for customer in 0..CUSTOMERS {
            let created = customer_created(
                &format!("evt_{customer}"),
                &format!("cus_{customer}"),
                &format!("user-{customer}"),
            );
            assert_eq!(server.outcome(&created).await, "applied");
        }
        let now = Timestamp::now().as_second();
        Self {
            midnight: now - now % 86_400,
            newest: 0,
        }
    }

    /// The next version of each, made a second after the one before.
    pub(crate) async fn next(&mut self, server: &Server) {
        self.newest += 1;
        for customer in 0..CUSTOMERS {
            let event = self.event(customer);
            assert_eq!(server.outcome(&event).await, "applied");
        }
    }

    fn event(&self, customer: i64) -> Value {
        let id = format!("evt_{customer}_{}", self.newest);
        let mut event = subscription_created(&id, &format!("cus_{customer}"), "active");
        let created = event["created"].as_i64().unwrap();
        event["type"] = json!("customer.subscription.updated");
        event["created"] = json!(created - 100 + self.newest);
        event["data"]["object"]["items"]["data"][0]["current_period_end"] =
            json!(self.period_end());
        event
    }

    fn period_end(&self) -> i64 {
        self.midnight + 86_400 * (30 + self.newest)
    }

    fn newest_period_end(&self) -> MirrorTime {
        let period_end = Timestamp::from_second(self.period_end()).unwrap();
        MirrorTime::from_timestamp(period_end)
    }

    /// How many versions of rows there were, with those of customers without a subscription.
    pub(crate) fn rows(&self) -> i64 {
        CUSTOMERS * (self.newest + 1)
    }
}

/// The other kind of database than the one that this run of the tests is about, if there is one.
pub(crate) fn other_engine() -> Option<Engine> {
    match Engine::chosen() {
        Engine::Postgres => Some(Engine::Sqlite),
        Engine::Sqlite => test_database::postgres_is_at_hand().then_some(Engine::Postgres),
    }
}
