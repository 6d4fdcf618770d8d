//! Deliveries: fetched, remembered by the message they hold, given to the core, acknowledged when it says so.

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

/// Holds the deliveries that are not acknowledged yet; clones share them. The core bounds how many there are.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<Mutex<BTreeMap<MessageId, Vec<Delivery>>>>);

impl Held {
    /// Takes every delivery of a message out.
    pub(crate) fn take(&self, id: &MessageId) -> Vec<Delivery> {
        self.held().remove(id).unwrap_or_default()
    }

    fn put(&self, id: MessageId, delivery: Delivery) {
        self.held().entry(id).or_default().push(delivery);
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<MessageId, Vec<Delivery>>> {
        // Nothing can fail while the lock is held, so a poisoned lock holds good values.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fetches the deliveries of all streams.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) held: Held,
    pub(crate) messages: mpsc::Sender<InMessage>,
    pub(crate) paused: watch::Receiver<bool>,
    pub(crate) shutdown: Shutdown,
}

impl Intake {
    /// Starts one task a stream; each ends with the loop or when the process is asked to stop.
    pub(crate) fn start(self) {
        for stream in Stream::ALL {
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
            // The loop sends it to the dead letters; delivered again it would be no better.
            Err(_) => {
                if let Err(error) = delivery.ack().await {
                    tracing::debug!(%error, "acknowledgement lost");
                }
            }
        }
        self.messages.send(message).await.is_ok()
    }
}
