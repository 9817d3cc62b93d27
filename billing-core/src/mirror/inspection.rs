//! What there is where a mirror should be: for whoever looks after a gate, never for a decision.

use serde::{Deserialize, Serialize};

use super::{MirrorStatus, SqlMirror};
use crate::database::{Dialect, PerDialect};
use crate::store::StoreError;

/// What a look at a mirror's database found. Nothing of any customer's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Whether the database answered.
    pub reachable: bool,
    /// Why not: the code of a [`StoreError`], or another stable name.
    pub error: Option<String>,
    /// `postgresql` or `sqlite`.
    pub dialect: String,
    /// What the database says of the table.
    #[serde(flatten)]
    pub table: Table,
    /// What the table says of its rows; nothing where it can't be read.
    #[serde(flatten)]
    pub contents: Option<Contents>,
}

/// A table, as its database describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Whether it is there.
    #[serde(rename = "table")]
    pub exists: bool,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// The names of its constraints; in SQLite, of those that its migration makes.
    pub constraints: Vec<String>,
    /// What whoever asks may do with it.
    pub rights: Rights,
    /// The database's clock, as `YYYY-MM-DD HH:MM:SS.ffffff` in UTC.
    pub database_time: Option<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the database names it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it may be null.
    pub nullable: bool,
}

/// Rights to a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// What a gate needs.
    pub select: bool,
    /// What a receiver of rows needs as well.
    pub insert: bool,
    /// And this.
    pub update: bool,
}

/// The rows of a table, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// How many there are.
    pub rows: u64,
    /// The newest version of any, as text.
    pub newest_updated_at: Option<String>,
    /// How many have a tier or a status that no gate believes.
    pub malformed_rows: u64,
}

impl Inspection {
    /// Of a database that did not answer.
    #[must_use]
    pub fn unreachable(error: &str) -> Self {
        Self {
            error: Some(error.to_owned()),
            ..Self::default()
        }
    }
}

struct Statements {
    table: String,
    contents: String,
}

impl Statements {
    fn of(dialect: Dialect) -> &'static Self {
        static STATEMENTS: PerDialect<Statements> = PerDialect::new();
        STATEMENTS.get(dialect, Self::build)
    }

    fn build(dialect: Dialect) -> Self {
        let statuses: Vec<String> = MirrorStatus::ALL
            .iter()
            .map(|status| format!("'{status}'"))
            .collect();
        let statuses = statuses.join(", ");
        match dialect {
            #[cfg(feature = "postgres")]
            Dialect::Postgres => Self {
                table: TABLE_IN_POSTGRES.to_owned(),
                contents: format!(
                    "select json_build_object('rows', count(*),
                        'newest_updated_at', to_char(max(updated_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
                        'malformed_rows', count(*) filter (where
                            (plan_tier ~ '^[a-z0-9_]{{1,64}}$' and status in ({statuses})) is not true))::text
                     from billing_subscription_mirror"
                ),
            },
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => Self {
                table: TABLE_IN_SQLITE.to_owned(),
                contents: format!(
                    "select json_object('rows', count(*), 'newest_updated_at', max(updated_at),
                        'malformed_rows', count(*) filter (where (typeof(plan_tier) = 'text'
                            and length(plan_tier) between 1 and 64 and plan_tier not glob '*[^a-z0-9_]*'
                            and status in ({statuses})) is not true))
                     from billing_subscription_mirror"
                ),
            },
        }
    }
}

#[cfg(feature = "postgres")]
const TABLE_IN_POSTGRES: &str = "with it (oid) as (select to_regclass('billing_subscription_mirror')::oid)
    select json_build_object(
        'table', it.oid is not null,
        'columns', (select coalesce(json_agg(json_build_object('name', attname,
                        'type', format_type(atttypid, atttypmod), 'nullable', not attnotnull) order by attnum), '[]')
                    from pg_attribute where attrelid = it.oid and attnum > 0 and not attisdropped),
        'constraints', (select coalesce(json_agg(conname order by conname), '[]')
                        from pg_constraint where conrelid = it.oid),
        'rights', json_build_object('select', coalesce(has_table_privilege(it.oid, 'select'), false),
                                    'insert', coalesce(has_table_privilege(it.oid, 'insert'), false),
                                    'update', coalesce(has_table_privilege(it.oid, 'update'), false)),
        'database_time', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'))::text
    from it";

/// SQLite keeps the names of constraints in the text of the table alone, and knows no rights.
#[cfg(feature = "sqlite")]
const TABLE_IN_SQLITE: &str = "with expected (name) as (values ('billing_subscription_mirror_pkey'),
            ('billing_subscription_mirror_period_end_check'), ('billing_subscription_mirror_updated_at_check'))
    select json_object(
        'table', json(iif(exists (select 1 from sqlite_schema where name = 'billing_subscription_mirror'), 'true', 'false')),
        'columns', (select json_group_array(json_object('name', name, 'type', lower(type),
                        'nullable', json(iif(\"notnull\", 'false', 'true'))))
                    from pragma_table_info('billing_subscription_mirror')),
        'constraints', (select json_group_array(expected.name) from expected join sqlite_schema as schema
                        on schema.name = 'billing_subscription_mirror' and instr(schema.sql, expected.name) > 0),
        'rights', json_object('select', json('true'), 'insert', json('false'), 'update', json('false')),
        'database_time', strftime('%Y-%m-%d %H:%M:%f000', 'now'))";

impl SqlMirror {
    /// Looks at what there is: the table's shape, rights to it, the database's clock, how many rows.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn inspect(&self) -> Result<Inspection, StoreError> {
        let dialect = self.database.dialect();
        let statements = Statements::of(dialect);
        let table = self.database.fetch(&statements.table, &[]).await?;
        let table: Table = read(table)?;
        #[cfg(feature = "sqlite")]
        let mut table = table;
        let dialect = match dialect {
            #[cfg(feature = "postgres")]
            Dialect::Postgres => "postgresql",
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => {
                let writes = self.database.begin().await.is_ok();
                (table.rights.insert, table.rights.update) = (writes, writes);
                "sqlite"
            }
        };
        let contents = self.database.fetch(&statements.contents, &[]).await;
        Ok(Inspection {
            reachable: true,
            error: None,
            dialect: dialect.to_owned(),
            table,
            contents: contents.and_then(read).ok(),
        })
    }
}

fn read<T: for<'de> Deserialize<'de>>(answer: Option<String>) -> Result<T, StoreError> {
    let answer = answer.ok_or(StoreError::Corrupt)?;
    serde_json::from_str(&answer).map_err(|_| StoreError::Corrupt)
}
