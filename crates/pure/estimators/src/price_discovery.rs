//! Which of two prices of one thing finds it first: error correction, component and information shares (section 9).
//!
//! Log prices `p₁, p₂` on one clock, `z = p₁ − p₂`: `Δp_t = c + α·z_{t−1} + Σ_l G_l Δp_{t−l} + e`, least squares for each equation,
//! `Ω` the covariance of `e` (divided by `n`). Component share (Gonzalo, Granger) `ψ = (α₂, −α₁)/(α₂ − α₁)`. Information share
//! (Hasbrouck) `IS₁ = ([ψF]₁)²/(ψΩψ')` with `Ω = FF'`: once with series 1 first (upper bound), once with it last (lower).
//! Lags by the Bayesian criterion `n·ln det Ω + k·ln n` on one common sample.
//! Worked number: α = (0, 0.5): the second price does all the correcting, so ψ = (1, 0).
//! Bounds more than 0.3 apart mean: sample faster. Unit of prices: logs. Memory O(n·lags).
//! Sources: Gonzalo, Granger (1995); Hasbrouck (1995).

use crate::NotReady;
use crate::estimate::{at_least, finite};
use crate::numeric::count_est;
use nalgebra::{DMatrix, DVector};

/// The most lags of an equation.
const LAGS_MAX: usize = 20;

/// Is the answer; the shares of the second price are one less these.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PriceDiscovery {
    /// How each price answers to the gap, per step.
    pub alpha: [f64; 2],
    /// Covariance of the news in each step.
    pub omega: [[f64; 2]; 2],
    /// Component share of the first price; usually from 0 to 1.
    pub component_share: f64,
    /// Lower bound of its information share, from 0 to 1.
    pub information_low: f64,
    /// Upper bound of its information share, from 0 to 1.
    pub information_high: f64,
    /// Lags in the equations.
    pub lags: usize,
    /// Steps used.
    pub n: usize,
}

impl PriceDiscovery {
    /// Gives the middle of both bounds.
    #[must_use]
    pub const fn information_mid(&self) -> f64 {
        f64::midpoint(self.information_low, self.information_high)
    }
}

struct Fit {
    alpha: [f64; 2],
    omega: [[f64; 2]; 2],
    n: usize,
}

/// Fits both equations with `lags` lags.
///
/// # Errors
/// Refuses series of different length, values that are not finite and more than 20 lags; not ready below three steps per
/// coefficient; unsolvable where the prices do not tell coefficients apart.
pub fn price_discovery(
    first: &[f64],
    second: &[f64],
    lags: usize,
) -> Result<PriceDiscovery, NotReady> {
    let fit = fit(first, second, lags, lags)?;
    let [a1, a2] = fit.alpha;
    let unsolvable = NotReady::Unsolvable { what: "price discovery without error correction" };
    let share = finite(a2 / (a2 - a1)).map_err(|_| unsolvable)?;
    let [[o11, o12], [_, o22]] = fit.omega;
    let (w1, w2) = (share, 1.0 - share);
    let total = w1 * w1 * o11 + 2.0 * w1 * w2 * o12 + w2 * w2 * o22;
    if !(total > 0.0 && o11 > 0.0 && o22 > 0.0) {
        return Err(unsolvable);
    }
    let as_first = w1 * libm::sqrt(o11) + w2 * o12 / libm::sqrt(o11);
    let as_last = w1 * libm::sqrt((o11 - o12 * o12 / o22).max(0.0));
    let (one, other) = (as_first * as_first / total, as_last * as_last / total);
    Ok(PriceDiscovery {
        alpha: fit.alpha,
        omega: fit.omega,
        component_share: share,
        information_low: finite(one.min(other))?,
        information_high: finite(one.max(other))?,
        lags,
        n: fit.n,
    })
}

/// Chooses from 1 to `lags_max` lags.
///
/// # Errors
/// As [`price_discovery`] at the most lags.
pub fn lags_by_bic(first: &[f64], second: &[f64], lags_max: usize) -> Result<usize, NotReady> {
    let mut best: Option<(f64, usize)> = None;
    for lags in 1..=lags_max.max(1) {
        let fit = fit(first, second, lags, lags_max.max(1))?;
        let [[o11, o12], [_, o22]] = fit.omega;
        let n = count_est(fit.n);
        let coefficients = 2.0 * (2.0 + 2.0 * count_est(lags));
        let score = finite(n * libm::log(o11 * o22 - o12 * o12) + coefficients * libm::log(n))?;
        if best.is_none_or(|(least, _)| score < least) {
            best = Some((score, lags));
        }
    }
    best.map(|(_, lags)| lags).ok_or(NotReady::NoObservation)
}

