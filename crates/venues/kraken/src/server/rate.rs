//! Counters that decay: the REST call counter of a key and the matching engine's counter of an account and pair,
//! exactly and in integers. Source: `API rate limits` and `Spot trading rate limits` guides (checked June 2026).
//!
//! Worked check of the venue: add (1), amend after 7 s (1 + 2), cancel 36 s after the amend (4) make 8 points
//! before decay.

use super::settings::Tier;
use remora_domain::{DurationNs, Timestamp};
use rust_decimal::Decimal;

/// One point, in the units of a counter: hundredths of a point a second are then whole units a nanosecond.
pub(crate) const POINT: i64 = 100_000_000_000;

/// The decimals of a point in those units.
const POINT_DECIMALS: u32 = 11;

/// Is how far a counter may rise and how fast it falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Points.
    pub(crate) points_max: u32,
    /// Hundredths of a point a second.
    decay_centi_per_s: i64,
}

impl Limit {
    const fn new(points_max: u32, decay_centi_per_s: i64) -> Self {
        Self { points_max, decay_centi_per_s }
    }

    /// Gives how long so many units need to fall, rounded up.
    pub(crate) const fn time_to_fall(self, units: i64) -> DurationNs {
        let rest = units.saturating_add(self.decay_centi_per_s - 1);
        match rest.checked_div(self.decay_centi_per_s) {
            Some(ns) => DurationNs::from_ns(ns),
            None => DurationNs::ZERO,
        }
    }
}

impl Tier {
    /// Gives the limit of the REST call counter of each key.
    pub(crate) const fn rest(self) -> Option<Limit> {
        match self {
            Self::Starter => Some(Limit::new(15, 33)),
            Self::Intermediate => Some(Limit::new(20, 50)),
            Self::Pro => Some(Limit::new(20, 100)),
            Self::Unlimited => None,
        }
    }

    /// Gives the limit of the matching engine's counter of each pair.
    pub(crate) const fn engine(self) -> Option<Limit> {
        match self {
            Self::Starter => Some(Limit::new(60, 100)),
            Self::Intermediate => Some(Limit::new(125, 234)),
            Self::Pro => Some(Limit::new(180, 375)),
            Self::Unlimited => None,
        }
    }

    /// Gives how many orders may be open on a pair.
    pub(crate) const fn open_orders_max(self) -> Option<usize> {
        match self {
            Self::Starter => Some(60),
            Self::Intermediate => Some(80),
            Self::Pro => Some(225),
            Self::Unlimited => None,
        }
    }
}

/// Is a counter that falls with time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counter {
    units: i64,
    at: Timestamp,
}

impl Counter {
    /// Gives where it stands now, in units.
    pub(crate) fn level(&self, now: Timestamp, limit: Limit) -> i64 {
        let elapsed = now.since(self.at).as_ns().max(0);
        let decayed = elapsed.saturating_mul(limit.decay_centi_per_s);
        self.units.saturating_sub(decayed).max(0)
    }

    /// Tells whether so many units still fit.
    pub(crate) fn has_room(&self, now: Timestamp, limit: Limit, units: i64) -> bool {
        let max = i64::from(limit.points_max).saturating_mul(POINT);
        self.level(now, limit).saturating_add(units) <= max
    }

    /// Raises it by so many units, over the limit too.
    pub(crate) fn charge(&mut self, now: Timestamp, limit: Limit, units: i64) {
        self.units = self.level(now, limit).saturating_add(units);
        self.at = self.at.max(now);
    }
}

/// Writes units as points with two decimals.
pub(crate) fn points(units: i64) -> Decimal {
    let mut points = Decimal::new(units, POINT_DECIMALS).round_dp(2);
    points.rescale(2);
    points
}

/// Gives the penalty of an age: the entry of the first bound that the age is below.
fn penalty(age: DurationNs, entries: [i64; 6]) -> i64 {
    const BOUNDS_S: [i64; 6] = [5, 10, 15, 45, 90, 300];
    let bounds = BOUNDS_S.into_iter().map(DurationNs::from_s);
    let points = bounds.zip(entries).find(|&(bound, _)| age < bound).map_or(0, |(_, entry)| entry);
    points.saturating_mul(POINT)
}

/// Gives what an amend of an order of this age costs on top of its point.
pub(crate) fn amend_penalty(age: DurationNs) -> i64 {
    penalty(age, [3, 2, 1, 0, 0, 0])
}

/// Gives what an edit of an order of this age costs on top of its point.
pub(crate) fn edit_penalty(age: DurationNs) -> i64 {
    penalty(age, [6, 5, 4, 2, 1, 0])
}

/// Gives what a cancel of an order of this age costs.
pub(crate) fn cancel_penalty(age: DurationNs) -> i64 {
    penalty(age, [8, 6, 5, 4, 2, 1])
}

/// Gives what adding a batch of so many orders costs.
pub(crate) fn batch_add(orders: usize) -> i64 {
    i64::try_from(orders).unwrap_or(i64::MAX).saturating_mul(POINT / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ns(ms * 1_000_000)
    }

    #[test]
    fn the_table_of_the_venue_is_kept_bucket_by_bucket() {
        // (seconds just inside, amend, edit, cancel)
        let rows = [
            (0, 3, 6, 8),
            (4_999, 3, 6, 8),
            (5_000, 2, 5, 6),
            (9_999, 2, 5, 6),
            (10_000, 1, 4, 5),
            (14_999, 1, 4, 5),
            (15_000, 0, 2, 4),
            (44_999, 0, 2, 4),
            (45_000, 0, 1, 2),
            (89_999, 0, 1, 2),
            (90_000, 0, 0, 1),
            (299_999, 0, 0, 1),
            (300_000, 0, 0, 0),
        ];
        for (ms, amend, edit, cancel) in rows {
            let age = DurationNs::from_ms(ms);
            let got = (amend_penalty(age), edit_penalty(age), cancel_penalty(age));
            assert_eq!(got, (amend * POINT, edit * POINT, cancel * POINT), "{ms} ms");
        }
        assert_eq!(batch_add(15), 15 * POINT / 2);
    }

    #[test]
    fn every_decay_is_exact_to_the_nanosecond() {
        for (tier, rest_centi, engine_centi) in
            [(Tier::Starter, 33, 100), (Tier::Intermediate, 50, 234), (Tier::Pro, 100, 375)]
        {
            for (limit, centi) in [(tier.rest(), rest_centi), (tier.engine(), engine_centi)] {
                let limit = limit.unwrap();
                let mut counter = Counter::default();
                counter.charge(at(0), limit, 10 * POINT);
                assert_eq!(counter.level(at(1_000), limit), 10 * POINT - centi * POINT / 100);
                assert_eq!(counter.level(Timestamp::from_ns(1), limit), 10 * POINT - centi);
                assert_eq!(counter.level(at(1_000_000), limit), 0);
            }
        }
    }

    #[test]
    fn a_counter_is_full_only_above_its_limit_and_never_falls_when_the_clock_steps_back() {
        let limit = Tier::Intermediate.rest().unwrap();
        let mut counter = Counter::default();
        counter.charge(at(1_000), limit, 19 * POINT);
        assert!(counter.has_room(at(1_000), limit, POINT));
        assert!(!counter.has_room(at(1_000), limit, POINT + 1));
        assert_eq!(counter.level(at(0), limit), 19 * POINT);
        assert_eq!(points(counter.level(at(1_500), limit)).to_string(), "18.75");
    }
}
