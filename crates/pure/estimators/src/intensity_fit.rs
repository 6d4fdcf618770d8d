//! Fill intensity `λ(δ) = A·e^(−kδ)` in batches, for data that the streamed estimator cannot take (section 4).
//!
//! Counts per bin: the deepest distances in `[e_j, e_{j+1})` are Poisson with mean `A·T·(e^(−ke_j) − e^(−ke_{j+1}))`. Given
//! all `n` of them, `k` solves `Σ c_j·h(e_j, e_{j+1}) = n·h(e_0, e_J)`, `h(a, b) = −a + (b − a)/(e^{k(b−a)} − 1)`, by
//! bisection (the likelihood is concave); then `A = n/(T(e^(−ke_0) − e^(−ke_J)))`.
//! Windows: a share `p` of windows `Δt` with a hit means `λ = −ln(1 − p)/Δt`.
//! Own orders: fills per resting second, orders that were pulled count their time (right censoring).
//! Regression of log cumulative counts is kept for comparison with public code only: nested counts depend on each other, so
//! it has no standard error.
//! Worked number: bins [0, 1) and [1, ∞) with 3 and 1 hits in 10 s: e^(−k) = 1/4, k = 1.3863, A = 0.4 per second.
//! Units: distance in any price unit `u`, `k` per `u`, rates per second. Sources: Avellaneda, Stoikov (2008);
//! Fernandez-Tapia (2015).

use crate::NotReady;
use crate::decay::{Weights, factor};
use crate::estimate::{Estimate, at_least, check, finite};
use crate::numeric::count_est;
use libm::{exp, expm1, log, log1p, sqrt};
use remora_domain::{DurationNs, Timestamp};

/// Bisection steps: each halves the interval, so these exhaust a double.
const BISECTIONS_MAX: u32 = 200;

/// Is a fitted intensity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntensityFit {
    /// Decay per unit of distance.
    pub k: f64,
    /// Rate at distance zero, per second.
    pub a_per_s: f64,
}

/// Is one bin of deepest distances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DistanceBin {
    /// Lower edge, included.
    pub from: f64,
    /// Upper edge; infinite for the last bin of an open range.
    pub to: f64,
    /// Aggressors whose deepest distance lies between.
    pub count: f64,
}

/// Gives the share of bins' log likelihood slope: `−a + w/(e^{kw} − 1)`, `w` the width.
fn slope(k: f64, from: f64, to: f64) -> f64 {
    let width = to - from;
    if width.is_finite() { width / expm1(k * width) - from } else { -from }
}

/// Fits `A` and `k` to counts per bin seen in `exposure_s` seconds.
///
/// # Errors
/// Refuses bins that do not follow each other, counts below zero and no exposure; unsolvable where counts do not fall with
/// distance or all lie in one bin.
pub fn binned_intensity(bins: &[DistanceBin], exposure_s: f64) -> Result<IntensityFit, NotReady> {
    at_least(bins.len(), 2)?;
    check("exposure", exposure_s, exposure_s > 0.0)?;
    let ends = bins.first().zip(bins.last()).map(|(first, last)| (first.from, last.to));
    let (low, high) = ends.ok_or(NotReady::NoObservation)?;
    let is_ordered =
        bins.iter().all(|bin| bin.from.is_finite() && bin.from < bin.to && bin.count >= 0.0)
            && bins
                .iter()
                .zip(bins.iter().skip(1))
                .all(|(bin, next)| bin.to.total_cmp(&next.from).is_eq());
    if !is_ordered {
        return Err(NotReady::Input { what: "bins" });
    }
    let n: f64 = bins.iter().map(|bin| bin.count).sum();
    let score = |k: f64| {
        let bins: f64 = bins.iter().map(|bin| bin.count * slope(k, bin.from, bin.to)).sum();
        bins - n * slope(k, low, high)
    };
    let width = bins.iter().map(|bin| bin.to - bin.from).fold(f64::INFINITY, f64::min);
    let (mut below, mut above) = (1e-9 / width, 500.0 / width);
    let is_bracketed = n > 0.0 && score(below) > 0.0 && score(above) < 0.0;
    if !is_bracketed {
        return Err(NotReady::Unsolvable { what: "the decay of fill intensity" });
    }
    for _ in 0..BISECTIONS_MAX {
        let middle = sqrt(below * above);
        if middle <= below || middle >= above {
            break;
        }
        if score(middle) > 0.0 { below = middle } else { above = middle }
    }
    let k = sqrt(below * above);
    let a_per_s = n / (exposure_s * (exp(-k * low) - exp(-k * high)));
    Ok(IntensityFit { k: finite(k)?, a_per_s: finite(a_per_s)? })
}