/// Least squares from step `skip + 1` on.
fn fit(first: &[f64], second: &[f64], lags: usize, skip: usize) -> Result<Fit, NotReady> {
    let is_usable = first.len() == second.len()
        && skip <= LAGS_MAX
        && first.iter().chain(second).all(|p| p.is_finite());
    if !is_usable {
        return Err(NotReady::Input { what: "pair of price series" });
    }
    let change = |series: &[f64]| -> Vec<f64> {
        series.iter().zip(series.iter().skip(1)).map(|(a, b)| b - a).collect()
    };
    let (d1, d2) = (change(first), change(second));
    let n = d1.len().saturating_sub(skip);
    let width = 2 + 2 * lags;
    at_least(n, 3 * width)?;
    // Row t explains change `skip + t` by the gap just before it and the changes before that.
    let at = |series: &[f64], i: usize| series.get(i).copied().unwrap_or(0.0);
    let x = DMatrix::from_fn(n, width, |t, column| match column {
        0 => 1.0,
        1 => at(first, skip + t) - at(second, skip + t),
        other => {
            let lag = (other - 2) / 2 + 1;
            at(if other % 2 == 0 { &d1 } else { &d2 }, skip + t - lag)
        }
    });
    let qr = x.clone().qr();
    let solve = |series: &[f64]| {
        let y = DVector::from_iterator(n, series.iter().skip(skip).copied());
        let beta = qr.r().solve_upper_triangular(&qr.q().tr_mul(&y));
        let beta = beta.filter(|beta| beta.iter().all(|b| b.is_finite()));
        let beta = beta.ok_or(NotReady::Unsolvable { what: "the error correction" })?;
        let residual = y - &x * &beta;
        Ok((at(beta.as_slice(), 1), residual))
    };
    let ((a1, e1), (a2, e2)) = (solve(&d1)?, solve(&d2)?);
    let cross = |a: &DVector<f64>, b: &DVector<f64>| a.dot(b) / count_est(n);
    let (o11, o12, o22) = (cross(&e1, &e1), cross(&e1, &e2), cross(&e2, &e2));
    Ok(Fit { alpha: [a1, a2], omega: [[o11, o12], [o12, o22]], n })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead_lag::tests::normal;
    use remora_machine::SplitMix64;

    /// The first price is a walk; the second closes half of the gap in each step.
    fn follower(seed: u64, n: usize) -> (Vec<f64>, Vec<f64>) {
        let mut random = SplitMix64::new(seed);
        let (mut p, mut q) = (vec![0.0], vec![0.0]);
        for _ in 0..n {
            let (a, b): (f64, f64) = (*p.last().unwrap(), *q.last().unwrap());
            p.push(a + normal(&mut random));
            q.push(b + 0.5 * (a - b) + 0.3 * normal(&mut random));
        }
        (p, q)
    }

    #[test]
    fn the_price_that_the_other_follows_finds_it() {
        let (p, q) = follower(1, 5_000);
        let got = price_discovery(&p, &q, 1).unwrap();
        assert!((got.alpha[1] - 0.5).abs() < 0.03 && got.alpha[0].abs() < 0.05, "{got:?}");
        assert!((got.component_share - 1.0).abs() < 0.1 && got.information_low > 0.95);
        assert!(got.information_mid() <= 1.0);
        let other = price_discovery(&q, &p, 1).unwrap();
        assert!((got.component_share + other.component_share - 1.0).abs() < 1e-9);
        assert!((got.information_low + other.information_high - 1.0).abs() < 1e-9);
        assert_eq!(lags_by_bic(&p, &q, 4).unwrap(), 1);
    }

    #[test]
    fn one_price_twice_short_and_uneven_series_are_refused() {
        let (p, q) = follower(2, 100);
        assert!(price_discovery(&p, &p, 1).is_err());
        assert!(matches!(price_discovery(&p[..5], &q[..5], 1), Err(NotReady::TooLittle { .. })));
        assert!(matches!(price_discovery(&p, &q[1..], 1), Err(NotReady::Input { .. })));
        assert!(matches!(price_discovery(&p, &q, 21), Err(NotReady::Input { .. })));
    }
}
