//! The mirror that the configuration names, whichever it is (M4).

pub(crate) mod comparison;
mod push;

use anyhow::Context;
use billing_core::mirror::{MirrorRow, MirrorSink, SinkError, SqlMirror};
use billing_core::store::SqlStore;

use crate::config::{DatabaseConfig, MirrorConfig};
use push::PushSink;

/// Where rows go.
#[derive(Clone)]
pub(crate) enum Mirror {
    /// To a table.
    Table(SqlMirror),
    /// To a receiver.
    Receiver(PushSink),
}

impl Mirror {
    /// The mirror in Queue's own database is Queue's to make. Any other is not, and need not even be
    /// there for deliveries to be taken.
    pub(crate) async fn open(config: &DatabaseConfig, store: &SqlStore) -> anyhow::Result<Self> {
        Ok(match &config.mirror {
            MirrorConfig::Own => Self::Table(store.mirror().await?),
            MirrorConfig::Database(url) => Self::Table(
                SqlMirror::open_at_most(url, config.max_connections)
                    .context("MIRROR_DATABASE_URL can't be used")?,
            ),
            MirrorConfig::Receiver(receiver) => Self::Receiver(PushSink::new(receiver)?),
        })
    }

    /// Ends all connections.
    pub(crate) async fn close(&self) {
        match self {
            Self::Table(mirror) => mirror.close().await,
            Self::Receiver(_) => {}
        }
    }
}

impl MirrorSink for Mirror {
    async fn apply(&self, rows: &[MirrorRow]) -> Result<(), SinkError> {
        match self {
            Self::Table(mirror) => mirror.apply(rows).await,
            Self::Receiver(receiver) => receiver.apply(rows).await,
        }
    }
}
