//! Handles to open readers; the implementations stand behind two small traits.

use crate::{BusError, InMessage};
use remora_domain::Timestamp;

/// Is one message of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// What was stored.
    pub message: InMessage,
    /// Its sequence in the stream, growing, with holes where filters skip.
    pub sequence: u64,
    /// When it was stored, by the clock of whoever keeps the log.
    pub stored_at: Timestamp,
}

/// Is what an implementation provides behind a [`LogReader`]; `recv` must be cancel-safe.
#[async_trait::async_trait]
pub(crate) trait LogSource: Send {
    async fn recv(&mut self) -> Result<LogEntry, BusError>;
}

/// Reads a log in order: history, then news, without a gap between them.
pub struct LogReader {
    source: Box<dyn LogSource>,
    end_at_open: u64,
    last: u64,
}

impl LogReader {
    pub(crate) fn new(source: Box<dyn LogSource>, end_at_open: u64) -> Self {
        Self { source, end_at_open, last: 0 }
    }

    /// Waits for the next message. Cancel-safe. Survives reconnects.
    ///
    /// # Errors
    /// Reports a log that was rewritten or trimmed beneath the reader, and a closed bus; after an error the
    /// reader is done, and so is whoever depends on having seen everything.
    pub async fn recv(&mut self) -> Result<LogEntry, BusError> {
        let entry = self.source.recv().await?;
        self.last = entry.sequence;
        Ok(entry)
    }

    /// Gives the sequence of the last message in the log that matched when the reader was opened; 0 if none did.
    #[must_use]
    pub const fn end_at_open(&self) -> u64 {
        self.end_at_open
    }

    /// Gives the sequence of the last message received; 0 before the first.
    #[must_use]
    pub const fn last_sequence(&self) -> u64 {
        self.last
    }

    /// Tells whether everything that was in the log at the opening has been received.
    #[must_use]
    pub const fn is_caught_up(&self) -> bool {
        self.last >= self.end_at_open
    }
}

/// Is what an implementation provides behind a [`Consumer`]; `recv` must be cancel-safe.
#[async_trait::async_trait]
pub(crate) trait DeliverySource: Send {
    async fn recv(&mut self) -> Result<Delivery, BusError>;
}

/// Receives the deliveries of a durable consumer.
pub struct Consumer {
    source: Box<dyn DeliverySource>,
}

impl Consumer {
    pub(crate) fn new(source: Box<dyn DeliverySource>) -> Self {
        Self { source }
    }

    /// Waits for the next delivery. Cancel-safe. Survives reconnects.
    ///
    /// # Errors
    /// Reports a closed bus; the consumer is then done.
    pub async fn recv(&mut self) -> Result<Delivery, BusError> {
        self.source.recv().await
    }
}

/// Is what an implementation provides behind a [`Delivery`].
#[async_trait::async_trait]
pub(crate) trait Acknowledge: Send + Sync {
    async fn ack(&self) -> Result<(), BusError>;
    async fn nak(&self) -> Result<(), BusError>;
}

/// Is one delivery; it comes again, perhaps to another reader, unless it is acknowledged in time.
pub struct Delivery {
    /// What was stored.
    pub message: InMessage,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// The how-manieth delivery of this message, from 1.
    pub attempt: u64,
    acknowledge: Box<dyn Acknowledge>,
}

impl Delivery {
    pub(crate) fn new(
        message: InMessage,
        sequence: u64,
        attempt: u64,
        acknowledge: Box<dyn Acknowledge>,
    ) -> Self {
        Self { message, sequence, attempt, acknowledge }
    }

    /// Says that the message has been dealt with. Sent without waiting for the server: an acknowledgement that
    /// gets lost means another delivery, which a reader must bear anyway.
    ///
    /// # Errors
    /// Reports a missing connection.
    pub async fn ack(&self) -> Result<(), BusError> {
        self.acknowledge.ack().await
    }

    /// Gives the message back for another delivery at once.
    ///
    /// # Errors
    /// Reports a missing connection.
    pub async fn nak(&self) -> Result<(), BusError> {
        self.acknowledge.nak().await
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("subject", &self.message.subject)
            .field("sequence", &self.sequence)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
