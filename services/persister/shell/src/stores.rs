//! The workers in front of PostgreSQL and Redis, and what health says about both.

use remora_domain::Envelope;
use remora_history_store::{Disposition, HistoryError, HistoryStore};
use remora_hot_store::HotStore;
use remora_persister_core::{Batch, PersisterInput, StoreFailure};
use remora_service_kit::Health;
use remora_service_kit::drive::LocalEvent;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Batches that may wait; the core has one under way at a time.
const BATCHES_WAITING_MAX: usize = 4;
/// Hot values that may wait; more are dropped, a newer one follows.
const HOT_WAITING_MAX: usize = 1_024;
/// How often the stores are asked for a sign of life.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// The names of the stores in health.
const POSTGRES: &str = "postgres";
const REDIS: &str = "redis";
/// The name, in health, of what a database that answers may still refuse: to take rows.
const HISTORY: &str = "history";

type Outcomes = mpsc::Sender<LocalEvent<PersisterInput>>;

/// Is the queues of the workers.
pub(crate) struct Stores {
    batches: mpsc::Sender<Batch>,
    hot: Option<mpsc::Sender<Arc<Envelope>>>,
}

impl Stores {
    /// Starts the workers. Neither store need be there: both are waited for.
    pub(crate) fn start(
        history: HistoryStore,
        hot: Option<HotStore>,
        outcomes: Outcomes,
        health: Health,
    ) -> Self {
        let (batches, queue) = mpsc::channel(BATCHES_WAITING_MAX);
        health.set_dependency(POSTGRES, true, false, "connecting");
        health.set_dependency(HISTORY, true, true, "nothing to write yet");
        let writer = Writer {
            history: history.clone(),
            is_migrated: false,
            outcomes,
            health: health.clone(),
        };
        tokio::spawn(writer.run(queue));
        let hot_health = health.clone();
        tokio::spawn(watch(POSTGRES, true, health, move || {
            let history = history.clone();
            async move { history.ping().await.map_err(|error| chain(&error)) }
        }));
        let hot = hot.map(|store| {
            hot_health.set_dependency(REDIS, false, false, "connecting");
            let (values, mut queue) = mpsc::channel::<Arc<Envelope>>(HOT_WAITING_MAX);
            let pinged = store.clone();
            tokio::spawn(watch(REDIS, false, hot_health, move || {
                let store = pinged.clone();
                async move { store.ping().await.map_err(|error| chain(&error)) }
            }));
            tokio::spawn(async move {
                while let Some(value) = queue.recv().await {
                    if let Err(error) = store.put(&value).await {
                        // Losing a view costs speed only; health says that Redis is away.
                        tracing::debug!(%error, "hot value dropped");
                    }
                }
            });
            values
        });
        Self { batches, hot }
    }

    /// Hands over a batch.
    pub(crate) fn write(&self, batch: Batch) -> Result<(), &'static str> {
        self.batches.try_send(batch).map_err(|_| "the history writer is gone")
    }

    /// Hands over a hot value; tells whether it was dropped.
    pub(crate) fn put(&self, value: Arc<Envelope>) -> bool {
        self.hot.as_ref().is_some_and(|hot| hot.try_send(value).is_err())
    }
}

struct Writer {
    history: HistoryStore,
    is_migrated: bool,
    outcomes: Outcomes,
    health: Health,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Batch>) {
        // The schema is there before the first row where the database is.
        let _ = self.migrate().await.inspect_err(|error| {
            tracing::warn!(error = chain(error), "history schema not brought up to date yet");
        });
        while let Some(batch) = queue.recv().await {
            let number = batch.number;
            let input = match self.write(&batch).await {
                Ok(()) => {
                    self.health.set_dependency(HISTORY, true, true, "takes rows");
                    PersisterInput::Stored { number }
                }
                Err(error) => {
                    self.health.set_dependency(HISTORY, true, false, &chain(&error));
                    tracing::warn!(error = chain(&error), number, "batch not written");
                    let failure = match error.disposition() {
                        Disposition::GiveUp => StoreFailure::Refused,
                        Disposition::Retry => StoreFailure::Unavailable,
                    };
                    PersisterInput::StoreFailed { number, failure }
                }
            };
            if self.outcomes.send(LocalEvent::new(input)).await.is_err() {
                return;
            }
        }
    }

    async fn write(&mut self, batch: &Batch) -> Result<(), HistoryError> {
        self.migrate().await?;
        self.history.write(&batch.messages).await.map(drop)
    }

    async fn migrate(&mut self) -> Result<(), HistoryError> {
        if !self.is_migrated {
            self.history.migrate().await?;
            self.is_migrated = true;
            tracing::info!("history schema is up to date");
        }
        Ok(())
    }
}

/// Asks again and again, and tells health.
async fn watch<F>(name: &str, is_required: bool, health: Health, ping: impl Fn() -> F)
where
    F: Future<Output = Result<(), String>>,
{
    let mut interval = tokio::time::interval(PING_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        match ping().await {
            Ok(()) => health.set_dependency(name, is_required, true, "answers"),
            Err(problem) => health.set_dependency(name, is_required, false, &problem),
        }
    }
}

/// Gives an error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
