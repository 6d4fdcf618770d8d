//! History in PostgreSQL through sqlx: every durable message as rows, written in batches, each once.
//!
//! In: envelopes. Out: rows; how many were new; counts and checks for people and tests. Also the one mapping from
//! messages to rows ([`rows`]), the checks ([`CHECKS`]) and the questions about our own past ([`past`]) that the SQLite twin shares.
//!
//! Invariants: a batch is stored as a whole or not at all (one transaction); writing a message again changes
//! nothing (keyed by producer, session, sequence); amounts stay exact; every call ends within its timeout.
//! Must never happen: a message dropped or altered so that it fits; a password in an error or a log.
//! Queries are made from the tables of [`rows`]; a test prepares every one against the migrated schema.
//! Test alone: `cargo nextest run -p remora-history-store` (starts a PostgreSQL of its own).
#![deny(missing_docs)]

mod checks;
mod error;
pub mod past;
pub mod rows;
mod store;

pub use checks::{CHECKS, Check, Summary};
pub use error::{Disposition, HistoryError, WriteOutcome};
pub use store::{HistorySettings, HistoryStore};
