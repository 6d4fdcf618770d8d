//! The ingestor's core: a venue session's events become numbered messages, and what a reader may believe of
//! them (live, invalid, silent) is decided here.
//!
//! In: what happens to the venue's connections (`IngestorInput`), recorded or live alike, and the last known
//! instrument definitions. Out: `md.book`, `md.trade`, `md.ticker`, `md.status` (venue status and feed
//! health), `md.instrument`, `md.bar`, `svc.heartbeat`; connections to open, frames to send.
//!
//! Invariants: nothing is published before `CaughtUp`; `book_sequence` grows by one with each change of an
//! instrument's published top; an invalid book carries no levels; a bar covers a whole minute in which the book
//! was usable at every instant, or is not published; equal inputs give equal messages.
//!
//! A live top that does not change is published again each second while its connection is heard (same
//! `book_sequence`, newer receive time), so that a reader tells a quiet market from a dead feed.
//!
//! What must never happen here: a top of book from a connection that fell silent; a branch on whether frames
//! are recorded or live; a float in anything but a `..._est` field.
//!
//! Test alone: `cargo test -p remora-ingestor-core`.
#![deny(missing_docs)]

mod bars;
mod books;
mod core;
mod local;
mod problems;
mod settings;

#[cfg(test)]
mod tests;

pub use bars::Bars;
pub use core::IngestorCore;
pub use local::{IngestorEffect, IngestorInput};
pub use problems::{ProblemKey, ProblemSummary};
pub use settings::{FeedKind, IngestorConfig, IngestorSettings};
