//! Persister core: every durable message becomes history exactly once; the latest values become hot views.
//!
//! In: durable messages and books; outcomes of writes. Out: numbered batches to write, which deliveries to
//! acknowledge, latest values for the hot store, heartbeats. Nobody waits for this service.
//!
//! Invariants: one write is under way at a time; a message is acknowledged only after the batch that holds it
//! is stored; after `CaughtUp` what is held stays below `pending_messages_max` (the rest is declined, and delivered
//! again later), and nothing is declined before `Pause` was said;
//! a message that the store can never take is set aside alone and holds up nothing.
//! Must never happen: a message acknowledged but not stored and not set aside; a failed write given up.
//! Before `CaughtUp` messages are only held, all of them: a log gives nothing twice. A shell that is fed by
//! acknowledged deliveries gives `CaughtUp` first, as its place in the log is kept by the bus.
//! Test alone: `cargo test -p remora-persister-core`.
#![deny(missing_docs)]

mod codec;
mod core;
mod hot;
mod settings;
mod window;

pub use codec::{Batch, PersisterInput, PersisterOutput, StoreFailure};
pub use core::{PersisterCore, PersisterCounts};
pub use settings::{PersisterConfig, PersisterSettings};
