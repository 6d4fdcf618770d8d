//! Latest values in Redis, with expiry, for whoever wants them at once. Never the source of truth.
//!
//! In: envelopes of the kinds in [`KEYS`]. Out: the newest envelope of a subject. A value is the wire bytes of the
//! message, beside the mark that orders it, in a hash under `remora:hot:<schema>:<subject>`.
//!
//! Invariants: an older message never replaces a newer one, whoever writes it and however late; every key expires;
//! every call ends within its timeout. Losing Redis loses speed only: errors are returned, nothing waits or retries.
//! Must never happen: an order, a limit or P&L that depends on a value from here.
//! Test alone: `cargo nextest run -p remora-hot-store` (starts a Redis of its own).
#![deny(missing_docs)]

mod error;
mod keys;
mod store;

pub use error::HotError;
pub use keys::{KEYS, KeySpec, SCHEMA, key_of};
pub use store::{HotSettings, HotStore};
