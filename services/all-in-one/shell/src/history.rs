//! Keeps the history of a run in a SQLite file, when one was asked for.

use anyhow::{Context, Result};
use remora_history_sqlite::HistorySqlite;
use remora_persister_core::{PersisterInput, StoreFailure};
use remora_sim::Playback;
use std::path::Path;

/// Writes what the persister wants stored. Outcomes go back to the persister only; no decision depends on them.
pub(crate) struct History {
    store: Option<HistorySqlite>,
}

impl History {
    /// Opens the file; without one, batches are dropped after the run has shown them.
    pub(crate) async fn open(path: Option<&Path>) -> Result<Self> {
        let store = match path {
            None => None,
            Some(path) => {
                let store = HistorySqlite::open(path).await;
                Some(store.with_context(|| format!("open history {}", path.display()))?)
            }
        };
        Ok(Self { store })
    }

    /// Writes every batch that waits.
    pub(crate) async fn write(&mut self, playback: &mut Playback) -> Result<()> {
        loop {
            let batches = playback.take_batches();
            if batches.is_empty() {
                return Ok(());
            }
            for batch in batches {
                let number = batch.number;
                let outcome = match &self.store {
                    None => PersisterInput::Stored { number },
                    Some(store) => match store.write(&batch.messages).await {
                        Ok(_) => PersisterInput::Stored { number },
                        Err(error) => {
                            tracing::warn!(error = ?error, "history refused a batch");
                            let failure = StoreFailure::Unavailable;
                            PersisterInput::StoreFailed { number, failure }
                        }
                    },
                };
                playback.stored(outcome)?;
            }
        }
    }

    /// Closes the file.
    pub(crate) async fn close(self) {
        if let Some(store) = self.store {
            store.close().await;
        }
    }
}
