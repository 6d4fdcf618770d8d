//! A smooth pattern over the buckets of a cycle: harmonics by least squares (section 15).
//!
//! `c + Σ_{j ≤ J} a_j·cos(2πjτ/N) + b_j·sin(2πjτ/N)` over buckets `τ = 0 … N − 1`; `R²`; `F = (R²/2J)/((1 − R²)/(n − 2J − 1))`; the number of
//! harmonics by the Bayesian criterion `n·ln(RSS/n) + (2J + 1)·ln n`.
//! Worked number: 1, 0, −1, 0 over four buckets: a₁ = 1, all else zero, R² = 1.
//! Sources: Gallant (1981); Andersen, Bollerslev (1997).

use crate::NotReady;
use crate::estimate::{at_least, check, finite};
use crate::numeric::{count_est, mean};
use crate::season::SeasonTable;
use nalgebra::{DMatrix, DVector};
use std::f64::consts::PI;

/// Is a fitted wave.
#[derive(Clone, Debug, PartialEq)]
pub struct FourierFit {
    /// `c, a₁, b₁, a₂, b₂, …`, unit of the values.
    pub coefficients: Vec<f64>,
    /// Share of the variance explained, from 0 to 1.
    pub r2: f64,
    /// `F` with `2J` and `n − 2J − 1` degrees of freedom; `None` where the fit is perfect.
    pub f: Option<f64>,
    buckets: usize,
    criterion: f64,
}

/// Fits `harmonics` waves to (bucket, value) of a cycle of `buckets`.
///
/// # Errors
/// Refuses more harmonics than half the buckets, buckets outside the cycle and values that are not finite; not ready with
/// no more values than coefficients; unsolvable where the buckets seen do not tell the waves apart.
pub fn fourier_fit(
    points: &[(usize, f64)],
    buckets: usize,
    harmonics: usize,
) -> Result<FourierFit, NotReady> {
    let width = 2 * harmonics + 1;
    check("harmonics", count_est(harmonics), harmonics > 0 && width <= buckets)?;
    at_least(points.len(), width + 1)?;
    if !points.iter().all(|(bucket, value)| *bucket < buckets && value.is_finite()) {
        return Err(NotReady::Input { what: "bucket or value" });
    }
    let n = points.len();
    let x = DMatrix::from_fn(n, width, |row, column| {
        basis(points.get(row).map_or(0, |(bucket, _)| *bucket), buckets, column)
    });
    let y = DVector::from_iterator(n, points.iter().map(|(_, value)| *value));
    let unsolvable = NotReady::Unsolvable { what: "the waves of so few buckets" };
    let solved = x.tr_mul(&x).cholesky().ok_or(unsolvable)?.solve(&x.tr_mul(&y));
    let centre = mean(y.as_slice()).ok_or(NotReady::NoObservation)?;
    let total: f64 = y.iter().map(|value| (value - centre) * (value - centre)).sum();
    let rest = (&y - &x * &solved).norm_squared();
    if total <= 0.0 {
        return Err(unsolvable);
    }
    let r2 = (1.0 - rest / total).clamp(0.0, 1.0);
    let (n, waves) = (count_est(n), 2.0 * count_est(harmonics));
    let f = (r2 / waves) / ((1.0 - r2) / (n - waves - 1.0));
    Ok(FourierFit {
        coefficients: solved.iter().map(|c| finite(*c)).collect::<Result<_, _>>()?,
        r2,
        f: Some(f).filter(|f| f.is_finite()),
        buckets,
        criterion: n * libm::log(rest / n) + (waves + 1.0) * libm::log(n),
    })
}

fn basis(bucket: usize, buckets: usize, column: usize) -> f64 {
    let angle = 2.0 * PI * count_est(column.div_ceil(2)) * count_est(bucket) / count_est(buckets);
    match column {
        0 => 1.0,
        odd if odd % 2 == 1 => libm::cos(angle),
        _ => libm::sin(angle),
    }
}

impl FourierFit {
    /// Gives the wave at a bucket.
    #[must_use]
    pub fn at(&self, bucket: usize) -> f64 {
        let terms = self.coefficients.iter().enumerate();
        terms.map(|(column, c)| c * basis(bucket, self.buckets, column)).sum()
    }
}

impl SeasonTable {
    /// Fits waves to all cells, levels taken out.
    ///
    /// # Errors
    /// As [`fourier_fit`].
    pub fn fourier(&self, harmonics: usize) -> Result<FourierFit, NotReady> {
        let rows = self.levelled();
        let cells = rows.iter().flat_map(|row| row.iter().enumerate());
        let points: Vec<(usize, f64)> = cells.filter_map(|(b, x)| x.map(|x| (b, x))).collect();
        fourier_fit(&points, self.family().buckets(), harmonics)
    }

    /// Fits 1 to `harmonics_max` waves and gives the fit with the least criterion.
    ///
    /// # Errors
    /// As [`fourier_fit`].
    pub fn fourier_by_bic(&self, harmonics_max: usize) -> Result<FourierFit, NotReady> {
        let mut best = self.fourier(1)?;
        for harmonics in 2..=harmonics_max {
            let fit = self.fourier(harmonics)?;
            if fit.criterion < best.criterion {
                best = fit;
            }
        }
        Ok(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::season_test::tests::days;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let points = [(0, 1.0), (1, 0.0), (2, -1.0), (3, 0.0)];
        let got = fourier_fit(&points, 4, 1).unwrap();
        assert!((got.coefficients[1] - 1.0).abs() < 1e-12 && got.coefficients[0].abs() < 1e-12);
        assert!((got.r2 - 1.0).abs() < 1e-12 && (got.at(2) + 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_planted_wave_is_one_by_the_criterion() {
        let got = days(3, 60, 0.4).fourier_by_bic(4).unwrap();
        assert_eq!(got.coefficients.len(), 3);
        assert!((got.coefficients[1] - 0.4).abs() < 0.05, "{got:?}");
    }

    #[test]
    fn flat_few_and_foreign_points_are_refused() {
        assert!(fourier_fit(&[(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0)], 4, 1).is_err());
        assert!(fourier_fit(&[(0, 1.0), (1, 2.0)], 4, 1).is_err());
        assert!(fourier_fit(&[(0, 1.0), (9, 2.0), (1, 0.0), (2, 0.0)], 4, 1).is_err());
        let two = [(0, 1.0), (0, 2.0), (0, 1.5), (0, 1.7)];
        assert!(matches!(fourier_fit(&two, 4, 1), Err(NotReady::Unsolvable { .. })));
    }
}
