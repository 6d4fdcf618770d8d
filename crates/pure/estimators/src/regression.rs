//! Straight-line regression, in a batch with errors that allow for dependence, and streamed with forgetting.
//!
//! `y = α + β·x + ε`. Batch: least squares; standard errors by Newey–West with Bartlett weights `1 − l/(L + 1)` over `L`
//! lags, without small-sample factor. Stream: decayed means and co-moments (the pairwise rule of Chan, Golub, LeVeque 1983
//! with weights), which equals recursive least squares with the forgetting factor `λ`.
//! Worked number: (0, 1), (1, 3), (2, 5) gives α = 1, β = 2, R² = 1.
//! Source: Newey, West (1987), "A simple, positive semi-definite, heteroskedasticity and autocorrelation consistent
//! covariance matrix".

use crate::NotReady;
use crate::estimate::{at_least, check, finite};
use crate::numeric::{count_est, mean};

/// Is a fitted line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// `α`, unit of `y`.
    pub intercept: f64,
    /// `β`, unit of `y` per unit of `x`.
    pub slope: f64,
    /// Standard error of `β`, zero or above.
    pub slope_se: f64,
    /// Share of the variance of `y` that the line explains, from 0 to 1. In sample: not a prediction.
    pub r2: f64,
    /// Observations; decayed ones count by `W²/W2`.
    pub n_eff: f64,
}

/// Fits a line to pairs in the order of time, with Newey–West standard errors over `lags` lags.
///
/// # Errors
/// Refuses series of different length or with values that are not finite; not ready below three pairs; unsolvable
/// where `x` does not vary.
pub fn newey_west_line(x: &[f64], y: &[f64], lags: usize) -> Result<Line, NotReady> {
    if x.len() != y.len() || !x.iter().chain(y).all(|v| v.is_finite()) {
        return Err(NotReady::Input { what: "regression series" });
    }
    at_least(x.len(), 3)?;
    let (mean_x, mean_y) = mean(x).zip(mean(y)).ok_or(NotReady::NoObservation)?;
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        x.iter().zip(y).map(|(a, b)| f(a - mean_x, b - mean_y)).sum()
    };
    let (xx, xy, yy) = (sum(&|a, _| a * a), sum(&|a, b| a * b), sum(&|_, b| b * b));
    if xx <= 0.0 {
        return Err(NotReady::Unsolvable { what: "a line over a constant" });
    }
    let slope = xy / xx;
    let scores: Vec<f64> =
        x.iter().zip(y).map(|(a, b)| (a - mean_x) * (b - mean_y - slope * (a - mean_x))).collect();
    let long_run = bartlett_sum(&scores, lags);
    Ok(Line {
        intercept: finite(mean_y - slope * mean_x)?,
        slope: finite(slope)?,
        slope_se: finite(libm::sqrt(long_run.max(0.0)) / xx)?,
        r2: if yy > 0.0 { (xy * xy / (xx * yy)).min(1.0) } else { 0.0 },
        n_eff: count_est(x.len()),
    })
}

/// Gives `Σ s² + 2 Σ_l (1 − l/(L + 1)) Σ s_t s_{t−l}`: the sum of scores' long-run variance.
pub(crate) fn bartlett_sum(scores: &[f64], lags: usize) -> f64 {
    let mut total: f64 = scores.iter().map(|s| s * s).sum();
    for lag in 1..=lags {
        let weight = 1.0 - count_est(lag) / (count_est(lags) + 1.0);
        let cross: f64 = scores.iter().skip(lag).zip(scores).map(|(a, b)| a * b).sum();
        total += 2.0 * weight * cross;
    }
    total
}

/// Fits a line to a stream of pairs; every pair ages the ones before it by `λ`. O(1) per pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StreamedLine {
    forgetting: f64,
    w: f64,
    w2: f64,
    mean_x: f64,
    mean_y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

