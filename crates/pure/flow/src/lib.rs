//! The crowd of a simulated exchange, by seed: what everybody else does while clients trade.
//!
//! In: settings and pairs (checked as a whole by [`FlowSettings::validate`]), a seed, time. Out: [`FlowEvent`]s in
//! integers: makers add and remove orders, takers take, the index moves.
//!
//! The model, one file a part:
//! - `values`: each asset's logarithm is a random walk; a common factor makes walks correlated; a pair is base less
//!   quote, so crosses fit the pairs they are made of. Nobody moves these values: the crowd reacts to them.
//! - `delay`: three looks at one value. Informed takers know it first, the index follows `informed_ahead_ms` later,
//!   makers see it `index_lead_ms` behind the index. So informed takers are right, and the index leads the book.
//! - `hawkes`: takers of a pair arrive in clusters; the branching ratio is the share of them that earlier ones caused.
//! - `quotes`, `market`: makers keep both sides around what they see, cancel and replace; takers take from them.
//!
//! The crowd keeps its own account of its orders and hears nothing of fills: where a client was filled instead, or took
//! from the crowd, an order is removed or replaced at its next turn. Removing what is gone changes nothing.
//!
//! Floats live inside because logarithms and square roots do; all of them come from `libm` or are exactly rounded,
//! so a seed gives the same events in every build on every machine. Prices and quantities leave as integers.
//! Must never happen here: a clock, an event before its time, a bid of the crowd at or above an ask of it, a side
//! that the crowd itself emptied. Test alone: `cargo nextest run -p remora-flow`.
#![deny(missing_docs)]

mod chance;
mod delay;
mod generator;
mod hawkes;
mod market;
mod plan;
mod preset;
mod quotes;
mod settings;
mod usual;
mod values;

#[cfg(test)]
mod tests;

pub use chance::Chance;
pub use generator::{FlowAction, FlowEvent, FlowInput, Generator};
pub use plan::{FlowPair, FlowPlan};
pub use preset::{PRESETS, Preset};
pub use settings::{AssetFlow, FlowSettings, PairFlow};