/// Says how the points of a regression count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointWeight {
    /// All alike.
    Equal,
    /// By the cumulative count.
    Count,
}

/// Fits a line to the log of how many distances reach each grid point. For comparison only (see the module); grid points
/// that nothing reached are left out.
///
/// # Errors
/// Refuses no exposure and values that are not finite; unsolvable below two points that something reached.
pub fn log_count_intensity(
    distances: &[f64],
    exposure_s: f64,
    grid: &[f64],
    weight: PointWeight,
) -> Result<IntensityFit, NotReady> {
    check("exposure", exposure_s, exposure_s > 0.0)?;
    if !distances.iter().chain(grid).all(|x| x.is_finite()) {
        return Err(NotReady::Input { what: "distances" });
    }
    let points: Vec<(f64, f64, f64)> = grid
        .iter()
        .map(|at| (*at, count_est(distances.iter().filter(|d| **d >= *at).count())))
        .filter(|(_, count)| *count > 0.0)
        .map(|(at, count)| {
            let weight = match weight {
                PointWeight::Equal => 1.0,
                PointWeight::Count => count,
            };
            (weight, at, log(count / exposure_s))
        })
        .collect();
    let sum =
        |f: &dyn Fn(f64, f64) -> f64| points.iter().map(|(w, x, y)| w * f(*x, *y)).sum::<f64>();
    let total = sum(&|_, _| 1.0);
    let (mean_x, mean_y) = (sum(&|x, _| x) / total, sum(&|_, y| y) / total);
    let xx = sum(&|x, _| (x - mean_x) * (x - mean_x));
    if points.len() < 2 || xx <= 0.0 {
        return Err(NotReady::Unsolvable { what: "a line over one point" });
    }
    let slope = sum(&|x, y| (x - mean_x) * (y - mean_y)) / xx;
    Ok(IntensityFit { k: finite(-slope)?, a_per_s: finite(exp(mean_y - slope * mean_x))? })
}

/// Gives the rate per second at which windows of `window_s` seconds see a hit with the share `p`.
///
/// # Errors
/// Refuses shares outside [0, 1) and no time. Every window hit (`p = 1`) says no rate.
pub fn hit_rate(p: f64, window_s: f64) -> Result<f64, NotReady> {
    check("share of windows", p, (0.0..1.0).contains(&p))?;
    check("window", window_s, window_s > 0.0)?;
    finite(-log1p(-p) / window_s)
}

/// Estimates the rate at which our own resting orders fill in one band of distances. O(1) per order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnFillRate {
    half_life: DurationNs,
    fills: Weights,
    seconds: f64,
    at: Option<Timestamp>,
}

impl OwnFillRate {
    /// Starts empty.
    #[must_use]
    pub const fn new(half_life: DurationNs) -> Self {
        Self { half_life, fills: Weights::EMPTY, seconds: 0.0, at: None }
    }

