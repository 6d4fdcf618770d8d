//! Displayed depth within a distance of the mid, and the time-weighted spread and depth of a book.
//!
//! Depth at `x` bps of one side: `Σ price·qty` of the levels with `|price − mid|/mid·1e4 ≤ x`, in quote currency. A feed that
//! shows a limited number of levels may end before `x`: then the depth there is unknown, not what happens to be visible.
//! Means weigh by the time a value held ([`TimeWeightedMean`]); a gap or an unusable book pauses them.
//! Worked number: mid 100; bids 99.99 × 2, 99.90 × 1, 99.50 × 4: 5 bps hold 199.98; 10 bps 299.88; 60 bps are not covered
//! unless the side is known to end there, then 697.88.
//! Bound: at most 8 distances; an update is O(levels up to the widest distance).

use crate::estimate::check;
use crate::{BPS, Estimate, NotReady, TimeWeightedMean, TouchState, touch_state};
use remora_domain::{DurationNs, Timestamp};
use remora_quoting::Touch;

/// The most distances of one estimator.
const DISTANCES_MAX: usize = 8;

/// Says whether what a side shows is all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Every level of the side is given.
    Whole,
    /// The feed ends after so many levels; more may rest behind.
    Cut,
}

/// Gives the depth of one side within `distance_bps` of `mid`, quote currency; levels are (price, quantity), best first.
///
/// # Errors
/// Refuses levels that are not numbers above zero or not in order from the mid, and distances not above zero; not ready
/// where the side is cut before that distance.
pub fn depth_within(
    levels: &[(f64, f64)],
    mid: f64,
    distance_bps: f64,
    coverage: Coverage,
) -> Result<f64, NotReady> {
    check("mid", mid, mid > 0.0)?;
    check("distance", distance_bps, distance_bps > 0.0)?;
    let (mut depth, mut reached) = (0.0, 0.0);
    for (price, qty) in levels {
        check("level", price * qty, *price > 0.0 && *qty > 0.0)?;
        let distance = (price - mid).abs() / mid * BPS;
        check("order of levels", distance, distance >= reached)?;
        reached = distance;
        // A level on the edge counts; prices in floats may lie an ulp beyond it.
        if distance > distance_bps * (1.0 + 1e-9) {
            return Ok(depth);
        }
        depth += price * qty;
    }
    match coverage {
        Coverage::Whole => Ok(depth),
        Coverage::Cut => Err(NotReady::TooLittle { have: reached, want: distance_bps }),
    }
}

/// Estimates spread and depth as they were over time. O(1) per event in the spread, O(levels) in the depth.
#[derive(Clone, Debug, PartialEq)]
pub struct BookLiquidity {
    spread_bps: TimeWeightedMean,
    spread: TimeWeightedMean,
    /// Distance in bps, bids, asks.
    depths: Vec<(f64, TimeWeightedMean, TimeWeightedMean)>,
}

impl BookLiquidity {
    /// Starts empty, for the depth at each of `distances_bps`.
    ///
    /// # Errors
    /// Refuses more than 8 distances and such that are not above zero.
    pub fn new(half_life: DurationNs, distances_bps: &[f64]) -> Result<Self, NotReady> {
        if distances_bps.len() > DISTANCES_MAX {
            return Err(NotReady::Input { what: "number of distances" });
        }
        let empty = TimeWeightedMean::new(half_life);
        let depth = |bps: &f64| Ok((check("distance", *bps, *bps > 0.0)?, empty, empty));
        let depths = distances_bps.iter().map(depth).collect::<Result<_, NotReady>>()?;
        Ok(Self { spread_bps: empty, spread: empty, depths })
    }

    /// Takes the book that holds from `now`: levels as (price, quantity), best first.
    ///
    /// # Errors
    /// Says why an unusable book is not one; until the next, everything is paused. A depth that the feed does not cover is
    /// paused alone.
    pub fn observe(
        &mut self,
        now: Timestamp,
        bids: &[(f64, f64)],
        asks: &[(f64, f64)],
        coverage: Coverage,
    ) -> Result<TouchState, NotReady> {
        match best(bids, asks) {
            Ok(seen) => {
                self.spread_bps.observe(now, seen.spread_bps);
                self.spread.observe(now, seen.spread);
                for (bps, bid, ask) in &mut self.depths {
                    for (mean, levels) in [(bid, bids), (ask, asks)] {
                        match depth_within(levels, seen.mid, *bps, coverage) {
                            Ok(depth) => mean.observe(now, depth),
                            Err(_) => mean.pause(now),
                        }
                    }
                }
                Ok(seen)
            }
            Err(cause) => {
                self.pause(now);
                Err(cause)
            }
        }
    }

