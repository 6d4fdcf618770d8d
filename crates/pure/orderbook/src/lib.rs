//! Level-2 order book of one instrument, in ticks and lots, with checksum and sequence verification.
//!
//! In: snapshots and ordered level changes (`LevelChange`), each with the checksum the venue sent or none;
//! sequence numbers. Out: best and top levels, or a `BookError` with typed fields.
//!
//! Invariants:
//! - Between calls a book is either empty and waiting for a snapshot, or verified: sorted, no empty levels, at
//!   most `depth` levels a side, best bid below best ask. There is no third state.
//! - Any error empties the book: it gives no level until the next good snapshot.
//! - Changes are applied in the order given, the last one of a price wins, a quantity of zero deletes, and
//!   only then is each side cut to the depth.
//! - No allocation per level once the sides have grown to their size.
//!
//! What must never happen here: a crossed or unverified book that reads as good; a float.
//! Knows no venue: the checksum is CRC-32 over the decimal digits of ticks and lots, asks then bids.
//! Test alone: `cargo test -p remora-orderbook`.
#![deny(missing_docs)]

mod book;
mod checksum;
mod error;
mod ladder;
#[cfg(test)]
mod sample;
mod sequence;

pub use book::{LevelChange, OrderBook, Touch, Verify};
pub use checksum::Checksum;
pub use error::BookError;
pub use ladder::BookLevel;
pub use sequence::{SequenceCheck, Sequenced};
