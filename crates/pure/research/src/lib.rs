//! Analyses of recorded history, each by the standard method and with its uncertainty.
//!
//! In: candles as rows of text, quotes and trades with their receive time. Out: reports that serialise (plain numbers with their unit in the
//! name) and that name what was excluded or refused, and why.
//! Invariants: equal inputs and seeds give equal reports; nothing found is an answer ("no pattern", "no edge"); numbers that chose something
//! are never shown as its result. Must never happen: I/O, a clock, unseeded randomness, a number in place of missing data.
//! Formulas: `quant-methods.md`, sections 9 to 11, 15 to 17; they live in `remora-estimators`, this crate asks the questions.
//! Test alone: `cargo test -p remora-research`.
#![deny(missing_docs)]

mod calendar;
mod candles;
pub mod edge;
pub mod pairs;
pub mod temporal;

pub use calendar::{UtcMinute, utc, utc_instant};
pub use candles::{
    Bar, CandleReader, CandleRefusal, CandleSeries, Excluded, Exclusion, Outage, Quality,
};
