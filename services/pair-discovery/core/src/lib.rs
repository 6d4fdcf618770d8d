//! Pair-discovery core: instruments to a ranked, versioned universe with a reason for every pair in or out.
//!
//! In: instruments, books, trades, tickers, bars, feed health, fee tier, its own earlier universes. Out: `Universe`s, with patterns by the
//! hour and leads where `[pair_discovery.insights]` asks for them.
//! Invariants: every known pair is in every universe, each with one reason; versions only grow, also across restarts;
//! a pair with anything missing (data, fee, conversion rate, what an optional filter asks) is out with that reason. A perpetual is reference only.
//! Must never happen: a pair selected on stale or invalid data; a default in place of a missing number.
//!
//! Score: expected net maker edge per day in the reporting currency,
//! `edge_bps / 10,000 × volume_day × participation`, with `edge = spread/2 − maker fee − adverse selection`
//! (`quant-methods.md`, section 16, "edge at touch"; adverse selection is a configured assumption until it is measured).
//! Test alone: `cargo test -p remora-pair-discovery-core`.
#![deny(missing_docs)]

mod assess;
mod core;
mod filters;
mod insight_settings;
mod insights;
mod leads;
mod moves;
mod observed;
mod patterns;
mod settings;

pub use core::PairDiscoveryCore;
pub use filters::{ClusterSettings, FilterSettings};
pub use insight_settings::InsightSettings;
pub use settings::{PairDiscoveryConfig, PairDiscoverySettings};
