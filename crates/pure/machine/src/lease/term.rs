//! What a core that acts only as the leader hears of its lease, and asks of it.

use crate::{LocalCodec, LocalCodecError};
use remora_domain::Timestamp;

/// Is what a core hears of its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermInput {
    /// It may act under this epoch until then; from that instant on it may not. A later one of the same epoch moves the
    /// end, also nearer.
    Leads {
        /// Of the term.
        epoch: u64,
        /// By the clock of the core.
        until: Timestamp,
    },
    /// Another run has taken over: it may never act again.
    Deposed,
}

/// Is what a core asks of its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermOutput {
    /// Make the epoch of the term at least this: the log holds one that is not older than it. The first one also says that
    /// the log has been read: before it there is no term.
    Claim {
        /// The least that will do.
        epoch: u64,
    },
}

const LEADS: u8 = 1;
const DEPOSED: u8 = 2;
const CLAIM: u8 = 3;

impl LocalCodec for TermInput {
    fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Leads { epoch, until } => {
                bytes.push(LEADS);
                bytes.extend(epoch.to_be_bytes());
                bytes.extend(until.as_ns().to_be_bytes());
            }
            Self::Deposed => bytes.push(DEPOSED),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, LocalCodecError> {
        let read = || match bytes.split_first()? {
            (&LEADS, rest) => {
                let (epoch, until) = rest.split_first_chunk::<8>()?;
                let until = i64::from_be_bytes(until.try_into().ok()?);
                let epoch = u64::from_be_bytes(*epoch);
                Some(Self::Leads { epoch, until: Timestamp::from_ns(until) })
            }
            (&DEPOSED, []) => Some(Self::Deposed),
            (_, _) => None,
        };
        read().ok_or_else(|| problem("news of a term", bytes))
    }
}

impl LocalCodec for TermOutput {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let Self::Claim { epoch } = self;
        bytes.push(CLAIM);
        bytes.extend(epoch.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, LocalCodecError> {
        let read = || match bytes.split_first()? {
            (&CLAIM, rest) => {
                Some(Self::Claim { epoch: u64::from_be_bytes(rest.try_into().ok()?) })
            }
            (_, _) => None,
        };
        read().ok_or_else(|| problem("claim of an epoch", bytes))
    }
}

fn problem(what: &'static str, bytes: &[u8]) -> LocalCodecError {
    LocalCodecError { what, problem: format!("{} bytes that nobody wrote", bytes.len()) }
}
