//! The trait every shell uses, and what it moves.

use crate::{BusError, BusHealth, Consumer, LogReader, Stream, Subscription};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Bounds one payload in bytes; both implementations refuse more. With the headers it fits into the MiB that a
/// NATS server takes by default.
pub const MAX_PAYLOAD_BYTES: usize = 960 * 1024;

/// Bounds the headers of one message in bytes, names and values together.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Is a message to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutMessage {
    /// Where to; no wildcards.
    pub subject: String,
    /// Identity for the stream's duplicate check; may be empty for a core subject.
    pub message_id: String,
    /// Trace context and the like, at most [`MAX_HEADER_BYTES`]; names starting with `Nats-` are the bus's own
    /// and refused.
    pub headers: BTreeMap<String, String>,
    /// Encoded message, at most [`MAX_PAYLOAD_BYTES`].
    pub payload: Bytes,
}

/// Is a message received; without the bus's own headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InMessage {
    /// Where it was published. Permissions are tied to this and to nothing else: whoever decodes the payload must
    /// refuse content that belongs on another subject, or a writer of one kind could slip in any other.
    pub subject: String,
    /// Trace context and the like.
    pub headers: BTreeMap<String, String>,
    /// Encoded message.
    pub payload: Bytes,
}

/// Says where a stream stored a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredAt {
    /// In which stream.
    pub stream: Stream,
    /// Under which sequence, from 1.
    pub sequence: u64,
    /// Whether it had been stored before; `sequence` is then that of the first time.
    pub is_duplicate: bool,
}

/// Is what a register holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterValue {
    /// Rises with each write; 0 stands for a register that was never written.
    pub revision: u64,
    /// What was written.
    pub payload: Bytes,
}

/// Says where reading a log begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// At the first message kept.
    Start,
    /// At the newest message of each subject, then news. After a reconnect in the middle of history
    /// older messages may be among them; order by sequence holds all the same.
    LastPerSubject,
    /// At this stream sequence.
    Sequence(u64),
}

/// Moves messages. Every method is bounded in time.
///
/// Patterns and filters use the bus's wildcards (`*` one word, `>` the rest), and those of one call must not
/// overlap: a message would come twice.
#[async_trait::async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Publishes without waiting for anybody. While disconnected it refuses at once: what is old by the
    /// time the connection returns is not worth sending.
    ///
    /// # Errors
    /// Refuses bad subjects, headers and sizes; reports a missing connection.
    async fn publish(&self, message: OutMessage) -> Result<(), BusError>;

    /// Publishes on a stream's subject and waits until the stream has stored it. Core subscribers
    /// receive it too. Futures first polled in order are sent in order, so calls may be pipelined.
    ///
    /// # Errors
    /// As [`Bus::publish`]; also a subject that no stream stores, a lost permission, no answer in time. After a
    /// timeout the message may or may not be stored: publish it again under the same id.
    async fn publish_durable(&self, message: OutMessage) -> Result<StoredAt, BusError>;

    /// Receives what is published from now on, keeping at most `capacity` unread messages: the oldest are
    /// dropped and counted.
    ///
    /// # Errors
    /// Refuses malformed or overlapping patterns and a capacity of 0; reports a missing connection.
    async fn subscribe(
        &self,
        patterns: &[String],
        capacity: usize,
    ) -> Result<Subscription, BusError>;

    /// Reads a stream in order: history, then news. No filters means everything in the stream.
    ///
    /// # Errors
    /// Refuses malformed, overlapping or foreign filters; reports a missing stream or connection.
    async fn read_log(
        &self,
        stream: Stream,
        filters: &[String],
        from: ReadFrom,
    ) -> Result<LogReader, BusError>;

    /// Reads a stream from its beginning under a name that outlives the process; what is not acknowledged
    /// comes again. Readers under one name share the work.
    ///
    /// # Errors
    /// As [`Bus::read_log`]; also a malformed name.
    async fn consume(
        &self,
        stream: Stream,
        durable: &str,
        filters: &[String],
    ) -> Result<Consumer, BusError>;

    /// Reads a register: the last message of a subject of [`Stream::Leases`]; `None` when nothing was ever written.
    ///
    /// # Errors
    /// Refuses other subjects; reports a missing stream or connection.
    async fn read_register(&self, subject: &str) -> Result<Option<RegisterValue>, BusError>;

    /// Writes a register if it is still at revision `expected`, and gives the new revision; `None` when somebody else wrote
    /// first. Of any number of writers that expect one revision, one succeeds.
    ///
    /// # Errors
    /// As [`Bus::read_register`]. After a timeout it may or may not be written: read it.
    async fn write_register(
        &self,
        subject: &str,
        payload: Bytes,
        expected: u64,
    ) -> Result<Option<u64>, BusError>;

    /// Watches the condition of the connection.
    fn health(&self) -> tokio::sync::watch::Receiver<BusHealth>;

    /// Creates every stream, or brings it up to its definition, then reads it back and compares.
    ///
    /// # Errors
    /// Reports what differs, and what a server would not do.
    async fn declare_streams(&self) -> Result<(), BusError>;
}
