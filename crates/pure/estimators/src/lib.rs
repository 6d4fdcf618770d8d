//! Streaming statistics: volatility, time-weighted means, trade flow, fill intensity.
//!
//! In: events with their receive time, as floats (the only home of floats, with `quoting`).
//! Out: an [`Estimate`] {value, se, n_eff, as_of, half_life}, or a [`NotReady`] with its cause.
//! Invariants: O(1) time and memory per event; time never runs back inside an estimator (an older event is
//! ignored); after a gap of more than [`FORGET_HALF_LIVES`] half-lives an estimator starts anew, because what it
//! remembers no longer matters.
//! Must never happen: NaN or infinity as a value, a default in place of a missing number, a clock.
//! Formulas: `quant-methods.md`, sections 0 (decayed sums), 3 (volatility), 4 (intensity), each with a worked
//! number that a test repeats. Test alone: `cargo test -p remora-estimators` (the oracle tests read
//! `REMORA_SHARED`, by default `../shared` beside the workspace, and say so when it is absent).
#![deny(missing_docs)]

mod decay;
mod estimate;
mod flow;
mod intensity;
mod mean;
mod volatility;

pub use decay::FORGET_HALF_LIVES;
pub use estimate::{Estimate, NotReady};
pub use flow::{FlowEstimate, TradeFlow};
pub use intensity::{FillIntensity, IntensityEstimate, IntensityPrior};
pub use mean::TimeWeightedMean;
pub use volatility::{EwmaVariance, TwoSpeedVolatility};
