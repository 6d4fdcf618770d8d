//! What the persister's core asks for.

use crate::deliveries::Held;
use crate::letters::{Letters, acknowledge};
use crate::stores::Stores;
use remora_bus::Delivery;
use remora_domain::{MessageId, Timestamp};
use remora_persister_core::{Batch, PersisterCore, PersisterOutput};
use remora_service_kit::drive::Effects;
use remora_service_kit::{Health, TraceContext};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::sync::{mpsc, watch};

/// Acknowledgements that may wait, by batches. One that is dropped means another delivery.
const ANSWERS_WAITING_MAX: usize = 1_024;

/// Performs what only a persister does.
pub(crate) struct PersisterEffects {
    held: Held,
    stores: Stores,
    pause: watch::Sender<bool>,
    answers: mpsc::Sender<Vec<Delivery>>,
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
        tokio::spawn(answer(queue));
        let batches = BTreeMap::new();
        Self { held, stores, pause, answers, letters, health, batches, hot_dropped: 0 }
    }

    fn acknowledge(&self, ids: impl Iterator<Item = MessageId>) {
        let deliveries: Vec<Delivery> = ids.filter_map(|id| self.held.take(&id)).collect();
        if self.answers.try_send(deliveries).is_err() {
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
                let delivery = self.held.take(&message.header.message_id());
                self.letters.bury_refused(message, delivery)?;
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
        let (letters, waiting) = (self.letters.count(), self.letters.waiting());
        let detail = match waiting {
            0 => format!("{letters} messages set aside since the start"),
            _ => format!("{waiting} messages cannot be set aside: the bus takes no dead letter"),
        };
        // What is set aside wants a person; what cannot be is about to be lost or to stop everything.
        let is_up = letters == 0 && waiting == 0;
        self.health.set_dependency("dead_letters", waiting > 0, is_up, &detail);
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

async fn answer(mut queue: mpsc::Receiver<Vec<Delivery>>) {
    while let Some(deliveries) = queue.recv().await {
        for delivery in deliveries {
            acknowledge(&delivery).await;
        }
    }
}
