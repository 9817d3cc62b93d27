//! Databases for tests: a SQLite file or a PostgreSQL database of its own for every test.
//!
//! `BILLING_TEST_STORE=postgres` chooses PostgreSQL, on the server of `TEST_POSTGRES_URL`, whose
//! role must be allowed to create databases; `cargo xtask test` starts one. Otherwise it is SQLite.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on should stop"
)]

#[cfg(unix)]
mod cluster;
#[cfg(unix)]
mod disk;
mod dump;
mod server;

use std::path::PathBuf;
use std::sync::OnceLock;

use sqlx::AnyPool;
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use tempfile::TempDir;

#[cfg(unix)]
pub use cluster::Cluster;
#[cfg(unix)]
pub use disk::SmallDisk;
pub use dump::dump;
pub use server::is_at_hand as postgres_is_at_hand;

const STORE: &str = "BILLING_TEST_STORE";

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file in a temporary folder.
    Sqlite,
    /// A database on a server that is there.
    Postgres,
}

impl Engine {
    /// The kind that this run of the tests is about.
    ///
    /// # Panics
    /// When `BILLING_TEST_STORE` names none.
    #[must_use]
    pub fn chosen() -> Self {
        let chosen = std::env::var(STORE).unwrap_or_default();
        match chosen.as_str() {
            "" | "sqlite" => Self::Sqlite,
            "postgres" => Self::Postgres,
            other => panic!("{STORE} must be sqlite or postgres, and is {other}"),
        }
    }

    /// What is said differently to each.
    #[must_use]
    pub fn pick<T>(self, sqlite: T, postgres: T) -> T {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}

/// A database with nothing in it but what a test puts there; gone when it is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    engine: Engine,
    folder: TempDir,
    url: String,
    /// Of PostgreSQL's.
    name: Option<String>,
    /// The one that was not there, once it is.
    absent: Option<String>,
}

impl TestDatabase {
    /// A new one: a PostgreSQL database without tables, a path at which SQLite may make a file.
    ///
    /// # Panics
    /// When it can't be made.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::sqlite(),
            Engine::Postgres => Self::postgres(None),
        }
    }

    /// A new one that others can open as it is: in SQLite, an empty file.
    ///
    /// # Panics
    /// When it can't be made.
    #[must_use]
    pub fn existing(engine: Engine) -> Self {
        let database = Self::new(engine);
        if let Engine::Sqlite = engine {
            std::fs::write(database.file(), "").unwrap();
        }
        database
    }

    /// One that is or will be at a URL, and stays there.
    ///
    /// # Panics
    /// When no folder can be made beside it.
    #[must_use]
    pub fn at(url: String) -> Self {
        let engine = match url.starts_with("sqlite:") {
            true => Engine::Sqlite,
            false => Engine::Postgres,
        };
        Self {
            engine,
            folder: tempfile::tempdir().unwrap(),
            url,
            name: None,
            absent: None,
        }
    }

    /// The URL of one that is not there.
    #[must_use]
    pub fn absent(&self) -> String {
        match self.engine {
            Engine::Sqlite => format!("sqlite://{}", self.path("absent.db").display()),
            Engine::Postgres => server::url_of(&self.absent_name()),
        }
    }

    fn absent_name(&self) -> String {
        let name = self.name.as_deref().unwrap_or("billing_test");
        format!("{name}_absent")
    }

    /// Makes the database that was not there, until this one is dropped. In SQLite it is up to
    /// whoever opens it to make the file.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn make_absent(&mut self) {
        if let Engine::Postgres = self.engine {
            let name = self.absent_name();
            server::create_named(&name, None);
            self.absent = Some(name);
        }
    }

    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("queue.db").display());
        Self {
            engine: Engine::Sqlite,
            folder,
            url,
            name: None,
            absent: None,
        }
    }

    fn postgres(template: Option<&str>) -> Self {
        let name = server::create(template);
        Self {
            engine: Engine::Postgres,
            folder: tempfile::tempdir().unwrap(),
            url: server::url_of(&name),
            name: Some(name),
            absent: None,
        }
    }

    fn file(&self) -> PathBuf {
        self.path("queue.db")
    }

    /// Its kind.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A path in a folder of the database's own.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Connections of somebody else's.
    ///
    /// # Panics
    /// When there are none to be had.
    pub async fn connect(&self) -> AnyPool {
        connect(&self.url)
            .await
            .expect("the database of the test is there")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        for name in self.name.iter().chain(&self.absent) {
            server::remove(name);
        }
    }
}

/// Connections to the database of a URL, which must be there.
///
/// # Errors
/// When it is not.
pub async fn connect(url: &str) -> sqlx::Result<AnyPool> {
    install_default_drivers();
    AnyPoolOptions::new().max_connections(2).connect(url).await
}

/// A database that was prepared once, to be copied: to prepare every test's anew would take most of
/// the time.
#[derive(Debug, Default)]
pub struct Template {
    sqlite: OnceLock<Vec<u8>>,
    postgres: OnceLock<String>,
}

impl Template {
    /// One that is prepared when it is first copied.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sqlite: OnceLock::new(),
            postgres: OnceLock::new(),
        }
    }

    /// A copy. `prepare` is given the URL of the first, and must end its connections.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn copy<F>(&self, engine: Engine, prepare: impl FnOnce(String) -> F + Send) -> TestDatabase
    where
        F: Future<Output = ()>,
    {
        let prepare = |url: &str| {
            let url = url.to_owned();
            server::wait_for(move || prepare(url));
        };
        match engine {
            Engine::Sqlite => {
                let template = self.sqlite.get_or_init(|| {
                    let first = TestDatabase::new(engine);
                    prepare(first.url());
                    std::fs::read(first.file()).unwrap()
                });
                let copy = TestDatabase::new(engine);
                std::fs::write(copy.file(), template).unwrap();
                copy
            }
            Engine::Postgres => {
                let template = self.postgres.get_or_init(|| {
                    let name = server::create(None);
                    prepare(&server::url_of(&name));
                    name
                });
                TestDatabase::postgres(Some(template))
            }
        }
    }
}
