//! Envelopes of one producer.

use remora_domain::{Body, Envelope, ProducerId, Sequencer, SessionId, Timestamp};
use remora_machine::ServiceInput;
use std::sync::Arc;

/// Numbers and wraps the messages of one producer.
#[derive(Clone, Debug)]
pub struct Producer {
    sequencer: Sequencer,
}

impl Producer {
    /// Starts a run of a producer.
    #[must_use]
    pub fn new(name: &str, session: u64) -> Self {
        let producer = ProducerId::new(name).unwrap();
        Self { sequencer: Sequencer::new(producer, SessionId::new(session)) }
    }

    /// Wraps a body, published at `now`.
    pub fn wrap(&mut self, now: Timestamp, body: Body) -> Arc<Envelope> {
        Arc::new(self.sequencer.wrap(now, body))
    }

    /// Wraps market data received and published at `now`.
    pub fn market(&mut self, now: Timestamp, body: Body) -> Arc<Envelope> {
        Arc::new(self.sequencer.from_venue(now, Some(now), now, body))
    }

    /// Wraps a body caused by another message.
    pub fn reply(&mut self, now: Timestamp, cause: &Envelope, body: Body) -> Arc<Envelope> {
        Arc::new(self.sequencer.reply(now, &cause.header, body))
    }

    /// Wraps a body, published at `now`, as an input of a core.
    pub fn input<L>(&mut self, now: Timestamp, body: Body) -> ServiceInput<L> {
        ServiceInput::Message(self.wrap(now, body))
    }
}
