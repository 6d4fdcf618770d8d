//! Covariance of returns that were sampled together (section 17).
//!
//! Rows are instants, columns series; log returns. EWMA `C ← λC + (1 − λ)rr'`, starting at the first row, for live risk.
//! Ledoit–Wolf towards `mI`: `S = X'X/n` (means taken out), `m = tr S/p`, `d² = ‖S − mI‖²/p`, `b² = min(d², Σ‖x_ix_i' − S‖²/(pn²))`, shrinkage
//! `b²/d²`. Towards constant correlation `r̄`: target `F_ij = r̄√(s_ii s_jj)`, `γ = ‖F − S‖²`, `π = Σ mean((x_ix_j − s_ij)²)`,
//! `ρ = Σ π_ii + Σ_{i≠j} r̄·√(s_jj/s_ii)·mean((x_i² − s_ii)(x_ix_j − s_ij))`, shrinkage `(π − ρ)/(γn)` held in [0, 1]; for allocation.
//! Repair of a correlation matrix: negative eigenvalues are raised to `ε`, then the diagonal is scaled back to 1. Condition guard: drawn towards
//! its diagonal until the largest eigenvalue is below `κ` times the smallest.
//! Worked number: rows (1, 0) then (0, 1), λ = 0.5: C = diag(0.5, 0.5).
//! Sources: Ledoit, Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices" and "Honey, I shrunk the sample
//! covariance matrix".

use crate::NotReady;
use crate::estimate::{at_least, check};
use crate::numeric::count_est;
use nalgebra::{DMatrix, DVector};

/// Steps of the condition guard; each halves what is left of the correlations.
const GUARD_STEPS_MAX: u32 = 60;

/// Follows the covariance of returns. O(p²) per row.
#[derive(Clone, Debug, PartialEq)]
pub struct EwmaCovariance {
    lambda: f64,
    covariance: Option<DMatrix<f64>>,
    rows: usize,
}

impl EwmaCovariance {
    /// Starts empty; `lambda` is `λ` for each row.
    ///
    /// # Errors
    /// Refuses a factor outside (0, 1).
    pub fn new(lambda: f64) -> Result<Self, NotReady> {
        check("smoothing factor", lambda, lambda > 0.0 && lambda < 1.0)?;
        Ok(Self { lambda, covariance: None, rows: 0 })
    }

    /// Takes the returns of one instant.
    ///
    /// # Errors
    /// Refuses values that are not finite and another number of series than before.
    pub fn observe(&mut self, row: &[f64]) -> Result<(), NotReady> {
        let r = DVector::from_row_slice(row);
        let is_alike = self.covariance.as_ref().is_none_or(|c| c.nrows() == row.len());
        if !(is_alike && row.iter().all(|x| x.is_finite())) {
            return Err(NotReady::Input { what: "row of returns" });
        }
        let outer = &r * r.transpose();
        self.covariance = Some(match self.covariance.take() {
            None => outer,
            Some(before) => before * self.lambda + outer * (1.0 - self.lambda),
        });
        self.rows = self.rows.saturating_add(1);
        Ok(())
    }

    /// Gives the covariance per row.
    ///
    /// # Errors
    /// Not ready below `rows_min` rows.
    pub fn covariance(&self, rows_min: usize) -> Result<&DMatrix<f64>, NotReady> {
        at_least(self.rows, rows_min)?;
        self.covariance.as_ref().ok_or(NotReady::NoObservation)
    }
}

/// Is a covariance drawn towards a simpler one.
#[derive(Clone, Debug, PartialEq)]
pub struct ShrunkCovariance {
    /// The result.
    pub covariance: DMatrix<f64>,
    /// What the target counts, from 0 to 1.
    pub shrinkage: f64,
    /// Mean variance (identity target), mean correlation (constant correlation).
    pub target: f64,
}

/// Takes means out; gives the rows and `S`.
fn demeaned(returns: &DMatrix<f64>) -> Result<(DMatrix<f64>, DMatrix<f64>), NotReady> {
    at_least(returns.nrows(), 3)?;
    at_least(returns.ncols(), 2)?;
    if !returns.iter().all(|x| x.is_finite()) {
        return Err(NotReady::Input { what: "returns" });
    }
    let mut x = returns.clone();
    for mut column in x.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    let s = x.tr_mul(&x) / count_est(returns.nrows());
    if s.diagonal().iter().any(|variance| *variance <= 0.0) {
        return Err(NotReady::Unsolvable { what: "the covariance of a series that stands still" });
    }
    Ok((x, s))
}

