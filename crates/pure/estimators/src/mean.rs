//! Time-weighted mean of a quantity that holds until it changes, such as the spread.
//!
//! `M = S/E` with `S ← d·S + x·e`, `E ← d·E + e`, `e = (H/ln 2)(1 − d)` for the time the value `x` held.
//! Worked number: H = 10 s, x = 4 for 10 s, then x = 1 for 10 s: weights ½ and 1, M = (4·½ + 1)/1.5 = 2.

use crate::decay::{Aged, Exposure, Weights, exposure};
use crate::{Estimate, NotReady};
use remora_domain::{DurationNs, Timestamp};

/// Estimates the mean of a value that holds between observations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeWeightedMean {
    exposure: Exposure,
    sum: f64,
    weights: Weights,
    value: f64,
}

impl TimeWeightedMean {
    /// Starts empty.
    #[must_use]
    pub const fn new(half_life: DurationNs) -> Self {
        Self { exposure: Exposure::new(half_life), sum: 0.0, weights: Weights::EMPTY, value: 0.0 }
    }

    /// Takes the value that holds from `now`. A value that is not finite pauses.
    pub fn observe(&mut self, now: Timestamp, value: f64) {
        self.advance(now);
        self.exposure.set_running(value.is_finite());
        self.value = if value.is_finite() { value } else { 0.0 };
    }

    /// Says that from `now` no value holds.
    pub fn pause(&mut self, now: Timestamp) {
        self.advance(now);
        self.exposure.set_running(false);
    }

    /// Gives the mean up to `now`. Its `n_eff` counts the values by the time they held.
    ///
    /// # Errors
    /// Not ready below `seconds_min` of (decayed) observation.
    pub fn estimate(&self, now: Timestamp, seconds_min: f64) -> Result<Estimate, NotReady> {
        let mut to_now = *self;
        to_now.advance(now);
        let seconds = to_now.exposure.seconds();
        let as_of = to_now.exposure.at().ok_or(NotReady::NoObservation)?;
        if seconds <= 0.0 {
            return Err(NotReady::NoObservation);
        }
        if seconds < seconds_min {
            return Err(NotReady::TooLittle { have: seconds, want: seconds_min });
        }
        let half_life = self.exposure.half_life();
        let (value, n_eff) = (to_now.sum / seconds, to_now.weights.n_eff());
        Estimate { value, se: None, n_eff, as_of, half_life }.checked()
    }

    fn advance(&mut self, now: Timestamp) {
        let held = self.exposure.at().map_or(DurationNs::ZERO, |at| now.since(at));
        let is_running = self.exposure.is_running();
        match self.exposure.advance(now) {
            Aged::Forgotten => {
                self.sum = 0.0;
                self.weights = Weights::EMPTY;
            }
            Aged::By(d) => {
                let e = if is_running { exposure(held, self.exposure.half_life()) } else { 0.0 };
                self.sum = self.sum * d + self.value * e;
                self.weights.decay(d);
                self.weights.add(e);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at_s(s: i64) -> Timestamp {
        Timestamp::from_ns(s * 1_000_000_000)
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let mut mean = TimeWeightedMean::new(DurationNs::from_s(10));
        mean.observe(at_s(0), 4.0);
        mean.observe(at_s(10), 1.0);
        assert!((mean.estimate(at_s(20), 1.0).unwrap().value - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_value_counts_by_the_time_it_held_not_by_how_often_it_was_told() {
        let mut told_often = TimeWeightedMean::new(DurationNs::from_s(10));
        let mut told_once = told_often;
        told_once.observe(at_s(0), 4.0);
        for s in 0..5 {
            told_often.observe(at_s(s), 4.0);
        }
        for mean in [&mut told_once, &mut told_often] {
            mean.observe(at_s(5), 1.0);
        }
        let (once, often) = (told_once.estimate(at_s(9), 1.0), told_often.estimate(at_s(9), 1.0));
        assert!((once.unwrap().value - often.unwrap().value).abs() < 1e-12);
    }

    #[test]
    fn too_short_an_observation_is_not_ready() {
        let mut mean = TimeWeightedMean::new(DurationNs::from_s(10));
        assert_eq!(mean.estimate(at_s(1), 1.0), Err(NotReady::NoObservation));
        mean.observe(at_s(0), 4.0);
        let got = mean.estimate(at_s(1), 5.0);
        assert!(matches!(got, Err(NotReady::TooLittle { .. })), "{got:?}");
        mean.pause(at_s(1));
        assert!(mean.estimate(at_s(60), 0.9).is_err());
    }

    proptest! {
        #[test]
        fn the_mean_stays_between_the_extremes(
            values in proptest::collection::vec((0i64..3_000, -1e6f64..1e6), 1..100),
        ) {
            let mut mean = TimeWeightedMean::new(DurationNs::from_s(2));
            let (mut ms, mut low, mut high) = (0, f64::MAX, f64::MIN);
            for (step, value) in values {
                ms += step;
                mean.observe(Timestamp::from_ns(ms * 1_000_000), value);
                (low, high) = (low.min(value), high.max(value));
                if let Ok(e) = mean.estimate(Timestamp::from_ns((ms + 5) * 1_000_000), 0.001) {
                    prop_assert!(e.value >= low - 1e-6 && e.value <= high + 1e-6);
                }
            }
        }
    }
}
