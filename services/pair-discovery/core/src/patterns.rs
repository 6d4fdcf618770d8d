//! Patterns by the hour of the day, from bars: kept as they come, examined a few at a time so that nothing waits for them, judged together
//! once all were examined (`quant-methods.md`, section 15).
//!
//! Volume: traded quantity of a minute. Volatility: `|ln close/close before|` of consecutive minutes. Spread: time-weighted, basis points.

use crate::insight_settings::InsightSettings;
use remora_domain::{Bar, DurationNs, HourPattern, InstrumentKey, PatternTarget, Timestamp};
use remora_estimators::{
    BucketFamily, Dependence, PatternCriteria, PatternFinding, PatternVerdict, Scale,
    SeasonBuilder, adjusted_p_values, examine_pattern, judge_pattern,
};
use std::collections::BTreeMap;

/// Bars that an hour of a day needs to count.
const BARS_MIN: u32 = 30;
/// Turns of the clock per test.
const PERMUTATIONS: usize = 199;
const MINUTE: DurationNs = DurationNs::from_s(60);

/// Keeps what bars tell of one pair. Bound: one number for each hour of the days kept.
#[derive(Clone, Debug)]
struct Hours {
    tables: [(PatternTarget, SeasonBuilder); 3],
    last: Option<(Timestamp, f64)>,
}

impl Hours {
    fn new(days: usize) -> Option<Self> {
        let table = || SeasonBuilder::new(BucketFamily::HourOfDay, Scale::Log, BARS_MIN, days).ok();
        let tables = [
            (PatternTarget::Volume, table()?),
            (PatternTarget::Volatility, table()?),
            (PatternTarget::Spread, table()?),
        ];
        Some(Self { tables, last: None })
    }

    /// Takes a bar; one that is not newer changes nothing.
    fn observe(&mut self, bar: &Bar) {
        if self.last.is_some_and(|(at, _)| bar.open_time <= at) {
            return;
        }
        let close = bar.close.to_est();
        let before = self.last.filter(|(at, _)| bar.open_time.since(*at) == MINUTE);
        let moved = before.map(|(_, before)| libm::fabs(libm::log(close / before)));
        for (target, table) in &mut self.tables {
            let value = match target {
                PatternTarget::Volume => Some(bar.volume.to_est()),
                PatternTarget::Volatility => moved,
                PatternTarget::Spread => Some(bar.spread_bps_est),
            };
            if let Some(value) = value.filter(|value| value.is_finite()) {
                // A bar of an earlier day than the newest was left out above.
                let _ = table.observe(bar.open_time, value);
            }
        }
        self.last = Some((bar.open_time, close));
    }
}

/// Is a table whose turn it is.
type Turn = (InstrumentKey, usize);

/// Holds all pairs' hours, and where examining them stands.
#[derive(Debug)]
pub(crate) struct Patterns {
    settings: InsightSettings,
    hours: BTreeMap<InstrumentKey, Hours>,
    /// What is left of the round.
    turns: Vec<Turn>,
    found: Vec<(InstrumentKey, PatternTarget, PatternFinding)>,
    a_time: usize,
    round_at: Option<Timestamp>,
}

impl Patterns {
    pub(crate) const fn new(settings: InsightSettings) -> Self {
        Self {
            settings,
            hours: BTreeMap::new(),
            turns: Vec::new(),
            found: Vec::new(),
            a_time: 1,
            round_at: None,
        }
    }

    pub(crate) fn observe(&mut self, bar: &Bar) {
        let days = usize::try_from(self.settings.pattern_days_max).unwrap_or(1);
        if !self.hours.contains_key(&bar.instrument)
            && let Some(hours) = Hours::new(days)
        {
            self.hours.insert(bar.instrument.clone(), hours);
        }
        if let Some(hours) = self.hours.get_mut(&bar.instrument) {
            hours.observe(bar);
        }
    }

    /// Goes on with the round, spread over its interval in steps of `step`; gives every pair's patterns at its end.
    pub(crate) fn step(
        &mut self,
        now: Timestamp,
        step: DurationNs,
    ) -> Option<BTreeMap<InstrumentKey, Vec<HourPattern>>> {
        let interval = DurationNs::from_ms(self.settings.pattern_interval_ms);
        if self.turns.is_empty() && self.round_at.is_none_or(|at| at <= now) {
            self.round_at = Some(now.saturating_add(interval));
            let keys = self.hours.keys();
            self.turns = keys.flat_map(|key| (0..3).map(move |i| (key.clone(), i))).collect();
            let steps = interval.as_ns().checked_div(step.as_ns()).unwrap_or(1).max(1);
            let steps = usize::try_from(steps).unwrap_or(usize::MAX);
            self.a_time = self.turns.len().div_ceil(steps).max(1);
        }
        if self.turns.is_empty() {
            return None;
        }
        for _ in 0..self.a_time {
            let Some(turn) = self.turns.pop() else { break };
            self.examine(&turn);
        }
        self.turns.is_empty().then(|| self.judge())
    }

    fn examine(&mut self, (key, place): &Turn) {
        let table = self.hours.get(key).and_then(|hours| hours.tables.get(*place));
        let Some((target, table)) = table else { return };
        let table = table.clone().finish();
        let family = BucketFamily::HourOfDay;
        // Too short a history is no test, and counts for nothing among the others.
        if family.weeks(table.groups()) < family.weeks_min() {
            return;
        }
        if let Ok(finding) = examine_pattern(&table, PERMUTATIONS, self.settings.seed) {
            self.found.push((key.clone(), *target, finding));
        }
    }

    /// Judges everything that was examined together.
    fn judge(&mut self) -> BTreeMap<InstrumentKey, Vec<HourPattern>> {
        let found = std::mem::take(&mut self.found);
        let p_values: Vec<f64> = found.iter().map(|(_, _, finding)| finding.p_value).collect();
        let criteria = PatternCriteria {
            q: self.settings.false_share_max,
            dependence: Dependence::Any,
            ..PatternCriteria::STANDARD
        };
        let mut patterns: BTreeMap<InstrumentKey, Vec<HourPattern>> = BTreeMap::new();
        let adjusted = adjusted_p_values(&p_values, criteria.dependence).unwrap_or_default();
        for ((key, target, finding), p_value_est) in found.into_iter().zip(adjusted) {
            let factors_est = match judge_pattern(&finding, p_value_est, &criteria) {
                PatternVerdict::Pattern(factors) => factors.iter().map(|f| f.factor).collect(),
                PatternVerdict::NoPattern(_) => Vec::new(),
            };
            let pattern = HourPattern { target, p_value_est, factors_est };
            patterns.entry(key).or_default().push(pattern);
        }
        patterns
    }
}
