//! What can be wrong with a book. After any of these the book is empty until the next snapshot.

use remora_domain::{InstrumentKey, Lots, Side, Ticks};

/// Says why a book is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// A message is missing.
    #[error("sequence gap on {instrument}: expected {expected}, got {got}")]
    Gap {
        /// Of which instrument.
        instrument: InstrumentKey,
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// The book differs from the venue's.
    #[error("checksum of {instrument}: venue says {expected}, book gives {got}")]
    Checksum {
        /// Of which instrument.
        instrument: InstrumentKey,
        /// What the venue sent.
        expected: u32,
        /// What this book gives.
        got: u32,
    },
    /// Best bid above best ask.
    #[error("crossed book of {instrument}: bid {bid} ticks above ask {ask} ticks")]
    Crossed {
        /// Of which instrument.
        instrument: InstrumentKey,
        /// Best bid.
        bid: Ticks,
        /// Best ask.
        ask: Ticks,
    },
    /// Best bid equal to best ask.
    #[error("locked book of {instrument}: bid and ask at {at} ticks")]
    Locked {
        /// Of which instrument.
        instrument: InstrumentKey,
        /// The shared price.
        at: Ticks,
    },
    /// A level outside what a book can hold.
    #[error(
        "level of {instrument}, {side:?} {lots} lots at {ticks} ticks: want a price above zero and a \
         quantity of zero or more"
    )]
    Level {
        /// Of which instrument.
        instrument: InstrumentKey,
        /// On which side.
        side: Side,
        /// At which price.
        ticks: Ticks,
        /// How much.
        lots: Lots,
    },
    /// A change without a snapshot to apply it to.
    #[error("change of {instrument} before its snapshot")]
    NoSnapshot {
        /// Of which instrument.
        instrument: InstrumentKey,
    },
}
