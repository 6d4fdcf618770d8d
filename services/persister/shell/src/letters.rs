//! Dead letters: what can never become a row is stored on the bus before its delivery is acknowledged, so that a
//! person, or a newer version, can still read it.

use bytes::Bytes;
use remora_bus::{Bus, BusError, Delivery, OutMessage, dead_letter};
use remora_domain::{Envelope, Service, Subject};
use remora_service_kit::drive::MessageError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Stores dead letters and counts them; clones share the count.
#[derive(Clone)]
pub(crate) struct Letters {
    bus: Arc<dyn Bus>,
    count: Arc<AtomicU64>,
}

impl Letters {
    pub(crate) fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus, count: Arc::default() }
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
            Ok(()) => {
                if let Err(error) = delivery.ack().await {
                    tracing::debug!(%error, "acknowledgement lost: the delivery comes again");
                }
            }
            Err(error) => {
                tracing::error!(%error, reason, "dead letter not stored: the delivery comes again");
            }
        }
    }

    /// Stores a message that history refuses for good.
    pub(crate) async fn bury_refused(&self, message: &Envelope) -> Result<(), BusError> {
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
