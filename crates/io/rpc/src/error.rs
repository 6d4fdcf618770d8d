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

/// Says why a call did not do what it asked for, for whoever explains it to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallProblem {
    /// The service does not know the token.
    UnknownToken,
    /// The token may not do this.
    RoleTooLow,
    /// A field of the request is not as the schema promises.
    BadRequest,
    /// The service has no such method, or nothing to halt.
    NotSupported,
    /// Nobody answers, or not in time, or not now.
    Away,
    /// Anything else.
    Other,
}

impl RpcError {
    /// Gives what went wrong with a call, with the peer's own words; `None` for what is not a call.
    #[must_use]
    pub fn call_problem(&self) -> Option<(CallProblem, &str)> {
        let Self::Call { cause, .. } = self else { return None };
        let problem = match cause.code() {
            tonic::Code::Unauthenticated => CallProblem::UnknownToken,
            tonic::Code::PermissionDenied => CallProblem::RoleTooLow,
            tonic::Code::InvalidArgument => CallProblem::BadRequest,
            tonic::Code::Unimplemented => CallProblem::NotSupported,
            // A call that its own timeout ends comes as cancelled.
            tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => {
                CallProblem::Away
            }
            tonic::Code::Ok
            | tonic::Code::Unknown
            | tonic::Code::NotFound
            | tonic::Code::AlreadyExists
            | tonic::Code::ResourceExhausted
            | tonic::Code::FailedPrecondition
            | tonic::Code::Aborted
            | tonic::Code::OutOfRange
            | tonic::Code::Internal
            | tonic::Code::DataLoss => CallProblem::Other,
        };
        Some((problem, cause.message()))
    }
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
    /// The service does not understand the question, or knows no answer.
    #[error("answer the question: {problem}")]
    Refused {
        /// Why.
        problem: String,
    },
}
