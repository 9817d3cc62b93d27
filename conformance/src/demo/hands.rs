//! Who acts on the simulated Stripe: the official CLI, or the simulator's own driver.

use std::path::{Path, PathBuf};

use crate::driver::FixtureRunner;
use crate::stripe_cli::StripeCli;

/// Makes calls to Stripe's API.
pub(super) enum Hands {
    /// `stripe trigger` and `stripe fixtures`.
    Cli { cli: StripeCli, path: PathBuf },
    /// The same calls, made by ourselves.
    Own(FixtureRunner),
}

impl Hands {
    pub(super) fn new(stripe_cli: Option<&Path>, base_url: String) -> anyhow::Result<Self> {
        Ok(match stripe_cli {
            Some(path) => Self::Cli {
                cli: StripeCli::new(path, base_url)?,
                path: path.to_owned(),
            },
            None => Self::Own(FixtureRunner::new(base_url)?),
        })
    }

    pub(super) async fn describe(&self) -> anyhow::Result<String> {
        Ok(match self {
            Self::Cli { cli, .. } => format!("the official Stripe CLI, {}", cli.version().await?),
            Self::Own(_) => {
                "the simulator's own driver: there is no Stripe CLI (npm would bring it); the calls are the same".to_owned()
            }
        })
    }

    pub(super) async fn trigger(&self, event_type: &str) -> anyhow::Result<()> {
        match self {
            Self::Cli { cli, .. } => cli.trigger(event_type, &[]).await.map(drop),
            Self::Own(runner) => runner.trigger(event_type).await.map(drop),
        }
    }

    pub(super) async fn fixtures(
        &self,
        file: &Path,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        match self {
            Self::Cli { cli, .. } => cli.fixtures(file, variables).await.map(drop),
            Self::Own(runner) => {
                let with = |runner: FixtureRunner, (name, value): &(&str, &str)| {
                    runner.with_variable(*name, *value)
                };
                variables
                    .iter()
                    .fold(runner.clone(), with)
                    .run_file(file)
                    .await
                    .map(drop)
            }
        }
    }
}
