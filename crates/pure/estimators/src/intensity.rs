//! Fill intensity: aggressors reach at least the distance `δ` from our reference price at the rate
//! `λ(δ) = A·e^(−kδ)` (section 4, estimator 1: exponential maximum likelihood on prints, streamed).
//!
//! Symbols: `S0` decayed count of aggressors, `S1` decayed sum of their deepest distances beyond `δ₀`,
//! `E` decayed seconds: `k = S0/S1`, `A = (S0/E)·e^(kδ₀)`, `se(k) = k/√n_eff`, `se(A) = A/√n_eff`.
//! Units: distance in any price unit `u`; `k` per `u`; `A` per second.
//! Both sides are pooled in this first version: `A` counts both, so one side has half of it.
//! With a prior (`k₀`, `A₀`, worth `n₀` aggressors), conjugate for exponential distances and Poisson arrivals:
//! `k = (S0 + n₀)/(S1 + n₀/k₀)`, `A = (S0 + n₀)/(E + n₀/A₀)` at `δ₀ = 0`.
//! Worked number: distances 1 and 3 in 10 s with a long half-life: k = 2/4 = 0.5, A = 0.2 per second; with the
//! prior k₀ = 1, A₀ = 1, n₀ = 2: k = 4/6 = 0.6667, A = 4/12 = 0.3333.
//! Pitfalls kept: distances are taken from the reference *before* the print, prints of one taker order are one
//! observation (its deepest), volume is not intensity.

use crate::decay::{Aged, Exposure, Weights};
use crate::{Estimate, NotReady};
use libm::{exp, sqrt};
use remora_domain::{DurationNs, Timestamp};

/// Is what is believed before anything was seen, with its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntensityPrior {
    /// Decay per unit of distance, above zero.
    pub k: f64,
    /// Aggressors per second at distance zero, both sides, above zero.
    pub a_per_s: f64,
    /// How many observed aggressors the prior is worth, zero or above.
    pub weight: f64,
}

/// Is the answer of a [`FillIntensity`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntensityEstimate {
    /// Decay per unit of distance.
    pub k: Estimate,
    /// Aggressors per second at distance zero, both sides together.
    pub a_per_s: Estimate,
}

/// Estimates `A` and `k` from the distances that aggressors reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FillIntensity {
    exposure: Exposure,
    weights: Weights,
    excess: f64,
    distance_min: f64,
}

impl FillIntensity {
    /// Starts empty and not observing. Distances below `distance_min` (`δ₀`) are not counted.
    #[must_use]
    pub const fn new(half_life: DurationNs, distance_min: f64) -> Self {
        Self {
            exposure: Exposure::new(half_life),
            weights: Weights::EMPTY,
            excess: 0.0,
            distance_min,
        }
    }

    /// Says that from `now` every print is seen.
    pub fn begin(&mut self, now: Timestamp) {
        self.advance(now);
        self.exposure.set_running(true);
    }

    /// Says that from `now` prints may be missed.
    pub fn pause(&mut self, now: Timestamp) {
        self.advance(now);
        self.exposure.set_running(false);
    }

    /// Takes the deepest distance that one aggressor reached.
    pub fn observe(&mut self, now: Timestamp, distance: f64) {
        if !distance.is_finite() || distance < self.distance_min {
            return;
        }
        self.advance(now);
        self.weights.add(1.0);
        self.excess += distance - self.distance_min;
    }

    /// Gives `k` and `A` from observations alone.
    ///
    /// # Errors
    /// Not ready below `n_eff_min` effective aggressors, or when all stood at the same smallest distance.
    pub fn estimate(&self, now: Timestamp, n_eff_min: f64) -> Result<IntensityEstimate, NotReady> {
        let mut to_now = *self;
        to_now.advance(now);
        let n_eff = to_now.weights.n_eff();
        let as_of = to_now.exposure.at().ok_or(NotReady::NoObservation)?;
        if to_now.weights.w <= 0.0 || to_now.exposure.seconds() <= 0.0 {
            return Err(NotReady::NoObservation);
        }
        if n_eff < n_eff_min {
            return Err(NotReady::TooLittle { have: n_eff, want: n_eff_min });
        }
        let k = to_now.weights.w / to_now.excess;
        let a = to_now.weights.w / to_now.exposure.seconds() * exp(k * self.distance_min);
        self.answer(k, a, n_eff, as_of)
    }