    /// Takes an order that ended at `now` after resting for `rested`, filled or not. Negative times are ignored.
    pub fn observe(&mut self, now: Timestamp, rested: DurationNs, is_filled: bool) {
        if rested < DurationNs::ZERO {
            return;
        }
        let d = self.at.map_or(1.0, |at| factor(now.since(at), self.half_life));
        self.at = self.at.max(Some(now));
        self.fills.decay(d);
        self.seconds = self.seconds * d + rested.as_seconds_est();
        if is_filled {
            self.fills.add(1.0);
        }
    }

    /// Gives fills per resting second with the error `√fills/seconds`; no fill in enough time is a rate of zero.
    ///
    /// # Errors
    /// Not ready below `seconds_min` of (decayed) resting.
    pub fn estimate(&self, seconds_min: f64) -> Result<Estimate, NotReady> {
        let as_of = self.at.ok_or(NotReady::NoObservation)?;
        if self.seconds < seconds_min || self.seconds <= 0.0 {
            return Err(NotReady::TooLittle { have: self.seconds, want: seconds_min });
        }
        let (value, se) = (self.fills.w / self.seconds, sqrt(self.fills.w) / self.seconds);
        let (n_eff, half_life) = (self.fills.n_eff(), self.half_life);
        Estimate { value, se: Some(se), n_eff, as_of, half_life }.checked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NO_DECAY;
    use proptest::prelude::*;

    fn bins(edges: &[f64], counts: &[f64]) -> Vec<DistanceBin> {
        let bin = |(pair, count): (&[f64], &f64)| DistanceBin {
            from: pair[0],
            to: pair[1],
            count: *count,
        };
        edges.windows(2).zip(counts).map(bin).collect()
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let got = binned_intensity(&bins(&[0.0, 1.0, f64::INFINITY], &[3.0, 1.0]), 10.0).unwrap();
        assert!((got.k - 4f64.ln()).abs() < 1e-9 && (got.a_per_s - 0.4).abs() < 1e-9);
    }

    #[test]
    fn rising_counts_one_bin_and_broken_edges_have_no_fit() {
        let rising = binned_intensity(&bins(&[0.0, 1.0, 2.0], &[1.0, 5.0]), 10.0);
        assert!(matches!(rising, Err(NotReady::Unsolvable { .. })), "{rising:?}");
        let one = binned_intensity(&bins(&[0.0, 1.0, 2.0], &[5.0, 0.0]), 10.0);
        assert!(matches!(one, Err(NotReady::Unsolvable { .. })), "{one:?}");
        let mut broken = bins(&[0.0, 1.0, 2.0], &[5.0, 1.0]);
        broken[1].from = 1.5;
        assert_eq!(binned_intensity(&broken, 1.0), Err(NotReady::Input { what: "bins" }));
        assert!(hit_rate(1.0, 1.0).is_err());
    }

    #[test]
    fn resting_without_a_fill_is_a_rate_of_zero_and_no_order_is_not_ready() {
        let mut rate = OwnFillRate::new(NO_DECAY);
        assert_eq!(rate.estimate(0.0), Err(NotReady::NoObservation));
        rate.observe(Timestamp::EPOCH, DurationNs::from_s(10), false);
        assert_eq!(rate.estimate(5.0).unwrap().value, 0.0);
        rate.observe(Timestamp::EPOCH, DurationNs::from_s(10), true);
        assert!((rate.estimate(5.0).unwrap().value - 0.05).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn expected_counts_give_back_what_made_them(k in 0.2f64..5.0, a in 0.1f64..50.0, open: bool) {
            let mut edges = vec![0.1, 0.3, 0.5, 1.0, 1.5];
            edges.extend(open.then_some(f64::INFINITY));
            let expected = |pair: &[f64]| a * 100.0 * (exp(-k * pair[0]) - exp(-k * pair[1]));
            let counts: Vec<f64> = edges.windows(2).map(expected).collect();
            let got = binned_intensity(&bins(&edges, &counts), 100.0).unwrap();
            prop_assert!((got.k / k - 1.0).abs() < 1e-6 && (got.a_per_s / a - 1.0).abs() < 1e-6);
        }
    }
}
