//! What was wrong with the feed: counted, told rarely, kept for whoever asks.

use remora_domain::{InstrumentKey, Timestamp};
use remora_venue_api::{Problem, ProblemKind};
use std::collections::BTreeMap;

/// Names a sort of problem: what kind, and of which instrument when that is known.
pub type ProblemKey = (ProblemKind, Option<InstrumentKey>);

/// Tells how often a sort of problem occurred, and the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemSummary {
    /// How often.
    pub count: u64,
    /// When the last one occurred.
    pub last_time: Timestamp,
    /// Field, value and what is allowed, of the last one.
    pub last_detail: String,
}

/// Holds one summary for each sort of problem; bounded by the instruments that the session knows.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    summaries: BTreeMap<ProblemKey, ProblemSummary>,
}

impl Problems {
    /// Counts a problem. It is logged the first, second, fourth, eighth time and so on.
    pub(crate) fn note(&mut self, now: Timestamp, problem: Problem) {
        let Problem { kind, instrument, conn, detail } = problem;
        let summary = self.summaries.entry((kind, instrument.clone())).or_insert_with(|| {
            ProblemSummary { count: 0, last_time: now, last_detail: String::new() }
        });
        summary.count = summary.count.saturating_add(1);
        summary.last_time = now;
        if summary.count.is_power_of_two() {
            let (conn, count) = (conn.get(), summary.count);
            let instrument = instrument.as_ref().map(tracing::field::display);
            tracing::debug!(?kind, instrument, conn, count, detail, "feed problem");
        }
        summary.last_detail = detail;
    }

    pub(crate) const fn summaries(&self) -> &BTreeMap<ProblemKey, ProblemSummary> {
        &self.summaries
    }
}
