//! Live volatility: exponentially weighted variance of log price changes at irregular times (section 3).
//!
//! Symbols: `r` log price change, `Δt` seconds since the previous sample, `H` half-life, `d = 2^(−Δt/H)`.
//! `N ← N·d + r²`, `D ← D·d + Δt`, variance per second `v = N/D`; `se(v) = v·√(2/n_eff)`, as for normal changes.
//! Price volatility is `price·√v`, quote currency per square-root second.
//! Worked number: H = 10 s, prices 100, 101 after 10 s, 100 after 10 s more: N = 1.5·(ln 1.01)² = 1.4851e-4,
//! D = 15 s, v = 9.9009e-6 per second.

use crate::decay::{Weights, factor, is_forgotten};
use crate::{Estimate, NotReady};
use remora_domain::{DurationNs, Timestamp};

/// Estimates the variance of the log price per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EwmaVariance {
    half_life: DurationNs,
    sample_interval: DurationNs,
    numerator: f64,
    seconds: f64,
    weights: Weights,
    base: Option<(Timestamp, f64)>,
    sampled_at: Option<Timestamp>,
}

impl EwmaVariance {
    /// Starts empty. Prices closer together than `sample_interval` are skipped, so that bid-ask bounce does not
    /// count as volatility.
    #[must_use]
    pub const fn new(half_life: DurationNs, sample_interval: DurationNs) -> Self {
        Self {
            half_life,
            sample_interval,
            numerator: 0.0,
            seconds: 0.0,
            weights: Weights::EMPTY,
            base: None,
            sampled_at: None,
        }
    }

    /// Takes a price at `now`. Prices that are not finite and above zero, and older ones, are ignored.
    pub fn observe(&mut self, now: Timestamp, price: f64) {
        if !(price.is_finite() && price > 0.0) {
            return;
        }
        self.forget_if_old(now);
        let Some((at, base)) = self.base else {
            self.base = Some((now, price));
            return;
        };
        let dt = now.since(at);
        if dt.as_ns() <= 0 || dt < self.sample_interval {
            return;
        }
        let r = libm::log(price / base);
        let d = factor(dt, self.half_life);
        self.numerator = self.numerator * d + r * r;
        self.seconds = self.seconds * d + dt.as_seconds_est();
        self.weights.decay(d);
        self.weights.add(1.0);
        self.base = Some((now, price));
        self.sampled_at = Some(now);
    }

    /// Drops the last price, so that no change is measured across a gap in the data.
    pub const fn restart(&mut self) {
        self.base = None;
    }

    /// Gives the variance per second.
    ///
    /// # Errors
    /// Not ready below `n_eff_min` effective samples.
    pub fn estimate(&self, n_eff_min: f64) -> Result<Estimate, NotReady> {
        let as_of = self.sampled_at.ok_or(NotReady::NoObservation)?;
        let n_eff = self.weights.n_eff();
        if n_eff < n_eff_min {
            return Err(NotReady::TooLittle { have: n_eff, want: n_eff_min });
        }
        let value = self.numerator / self.seconds;
        let se = Some(value * libm::sqrt(2.0 / n_eff));
        Estimate { value, se, n_eff, as_of, half_life: self.half_life }.checked()
    }

    fn forget_if_old(&mut self, now: Timestamp) {
        let newest = self.base.map(|(at, _)| at).max(self.sampled_at);
        if newest.is_some_and(|at| is_forgotten(now.since(at), self.half_life)) {
            *self = Self::new(self.half_life, self.sample_interval);
        }
    }
}

/// Holds a fast and a slow [`EwmaVariance`]; the larger counts, so that a burst widens quotes at once and calm
/// narrows them slowly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoSpeedVolatility {
    fast: EwmaVariance,
    slow: EwmaVariance,
}

impl TwoSpeedVolatility {
    /// Starts empty.
    #[must_use]
    pub const fn new(fast: DurationNs, slow: DurationNs, sample_interval: DurationNs) -> Self {
        Self {
            fast: EwmaVariance::new(fast, sample_interval),
            slow: EwmaVariance::new(slow, sample_interval),
        }
    }