/// Draws the sample covariance towards `mI`.
///
/// # Errors
/// Refuses values that are not finite; not ready below three rows and two series; unsolvable where a series stands still.
pub fn shrink_to_identity(returns: &DMatrix<f64>) -> Result<ShrunkCovariance, NotReady> {
    let (x, s) = demeaned(returns)?;
    let (n, p) = (count_est(x.nrows()), count_est(x.ncols()));
    let mean_variance = s.trace() / p;
    let target = DMatrix::identity(x.ncols(), x.ncols()) * mean_variance;
    let d2 = (&s - &target).norm_squared() / p;
    let noise: f64 = x.row_iter().map(|row| (row.transpose() * row - &s).norm_squared()).sum();
    let b2 = (noise / (p * n * n)).min(d2);
    let shrinkage = if d2 > 0.0 { b2 / d2 } else { 1.0 };
    let covariance = target * shrinkage + s * (1.0 - shrinkage);
    Ok(ShrunkCovariance { covariance, shrinkage, target: mean_variance })
}

/// Draws the sample covariance towards one with the same variances and one correlation.
///
/// # Errors
/// As [`shrink_to_identity`].
pub fn shrink_to_constant_correlation(
    returns: &DMatrix<f64>,
) -> Result<ShrunkCovariance, NotReady> {
    let (x, s) = demeaned(returns)?;
    let (n, p) = (count_est(x.nrows()), x.ncols());
    let correlation = correlation_of(&s)?;
    let pairs = count_est(p) * (count_est(p) - 1.0);
    let mean_correlation = (correlation.sum() - correlation.trace()) / pairs;
    let sd = s.diagonal().map(libm::sqrt);
    let mut target = &sd * sd.transpose() * mean_correlation;
    target.set_diagonal(&s.diagonal());
    let squares = x.map(|x| x * x);
    // mean((x_i x_j − s_ij)²) and mean((x_i² − s_ii)(x_i x_j − s_ij)), all pairs at once.
    let spread = squares.tr_mul(&squares) / n - s.component_mul(&s);
    let cubes = squares.component_mul(&x).tr_mul(&x) / n;
    let theta = cubes - DMatrix::from_diagonal(&s.diagonal()) * &s;
    let ratio = sd.map(|sd| 1.0 / sd) * sd.transpose();
    let weighted = theta.component_mul(&ratio);
    let rho = spread.trace() + mean_correlation * (weighted.sum() - weighted.trace());
    let gamma = (&target - &s).norm_squared();
    let kappa = if gamma > 0.0 { (spread.sum() - rho) / gamma } else { n };
    let shrinkage = (kappa / n).clamp(0.0, 1.0);
    let covariance = target * shrinkage + s * (1.0 - shrinkage);
    Ok(ShrunkCovariance { covariance, shrinkage, target: mean_correlation })
}

/// Gives the correlations of a covariance.
///
/// # Errors
/// Refuses what is not square; unsolvable where a variance is not above zero.
pub fn correlation_of(covariance: &DMatrix<f64>) -> Result<DMatrix<f64>, NotReady> {
    check("shape of a covariance", 0.0, covariance.is_square())?;
    let sd = covariance.diagonal().map(|v| libm::sqrt(v.max(0.0)));
    if !sd.iter().all(|sd| *sd > 0.0) {
        return Err(NotReady::Unsolvable { what: "the correlation of a series that stands still" });
    }
    let inverse = sd.map(|sd| 1.0 / sd);
    Ok(covariance.component_mul(&(&inverse * inverse.transpose())))
}

/// Makes a symmetric matrix of correlations one that numbers can have: eigenvalues at least `eps`, unit diagonal.
///
/// # Errors
/// Refuses what is not square, not finite or not symmetric, and an `eps` not above zero.
pub fn repair_correlation(matrix: &DMatrix<f64>, eps: f64) -> Result<DMatrix<f64>, NotReady> {
    check("least eigenvalue", eps, eps > 0.0)?;
    check_symmetric(matrix)?;
    let eigen = matrix.clone().symmetric_eigen();
    let raised = DMatrix::from_diagonal(&eigen.eigenvalues.map(|value| value.max(eps)));
    let mut fixed =
        correlation_of(&(&eigen.eigenvectors * raised * eigen.eigenvectors.transpose()))?;
    fixed.fill_diagonal(1.0);
    Ok(fixed)
}

