//! Does one market lead another of the same asset, by how much, and what is its signal worth after costs?
//!
//! For every two markets of one asset: Hayashi–Yoshida lead–lag with a null test (p-values adjusted over all relations), repeated on parts
//! of the recording, its lag fitted on the first part and confirmed on the second; who finds the price (information shares); and in both
//! directions the event study of following the leader's jumps: the rule is chosen on the first part of the recording and judged once on the
//! second, after the spread we would pay, both fees and our latency (p-values adjusted over all directions).
//!
//! "Established" wants a recording long enough: `days_min` days of the second part, `events_min` events. A shorter one gets
//! "not established" with the numbers. Times are those at which we received a quote, because that is what can be traded on.

mod direction;
mod relation;
mod report;
mod tape;

pub use direction::{
    DirectionReport, EdgeOutcome, EventPoint, LatencyPoint, RuleReport, ValueReport,
};
pub use relation::{LagCurvePoint, LeadOutcome, LeadReport, RelationReport};
pub use report::{EdgeReport, MarketReport, Relation, Studied, judge_edges, relations, study};
pub use tape::{QuoteTape, TapeBuilder, TapeRefusal};

use remora_domain::DurationNs;
use serde::Serialize;

/// Says how edges are looked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EdgeSettings {
    /// Largest lag that is looked at, and the step; milliseconds.
    pub lag_reach_ms: i64,
    /// Step of the lags; quotes nearer to each other count once, milliseconds.
    pub lag_step_ms: i64,
    /// Surrogates of the null test; at least 19.
    pub surrogates: usize,
    /// Seed of them.
    pub seed: u64,
    /// Expected share of false ones among leads and among edges called established, 0 to 1.
    pub q: f64,
    /// From the leader's jump to our order at the follower's venue, milliseconds.
    pub latency_ms: i64,
    /// Jumps of the leader that are tried, basis points.
    pub thresholds_bps: Vec<f64>,
    /// Times over which it must have jumped, milliseconds.
    pub windows_ms: Vec<i64>,
    /// Times that the position is held, milliseconds.
    pub holds_ms: Vec<i64>,
    /// The oldest a quote may be to count as the price of an instant, milliseconds.
    pub quote_age_ms_max: i64,
    /// Share of the recording on which rules and lags are fitted; the rest confirms.
    pub fitted_share: f64,
    /// Parts in which a lead must repeat; a part is a day, or the recording divided where it is shorter.
    pub parts_min: usize,
    /// Days that the second part must have for an edge to be established.
    pub days_min: f64,
    /// Events that the second part must have.
    pub events_min: usize,
    /// Confidence of the intervals, 0 to 1.
    pub confidence: f64,
    /// Share of the shrunk Kelly stake that is taken, 0 to 1.
    pub kelly_fraction: f64,
    /// Largest stake, fraction of equity.
    pub stake_max: f64,
    /// What edges are believed to be before one is measured: normal around zero with this deviation, basis points.
    pub prior_sd_bps: f64,
}

impl EdgeSettings {
    /// The settings of the methods, sections 9 and 11, at the given latency.
    #[must_use]
    pub fn standard(latency_ms: i64) -> Self {
        Self {
            lag_reach_ms: 1_000,
            lag_step_ms: 20,
            surrogates: 99,
            seed: 1,
            q: 0.05,
            latency_ms,
            thresholds_bps: vec![0.5, 1.0, 2.0, 3.0, 5.0],
            windows_ms: vec![100, 500, 1_000],
            holds_ms: vec![200, 500, 1_000, 2_000, 5_000, 10_000],
            quote_age_ms_max: 2_000,
            fitted_share: 0.5,
            parts_min: 5,
            days_min: 20.0,
            events_min: 200,
            confidence: 0.9,
            kelly_fraction: 0.25,
            stake_max: 0.05,
            prior_sd_bps: 1.0,
        }
    }
}

const DAY: DurationNs = DurationNs::from_s(86_400);

/// Gives an interval in milliseconds with its fraction.
fn ms_est(interval: DurationNs) -> f64 {
    interval.as_seconds_est() * 1_000.0
}
