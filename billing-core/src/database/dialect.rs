//! Where the kinds of database differ in how they say the same.

use std::sync::OnceLock;

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// PostgreSQL, or an engine that speaks its protocol.
    #[cfg(feature = "postgres")]
    Postgres,
    /// SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite,
}

/// What a column holds, as far as JSON and the databases differ about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// True or false; 1 or 0 in SQLite.
    Bool,
    /// An object or array; JSON text in SQLite.
    Json,
    /// Bytes; in hexadecimal in JSON.
    Bytes,
    /// An instant of Stripe's clock: `timestamptz`, seconds since 1970 in SQLite; seconds in JSON.
    Seconds,
    /// An instant of ours: `timestamptz`, text of fixed width in SQLite; that text in JSON.
    Instant,
}

impl Dialect {
    /// The rows of the JSON array in a parameter, as `item.value`.
    pub(crate) fn items(self, parameter: usize) -> String {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => format!("jsonb_array_elements(${parameter}::jsonb) as item(value)"),
            #[cfg(feature = "sqlite")]
            Self::Sqlite => format!("json_each(${parameter}) as item"),
        }
    }

    /// Whether a column is one of the texts of the JSON array in a parameter.
    pub(crate) fn among(self, column: &str, parameter: usize) -> String {
        let texts = match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => format!("select jsonb_array_elements_text(${parameter}::jsonb)"),
            #[cfg(feature = "sqlite")]
            Self::Sqlite => format!("select value from json_each(${parameter})"),
        };
        self.within(column, &texts)
    }

    /// Whether a column is one of what a query tells. Found by the column's index, whatever the
    /// database believes of its tables' sizes.
    pub(crate) fn within(self, column: &str, query: &str) -> String {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => format!("{column} = any(array({query}))"),
            #[cfg(feature = "sqlite")]
            Self::Sqlite => format!("{column} in ({query})"),
        }
    }

    /// A field of `item.value`, as a column's value.
    pub(crate) fn field(self, name: &str, kind: Kind) -> String {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => match kind {
                Kind::Json => format!("item.value -> '{name}'"),
                _ => self.typed(&format!("(item.value ->> '{name}')"), kind),
            },
            #[cfg(feature = "sqlite")]
            Self::Sqlite => {
                let _ = kind;
                format!("json_extract(item.value, '$.{name}')")
            }
        }
    }

    /// A parameter, as a column's value. Parameters are text.
    pub(crate) fn parameter(self, number: usize, kind: Kind) -> String {
        self.typed(&format!("${number}"), kind)
    }

    fn typed(self, text: &str, kind: Kind) -> String {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => match kind {
                Kind::Text => text.to_owned(),
                Kind::Integer => format!("{text}::bigint"),
                Kind::Bool => format!("{text}::boolean"),
                Kind::Json => format!("{text}::jsonb"),
                Kind::Bytes => format!("decode({text}, 'hex')"),
                Kind::Seconds => format!("to_timestamp({text}::bigint)"),
                Kind::Instant => format!("({text} || '+00')::timestamptz"),
            },
            #[cfg(feature = "sqlite")]
            Self::Sqlite => match kind {
                Kind::Integer | Kind::Seconds => format!("cast({text} as integer)"),
                Kind::Bytes => format!("unhex({text})"),
                _ => text.to_owned(),
            },
        }
    }

    /// A column, as a JSON value.
    pub(crate) fn json(self, column: &str, kind: Kind) -> String {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => match kind {
                // Of an infinite instant, a text that is no number; a cast to one would be an error.
                Kind::Seconds => format!("trunc(extract(epoch from {column}))"),
                Kind::Bytes => format!("encode({column}, 'hex')"),
                // An infinite instant has no such text, and must not pass for none.
                Kind::Instant => format!(
                    "coalesce(to_char({column} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
                              {column}::text)"
                ),
                _ => column.to_owned(),
            },
            #[cfg(feature = "sqlite")]
            Self::Sqlite => match kind {
                Kind::Bool => format!("json(iif({column}, 'true', 'false'))"),
                Kind::Json => format!("json({column})"),
                Kind::Bytes => format!("lower(hex({column}))"),
                _ => column.to_owned(),
            },
        }
    }

    /// All rows of a table, or of a query in parentheses that has a name, as one JSON array: each an object of these
    /// columns; `[]` for none. A condition may follow.
    pub(crate) fn rows<'c>(
        self,
        columns: impl IntoIterator<Item = (&'c str, Kind)>,
        from: &str,
    ) -> String {
        let columns = columns.into_iter().map(|(name, kind)| {
            let value = self.json(name, kind);
            match self {
                #[cfg(feature = "postgres")]
                Self::Postgres => format!("{value} as {name}"),
                #[cfg(feature = "sqlite")]
                Self::Sqlite => format!("'{name}', {value}"),
            }
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        match self {
            // Objects of whole rows: json_build_object() would look up each value's type for each row.
            #[cfg(feature = "postgres")]
            Self::Postgres => format!(
                "select coalesce(json_agg(found), '[]')::text from (select {columns} from {from}) as found"
            ),
            #[cfg(feature = "sqlite")]
            Self::Sqlite => format!("select json_group_array(json_object({columns})) from {from}"),
        }
    }

    /// Deletes those rows of a table whose columns are together among what a query tells.
    pub(crate) fn delete_among(self, table: &str, columns: &[&str], query: &str) -> String {
        match self {
            // As a join: a row of the query after the other, and not of the table.
            #[cfg(feature = "postgres")]
            Self::Postgres => {
                let equal: Vec<String> = columns
                    .iter()
                    .map(|column| format!("{table}.{column} = chosen.{column}"))
                    .collect();
                let (names, equal) = (columns.join(", "), equal.join(" and "));
                format!("delete from {table} using ({query}) as chosen({names}) where {equal}")
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite => {
                let columns = columns.join(", ");
                format!("delete from {table} where ({columns}) in ({query})")
            }
        }
    }

    /// Whether one transaction at a time may write anything at all.
    pub(crate) fn writers_take_turns(self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => false,
            #[cfg(feature = "sqlite")]
            Self::Sqlite => true,
        }
    }

    /// The collation that orders texts by their bytes, as Rust does.
    pub(crate) fn byte_order(self) -> &'static str {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => "\"C\"",
            #[cfg(feature = "sqlite")]
            Self::Sqlite => "binary",
        }
    }

    /// Holds a row for the rest of the transaction. SQLite's transactions hold everything.
    pub(crate) fn for_update(self) -> &'static str {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => " for update",
            #[cfg(feature = "sqlite")]
            Self::Sqlite => "",
        }
    }

    /// The same for the rows of one table, passing over those that somebody else holds.
    pub(crate) fn skip_locked(self, table: &str) -> String {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => format!(" for update of {table} skip locked"),
            #[cfg(feature = "sqlite")]
            Self::Sqlite => {
                let _ = table;
                String::new()
            }
        }
    }
}

/// Something built once for each kind of database.
pub(crate) struct PerDialect<T> {
    #[cfg(feature = "postgres")]
    postgres: OnceLock<T>,
    #[cfg(feature = "sqlite")]
    sqlite: OnceLock<T>,
}

impl<T> PerDialect<T> {
    pub(crate) const fn new() -> Self {
        Self {
            #[cfg(feature = "postgres")]
            postgres: OnceLock::new(),
            #[cfg(feature = "sqlite")]
            sqlite: OnceLock::new(),
        }
    }

    pub(crate) fn get(&self, dialect: Dialect, build: impl FnOnce(Dialect) -> T) -> &T {
        let built = match dialect {
            #[cfg(feature = "postgres")]
            Dialect::Postgres => &self.postgres,
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => &self.sqlite,
        };
        built.get_or_init(|| build(dialect))
    }
}
