//! Keeps the history of a run in a SQLite file, when one was asked for, and opens the history of services for commands that read it.

use anyhow::{Context, Result, anyhow, bail};
use remora_history_sqlite::{Disposition, HistoryError, HistorySqlite};
use remora_history_store::{HistorySettings, HistoryStore};
use remora_persister_core::{Batch, PersisterInput, StoreFailure};
use remora_service_kit::config::read_secret;
use remora_sim::Playback;
use std::path::{Path, PathBuf};

/// How often what is left at the end is tried again; each try waits for the file as long as the store does.
const LAST_TRIES: u32 = 3;

/// Opens the history of services; it connects with the first question.
pub(crate) fn server(url: &str, password_file: Option<&Path>) -> Result<HistoryStore> {
    let password = password_file.map(|path| {
        let secret = read_secret("postgres-password-file", path);
        secret.map_err(|problem| anyhow!("{problem}"))
    });
    let password = password.transpose()?;
    let password = password.as_ref().map(|secret| secret.expose().as_str());
    Ok(HistoryStore::open_as(url, password, &HistorySettings::default())?)
}

/// Writes what the persister wants stored. Outcomes go back to the persister only; no decision depends on them.
pub(crate) struct History {
    store: Store,
}

/// Is where batches go.
enum Store {
    /// Nowhere: the run has shown them.
    None,
    /// Into a file.
    File { path: PathBuf, file: HistorySqlite },
    /// Nowhere either, and it says so.
    #[cfg(test)]
    Failing(StoreFailure),
}

impl Store {
    async fn write(&self, batch: &Batch) -> Result<(), StoreFailure> {
        match self {
            Self::None => Ok(()),
            Self::File { file, .. } => file.write(&batch.messages).await.map(drop).map_err(failure),
            #[cfg(test)]
            Self::Failing(failure) => Err(*failure),
        }
    }
}

/// Says what a failed write means: content that can never be stored is not tried again.
fn failure(error: HistoryError) -> StoreFailure {
    let failure = match error.disposition() {
        Disposition::GiveUp => StoreFailure::Refused,
        Disposition::Retry => StoreFailure::Unavailable,
    };
    tracing::warn!(error = ?anyhow::Error::from(error), "history did not take a batch");
    failure
}

impl History {
    /// Opens the file; without one, batches are dropped after the run has shown them.
    pub(crate) async fn open(path: Option<&Path>) -> Result<Self> {
        let store = match path {
            None => Store::None,
            Some(path) => {
                let file = HistorySqlite::open(path).await;
                let file = file.with_context(|| format!("open history {}", path.display()))?;
                Store::File { path: path.to_owned(), file }
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
                playback.stored(match self.store.write(&batch).await {
                    Ok(()) => PersisterInput::Stored { number },
                    Err(failure) => PersisterInput::StoreFailed { number, failure },
                })?;
            }
        }
    }

    /// Writes what is left when the run is over, and closes the file.
    ///
    /// # Errors
    /// Refuses to end well when anything of the run is missing in the file.
    pub(crate) async fn close(mut self, playback: &mut Playback) -> Result<()> {
        self.write(playback).await?;
        for _ in 0..LAST_TRIES {
            if playback.unstored() == 0 {
                break;
            }
            playback.flush()?;
            self.write(playback).await?;
        }
        let left = u64::try_from(playback.unstored()).unwrap_or(u64::MAX);
        let lost = playback.history_losses().saturating_add(left);
        let place = match self.store {
            Store::None => String::new(),
            Store::File { path, file } => {
                file.close().await;
                path.display().to_string()
            }
            #[cfg(test)]
            Store::Failing(_) => "failing".to_owned(),
        };
        if lost > 0 {
            bail!("history {place} is not complete: {lost} messages could not be stored");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles::{self, Feed};
    use remora_domain::Timestamp;

    fn playback() -> Playback {
        let feed = Feed { is_recorded: true, is_synthetic: true, url: None, frames_total: None };
        let now = Timestamp::from_ns(1_772_459_985_000_000_000);
        let mut playback =
            profiles::playback(profiles::load("demo").unwrap(), &feed, 1, now).unwrap();
        playback.start(now).unwrap();
        playback.finish().unwrap();
        playback
    }

    #[tokio::test]
    async fn a_store_that_fails_its_last_batch_is_no_success() {
        for failure in [StoreFailure::Unavailable, StoreFailure::Refused] {
            let history = History { store: Store::Failing(failure) };
            let error = history.close(&mut playback()).await.unwrap_err().to_string();
            assert!(error.contains("history failing is not complete: "), "{error}");
            assert!(!error.contains(" 0 messages"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_run_without_a_history_lacks_nothing() {
        History::open(None).await.unwrap().close(&mut playback()).await.unwrap();
    }
}
