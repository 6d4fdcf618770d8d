//! What can go wrong, with typed fields.

use std::net::SocketAddr;

/// Says why a control server or client could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The address is not on this machine alone, and neither TLS nor the explicit permission is configured.
    #[error(
        "listen on {address} without TLS: want a loopback address, a certificate, or is_plaintext_allowed"
    )]
    PlaintextOutsideLoopback {
        /// The configured address.
        address: SocketAddr,
    },
    /// The address could not be bound.
    #[error("listen on {address}")]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The certificate, its key, or the address of a peer is unusable, or the transport failed.
    #[error("set up the gRPC transport")]
    Transport(#[source] tonic::transport::Error),
    /// The schema for reflection could not be read.
    #[error("read the gRPC schema for reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The text of a token cannot travel in metadata.
    #[error("put the token into metadata: want visible ASCII")]
    TokenText,
    /// The peer refused or could not be reached.
    #[error("call {method}")]
    Call {
        /// Which method.
        method: &'static str,
        /// What the peer said.
        #[source]
        cause: Box<tonic::Status>,
    },
    /// The peer answered something this program cannot read.
    #[error("read the answer of {method}")]
    Answer {
        /// Which method.
        method: &'static str,
        /// Which field.
        #[source]
        cause: FieldError,
    },
}

/// Says which field of a message is not as the schema promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {value:?}: want {allowed}")]
pub struct FieldError {
    /// Which field.
    pub field: &'static str,
    /// What it held.
    pub value: String,
    /// What would be accepted.
    pub allowed: &'static str,
}

/// Says why a service did not take a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// This service has nothing to halt.
    #[error("{service} takes no commands: halt the risk gate or an order router")]
    NotSupported {
        /// Which service.
        service: String,
    },
    /// The queue of commands is full or the loop behind it has ended.
    #[error("hand the command to the core: {problem}")]
    Unavailable {
        /// Which of both.
        problem: &'static str,
    },
}
