//! All that a database holds, as text.

use std::collections::BTreeMap;

use sqlx::{AnyPool, AssertSqlSafe, query_scalar};

use crate::Engine;

/// The rows of every table, each as one text in which every column's value shows as it is stored,
/// in the order of these texts.
///
/// # Panics
/// When it can't be read.
pub async fn dump(pool: &AnyPool, engine: Engine) -> BTreeMap<String, Vec<String>> {
    let names = engine.pick(
        "select name from sqlite_schema where type = 'table'",
        "select tablename::text from pg_tables where schemaname = 'public'",
    );
    let tables: Vec<String> = query_scalar(names).fetch_all(pool).await.unwrap();
    let mut all = BTreeMap::new();
    for table in tables {
        let row = match engine {
            // PostgreSQL writes a row as text by itself.
            Engine::Postgres => format!("select t::text as row from {table} as t"),
            Engine::Sqlite => {
                let names = "select name from pragma_table_info($1)";
                let names = query_scalar::<_, String>(names).bind(&table);
                let columns: Vec<String> = names
                    .fetch_all(pool)
                    .await
                    .unwrap()
                    .iter()
                    .map(|name| format!("iif(typeof({name}) = 'blob', lower(hex({name})), {name})"))
                    .collect();
                format!(
                    "select json_array({}) as row from {table}",
                    columns.join(", ")
                )
            }
        };
        let rows = AssertSqlSafe(format!("{row} order by row"));
        let rows = query_scalar(rows).fetch_all(pool).await.unwrap();
        all.insert(table, rows);
    }
    all
}