    /// Says that from `now` no book is known.
    pub fn pause(&mut self, now: Timestamp) {
        self.spread_bps.pause(now);
        self.spread.pause(now);
        for (_, bid, ask) in &mut self.depths {
            bid.pause(now);
            ask.pause(now);
        }
    }

    /// Gives the time-weighted spread in bps of the mid.
    ///
    /// # Errors
    /// Not ready below `seconds_min` of (decayed) observation.
    pub fn spread_bps(&self, now: Timestamp, seconds_min: f64) -> Result<Estimate, NotReady> {
        self.spread_bps.estimate(now, seconds_min)
    }

    /// Gives the time-weighted spread in quote currency.
    ///
    /// # Errors
    /// As [`Self::spread_bps`].
    pub fn spread(&self, now: Timestamp, seconds_min: f64) -> Result<Estimate, NotReady> {
        self.spread.estimate(now, seconds_min)
    }

    /// Gives the time-weighted depth (bids, asks) at one of the distances, quote currency.
    ///
    /// # Errors
    /// As [`Self::spread_bps`], for either side; refuses a distance that is not measured.
    pub fn depth(
        &self,
        now: Timestamp,
        distance_bps: f64,
        seconds_min: f64,
    ) -> Result<(Estimate, Estimate), NotReady> {
        let found = self.depths.iter().find(|(bps, _, _)| bps.total_cmp(&distance_bps).is_eq());
        let (_, bid, ask) = found.ok_or(NotReady::Input { what: "distance" })?;
        Ok((bid.estimate(now, seconds_min)?, ask.estimate(now, seconds_min)?))
    }
}

fn best(bids: &[(f64, f64)], asks: &[(f64, f64)]) -> Result<TouchState, NotReady> {
    let ((bid_est, bid_qty_est), (ask_est, ask_qty_est)) =
        bids.first().zip(asks.first()).ok_or(NotReady::Input { what: "one-sided book" })?;
    touch_state(&Touch {
        bid_est: *bid_est,
        bid_qty_est: *bid_qty_est,
        ask_est: *ask_est,
        ask_qty_est: *ask_qty_est,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BIDS: [(f64, f64); 3] = [(99.99, 2.0), (99.90, 1.0), (99.50, 4.0)];

    fn at_s(s: i64) -> Timestamp {
        Timestamp::from_ns(s * 1_000_000_000)
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let within = |bps, coverage| depth_within(&BIDS, 100.0, bps, coverage);
        assert!((within(5.0, Coverage::Cut).unwrap() - 199.98).abs() < 1e-9);
        assert!((within(10.0, Coverage::Cut).unwrap() - 299.88).abs() < 1e-9);
        assert!(matches!(within(60.0, Coverage::Cut), Err(NotReady::TooLittle { .. })));
        assert!((within(60.0, Coverage::Whole).unwrap() - 697.88).abs() < 1e-9);
    }

    #[test]
    fn a_crossed_or_one_sided_book_pauses_and_an_uncovered_depth_pauses_alone() {
        let mut book = BookLiquidity::new(DurationNs::from_s(10), &[5.0, 60.0]).unwrap();
        let asks = [(100.01, 1.0), (100.02, 1.0), (100.20, 1.0)];
        book.observe(at_s(0), &BIDS, &asks, Coverage::Cut).unwrap();
        assert_eq!(book.observe(at_s(4), &asks, &BIDS, Coverage::Cut), Err(NotReady::Crossed));
        let seen = book.spread_bps(at_s(8), 0.1).unwrap();
        assert!((seen.value - 2.0).abs() < 1e-9);
        let (bid, ask) = book.depth(at_s(8), 5.0, 0.1).unwrap();
        assert!((bid.value - 199.98).abs() < 1e-9 && (ask.value - 200.03).abs() < 1e-9);
        assert!(book.depth(at_s(8), 60.0, 0.1).is_err());
        assert!(book.depth(at_s(8), 7.0, 0.1).is_err());
        assert!(book.observe(at_s(9), &BIDS, &[], Coverage::Cut).is_err());
    }

    #[test]
    fn levels_out_of_order_are_refused() {
        let mixed = [(99.90, 1.0), (99.99, 2.0)];
        let got = depth_within(&mixed, 100.0, 20.0, Coverage::Whole);
        assert_eq!(got, Err(NotReady::Input { what: "order of levels" }));
    }

    proptest! {
        #[test]
        fn depth_grows_with_distance(
            steps in prop::collection::vec((0.001f64..0.5, 0.1f64..9.0), 1..30),
            near in 0.1f64..100.0, more in 0f64..100.0,
        ) {
            let mut price = 100.0;
            let levels: Vec<(f64, f64)> = steps.iter().map(|(step, qty)| { price -= step; (price, *qty) }).collect();
            let within = |bps| depth_within(&levels, 100.0, bps, Coverage::Whole).unwrap();
            prop_assert!(within(near) <= within(near + more));
        }
    }
}
