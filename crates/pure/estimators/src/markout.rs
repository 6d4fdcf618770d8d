//! Markouts: what fills earn and lose as the mid moves on (section 12); on all public trades, the effective and realised
//! spread that makers of this market get.
//!
//! Maker side `d` (+1 bought, −1 sold), price `p`, quantity `q`, `M₀` the last mid strictly before the fill, `M_h` the last at or
//! before `t + h`: effective half-spread `d(M₀ − p)/M₀`, adverse move `−d(M_h − M₀)/M₀`, realised half-spread = effective −
//! adverse `= d(M_h − p)/M₀`; bps, weighted by `q·M₀`. Fills of one minute are one observation for the standard error.
//! Worked number: bought at 99.9 with M₀ = 100, M_h = 99.95: effective 10, adverse 5, realised 5 bps.
//! Bound: at most `pending_max` fills wait per horizon; more are dropped for all horizons alike and counted. O(1) per event
//! (amortised: every fill enters and leaves each horizon once).
//! Pitfalls kept: the mid after the fill would hide the adverse part; a fill near a gap is dropped from every horizon that the
//! gap touches, whichever way the price went. Sources: Huang, Stoll (1997); Glosten, Milgrom (1985).

use crate::estimate::check;
use crate::moments::ClusteredMean;
use crate::{BPS, Estimate, NotReady};
use remora_domain::{DurationNs, Side, Timestamp};
use std::collections::VecDeque;

/// The horizons of reports: 1, 5, 30 and 60 seconds.
pub const MARKOUT_HORIZONS: [DurationNs; 4] =
    [DurationNs::from_s(1), DurationNs::from_s(5), DurationNs::from_s(30), DurationNs::from_s(60)];

/// Fills of so much time are one observation.
const CLUSTER_NS: i64 = 60_000_000_000;

/// Says how markouts are taken.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkoutSettings {
    /// Times after the fill, each above zero.
    pub horizons: Vec<DurationNs>,
    /// Age at which a fill counts half.
    pub half_life: DurationNs,
    /// The oldest a mid may be to count as the mid of an instant.
    pub mid_age_max: DurationNs,
    /// The most fills that wait for a horizon.
    pub pending_max: usize,
}

/// Is the answer for one horizon; bps of the mid, weighted by value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Markout {
    /// Time after the fill.
    pub horizon: DurationNs,
    /// Distance of the fill from the mid before it; above zero is earned.
    pub effective_bps: Estimate,
    /// Move of the mid against the fill; above zero is lost.
    pub adverse_bps: Estimate,
    /// What is left of the one after the other.
    pub realised_bps: Estimate,
    /// Fills that were marked at this horizon.
    pub fills: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Fill {
    due: Timestamp,
    sign: f64,
    effective: f64,
    mid: f64,
    weight: f64,
    minute: i64,
}

#[derive(Clone, Debug, PartialEq)]
struct Horizon {
    after: DurationNs,
    pending: VecDeque<Fill>,
    effective: ClusteredMean,
    adverse: ClusteredMean,
    realised: ClusteredMean,
    fills: u64,
}

/// Follows the mid after fills.
#[derive(Clone, Debug, PartialEq)]
pub struct Markouts {
    mid_age_max: DurationNs,
    pending_max: usize,
    horizons: Vec<Horizon>,
    /// The newest mid, and the newest one strictly older than it.
    mid: Option<(Timestamp, f64)>,
    mid_before: Option<(Timestamp, f64)>,
    dropped: u64,
}

impl Markouts {
    /// Starts empty.
    ///
    /// # Errors
    /// Refuses no horizons, and horizons that are no time.
    pub fn new(settings: &MarkoutSettings) -> Result<Self, NotReady> {
        let is_usable = !settings.horizons.is_empty()
            && settings.horizons.iter().all(|after| *after > DurationNs::ZERO);
        if !is_usable {
            return Err(NotReady::Input { what: "horizons" });
        }
        let mean = ClusteredMean::new(settings.half_life);
        let horizon = |after: &DurationNs| Horizon {
            after: *after,
            pending: VecDeque::new(),
            effective: mean,
            adverse: mean,
            realised: mean,
            fills: 0,
        };
        Ok(Self {
            mid_age_max: settings.mid_age_max,
            pending_max: settings.pending_max,
            horizons: settings.horizons.iter().map(horizon).collect(),
            mid: None,
            mid_before: None,
            dropped: 0,
        })
    }

