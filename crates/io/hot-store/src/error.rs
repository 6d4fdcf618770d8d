//! What can go wrong with Redis. None of it is worth waiting for.

use remora_domain::Kind;
use std::time::Duration;

/// Says why a value could not be put or got. The caller counts it and goes on.
#[derive(Debug, thiserror::Error)]
pub enum HotError {
    /// The address is not understood. It is not shown: it may hold a password.
    #[error("read the address of the hot store")]
    Address {
        /// Why.
        #[source]
        cause: redis::RedisError,
    },
    /// Messages of this kind are not hot views.
    #[error("{} is not kept in the hot store", kind.as_str())]
    NotHot {
        /// Which kind.
        kind: Kind,
    },
    /// Redis refused, or the connection is gone.
    #[error("{what} the hot store")]
    Redis {
        /// What was tried.
        what: &'static str,
        /// Why.
        #[source]
        cause: redis::RedisError,
    },
    /// No answer came in time.
    #[error("{what} the hot store: no answer within {after:?}")]
    Timeout {
        /// What was tried.
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The value is not a message of ours.
    #[error("decode the value of {key}")]
    Decode {
        /// Under which key.
        key: String,
        /// Why.
        #[source]
        cause: remora_wire::WireError,
    },
}
