//! What only the persister has as inputs and outputs, and their bytes in a flight recording.
//!
//! Layout: one tag byte, then numbers as little-endian. Messages in outputs are written as their ids only: the
//! recording holds the messages already, as inputs, and outputs are compared, never read back.

use remora_domain::{Envelope, MessageId};
use remora_machine::{LocalCodec, LocalCodecError};
use std::sync::Arc;

/// Is a set of messages to be stored in one transaction. Cheap to clone: a retry sends the same one.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The how-manieth batch of this run, from 1.
    pub number: u64,
    /// What to store, in the order of arrival; at least one.
    pub messages: Arc<[Arc<Envelope>]>,
}

/// Says what kind of failure a write met; the store's error knows which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFailure {
    /// The store could not be reached or could not answer now: try again.
    Unavailable,
    /// The store refuses the content: it can never be stored as it is.
    Refused,
}

/// Is an input only the persister has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersisterInput {
    /// A batch is stored (now or by an earlier try).
    Stored {
        /// Which.
        number: u64,
    },
    /// A batch is not stored; nothing of it is.
    StoreFailed {
        /// Which.
        number: u64,
        /// Why.
        failure: StoreFailure,
    },
    /// Write what is held at once, also what failed before: the run ends.
    Flush,
}

/// Is an effect only the persister has.
#[derive(Clone, Debug, PartialEq)]
pub enum PersisterOutput {
    /// Store this batch; answer with `Stored` or `StoreFailed`.
    Write(Batch),
    /// The batch is stored: acknowledge every delivery of its messages.
    Acknowledge {
        /// Which batch.
        number: u64,
    },
    /// Repeats of messages stored before: acknowledge these deliveries.
    AlreadyStored {
        /// Which messages.
        ids: Vec<MessageId>,
    },
    /// Too much is held and the message was not taken: forget the delivery without acknowledging it, so that it
    /// comes again. Whoever cannot have it again obeys `Pause`, before which nothing is declined.
    Declined {
        /// Which message.
        id: MessageId,
    },
    /// The store refuses this message: put it where a person can look at it. Its batch is acknowledged next.
    DeadLetter(Arc<Envelope>),
    /// Stop reading deliveries: three quarters of what may be held is held.
    Pause,
    /// Read deliveries again.
    Resume,
    /// Put this latest value into the hot store, when there is one. A failure costs speed only.
    Hot(Arc<Envelope>),
}

fn put_id(bytes: &mut Vec<u8>, id: &MessageId) {
    // Producer names are at most 64 bytes.
    bytes.push(u8::try_from(id.producer.as_str().len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(id.producer.as_str().as_bytes());
    bytes.extend_from_slice(&id.session.get().to_le_bytes());
    bytes.extend_from_slice(&id.sequence.to_le_bytes());
}

impl LocalCodec for PersisterInput {
    fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Stored { number } => {
                bytes.push(1);
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            Self::StoreFailed { number, failure } => {
                bytes.push(match failure {
                    StoreFailure::Unavailable => 2,
                    StoreFailure::Refused => 3,
                });
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            Self::Flush => bytes.push(4),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, LocalCodecError> {
        let what = "persister input";
        let wrong =
            || LocalCodecError { what, problem: format!("{} unexpected bytes", bytes.len()) };
        let (tag, rest) = bytes.split_first().ok_or_else(wrong)?;
        if *tag == 4 && rest.is_empty() {
            return Ok(Self::Flush);
        }
        let number = u64::from_le_bytes(rest.try_into().map_err(|_| wrong())?);
        let failed = |failure| Ok(Self::StoreFailed { number, failure });
        match *tag {
            1 => Ok(Self::Stored { number }),
            2 => failed(StoreFailure::Unavailable),
            3 => failed(StoreFailure::Refused),
            tag => Err(LocalCodecError { what, problem: format!("unknown tag {tag}") }),
        }
    }
}

impl LocalCodec for PersisterOutput {
    fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(batch) => {
                bytes.push(1);
                bytes.extend_from_slice(&batch.number.to_le_bytes());
                for message in batch.messages.iter() {
                    put_id(bytes, &message.header.message_id());
                }
            }
            Self::Acknowledge { number } => {
                bytes.push(2);
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            Self::AlreadyStored { ids } => {
                bytes.push(3);
                for id in ids {
                    put_id(bytes, id);
                }
            }
            Self::Declined { id } => {
                bytes.push(4);
                put_id(bytes, id);
            }
            Self::DeadLetter(message) => {
                bytes.push(5);
                put_id(bytes, &message.header.message_id());
            }
            Self::Pause => bytes.push(6),
            Self::Resume => bytes.push(7),
            Self::Hot(message) => {
                bytes.push(8);
                put_id(bytes, &message.header.message_id());
            }
        }
    }

    fn decode(_: &[u8]) -> Result<Self, LocalCodecError> {
        Err(LocalCodecError {
            what: "persister output",
            problem: "outputs are recorded to be compared and hold ids, not messages".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_round_trips() {
        let inputs = [
            PersisterInput::Stored { number: u64::MAX },
            PersisterInput::StoreFailed { number: 7, failure: StoreFailure::Unavailable },
            PersisterInput::StoreFailed { number: 8, failure: StoreFailure::Refused },
            PersisterInput::Flush,
        ];
        for input in inputs {
            let mut bytes = Vec::new();
            input.encode(&mut bytes);
            assert_eq!(PersisterInput::decode(&bytes), Ok(input));
            bytes.push(0);
            assert!(PersisterInput::decode(&bytes).is_err(), "{input:?} with a byte too many");
        }
    }

    #[test]
    fn foreign_bytes_are_refused() {
        for bytes in [&[][..], &[9, 0, 0, 0, 0, 0, 0, 0, 0], &[1, 0], &[4, 4]] {
            assert!(PersisterInput::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