    /// Takes the mid that holds from `now`. Older mids and such that are not above zero are ignored.
    pub fn mid(&mut self, now: Timestamp, mid: f64) {
        if !(mid.is_finite() && mid > 0.0) || self.mid.is_some_and(|(at, _)| now < at) {
            return;
        }
        self.mark(Timestamp::from_ns(now.as_ns().saturating_sub(1)));
        if let Some((at, _)) = self.mid.filter(|(at, _)| *at < now) {
            self.mid_before = self.mid.filter(|(old, _)| *old == at);
        }
        self.mid = Some((now, mid));
    }

    /// Takes a fill of a maker who bought or sold (`side`) at `price`, quote currency, `qty` in base.
    ///
    /// # Errors
    /// Refuses unusable numbers; not ready where no mid young enough is known from before the fill, or too many fills wait.
    /// Such a fill is counted as dropped.
    pub fn fill(
        &mut self,
        now: Timestamp,
        side: Side,
        price: f64,
        qty: f64,
    ) -> Result<(), NotReady> {
        let taken = self.take(now, side, price, qty);
        if taken.is_err() {
            self.dropped = self.dropped.saturating_add(1);
        }
        taken
    }

    fn take(&mut self, now: Timestamp, side: Side, price: f64, qty: f64) -> Result<(), NotReady> {
        check("fill price", price, price > 0.0)?;
        check("fill quantity", qty, qty > 0.0)?;
        let earlier = [self.mid, self.mid_before].into_iter().flatten().find(|(at, _)| *at < now);
        let (at, mid) = earlier.ok_or(NotReady::NoObservation)?;
        if now.since(at) > self.mid_age_max {
            return Err(NotReady::Input { what: "age of the mid" });
        }
        if self.horizons.iter().any(|horizon| horizon.pending.len() >= self.pending_max) {
            return Err(NotReady::Input { what: "number of waiting fills" });
        }
        let sign = match side {
            Side::Buy => 1.0,
            Side::Sell => -1.0,
        };
        let minute = now.as_ns().div_euclid(CLUSTER_NS);
        let (effective, weight) = (sign * (mid - price) / mid, qty * mid);
        for horizon in &mut self.horizons {
            let due = now.saturating_add(horizon.after);
            horizon.pending.push_back(Fill { due, sign, effective, mid, weight, minute });
        }
        Ok(())
    }

    /// Marks every fill whose horizon ended by `now`, when it is certain that no older mid will come.
    pub fn advance(&mut self, now: Timestamp) {
        self.mark(now);
    }

    /// Says that mids are unknown until the next: fills that wait are dropped, and counted once each.
    pub fn restart(&mut self) {
        let waiting = self.horizons.iter().map(|horizon| horizon.pending.len()).max().unwrap_or(0);
        self.dropped = self.dropped.saturating_add(u64::try_from(waiting).unwrap_or(u64::MAX));
        self.horizons.iter_mut().for_each(|horizon| horizon.pending.clear());
        (self.mid, self.mid_before) = (None, None);
    }

    /// Gives how many fills could not be marked at one horizon or more: no mid near them, or too many at once.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Gives the markout of every horizon, in the order of the settings.
    ///
    /// # Errors
    /// Each alone: not ready below `minutes_min` effective minutes with fills.
    #[must_use]
    pub fn estimates(&self, minutes_min: f64) -> Vec<Result<Markout, NotReady>> {
        let one = |horizon: &Horizon| {
            Ok(Markout {
                horizon: horizon.after,
                effective_bps: horizon.effective.estimate(minutes_min)?,
                adverse_bps: horizon.adverse.estimate(minutes_min)?,
                realised_bps: horizon.realised.estimate(minutes_min)?,
                fills: horizon.fills,
            })
        };
        self.horizons.iter().map(one).collect()
    }

