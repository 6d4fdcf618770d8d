//! What history says of a pair beyond its score: patterns by the hour of the day, and who moves ahead of it.
//!
//! Both are estimates with the level they were tested at. What is not significant carries no number that could be used.

use crate::{DurationNs, InstrumentKey, Timestamp};

/// Hours of a day.
pub const HOURS: usize = 24;
const HOUR_NS: i64 = 3_600_000_000_000;

/// Is what may depend on the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PatternTarget {
    /// Traded quantity.
    Volume,
    /// Size of a minute's move.
    Volatility,
    /// Quoted spread.
    Spread,
}

impl PatternTarget {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Volume, Self::Volatility, Self::Spread];

    /// Gives the word used in messages and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Volatility => "volatility",
            Self::Spread => "spread",
        }
    }
}

/// Is what was found by the hour of the day, UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct HourPattern {
    /// Of what.
    pub target: PatternTarget,
    /// Chance of as much without any pattern, adjusted for everything tested with it, 0 to 1.
    pub p_value_est: f64,
    /// For each hour the factor against a usual hour, ½ to 2; empty where there is no pattern.
    pub factors_est: Vec<f64>,
}

impl HourPattern {
    /// Gives the factor in force at an instant; `None` where there is no pattern.
    #[must_use]
    pub fn factor_est(&self, now: Timestamp) -> Option<f64> {
        let hour = now.as_ns().div_euclid(HOUR_NS).rem_euclid(24);
        self.factors_est.get(usize::try_from(hour).ok()?).copied()
    }
}

/// Is another instrument of the same asset that may move ahead of this one.
#[derive(Clone, Debug, PartialEq)]
pub struct Lead {
    /// Which.
    pub leader: InstrumentKey,
    /// Whether it is more than chance; only then may it be used.
    pub is_significant: bool,
    /// How far ahead it is.
    pub lag: DurationNs,
    /// Share of its move that this one makes after the lag, 0 to 1.
    pub share_est: f64,
    /// Chance of as steady a lead without any, adjusted for everything tested with it, 0 to 1.
    pub p_value_est: f64,
    /// Parts of the history that were compared.
    pub parts: u32,
}

/// Is everything that is known so of one pair.
#[derive(Clone, Debug, PartialEq)]
pub struct PairInsight {
    /// Which pair.
    pub instrument: InstrumentKey,
    /// Patterns that were tested, significant or not.
    pub patterns: Vec<HourPattern>,
    /// Leads that were tested, significant or not.
    pub leads: Vec<Lead>,
}

impl PairInsight {
    /// Gives the factor of a target at an instant; `None` where there is no pattern.
    #[must_use]
    pub fn factor_est(&self, target: PatternTarget, now: Timestamp) -> Option<f64> {
        self.patterns.iter().find(|pattern| pattern.target == target)?.factor_est(now)
    }

    /// Gives the significant lead with the largest share.
    #[must_use]
    pub fn lead(&self) -> Option<&Lead> {
        let significant = self.leads.iter().filter(|lead| lead.is_significant);
        significant.max_by(|a, b| a.share_est.total_cmp(&b.share_est))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_belongs_to_its_hour_and_none_to_what_is_no_pattern() {
        let at = |hours: i64| Timestamp::from_ns(hours * HOUR_NS + 1);
        let mut pattern = HourPattern {
            target: PatternTarget::Volume,
            p_value_est: 0.01,
            factors_est: vec![1.0; HOURS],
        };
        pattern.factors_est[14] = 2.0;
        assert_eq!(pattern.factor_est(at(14)), Some(2.0));
        assert_eq!(pattern.factor_est(at(24 * 365 + 14)), Some(2.0));
        assert_eq!(pattern.factor_est(at(15)), Some(1.0));
        pattern.factors_est.clear();
        assert_eq!(pattern.factor_est(at(14)), None);
    }
}