/// Draws a covariance towards its diagonal until its largest eigenvalue is below `condition_max` times the smallest.
///
/// # Errors
/// Refuses what is not square, finite and symmetric, and a bound not above 1; unsolvable where variances alone exceed it.
pub fn guard_condition(
    covariance: &DMatrix<f64>,
    condition_max: f64,
) -> Result<DMatrix<f64>, NotReady> {
    check("largest condition number", condition_max, condition_max > 1.0)?;
    check_symmetric(covariance)?;
    let diagonal = DMatrix::from_diagonal(&covariance.diagonal());
    let mut guarded = covariance.clone();
    for _ in 0..GUARD_STEPS_MAX {
        let values = guarded.symmetric_eigenvalues();
        if values.min() > 0.0 && values.max() < condition_max * values.min() {
            return Ok(guarded);
        }
        guarded = (&guarded + &diagonal) * 0.5;
    }
    Err(NotReady::Unsolvable { what: "the condition of variances so far apart" })
}

fn check_symmetric(matrix: &DMatrix<f64>) -> Result<(), NotReady> {
    let is_usable = matrix.is_square()
        && matrix.nrows() > 0
        && matrix.iter().all(|x| x.is_finite())
        && (matrix - matrix.transpose()).amax() <= 1e-12 * matrix.amax().max(f64::MIN_POSITIVE);
    if is_usable { Ok(()) } else { Err(NotReady::Input { what: "symmetric matrix" }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead_lag::tests::normal;
    use proptest::prelude::*;
    use remora_machine::SplitMix64;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let mut live = EwmaCovariance::new(0.5).unwrap();
        live.observe(&[1.0, 0.0]).unwrap();
        live.observe(&[0.0, 1.0]).unwrap();
        assert_eq!(live.covariance(2).unwrap(), &(DMatrix::identity(2, 2) * 0.5));
        assert!(live.covariance(3).is_err());
        assert!(live.observe(&[1.0]).is_err() && live.observe(&[1.0, f64::NAN]).is_err());
    }

    fn returns(seed: u64, n: usize, p: usize, common: f64) -> DMatrix<f64> {
        let mut random = SplitMix64::new(seed);
        let mut rows = DMatrix::zeros(n, p);
        for mut row in rows.row_iter_mut() {
            let shared = normal(&mut random);
            row.iter_mut().for_each(|x| *x = common * shared + normal(&mut random));
        }
        rows
    }

    #[test]
    fn shrinking_comes_nearer_to_the_truth_than_the_sample_when_rows_are_few() {
        let truth = DMatrix::from_element(12, 12, 1.0) + DMatrix::identity(12, 12);
        let (mut sample, mut shrunk) = (0.0, 0.0);
        for seed in 0..50 {
            let x = returns(seed, 30, 12, 1.0);
            sample += (demeaned(&x).unwrap().1 - &truth).norm();
            let got = shrink_to_constant_correlation(&x).unwrap();
            shrunk += (got.covariance - &truth).norm();
            assert!(got.shrinkage > 0.2, "{}", got.shrinkage);
        }
        assert!(shrunk < 0.95 * sample, "{shrunk} {sample}");
    }

    #[test]
    fn still_series_and_broken_matrices_are_refused() {
        assert!(matches!(
            shrink_to_identity(&DMatrix::zeros(9, 2)),
            Err(NotReady::Unsolvable { .. })
        ));
        let skew = DMatrix::from_row_slice(2, 2, &[1.0, 0.5, 0.2, 1.0]);
        assert_eq!(
            repair_correlation(&skew, 1e-9),
            Err(NotReady::Input { what: "symmetric matrix" })
        );
    }

    proptest! {
        #[test]
        fn what_is_shrunk_repaired_or_guarded_has_eigenvalues_above_zero(seed: u64, common in 0f64..3.0) {
            let x = returns(seed, 8, 10, common);
            for got in [shrink_to_identity(&x).unwrap(), shrink_to_constant_correlation(&x).unwrap()] {
                prop_assert!((0.0..=1.0).contains(&got.shrinkage));
                let guarded = guard_condition(&got.covariance, 1e6).unwrap();
                prop_assert!(guarded.symmetric_eigenvalues().min() > 0.0);
                prop_assert!((guarded.diagonal() - got.covariance.diagonal()).amax() < 1e-9);
            }
            let mut random = SplitMix64::new(seed);
            let mut loose = DMatrix::identity(5, 5);
            for i in 0..5 {
                for j in 0..i {
                    let rho = 2.0 * random.next_unit_est() - 1.0;
                    loose[(i, j)] = rho;
                    loose[(j, i)] = rho;
                }
            }
            let fixed = repair_correlation(&loose, 1e-8).unwrap();
            prop_assert!(fixed.symmetric_eigenvalues().min() > -1e-12);
            prop_assert!((fixed.diagonal() - DVector::from_element(5, 1.0)).amax() < 1e-12);
        }
    }
}
