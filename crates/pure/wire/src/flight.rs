//! Flight recordings: the header and the entries. The file around them is `service-kit`'s.

use crate::WireError;
use crate::amounts::{id, need};
use crate::generated::flight as wire;
use bytes::Bytes;
use prost::Message as _;
use remora_domain::{ProducerId, SessionId, Timestamp};

/// Is everything the constructor of a recorded core took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlightHeader {
    /// The service, such as `risk-gate`.
    pub service: String,
    /// Who published.
    pub producer: ProducerId,
    /// In which run.
    pub session: SessionId,
    /// The seed of its random numbers.
    pub seed: u64,
    /// Program version that wrote the recording.
    pub version: String,
    /// The effective settings as TOML text, secrets left out.
    pub settings: String,
    /// The run before this one in the same folder, if its head could be read.
    pub previous: Option<FlightHead>,
}

/// Is how far a recording had come: the chain of its entries up to one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlightHead {
    /// Of which run.
    pub session: SessionId,
    /// The entry; 0 is the header.
    pub sequence: u64,
    /// SHA-256 over the link before it and the bytes of the entry.
    pub link: [u8; 32],
}

/// Is one recorded output of a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlightOutput {
    /// A published message (encoded).
    Publish(Bytes),
    /// An effect that only this service has (in its own encoding).
    Local(Bytes),
    /// An impossible state, in words.
    Fault(String),
}

/// Is what happened to a recorded core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlightEvent {
    /// Its deadline passed.
    Tick,
    /// A bus message arrived (encoded).
    Message(Bytes),
    /// The log was read up to the start.
    CaughtUp,
    /// The service was asked to end.
    Stopping,
    /// An input only this service has (in its own encoding).
    Local(Bytes),
    /// A snapshot was taken over instead of the first part of the log of orders; one that is long comes in pieces.
    Snapshot {
        /// The next piece of it.
        piece: Bytes,
        /// Whether it is complete with this one.
        is_last: bool,
    },
}

/// Is one input of a recorded core, with a digest of what came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlightEntry {
    /// Counts entries from 1.
    pub sequence: u64,
    /// The instant the core was given.
    pub now: Timestamp,
    /// What happened.
    pub event: FlightEvent,
    /// SHA-256 over the encoded outputs, in order.
    pub outputs_digest: [u8; 32],
    /// The outputs themselves, in order. The gate and the routers keep them; elsewhere this is empty.
    pub outputs: Vec<FlightOutput>,
}

impl FlightHeader {
    /// Encodes the header.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let wire = wire::FlightHeader {
            service: self.service.clone(),
            producer: self.producer.to_string(),
            session: self.session.get(),
            seed: self.seed,
            version: self.version.clone(),
            settings: self.settings.clone(),
            previous: self.previous.map(|head| wire::FlightHead {
                session: head.session.get(),
                sequence: head.sequence,
                link: Bytes::copy_from_slice(&head.link),
            }),
        };
        Bytes::from(wire.encode_to_vec())
    }

    /// Decodes a header.
    ///
    /// # Errors
    /// Says which field is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let wire = wire::FlightHeader::decode(bytes).map_err(WireError::Protobuf)?;
        let previous = wire.previous.map(|head| {
            let link = digest("flight_header.previous.link", &head.link)?;
            let session = SessionId::new(head.session);
            Ok(FlightHead { session, sequence: head.sequence, link })
        });
        Ok(Self {
            producer: id("flight_header.producer", &wire.producer)?,
            service: wire.service,
            session: SessionId::new(wire.session),
            seed: wire.seed,
            version: wire.version,
            settings: wire.settings,
            previous: previous.transpose()?,
        })
    }
}

impl FlightEntry {
    /// Encodes the entry.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let event = match &self.event {
            FlightEvent::Tick => wire::flight_entry::Event::Tick(true),
            FlightEvent::Message(bytes) => wire::flight_entry::Event::Message(bytes.clone()),
            FlightEvent::CaughtUp => wire::flight_entry::Event::CaughtUp(true),
            FlightEvent::Stopping => wire::flight_entry::Event::Stopping(true),
            FlightEvent::Local(bytes) => wire::flight_entry::Event::Local(bytes.clone()),
            FlightEvent::Snapshot { piece, is_last } => {
                let (piece, is_last) = (piece.clone(), *is_last);
                wire::flight_entry::Event::Snapshot(wire::FlightSnapshot { piece, is_last })
            }
        };
        let wire = wire::FlightEntry {
            sequence: self.sequence,
            now_ns: self.now.as_ns(),
            event: Some(event),
            outputs_digest: Bytes::copy_from_slice(&self.outputs_digest),
            outputs: self.outputs.iter().map(FlightOutput::to_wire).collect(),
        };
        Bytes::from(wire.encode_to_vec())
    }

    /// Decodes an entry.
    ///
    /// # Errors
    /// Says which field is missing or wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let wire = wire::FlightEntry::decode(bytes).map_err(WireError::Protobuf)?;
        let event = match need("flight_entry.event", wire.event)? {
            wire::flight_entry::Event::Tick(_) => FlightEvent::Tick,
            wire::flight_entry::Event::Message(bytes) => FlightEvent::Message(bytes),
            wire::flight_entry::Event::CaughtUp(_) => FlightEvent::CaughtUp,
            wire::flight_entry::Event::Stopping(_) => FlightEvent::Stopping,
            wire::flight_entry::Event::Local(bytes) => FlightEvent::Local(bytes),
            wire::flight_entry::Event::Snapshot(it) => {
                FlightEvent::Snapshot { piece: it.piece, is_last: it.is_last }
            }
        };
        let outputs = wire.outputs.into_iter().map(FlightOutput::from_wire);
        Ok(Self {
            sequence: wire.sequence,
            now: Timestamp::from_ns(wire.now_ns),
            event,
            outputs_digest: digest("flight_entry.outputs_digest", &wire.outputs_digest)?,
            outputs: outputs.collect::<Result<_, _>>()?,
        })
    }
}

impl FlightOutput {
    fn to_wire(&self) -> wire::FlightOutput {
        let output = match self {
            Self::Publish(bytes) => wire::flight_output::Output::Publish(bytes.clone()),
            Self::Local(bytes) => wire::flight_output::Output::Local(bytes.clone()),
            Self::Fault(text) => wire::flight_output::Output::Fault(text.clone()),
        };
        wire::FlightOutput { output: Some(output) }
    }

    fn from_wire(wire: wire::FlightOutput) -> Result<Self, WireError> {
        Ok(match need("flight_output.output", wire.output)? {
            wire::flight_output::Output::Publish(bytes) => Self::Publish(bytes),
            wire::flight_output::Output::Local(bytes) => Self::Local(bytes),
            wire::flight_output::Output::Fault(text) => Self::Fault(text),
        })
    }
}

fn digest(field: &'static str, bytes: &Bytes) -> Result<[u8; 32], WireError> {
    let error = WireError::Length { field, len: bytes.len(), want: 32 };
    <[u8; 32]>::try_from(bytes.as_ref()).map_err(|_| error)
}
