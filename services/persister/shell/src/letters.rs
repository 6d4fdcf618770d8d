//! Dead letters: what can never become a row is stored on the bus before its delivery is acknowledged, so that a
//! person, or a newer version, can still read it.

use bytes::Bytes;
use remora_bus::{Bus, BusError, Delivery, OutMessage, dead_letter};
use remora_domain::{Envelope, Service, Subject};
use remora_service_kit::drive::MessageError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Letters that may wait until the bus takes them.
const WAITING_MAX: usize = 1_024;
/// Pause between two tries to store a letter.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Is what history refused for good, with its delivery, which is acknowledged once the letter is stored.
type Refused = (Arc<Envelope>, Option<Delivery>);

/// Stores dead letters and counts them; clones share the count.
#[derive(Clone)]
pub(crate) struct Letters {
    bus: Arc<dyn Bus>,
    count: Arc<AtomicU64>,
    waiting: Arc<AtomicU64>,
    queue: mpsc::Sender<Refused>,
}

impl Letters {
    pub(crate) fn new(bus: Arc<dyn Bus>) -> Self {
        let (queue, refused) = mpsc::channel(WAITING_MAX);
        let letters = Self { bus, count: Arc::default(), waiting: Arc::default(), queue };
        // It holds no sender of its own queue, so it ends with the last of the others.
        tokio::spawn(letters.without_queue().bury_all(refused));
        letters
    }

    fn without_queue(&self) -> Self {
        Self { queue: mpsc::channel(1).0, ..self.clone() }
    }

    /// Gives how many wait until the bus takes their letter.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Sets aside what history refuses for good; other answers do not wait for it.
    ///
    /// # Errors
    /// Refuses when too many wait already: nothing may be lost, so the service has to end.
    pub(crate) fn bury_refused(
        &self,
        message: Arc<Envelope>,
        delivery: Option<Delivery>,
    ) -> Result<(), &'static str> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send((message, delivery)).map_err(|_| "the queue of dead letters is full")
    }

    async fn bury_all(self, mut refused: mpsc::Receiver<Refused>) {
        while let Some((message, delivery)) = refused.recv().await {
            while let Err(error) = self.store_refused(&message).await {
                let id = message.header.message_id();
                tracing::error!(%id, %error, "dead letter not stored yet");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if let Some(delivery) = delivery {
                acknowledge(&delivery).await;
            }
        }
    }

    /// Gives how many were stored since the start.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Stores a message that could not be read, then acknowledges its delivery; where the letter is not stored the
    /// delivery is left alone, and comes again.
    pub(crate) async fn bury_unread(&self, delivery: &Delivery, error: &MessageError) {
        let message = &delivery.message;
        let reason = error.to_string();
        // The same delivery makes the same letter, however often it comes.
        let id = format!("dead-{}-{}", message.subject, delivery.sequence);
        match self.store(id, &message.subject, &reason, message.payload.clone()).await {
            Ok(()) => acknowledge(delivery).await,
            Err(error) => {
                tracing::error!(%error, reason, "dead letter not stored: the delivery comes again");
            }
        }
    }

    async fn store_refused(&self, message: &Envelope) -> Result<(), BusError> {
        let subject = Subject::of(message).to_string();
        let id = format!("dead-{}", message.header.message_id());
        self.store(id, &subject, "refused by history", remora_wire::encode(message)).await
    }

    async fn store(
        &self,
        message_id: String,
        subject: &str,
        reason: &str,
        payload: Bytes,
    ) -> Result<(), BusError> {
        let letter = dead_letter(Service::Persister.name(), subject, reason, payload);
        self.bus.publish_durable(OutMessage { message_id, ..letter }).await?;
        self.count.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("remora_persister_dead_letters_total").increment(1);
        tracing::error!(subject, reason, "message can never be a row: dead letter stored");
        Ok(())
    }
}

/// Acknowledges a delivery; where that is lost it comes again.
pub(crate) async fn acknowledge(delivery: &Delivery) {
    if let Err(error) = delivery.ack().await {
        tracing::debug!(%error, "acknowledgement lost: the delivery comes again");
    }
}

#[cfg(test)]
mod tests;