    /// Gives `k` and `A` drawn towards a prior; without observations this is the prior.
    ///
    /// # Errors
    /// Not ready while nothing was observed and the prior has no weight, or when the prior is not usable.
    pub fn shrunk(
        &self,
        now: Timestamp,
        prior: IntensityPrior,
    ) -> Result<IntensityEstimate, NotReady> {
        let mut to_now = *self;
        to_now.advance(now);
        let events = to_now.weights.w + prior.weight;
        let k = events / (to_now.excess + prior.weight / prior.k);
        let at_min = events / (to_now.exposure.seconds() + prior.weight / prior.a_per_s);
        let is_usable = prior.k > 0.0 && prior.a_per_s > 0.0 && k > 0.0 && at_min > 0.0;
        if !is_usable {
            return Err(NotReady::NoObservation);
        }
        let a = at_min * exp(k * self.distance_min);
        self.answer(k, a, to_now.weights.n_eff() + prior.weight, now)
    }

    fn answer(
        &self,
        k: f64,
        a: f64,
        n_eff: f64,
        as_of: Timestamp,
    ) -> Result<IntensityEstimate, NotReady> {
        let half_life = self.exposure.half_life();
        let estimate = |value: f64| {
            Estimate { value, se: Some(value / sqrt(n_eff)), n_eff, as_of, half_life }.checked()
        };
        Ok(IntensityEstimate { k: estimate(k)?, a_per_s: estimate(a)? })
    }

    fn advance(&mut self, now: Timestamp) {
        match self.exposure.advance(now) {
            Aged::Forgotten => {
                self.weights = Weights::EMPTY;
                self.excess = 0.0;
            }
            Aged::By(d) => {
                self.weights.decay(d);
                self.excess *= d;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LONG: DurationNs = DurationNs::from_s(1_000_000_000);

    fn at_s(s: i64) -> Timestamp {
        Timestamp::from_ns(s * 1_000_000_000)
    }

    fn observed(distances: &[f64]) -> FillIntensity {
        let mut intensity = FillIntensity::new(LONG, 0.0);
        intensity.begin(at_s(0));
        for distance in distances {
            intensity.observe(at_s(10), *distance);
        }
        intensity
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let got = observed(&[1.0, 3.0]).estimate(at_s(10), 2.0).unwrap();
        assert!((got.k.value - 0.5).abs() < 1e-6 && (got.a_per_s.value - 0.2).abs() < 1e-6);
        let prior = IntensityPrior { k: 1.0, a_per_s: 1.0, weight: 2.0 };
        let got = observed(&[1.0, 3.0]).shrunk(at_s(10), prior).unwrap();
        assert!((got.k.value - 4.0 / 6.0).abs() < 1e-6);
        assert!((got.a_per_s.value - 4.0 / 12.0).abs() < 1e-6);
    }

    #[test]
    fn too_few_aggressors_are_not_ready() {
        assert_eq!(observed(&[]).estimate(at_s(10), 1.0), Err(NotReady::NoObservation));
        let got = observed(&[1.0]).estimate(at_s(10), 5.0);
        assert_eq!(got, Err(NotReady::TooLittle { have: 1.0, want: 5.0 }));
        assert_eq!(observed(&[0.0, 0.0]).estimate(at_s(10), 1.0), Err(NotReady::NotFinite));
    }

    #[test]
    fn without_observations_the_prior_is_the_answer() {
        let prior = IntensityPrior { k: 0.25, a_per_s: 3.0, weight: 10.0 };
        let got = observed(&[]).shrunk(at_s(0), prior).unwrap();
        assert!((got.k.value - 0.25).abs() < 1e-12 && (got.a_per_s.value - 3.0).abs() < 1e-12);
        let none = IntensityPrior { weight: 0.0, ..prior };
        assert_eq!(observed(&[]).shrunk(at_s(0), none), Err(NotReady::NoObservation));
    }

    proptest! {
        #[test]
        fn a_shrunk_estimate_is_finite_and_above_zero(
            events in proptest::collection::vec((0i64..100_000, 0.0f64..1e9), 0..100),
            k in 1e-9f64..1e9, a in 1e-9f64..1e6, weight in 0.1f64..1e3,
        ) {
            let mut intensity = FillIntensity::new(DurationNs::from_s(60), 0.0);
            intensity.begin(at_s(0));
            let mut ms = 0;
            for (step, distance) in events {
                ms += step;
                intensity.observe(Timestamp::from_ns(ms * 1_000_000), distance);
                let prior = IntensityPrior { k, a_per_s: a, weight };
                let got = intensity.shrunk(Timestamp::from_ns(ms * 1_000_000), prior).unwrap();
                prop_assert!(got.k.value.is_finite() && got.k.value > 0.0);
                prop_assert!(got.a_per_s.value.is_finite() && got.a_per_s.value > 0.0);
            }
        }
    }
}
