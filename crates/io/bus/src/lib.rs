//! The bus: one trait ([`Bus`]), two implementations, one conformance suite (`tests/conformance`).
//!
//! What it is: moves encoded messages between services. NATS ([`connect_nats`]) between processes, memory
//! ([`in_memory`]) within one. It never looks into a payload.
//! In: subjects, message ids, headers, bytes. Out: the same, with the stream sequence where a stream stores it.
//!
//! Two ways of delivery, decided by the subject:
//! - core: latest wins. A slow reader loses the oldest and is told how many; it never delays anybody.
//! - durable: stored by a [`Stream`], read in order with [`Bus::read_log`], or with acknowledgements
//!   with [`Bus::consume`]. Never lost by us; may be delivered again, so readers deduplicate.
//!
//! Beside them registers ([`Bus::write_register`]): one value a subject, written only over the revision the writer has seen.
//!
//! Invariants: a stored message id is stored once within [`DUPLICATE_WINDOW`]; a log is read in the order of its
//! sequences; history is followed by news without a gap, across reconnects; every call to a server has a
//! timeout; every queue is bounded. A lost or rewritten log is an error, never silence.
//! Must never happen here: a decision about content; an order event dropped to make room.
//! Test alone: `cargo nextest run -p remora-bus` (starts its own nats-server; see `remora-test-servers`).
#![deny(missing_docs)]

mod api;
mod check;
mod dead;
mod error;
mod health;
mod memory;
mod nats;
mod pattern;
pub mod permissions;
mod reader;
mod stream;
mod subscription;

pub use api::{
    Bus, InMessage, MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, OutMessage, ReadFrom, RegisterValue,
    StoredAt,
};
pub use dead::{dead_letter, dead_letter_subject};
pub use error::{BusError, Call, Cause};
pub use health::{BusHealth, Connection};
pub use memory::{InMemoryBus, in_memory};
pub use nats::{
    Credentials, NatsBus, NatsSettings, PasswordSource, SERVER_VERSION_MIN, connect_nats,
};
pub use pattern::PatternProblem;
pub use reader::{Consumer, Delivery, LogEntry, LogReader};
pub use stream::{DUPLICATE_WINDOW, Stream, StreamDefinition, lease_subject};
pub use subscription::Subscription;