impl StreamedLine {
    /// Starts empty; `forgetting` is `λ`, above 0 and at most 1 (nothing is forgotten).
    ///
    /// # Errors
    /// Refuses a factor outside that range.
    pub fn new(forgetting: f64) -> Result<Self, NotReady> {
        check("forgetting factor", forgetting, forgetting > 0.0 && forgetting <= 1.0)?;
        let (w, w2, mean_x, mean_y, xx, xy, yy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        Ok(Self { forgetting, w, w2, mean_x, mean_y, xx, xy, yy })
    }

    /// Takes a pair. Values that are not finite are ignored.
    pub fn observe(&mut self, x: f64, y: f64) {
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        let d = self.forgetting;
        self.w = self.w * d + 1.0;
        self.w2 = self.w2 * d * d + 1.0;
        let (dx, dy) = (x - self.mean_x, y - self.mean_y);
        self.mean_x += dx / self.w;
        self.mean_y += dy / self.w;
        self.xx = self.xx * d + dx * (x - self.mean_x);
        self.xy = self.xy * d + dx * (y - self.mean_y);
        self.yy = self.yy * d + dy * (y - self.mean_y);
    }

    /// Gives the line. Its standard error takes residuals as independent.
    ///
    /// # Errors
    /// Not ready below `n_eff_min` (at least 3) effective pairs; unsolvable where `x` does not vary.
    pub fn line(&self, n_eff_min: f64) -> Result<Line, NotReady> {
        let n_eff = if self.w2 > 0.0 { self.w * self.w / self.w2 } else { 0.0 };
        let want = n_eff_min.max(3.0);
        if n_eff < want {
            return Err(NotReady::TooLittle { have: n_eff, want });
        }
        if self.xx <= 0.0 {
            return Err(NotReady::Unsolvable { what: "a line over a constant" });
        }
        let slope = self.xy / self.xx;
        let residual = (self.yy - slope * self.xy).max(0.0) / self.w;
        let slope_variance = residual / (self.xx / self.w) / (n_eff - 2.0);
        let r2 =
            if self.yy > 0.0 { (self.xy * self.xy / (self.xx * self.yy)).min(1.0) } else { 0.0 };
        Ok(Line {
            intercept: finite(self.mean_y - slope * self.mean_x)?,
            slope: finite(slope)?,
            slope_se: finite(libm::sqrt(slope_variance))?,
            r2,
            n_eff,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let got = newey_west_line(&[0.0, 1.0, 2.0], &[1.0, 3.0, 5.0], 1).unwrap();
        assert!((got.intercept - 1.0).abs() < 1e-12 && (got.slope - 2.0).abs() < 1e-12);
        assert!((got.r2 - 1.0).abs() < 1e-12 && got.slope_se < 1e-9);
    }

    #[test]
    fn constants_and_short_series_have_no_line() {
        let flat = newey_west_line(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0], 1);
        assert!(matches!(flat, Err(NotReady::Unsolvable { .. })));
        assert!(matches!(newey_west_line(&[1.0], &[1.0], 1), Err(NotReady::TooLittle { .. })));
        assert!(StreamedLine::new(0.0).is_err());
    }

    #[test]
    fn a_forgetful_stream_follows_a_changed_slope() {
        let mut line = StreamedLine::new(0.9).unwrap();
        for (slope, from) in [(1.0, 0), (-3.0, 200)] {
            for i in from..from + 200 {
                let x = f64::from(i % 7);
                line.observe(x, slope * x + 2.0);
            }
        }
        assert!((line.line(3.0).unwrap().slope + 3.0).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn without_forgetting_the_stream_equals_the_batch(
            pairs in prop::collection::vec((-100f64..100.0, -100f64..100.0), 5..80),
        ) {
            let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
            let mut stream = StreamedLine::new(1.0).unwrap();
            for (x, y) in &pairs {
                stream.observe(*x, *y);
            }
            let (batch, stream) = (newey_west_line(&x, &y, 0).unwrap(), stream.line(3.0).unwrap());
            prop_assert!((batch.slope - stream.slope).abs() < 1e-8 * (1.0 + batch.slope.abs()));
            prop_assert!((batch.intercept - stream.intercept).abs() < 1e-6);
            prop_assert!((batch.r2 - stream.r2).abs() < 1e-8);
        }
    }
}