    /// Marks fills due by `until` with the newest mid, which no mid up to then has replaced.
    fn mark(&mut self, until: Timestamp) {
        let Some((at, mid)) = self.mid else { return };
        for horizon in &mut self.horizons {
            while let Some(fill) = horizon.pending.pop_front_if(|fill| fill.due <= until) {
                if fill.due.since(at) > self.mid_age_max {
                    self.dropped = self.dropped.saturating_add(1);
                    continue;
                }
                let adverse = -fill.sign * (mid - fill.mid) / fill.mid;
                let (minute, weight) = (fill.minute, fill.weight);
                horizon.effective.observe(fill.due, minute, weight, fill.effective * BPS);
                horizon.adverse.observe(fill.due, minute, weight, adverse * BPS);
                let realised = fill.effective - adverse;
                horizon.realised.observe(fill.due, minute, weight, realised * BPS);
                horizon.fills = horizon.fills.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NO_DECAY;
    use proptest::prelude::*;

    fn at_ms(ms: i64) -> Timestamp {
        Timestamp::from_ns(ms * 1_000_000)
    }

    fn markouts(age_s: i64, pending_max: usize) -> Markouts {
        Markouts::new(&MarkoutSettings {
            horizons: vec![DurationNs::from_s(1), DurationNs::from_s(5)],
            half_life: NO_DECAY,
            mid_age_max: DurationNs::from_s(age_s),
            pending_max,
        })
        .unwrap()
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let mut m = markouts(60, 10);
        m.mid(at_ms(0), 100.0);
        m.fill(at_ms(10), Side::Buy, 99.9, 2.0).unwrap();
        m.mid(at_ms(1_010), 99.95);
        m.mid(at_ms(1_011), 98.0);
        let got = m.estimates(1.0)[0].unwrap();
        assert!((got.effective_bps.value - 10.0).abs() < 1e-9);
        assert!((got.adverse_bps.value - 5.0).abs() < 1e-9);
        assert!((got.realised_bps.value - 5.0).abs() < 1e-9);
        assert_eq!(m.estimates(1.0)[1], Err(NotReady::NoObservation));
    }

    #[test]
    fn the_mid_at_the_instant_of_the_fill_is_not_before_it() {
        let mut m = markouts(60, 10);
        m.mid(at_ms(0), 100.0);
        m.mid(at_ms(10), 99.0);
        m.fill(at_ms(10), Side::Sell, 100.1, 1.0).unwrap();
        m.advance(at_ms(1_010));
        assert!((m.estimates(1.0)[0].unwrap().effective_bps.value - 10.0).abs() < 1e-9);
    }

    #[test]
    fn fills_without_a_young_mid_or_beyond_the_bound_are_dropped_and_counted() {
        let mut m = markouts(2, 1);
        assert_eq!(m.fill(at_ms(0), Side::Buy, 1.0, 1.0), Err(NotReady::NoObservation));
        m.mid(at_ms(0), 100.0);
        let old = m.fill(at_ms(2_001), Side::Buy, 99.0, 1.0);
        assert_eq!(old, Err(NotReady::Input { what: "age of the mid" }));
        m.mid(at_ms(3_000), 100.0);
        m.fill(at_ms(3_001), Side::Buy, 99.0, 1.0).unwrap();
        assert!(m.fill(at_ms(3_002), Side::Buy, 99.0, 1.0).is_err());
        m.restart();
        assert_eq!(m.dropped(), 4);
        m.advance(at_ms(100_000));
        assert!(m.estimates(0.0).iter().all(Result::is_err));
    }

    proptest! {
        #[test]
        fn effective_less_adverse_is_realised_and_equals_the_batch(
            moves in prop::collection::vec(-20i32..20, 60..200), seed: u64,
        ) {
            let mut m = markouts(3_600, 1_000);
            let mut random = remora_machine::SplitMix64::new(seed);
            let (mut mids, mut fills, mut mid) = (Vec::new(), Vec::new(), 10_000.0);
            for (i, step) in (0i64..).zip(&moves) {
                mid += f64::from(*step) / 10.0;
                mids.push((i * 700, mid));
                m.mid(at_ms(i * 700), mid);
                if random.next_unit_est() < 0.4 {
                    let (side, sign) =
                        if random.next_unit_est() < 0.5 { (Side::Buy, 1.0) } else { (Side::Sell, -1.0) };
                    let (price, qty) = (mid - sign * 0.3, 1.0 + random.next_unit_est());
                    m.fill(at_ms(i * 700 + 5), side, price, qty).unwrap();
                    fills.push((i * 700 + 5, sign, price, qty));
                }
            }
            m.advance(at_ms(mids.last().unwrap().0));
            let last_at = |ms: i64| mids.iter().rfind(|(at, _)| *at <= ms).unwrap().1;
            let (mut sum, mut weight) = (0.0, 0.0);
            for (ms, sign, price, qty) in fills.iter().filter(|f| f.0 + 5_000 <= mids.last().unwrap().0) {
                let before = last_at(ms - 1);
                sum += qty * before * sign * (last_at(ms + 5_000) - price) / before * 1e4;
                weight += qty * before;
            }
            if let Ok(got) = m.estimates(0.0)[1] {
                let parts = got.effective_bps.value - got.adverse_bps.value;
                prop_assert!((parts - got.realised_bps.value).abs() < 1e-9);
                prop_assert!((got.realised_bps.value - sum / weight).abs() < 1e-8);
            } else {
                prop_assert!(weight == 0.0);
            }
        }
    }
}