    /// Takes a price at `now`.
    pub fn observe(&mut self, now: Timestamp, price: f64) {
        self.fast.observe(now, price);
        self.slow.observe(now, price);
    }

    /// Drops the last price, so that no change is measured across a gap in the data.
    pub const fn restart(&mut self) {
        self.fast.restart();
        self.slow.restart();
    }

    /// Gives the larger variance per second of the two.
    ///
    /// # Errors
    /// Not ready while the slow one is not. The fast one counts once it has `n_eff_min` itself.
    pub fn estimate(&self, n_eff_min: f64) -> Result<Estimate, NotReady> {
        let slow = self.slow.estimate(n_eff_min)?;
        Ok(match self.fast.estimate(n_eff_min) {
            Ok(fast) if fast.value > slow.value => fast,
            Ok(_) | Err(_) => slow,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at_s(s: i64) -> Timestamp {
        Timestamp::from_ns(s * 1_000_000_000)
    }

    fn variance(half_life_s: i64, sample_s: i64) -> EwmaVariance {
        EwmaVariance::new(DurationNs::from_s(half_life_s), DurationNs::from_s(sample_s))
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let mut v = variance(10, 0);
        for (s, price) in [(0, 100.0), (10, 101.0), (20, 100.0)] {
            v.observe(at_s(s), price);
        }
        assert!((v.estimate(1.0).unwrap().value - 9.900_9e-6).abs() < 1e-10);
    }

    #[test]
    fn one_price_is_not_an_estimate() {
        let mut v = variance(10, 0);
        v.observe(at_s(0), 100.0);
        assert_eq!(v.estimate(1.0), Err(NotReady::NoObservation));
    }

    #[test]
    fn prices_closer_than_the_sample_interval_do_not_count() {
        let mut v = variance(10, 5);
        for s in 0..5 {
            v.observe(at_s(s), 100.0 + f64::from(i32::try_from(s).unwrap()));
        }
        assert_eq!(v.estimate(1.0), Err(NotReady::NoObservation));
    }

    #[test]
    fn no_change_is_measured_across_a_restart_or_a_forgotten_gap() {
        let mut v = variance(10, 0);
        v.observe(at_s(0), 100.0);
        v.restart();
        v.observe(at_s(1), 200.0);
        assert_eq!(v.estimate(0.5), Err(NotReady::NoObservation));
        v.observe(at_s(2), 200.0);
        assert_eq!(v.estimate(0.5).unwrap().value, 0.0);
        v.observe(at_s(1_000), 300.0);
        assert_eq!(v.estimate(0.5), Err(NotReady::NoObservation));
    }

    #[test]
    fn the_larger_of_two_speeds_counts() {
        let mut v = TwoSpeedVolatility::new(
            DurationNs::from_s(2),
            DurationNs::from_s(60),
            DurationNs::ZERO,
        );
        for s in 0..20 {
            v.observe(at_s(s), 100.0);
        }
        v.observe(at_s(20), 101.0);
        let burst = v.estimate(2.0).unwrap();
        assert_eq!(burst.half_life, DurationNs::from_s(2));
        for s in 21..60 {
            v.observe(at_s(s), 101.0);
        }
        assert_eq!(v.estimate(2.0).unwrap().half_life, DurationNs::from_s(60));
    }

    proptest! {
        #[test]
        fn an_estimate_is_finite_and_not_negative(
            events in proptest::collection::vec((-5i64..2_000, prop::num::f64::ANY), 0..200),
        ) {
            let mut v = TwoSpeedVolatility::new(
                DurationNs::from_ms(300), DurationNs::from_s(5), DurationNs::from_ms(10),
            );
            let mut ms = 0;
            for (step, price) in events {
                ms += step;
                v.observe(Timestamp::from_ns(ms * 1_000_000), price);
                if let Ok(e) = v.estimate(1.0) {
                    prop_assert!(e.value.is_finite() && e.value >= 0.0 && e.n_eff >= 1.0);
                }
            }
        }
    }
}
