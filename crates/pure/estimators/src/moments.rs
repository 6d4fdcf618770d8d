//! Decayed mean and variance of one series, and the mean of clustered observations.
//!
//! Series (Welford with weights): `W ← d·W + 1`, `W2 ← d²·W2 + 1`, `Δ = x − m`, `m ← m + Δ/W`, `Q ← d·Q + Δ(x − m)`;
//! variance `Q/(W − W2/W)`, which is the usual one with `n − 1` when nothing fades.
//! Clusters (observations of one minute, or of one sweep, are one): mean `m = Σwx/Σw`,
//! `se² = G/(G − 1) · Σ_g (A_g − m·B_g)² / (Σw)²` with `A_g = Σ wx`, `B_g = Σ w` inside the cluster, and the effective
//! number of clusters `G = (ΣB)²/ΣB²`. Sums of `A²`, `AB`, `B²` make it O(1) per observation.
//! Worked number: clusters {1, 3} and {5, 7}, weights 1: m = 4, A − mB = ∓4, G = 2, se = √(2·32)/4 = 2.

use crate::decay::factor;
use crate::{Estimate, NotReady};
use remora_domain::{DurationNs, Timestamp};

/// Mean and variance of a series whose old values fade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DecayedMoments {
    w: f64,
    w2: f64,
    mean: f64,
    squares: f64,
}

impl DecayedMoments {
    pub(crate) const EMPTY: Self = Self { w: 0.0, w2: 0.0, mean: 0.0, squares: 0.0 };

    /// Ages what was seen by `d` and takes `x`.
    pub(crate) fn observe(&mut self, d: f64, x: f64) {
        self.w = self.w * d + 1.0;
        self.w2 = self.w2 * d * d + 1.0;
        let delta = x - self.mean;
        self.mean += delta / self.w;
        self.squares = self.squares * d + delta * (x - self.mean);
    }

    pub(crate) fn n_eff(&self) -> f64 {
        if self.w2 > 0.0 { self.w * self.w / self.w2 } else { 0.0 }
    }

    pub(crate) const fn mean(&self) -> f64 {
        self.mean
    }

    /// Gives the variance; `None` while there is not more than one observation.
    pub(crate) fn variance(&self) -> Option<f64> {
        let freedom = self.w - self.w2 / self.w;
        (freedom > 0.0).then(|| (self.squares / freedom).max(0.0))
    }
}

/// Mean of observations that come in dependent groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ClusteredMean {
    half_life: DurationNs,
    at: Option<Timestamp>,
    open: Option<(i64, f64, f64)>,
    sum: f64,
    weight: f64,
    aa: f64,
    ab: f64,
    bb: f64,
}

impl ClusteredMean {
    pub(crate) const fn new(half_life: DurationNs) -> Self {
        let (sum, weight, aa, ab, bb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        Self { half_life, at: None, open: None, sum, weight, aa, ab, bb }
    }

    /// Takes a value of a cluster; clusters come in order.
    pub(crate) fn observe(&mut self, now: Timestamp, cluster: i64, weight: f64, value: f64) {
        let d = self.at.map_or(1.0, |at| factor(now.since(at), self.half_life));
        self.at = self.at.max(Some(now));
        self.age(d);
        if let Some((open, a, b)) = self.open.filter(|(open, _, _)| *open != cluster) {
            (self.aa, self.ab, self.bb) = self.closed(Some((open, a, b)));
            self.open = None;
        }
        let (_, a, b) = self.open.unwrap_or((cluster, 0.0, 0.0));
        self.open = Some((cluster, a + weight * value, b + weight));
        self.sum += weight * value;
        self.weight += weight;
    }

    /// Gives the mean with the error that clusters leave.
    pub(crate) fn estimate(&self, clusters_min: f64) -> Result<Estimate, NotReady> {
        let as_of = self.at.ok_or(NotReady::NoObservation)?;
        let (aa, ab, bb) = self.closed(self.open);
        if self.weight <= 0.0 || bb <= 0.0 {
            return Err(NotReady::NoObservation);
        }
        let n_eff = self.weight * self.weight / bb;
        if n_eff < clusters_min {
            return Err(NotReady::TooLittle { have: n_eff, want: clusters_min });
        }
        let value = self.sum / self.weight;
        // One cluster (up to rounding) tells nothing about the spread between clusters.
        let se = (n_eff > 1.0 + 1e-9).then(|| {
            let squares = (aa - 2.0 * value * ab + value * value * bb).max(0.0);
            libm::sqrt(squares * n_eff / (n_eff - 1.0)) / self.weight
        });
        Estimate { value, se, n_eff, as_of, half_life: self.half_life }.checked()
    }

    fn closed(&self, open: Option<(i64, f64, f64)>) -> (f64, f64, f64) {
        let (_, a, b) = open.unwrap_or((0, 0.0, 0.0));
        (self.aa + a * a, self.ab + a * b, self.bb + b * b)
    }

    fn age(&mut self, d: f64) {
        self.open = self.open.map(|(id, a, b)| (id, a * d, b * d));
        self.sum *= d;
        self.weight *= d;
        for sum in [&mut self.aa, &mut self.ab, &mut self.bb] {
            *sum *= d * d;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NO_DECAY;
    use crate::numeric::variance;
    use proptest::prelude::*;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let mut mean = ClusteredMean::new(NO_DECAY);
        for (ns, cluster, value) in [(0, 1, 1.0), (1, 1, 3.0), (2, 2, 5.0), (3, 2, 7.0)] {
            mean.observe(Timestamp::from_ns(ns), cluster, 1.0, value);
        }
        let got = mean.estimate(2.0).unwrap();
        assert!((got.value - 4.0).abs() < 1e-12 && (got.se.unwrap() - 2.0).abs() < 1e-12);
        assert!(mean.estimate(3.0).is_err());
    }

    #[test]
    fn many_observations_of_one_cluster_have_no_error() {
        let mut mean = ClusteredMean::new(NO_DECAY);
        (0..30).for_each(|ns| mean.observe(Timestamp::from_ns(ns), 7, 1.0, 2.5));
        assert_eq!(mean.estimate(1.0).unwrap().se, None);
    }

    proptest! {
        #[test]
        fn without_decay_the_moments_equal_the_batch(x in prop::collection::vec(-1e3f64..1e3, 2..80)) {
            let mut moments = DecayedMoments::EMPTY;
            x.iter().for_each(|x| moments.observe(1.0, *x));
            let want = variance(&x).unwrap();
            prop_assert!((moments.variance().unwrap() - want).abs() < 1e-9 * (1.0 + want));
        }
    }
}
