//! What the persister's core asks for.

use crate::deliveries::Held;
use crate::letters::Letters;
use crate::stores::Stores;
use remora_bus::Delivery;
use remora_domain::{Envelope, MessageId, Timestamp};
use remora_persister_core::{Batch, PersisterCore, PersisterOutput};
use remora_service_kit::drive::Effects;
use remora_service_kit::{Health, TraceContext};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Acknowledgements and dead letters that may wait, by batches. An acknowledgement that is dropped means another delivery.
const ANSWERS_WAITING_MAX: usize = 1_024;

/// Pause between two tries to store a dead letter.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Is something to tell the bus, in order: a dead letter is stored before its delivery is acknowledged.
enum Answer {
    Acknowledge(Vec<Delivery>),
    Bury(Arc<Envelope>),
}

/// Performs what only a persister does.
pub(crate) struct PersisterEffects {
    held: Held,
    stores: Stores,
    pause: watch::Sender<bool>,
    answers: mpsc::Sender<Answer>,
    letters: Letters,
    health: Health,
    /// The batch under way, by its number.
    batches: BTreeMap<u64, Batch>,
    hot_dropped: u64,
}

impl PersisterEffects {
    pub(crate) fn new(
        letters: Letters,
        held: Held,
        stores: Stores,
        pause: watch::Sender<bool>,
        health: Health,
    ) -> Self {
        let (answers, queue) = mpsc::channel(ANSWERS_WAITING_MAX);
        tokio::spawn(answer(letters.clone(), queue));
        let batches = BTreeMap::new();
        Self { held, stores, pause, answers, letters, health, batches, hot_dropped: 0 }
    }

    fn acknowledge(&self, ids: impl Iterator<Item = MessageId>) {
        let deliveries: Vec<Delivery> = ids.filter_map(|id| self.held.take(&id)).collect();
        if self.answers.try_send(Answer::Acknowledge(deliveries)).is_err() {
            tracing::warn!("acknowledgements dropped: these deliveries come again");
        }
    }
}

impl Effects<PersisterCore> for PersisterEffects {
    fn perform(
        &mut self,
        _: Timestamp,
        output: PersisterOutput,
        _: &TraceContext,
    ) -> Result<(), &'static str> {
        match output {
            PersisterOutput::Write(batch) => {
                self.batches.insert(batch.number, batch.clone());
                self.stores.write(batch)?;
            }
            PersisterOutput::Acknowledge { number } => {
                if let Some(batch) = self.batches.remove(&number) {
                    self.acknowledge(batch.messages.iter().map(|m| m.header.message_id()));
                }
            }
            PersisterOutput::AlreadyStored { ids } => self.acknowledge(ids.into_iter()),
            // Dropped without an answer, so that it is delivered again.
            PersisterOutput::Declined { id } => drop(self.held.take(&id)),
            PersisterOutput::DeadLetter(message) => {
                let buried = self.answers.try_send(Answer::Bury(message));
                buried.map_err(|_| "the queue of dead letters is full")?;
            }
            PersisterOutput::Pause => drop(self.pause.send_replace(true)),
            PersisterOutput::Resume => drop(self.pause.send_replace(false)),
            PersisterOutput::Hot(message) => {
                let is_dropped = self.stores.put(message);
                self.hot_dropped = self.hot_dropped.saturating_add(u64::from(is_dropped));
            }
        }
        Ok(())
    }

    fn details(&mut self, core: &PersisterCore) -> Value {
        let letters = self.letters.count();
        let detail = format!("{letters} messages set aside since the start");
        self.health.set_dependency("dead_letters", false, letters == 0, &detail);
        let counts = core.counts();
        json!({
            "accepted": counts.accepted,
            "duplicates": counts.duplicates,
            "declined": counts.declined,
            "stored": counts.stored,
            "dead_letters": letters,
            "failures_in_a_row": counts.failures_in_a_row,
            "pending": counts.pending,
            "oldest_pending_at_ns": counts.oldest_pending_at.map(Timestamp::as_ns),
            "is_paused": *self.pause.borrow(),
            "hot_dropped": self.hot_dropped,
        })
    }
}

async fn answer(letters: Letters, mut queue: mpsc::Receiver<Answer>) {
    while let Some(answer) = queue.recv().await {
        match answer {
            Answer::Acknowledge(deliveries) => {
                for delivery in deliveries {
                    if let Err(error) = delivery.ack().await {
                        tracing::debug!(%error, "acknowledgement lost: the delivery comes again");
                    }
                }
            }
            // Its acknowledgement stands behind it in the queue, so it waits until the letter is stored.
            Answer::Bury(message) => {
                while let Err(error) = letters.bury_refused(&message).await {
                    let id = message.header.message_id();
                    tracing::error!(%id, %error, "dead letter not stored yet");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }
}
