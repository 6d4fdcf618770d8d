//! What joins a core to its service: bus messages in and out, the end of recovery, and the service's own
//! effects. One shape for all services, so that one drive loop, one scheduler and one flight recorder serve them.

use crate::Machine;
use remora_domain::{DurationNs, Envelope};
use std::convert::Infallible;
use std::sync::Arc;

/// How long a core that is asked to stop waits for the end of its orders.
pub const STOP_WAIT_MAX: DurationNs = DurationNs::from_s(10);

/// Is anything that can happen to a service core.
#[derive(Clone, Debug)]
pub enum ServiceInput<L> {
    /// A bus message. Before `CaughtUp` it is history (the core only rebuilds its state); after it, news.
    Message(Arc<Envelope>),
    /// The durable log has been read up to the instant of the start. Given exactly once; before it a core
    /// publishes nothing and asks for nothing.
    CaughtUp,
    /// The service is asked to end. From now on it starts nothing new and takes its own orders back; it goes on being
    /// served until `ServiceCore::has_stopped`. There is no way back but a new start; a repeat changes nothing.
    Stopping,
    /// The outcome of an effect, or an input that only this service has.
    Local(L),
}

/// Is anything a service core can ask for.
#[derive(Clone, Debug)]
pub enum ServiceOutput<L> {
    /// Publish this message; its subject and delivery follow from its body.
    Publish(Arc<Envelope>),
    /// An effect that only this service has.
    Local(L),
    /// An impossible state: the service halts and cancels; tests and simulations fail on it.
    Fault(&'static str),
}

impl<L> ServiceOutput<L> {
    /// Publishes a message.
    #[must_use]
    pub fn publish(envelope: Envelope) -> Self {
        Self::Publish(Arc::new(envelope))
    }
}

/// Says why recorded bytes are not a local input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decode recorded {what}: {problem}")]
pub struct LocalCodecError {
    /// Which input or output.
    pub what: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// Says why a snapshot was not taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("take over a snapshot: {problem}")]
pub struct SnapshotError {
    /// What is wrong with it, or with taking it over here.
    pub problem: String,
}

/// Writes and reads the inputs and outputs that only one service has, for its flight recording.
pub trait LocalCodec: Sized {
    /// Appends the bytes of the value.
    fn encode(&self, bytes: &mut Vec<u8>);

    /// Reads a value back.
    ///
    /// # Errors
    /// Refuses bytes that `encode` would not have written.
    fn decode(bytes: &[u8]) -> Result<Self, LocalCodecError>;
}

/// Is the local input or output of a service that has none.
pub type NoLocal = Infallible;

impl LocalCodec for NoLocal {
    fn encode(&self, _: &mut Vec<u8>) {
        match *self {}
    }

    fn decode(_: &[u8]) -> Result<Self, LocalCodecError> {
        Err(LocalCodecError { what: "local input", problem: "this service has none".to_owned() })
    }
}

/// Is the core of a service: a machine over bus messages and the service's own effects.
pub trait ServiceCore:
    Machine<Input = ServiceInput<Self::LocalInput>, Output = ServiceOutput<Self::LocalOutput>>
    + Send
    + 'static
{
    /// Inputs only this service has.
    type LocalInput: LocalCodec + Clone + std::fmt::Debug + Send;
    /// Effects only this service has. Not `Clone`: an approved order must not be doubled on its way out.
    type LocalOutput: LocalCodec + std::fmt::Debug + Send;

    /// Tells, after `Stopping`, whether nothing is left to wait for. A core that waits bounds it itself: its deadlines
    /// lead to an end, whatever others do. One that leaves nothing behind may end at once.
    fn has_stopped(&self) -> bool {
        true
    }

    /// Gives a core that knows what this one has read of the logs before `CaughtUp`, and that only reads on: it is never
    /// caught up, and takes what this one says from then on for what another run says. `None` for a core that keeps no
    /// snapshots.
    fn follower(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// Writes down what the log of orders has made of a core that has only read so far: given to `restore`, it stands for
    /// every message of that log up to here. `None` where there is nothing that could be relied on.
    fn snapshot(&self) -> Option<Vec<u8>> {
        None
    }

    /// Takes over a snapshot of an earlier run, after all other logs and instead of the first part of the log of orders.
    ///
    /// # Errors
    /// Refuses what was written by another version, or under other settings than are in force now; the core is then as it
    /// was, and the whole log is to be read.
    fn restore(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        let _ = snapshot;
        Err(SnapshotError { problem: "this service keeps none".to_owned() })
    }
}
