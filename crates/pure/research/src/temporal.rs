//! Patterns by the clock: does volume, volatility, spread or drift depend on the minute, hour or weekday, and does it repeat?
//!
//! One value for each (day or week, bucket) by the median of the day taken out (`remora_estimators::SeasonTable`), UTC. A pattern is accepted when
//! - the p-value of the family, adjusted together with those of **every** pair, target, family and event tested (Benjamini–Yekutieli), is
//!   at most `q`, and turning the clock of each day at random does not give as much;
//! - its effect is large enough, and the profile of the first half of the history repeats in the second (rank correlation and its p-value);
//! - the history is long enough for the family; shorter ones are not tested at all.
//!
//! Buckets are then judged one by one, their p-values adjusted over all buckets of everything tested. Multipliers are shrunk towards 1
//! and held in [½, 2]; an offset of drift is held within 1 bps. No pattern is a normal answer, and gives no multiplier.

mod events;
mod judge;
mod tables;

pub use judge::{
    BucketReport, EventReport, OneEvent, PatternNumbers, PatternReport, TemporalReport, Verdict,
    judge,
};
pub use tables::{Examined, Target, examine};

use remora_estimators::{Dependence, PatternCriteria};
use serde::Serialize;

/// Says how patterns are looked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TemporalSettings {
    /// Expected share of false ones among what is called a pattern, 0 to 1.
    pub q: f64,
    /// Turns of the clock per test; at least 19.
    pub permutations: usize,
    /// Seed of the turns.
    pub seed: u64,
    /// Hours of the day, UTC, at which perpetuals pay funding; none: not tested.
    pub funding_hours: Vec<u8>,
}

impl TemporalSettings {
    /// Gives what a pattern must show: the standard criteria with our level, whatever the dependence between tests.
    #[must_use]
    pub const fn criteria(&self) -> PatternCriteria {
        PatternCriteria { q: self.q, dependence: Dependence::Any, ..PatternCriteria::STANDARD }
    }
}
