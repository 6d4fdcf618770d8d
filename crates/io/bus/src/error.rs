//! What can go wrong on the bus.

use crate::{PatternProblem, Stream};

/// Is an error of the client library, kept as the cause of ours.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Names what was being asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Open the connection.
    Connect,
    /// Publish to a core subject.
    Publish,
    /// Publish to a stream.
    PublishDurable,
    /// Subscribe to core subjects.
    Subscribe,
    /// Look a stream up.
    ReadStream,
    /// Create or change a stream.
    DeclareStream,
    /// Find the last message of a log.
    ReadLastMessage,
    /// Read a register.
    ReadRegister,
    /// Write a register.
    WriteRegister,
    /// Open a consumer.
    OpenConsumer,
    /// Receive from a consumer.
    Receive,
    /// Acknowledge a delivery.
    Acknowledge,
}

/// Says why the bus refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// A subject, pattern, filter or name is malformed.
    #[error("use subject or pattern {text:?}")]
    Pattern {
        /// As given, cut to 200 characters.
        text: String,
        /// What is wrong with it.
        #[source]
        problem: PatternProblem,
    },
    /// No patterns, or no room for a message.
    #[error(
        "subscribe with {patterns} patterns and room for {capacity} messages: both must be at least 1"
    )]
    EmptySubscription {
        /// How many patterns.
        patterns: usize,
        /// Room asked for.
        capacity: usize,
    },
    /// No stream stores this subject.
    #[error("no stream stores subject {subject:?}")]
    NotDurable {
        /// Of the message.
        subject: String,
    },
    /// Only leases are registers: in a log every message counts, not only the last.
    #[error("subject {subject:?} is no register")]
    NotRegister {
        /// As asked for.
        subject: String,
    },
    /// A durable message without identity.
    #[error("a durable message on {subject:?} needs a message id of 1 to 200 visible characters")]
    MessageId {
        /// Of the message.
        subject: String,
    },
    /// A header name or value that cannot travel.
    #[error("header {name:?} is malformed, reserved or, with the others, too large")]
    Header {
        /// Its name.
        name: String,
    },
    /// More payload than the bus carries.
    #[error("payload of {bytes} bytes on {subject:?} exceeds {max}")]
    PayloadTooLarge {
        /// Of the message.
        subject: String,
        /// Size.
        bytes: usize,
        /// Most allowed.
        max: usize,
    },
    /// There is no connection now.
    #[error("{call:?}: not connected")]
    Disconnected {
        /// What was asked.
        call: Call,
    },
    /// No answer in time; the outcome is unknown.
    #[error("{call:?}: no answer within {after_ms} ms")]
    Timeout {
        /// What was asked.
        call: Call,
        /// How long was waited, in milliseconds.
        after_ms: u64,
    },
    /// The server says this user may not.
    #[error("permission denied: {what}")]
    PermissionDenied {
        /// The server's words: operation and subject.
        what: String,
    },
    /// The server does not know us, or not under this password.
    #[error("log in to {server} as {user:?}")]
    Unauthorised {
        /// Its addresses.
        server: String,
        /// As whom; empty without a user.
        user: String,
        /// What the client library says.
        #[source]
        cause: Cause,
    },
    /// The server refused or failed.
    #[error("{call:?} {subject:?}")]
    Failed {
        /// What was asked.
        call: Call,
        /// On what: subject, stream, consumer or address.
        subject: String,
        /// What the client library says.
        #[source]
        cause: Cause,
    },
    /// The server is older than we need.
    #[error("server version {found:?} is older than {wanted}")]
    ServerTooOld {
        /// What it says it is.
        found: String,
        /// The oldest that will do.
        wanted: &'static str,
    },
    /// A stream or consumer is not what was declared, although the server accepted the declaration.
    #[error("{name} has {field} = {found}, declared {wanted}")]
    Differs {
        /// Stream, or stream/consumer.
        name: String,
        /// Which setting.
        field: &'static str,
        /// As declared.
        wanted: String,
        /// As read back.
        found: String,
    },
    /// The stream no longer holds what was already read from it: it was deleted, or restored from an older state.
    #[error("log {stream} was rewritten: read up to {read}, now ends at {last}")]
    LogRewritten {
        /// Which.
        stream: Stream,
        /// Last sequence read.
        read: u64,
        /// Last sequence it has now.
        last: u64,
    },
    /// Messages were removed from the log before they could be read.
    #[error("log {stream} lost messages {from} to {to} before they were read")]
    LogTrimmed {
        /// Which.
        stream: Stream,
        /// First sequence missed.
        from: u64,
        /// First sequence that is left.
        to: u64,
    },
    /// A secret could not be read.
    #[error("read secret file {path:?}")]
    Secret {
        /// Where it should be.
        path: std::path::PathBuf,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
    /// The bus was closed.
    #[error("the bus is closed")]
    Closed,
}

impl BusError {
    /// Tells whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Disconnected { .. } | Self::Timeout { .. } | Self::Failed { .. } => true,
            Self::Pattern { .. }
            | Self::EmptySubscription { .. }
            | Self::NotDurable { .. }
            | Self::NotRegister { .. }
            | Self::MessageId { .. }
            | Self::Header { .. }
            | Self::PayloadTooLarge { .. }
            | Self::PermissionDenied { .. }
            | Self::Unauthorised { .. }
            | Self::ServerTooOld { .. }
            | Self::Differs { .. }
            | Self::LogRewritten { .. }
            | Self::LogTrimmed { .. }
            | Self::Secret { .. }
            | Self::Closed => false,
        }
    }
}
