//! `queue-server serve | migrate | reconcile | audit … | stripe …`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{AuditConfig, ConfigErrors, DatabaseConfig, ServeConfig, stripe_from_env};
use crate::setup::SetupOptions;
use crate::{audit, reconcile, serve, setup, telemetry};

/// Takes Stripe's webhooks, keeps one truth of who has paid, and feeds the mirror that gates read.
///
/// Everything is configured by environment variables; docs/CONFIGURATION.md lists them all. To try
/// it: run `cargo demo` in the source tree.
#[derive(Debug, Parser)]
#[command(name = "queue-server", version, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Needed by `serve`:
  STRIPE_WEBHOOK_SECRET    the endpoint's signing secret (several, comma-separated, while rotating)
  BILLING_AUDIT_KEY        64 hexadecimal digits: openssl rand -hex 32
  QUEUE_INTERNAL_TOKEN     the bearer token of your own services
  STRIPE_PRICE_ID_PRO      the price ids of each plan, comma-separated
  STRIPE_PRICE_ID_PRO_PLUS
  FLAG_QUEUE_BILLING=true  billing is off until this says so
Needed to let customers subscribe (`queue-server stripe setup` makes what they name):
  STRIPE_RESTRICTED_KEY    the key that Stripe is called with
  STRIPE_PUBLISHABLE_KEY   the key that browsers are given
  CUSTOMER_TOKEN_SECRET    what tokens of customers are signed with: openssl rand -hex 32
  RETURN_URL_ORIGINS       where customers are sent back to, such as https://app.example.com
Often set:
  DATABASE_URL             default sqlite://queue.db
  MIRROR_DATABASE_URL      the database of the service that gates; default: the same database
  MIRROR_PUSH_URL          instead of that: a receiver of signed pushes, with MIRROR_PUSH_SECRET
  DATABASE_MAX_CONNECTIONS default 8, or 4 to SQLite
  PORT                     default 8080
  RUST_LOG                 default info; logs are JSON unless a terminal reads them";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server: migrates its database, then serves until SIGTERM or ctrl-c.
    Serve,
    /// Bring the database up to date and verify it, then exit. Safe to run from many places at once.
    Migrate,
    /// Compare all subscriptions and the events of thirty days with Stripe's, repair what differs, and print what that
    /// was. Goes on where one stopped before; a running server does the same once a day. Needs what `serve` needs.
    Reconcile,
    /// Look at the audit chain.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Prepare an account at Stripe.
    #[command(subcommand)]
    Stripe(StripeCommand),
}

#[derive(Debug, Subcommand)]
enum StripeCommand {
    /// Make what Queue needs, unless it is there: products and prices of the plans, the webhook endpoint, the customer
    /// portal's configuration. Prints the variables to set. Needs STRIPE_RESTRICTED_KEY; test or live mode is the key's.
    Setup(SetupOptions),
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Print where the chain ends, as JSON: keep it elsewhere, and cutting the chain shows.
    Head,
    /// Print every row as a line of JSON, the oldest first.
    Export,
    /// Verify the whole chain with BILLING_AUDIT_KEY. Exit code 1 names the first bad row.
    Verify,
}

/// The exit code for a configuration that is refused: 78, EX_CONFIG of sysexits.h.
const EXIT_CONFIG: u8 = 78;

impl Cli {
    /// Runs the command.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => return report(&error.into()),
        };
        let result =
            match self.command {
                Command::Serve => ServeConfig::from_env().map(|config| {
                    telemetry::start_logging();
                    runtime.block_on(serve::serve(config))
                }),
                Command::Migrate => DatabaseConfig::from_env()
                    .map(|config| runtime.block_on(serve::migrate(&config))),
                Command::Reconcile => ServeConfig::from_env().map(|config| {
                    telemetry::start_logging();
                    runtime.block_on(reconcile::run_once(config))
                }),
                Command::Stripe(StripeCommand::Setup(options)) => {
                    stripe_from_env().map(|config| runtime.block_on(setup::setup(config, options)))
                }
                Command::Audit(AuditCommand::Head) => {
                    DatabaseConfig::from_env().map(|config| runtime.block_on(audit::head(&config)))
                }
                Command::Audit(AuditCommand::Export) => DatabaseConfig::from_env()
                    .map(|config| runtime.block_on(audit::export(&config))),
                Command::Audit(AuditCommand::Verify) => {
                    AuditConfig::from_env().map(|config| runtime.block_on(audit::verify(&config)))
                }
            };
        match result {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(error)) => report(&error),
            Err(errors) => refuse(&errors),
        }
    }
}

fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("queue-server: {error:#}");
    ExitCode::FAILURE
}

fn refuse(errors: &ConfigErrors) -> ExitCode {
    eprint!("{errors}");
    ExitCode::from(EXIT_CONFIG)
}

/// Tasks that another thread wakes come next, and not after all that wait here: SQLite answers from threads of its own, and
/// so does the ledger of a server.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .global_queue_interval(1)
        .build()
}
