//! What pair-discovery found out beyond scores, as far as it is significant: fair value follows a leader, spread, size and pacing follow the
//! hour. What is not significant changes nothing.
//!
//! - Fair value: times `exp(share · (ln L(now) − ln L(now − lag)))` with the leader's fair value `L`: the part of its last move that the pair
//!   has yet to make; at most `lead_shift_bps_max`. Nothing where the leader's book may not be used or was not seen for a lag.
//! - Spread: what an offset has beyond fee and adverse selection, times the spread's factor, else the volatility's.
//! - Size: the wanted value times the volume's factor, at most the largest order, at least the venue's smallest.
//! - Pacing: the shortest time between requests over the volume's factor where that is below 1; never shorter than configured.

use crate::core::DecisionCore;
use remora_domain::{
    DurationNs, InstrumentKey, Lead, PairInsight, PatternTarget, SettingCheck, Timestamp, Universe,
};
use std::collections::{BTreeMap, VecDeque};

/// Prices of a leader that are remembered; with more in one lag the lead rests until there are fewer.
const PATH_MAX: usize = 4_096;

/// Is the `[decision.insights]` section: where it is absent, insights change nothing.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct InsightUse {
    /// The most that a leader moves fair value, basis points, 0 (never) to 100.
    pub lead_shift_bps_max: f64,
    /// The most that a pattern changes spread, size or pacing by, a factor, 1 (not at all) to 2.
    pub factor_max: f64,
}

impl InsightUse {
    pub(crate) fn check(&self, check: &mut SettingCheck) {
        check.range("insights.lead_shift_bps_max", self.lead_shift_bps_max, 0.0, 100.0);
        check.range("insights.factor_max", self.factor_max, 1.0, 2.0);
    }
}

/// Is how a decision is changed. Without insight: not at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Adjustment {
    /// Fair value, times this.
    pub(crate) fair: f64,
    /// Offset beyond its costs, times this.
    pub(crate) spread: f64,
    /// Wanted size, times this.
    pub(crate) size: f64,
    /// Time between requests, times this; at least 1.
    pub(crate) pace: f64,
}

impl Adjustment {
    pub(crate) const NONE: Self = Self { fair: 1.0, spread: 1.0, size: 1.0, pace: 1.0 };

    /// Gives an offset from fair value of which `cost_est` pays fee and adverse selection, both quote currency.
    pub(crate) const fn offset(&self, offset_est: f64, cost_est: f64) -> f64 {
        if offset_est > cost_est {
            cost_est + (offset_est - cost_est) * self.spread
        } else {
            offset_est
        }
    }

    /// Gives the shortest time between requests.
    #[expect(
        clippy::as_conversions,
        reason = "at most two days in nanoseconds, exact to a microsecond; a cast saturates"
    )]
    pub(crate) fn interval(&self, interval: DurationNs) -> DurationNs {
        DurationNs::from_ns((interval.as_ns() as f64 * self.pace) as i64)
    }
}

/// Remembers fair values of one leader: when, and the logarithm.
#[derive(Clone, Debug, Default)]
struct Path(VecDeque<(Timestamp, f64)>);

impl Path {
    fn push(&mut self, now: Timestamp, log: f64) {
        if self.0.len() >= PATH_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now, log));
    }

    /// Gives the move over the last `lag`; `None` where the path does not reach back so far.
    fn moved(&self, now: Timestamp, lag: DurationNs) -> Option<f64> {
        let from = now.saturating_sub(lag);
        let before = self.0.partition_point(|(at, _)| *at <= from).checked_sub(1)?;
        Some(self.0.back()?.1 - self.0.get(before)?.1)
    }
}

/// Holds who follows whom, and the leaders' paths.
#[derive(Debug, Default)]
pub(crate) struct Leaders {
    insights: BTreeMap<InstrumentKey, PairInsight>,
    followers: BTreeMap<InstrumentKey, Vec<InstrumentKey>>,
    paths: BTreeMap<InstrumentKey, Path>,
}

impl Leaders {
    /// Takes what a universe says.
    pub(crate) fn take(&mut self, universe: &Universe) {
        let by_key = universe.insights.iter().map(|i| (i.instrument.clone(), i.clone()));
        self.insights = by_key.collect();
        self.followers.clear();
        for (follower, insight) in &self.insights {
            if let Some(lead) = insight.lead() {
                self.followers.entry(lead.leader.clone()).or_default().push(follower.clone());
            }
        }
        self.paths.retain(|leader, _| self.followers.contains_key(leader));
    }

    /// Takes a leader's fair value, `None` where its book may not be used; others are not remembered.
    pub(crate) fn observe(&mut self, now: Timestamp, key: &InstrumentKey, fair_est: Option<f64>) {
        if !self.followers.contains_key(key) {
            return;
        }
        let path = self.paths.entry(key.clone()).or_default();
        match fair_est {
            Some(fair) => path.push(now, libm::log(fair)),
            None => path.0.clear(),
        }
    }

    /// Gives the pairs whose fair value follows this instrument.
    pub(crate) fn followers(&self, key: &InstrumentKey) -> Vec<InstrumentKey> {
        self.followers.get(key).cloned().unwrap_or_default()
    }
}

impl DecisionCore {
    /// Gives what insights change of a pair's decision now.
    pub(crate) fn adjustment(&self, now: Timestamp, key: &InstrumentKey) -> Adjustment {
        let Some((used, insight)) = self.insight(now, key) else { return Adjustment::NONE };
        let factor = |target| {
            let factor: Option<f64> = insight.factor_est(target, now);
            factor.map(|factor| factor.clamp(1.0 / used.factor_max, used.factor_max))
        };
        let spread = factor(PatternTarget::Spread).or_else(|| factor(PatternTarget::Volatility));
        let size = factor(PatternTarget::Volume).unwrap_or(1.0);
        let most = used.lead_shift_bps_max * 1e-4;
        let shift = insight.lead().and_then(|lead| self.lead_move(now, lead)).unwrap_or(0.0);
        Adjustment {
            fair: libm::exp(shift.clamp(-most, most)),
            spread: spread.unwrap_or(1.0),
            size,
            pace: (1.0 / size).max(1.0),
        }
    }

    /// Gives the instant at which a leader's last move is over for its follower.
    pub(crate) fn lead_ends_at(&self, now: Timestamp, key: &InstrumentKey) -> Option<Timestamp> {
        let (_, insight) = self.insight(now, key)?;
        let lead = insight.lead()?;
        let (last, _) = self.leaders.paths.get(&lead.leader)?.0.back()?;
        Some(last.saturating_add(lead.lag))
    }

    /// Gives the insight of the universe in force, where it may be used.
    fn insight(&self, now: Timestamp, key: &InstrumentKey) -> Option<(&InsightUse, &PairInsight)> {
        let used = self.config.insights.as_ref()?;
        self.facts.universe().filter(|universe| now <= universe.valid_until)?;
        Some((used, self.leaders.insights.get(key)?))
    }

    /// Gives what the pair has yet to make of its leader's last move, log units.
    fn lead_move(&self, now: Timestamp, lead: &Lead) -> Option<f64> {
        let book = self.pairs.get(&lead.leader)?.market.book()?;
        if book.touch().is_err() || self.stale_at(book) <= now {
            return None;
        }
        Some(lead.share_est * self.leaders.paths.get(&lead.leader)?.moved(now, lead.lag)?)
    }
}
