//! All cores in one process under one single-threaded scheduler and one clock.
//!
//! In: cores, a venue, inputs from a feed. Out: every message they publish, and a tally for people. The same world
//! serves the demo, paper trading and tests; only what drives its clock differs.
//! Invariants: equal inputs, configuration and seed give equal runs; time never runs back; every message crosses
//! its own encoding. Must never happen here: a clock, a thread, a decision about the market.
//! Test alone: `cargo test -p remora-sim`.
#![deny(missing_docs)]

pub mod check;
mod facts;
mod holdings;
mod plan;
mod playback;
mod seat;
pub mod seeds;
mod series;
pub mod simulate;
mod tally;
mod world;

pub use facts::{RunFacts, RunSetting};
pub use holdings::{Holding, Holdings, VenueHoldings};
pub use plan::{Plan, PlanError, VenuePlan, VenueSeat};
pub use playback::Playback;
pub use series::Series;
pub use tally::{FillPoint, PairResult, PairTally, QuoteSample, Tally, Totals};
pub use world::{Cores, World, WorldError};
