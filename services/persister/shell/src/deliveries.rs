//! Deliveries: fetched, remembered by the message they hold, given to the core, acknowledged when it says so.

use crate::letters::Letters;
use remora_bus::permissions::PERSISTER_DURABLE;
use remora_bus::{Bus, Delivery, InMessage, Stream};
use remora_domain::MessageId;
use remora_service_kit::Shutdown;
use remora_service_kit::drive::read_message;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Pause between two tries to open a consumer.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Holds the newest delivery of each message that is not acknowledged yet; clones share them. The bus bounds how many
/// messages of a stream may wait for their acknowledgement; what it delivers again while a store is away takes the
/// place of the delivery before.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<Mutex<BTreeMap<MessageId, Delivery>>>);

impl Held {
    /// Takes the delivery of a message out.
    pub(crate) fn take(&self, id: &MessageId) -> Option<Delivery> {
        self.held().remove(id)
    }

    fn put(&self, id: MessageId, delivery: Delivery) {
        self.held().insert(id, delivery);
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<MessageId, Delivery>> {
        // Nothing can fail while the lock is held, so a poisoned lock holds good values.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fetches the deliveries of all streams.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) held: Held,
    pub(crate) letters: Letters,
    pub(crate) messages: mpsc::Sender<InMessage>,
    pub(crate) paused: watch::Receiver<bool>,
    pub(crate) shutdown: Shutdown,
}

impl Intake {
    /// Starts one task a stream; each ends with the loop or when the process is asked to stop.
    pub(crate) fn start(self) {
        for stream in Stream::HISTORY {
            tokio::spawn(self.clone().run(stream));
        }
    }

    async fn run(mut self, stream: Stream) {
        let shutdown = self.shutdown.clone();
        tokio::select! {
            () = shutdown.requested() => {}
            () = self.fetch(stream) => {}
        }
    }

    async fn fetch(&mut self, stream: Stream) {
        loop {
            match self.bus.consume(stream, PERSISTER_DURABLE, &[]).await {
                Err(error) => tracing::warn!(%stream, %error, "deliveries not opened yet"),
                Ok(mut consumer) => loop {
                    // A sender that is gone has ended the process.
                    let _ = self.paused.wait_for(|is_paused| !is_paused).await;
                    match consumer.recv().await {
                        Ok(delivery) => {
                            if !self.pass(delivery).await {
                                return;
                            }
                        }
                        Err(error) => {
                            tracing::warn!(%stream, %error, "deliveries ended, opened again");
                            break;
                        }
                    }
                },
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Remembers the delivery before the core can answer for its message; false when the loop is gone.
    async fn pass(&self, delivery: Delivery) -> bool {
        let message = delivery.message.clone();
        match read_message(&message) {
            Ok(envelope) => self.held.put(envelope.header.message_id(), delivery),
            Err(error) => {
                self.letters.bury_unread(&delivery, &error).await;
                return true;
            }
        }
        self.messages.send(message).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_bus::{OutMessage, in_memory};

    const SUBJECT: &str = "remora.v1.order.event.paper.kraken-spot.BTC-USD";

    async fn publish(bus: &dyn Bus, id: u32, payload: &'static [u8]) {
        let subject = SUBJECT.to_owned();
        let (message_id, headers) = (id.to_string(), BTreeMap::new());
        let payload = payload.into();
        bus.publish_durable(OutMessage { subject, message_id, headers, payload }).await.unwrap();
    }

    #[test]
    fn a_message_delivered_again_and_again_is_held_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bus = in_memory();
            let held = Held::default();
            let id: MessageId = MessageId {
                producer: remora_domain::ProducerId::new("order-router-kraken-spot").unwrap(),
                session: remora_domain::SessionId::new(1),
                sequence: 1,
            };
            for number in 1..=100 {
                publish(&bus, number, b"the same").await;
            }
            let mut consumer =
                bus.consume(Stream::Orders, PERSISTER_DURABLE, &[]).await.expect("a consumer");
            for _ in 0..100 {
                held.put(id.clone(), consumer.recv().await.unwrap());
            }
            assert_eq!(held.held().len(), 1);
            assert_eq!(held.take(&id).unwrap().sequence, 100);
            assert!(held.take(&id).is_none());
        });
    }
}
