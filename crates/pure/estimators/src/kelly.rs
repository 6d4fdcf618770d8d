//! How much to stake on an edge that is only estimated (sections 11 and 14).
//!
//! Per bet: mean `μ`, variance `s²`, fractions of the stake. Full Kelly `μ/s²`; of several bets at once `Σ⁻¹μ`; with two outcomes
//! `p − (1 − p)/b`. At the fraction `c` of full
//! Kelly growth is `2c − c²` of the full one and wealth ever falls to the share `a` with probability `a^{2/c − 1}`.
//! With estimation error (normal prior with mean `μ₀` and variance `τ²`; error of the estimate `se²`, `s²/n` if independent):
//! `w = τ²/(τ² + se²)`, `μ_post = w·μ̂ + (1 − w)·μ₀`, `f = μ_post/(s² + w·se²)`. Bound: `max(0, μ̂ − z·se)/s²`.
//! Worked number: p = 0.55, b = 1: stake 0.1; at half of Kelly wealth halves with probability 1/8.
//! The default stake is half of the shrunk one; an estimate from the data that chose the bet is no estimate.
//! Sources: Kelly (1956); MacLean, Thorp, Ziemba (2010); Baker, McHale (2013).

use crate::NotReady;
use crate::estimate::{check, finite};
use nalgebra::{DMatrix, DVector};

/// Is what is believed of edges before one is measured, fractions of the stake per bet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EdgePrior {
    /// `μ₀`; zero says that most edges are none.
    pub mean: f64,
    /// `τ²`, above zero.
    pub variance: f64,
}

/// Is an edge after the prior was weighed in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShrunkEdge {
    /// `w`: what the estimate counts, from 0 to 1.
    pub weight: f64,
    /// `μ_post`.
    pub mean: f64,
    /// `w·se²`: what remains unknown of it.
    pub variance: f64,
    /// Full Kelly stake on it, fraction of equity; below zero says take the other side.
    pub kelly: f64,
}

/// Gives the stake with mean `mean` and variance `variance` known.
///
/// # Errors
/// Refuses a variance not above zero.
pub fn kelly(mean: f64, variance: f64) -> Result<f64, NotReady> {
    check("variance", variance, variance > 0.0)?;
    finite(mean / variance)
}

/// Gives the stakes of several bets at once: means and their covariance known.
///
/// # Errors
/// Refuses none, values that are not finite, a covariance that is not symmetric and another number of means than of covariances; unsolvable where the covariance is not
/// positive definite (two bets that are one).
pub fn kelly_joint(means: &[f64], covariance: &DMatrix<f64>) -> Result<Vec<f64>, NotReady> {
    let n = means.len();
    let values = || means.iter().chain(covariance.iter());
    let is_usable = n > 0
        && covariance.shape() == (n, n)
        && values().all(|x| x.is_finite())
        && (covariance - covariance.transpose()).amax() <= 1e-12 * covariance.amax();
    check("means and covariance of bets", 0.0, is_usable)?;
    let cholesky = covariance.clone().cholesky();
    let cholesky =
        cholesky.ok_or(NotReady::Unsolvable { what: "the stakes of bets that are one" })?;
    cholesky.solve(&DVector::from_row_slice(means)).iter().map(|stake| finite(*stake)).collect()
}

/// Gives the stake of a bet that wins `payoff_ratio` per unit with probability `p`.
///
/// # Errors
/// Refuses probabilities outside 0 to 1 and payoffs not above zero.
pub fn kelly_binary(p: f64, payoff_ratio: f64) -> Result<f64, NotReady> {
    check("probability", p, (0.0..=1.0).contains(&p))?;
    check("payoff", payoff_ratio, payoff_ratio > 0.0)?;
    finite(p - (1.0 - p) / payoff_ratio)
}

/// Gives growth relative to full Kelly, and the chance that wealth ever falls to `level` of now, at the fraction `c`.
///
/// # Errors
/// Refuses fractions outside (0, 2] (beyond, wealth shrinks) and levels outside (0, 1).
pub fn fractional_kelly(c: f64, level: f64) -> Result<(f64, f64), NotReady> {
    check("fraction of Kelly", c, c > 0.0 && c <= 2.0)?;
    check("level", level, level > 0.0 && level < 1.0)?;
    Ok((2.0 * c - c * c, finite(libm::pow(level, 2.0 / c - 1.0))?))
}

/// Draws an estimated mean (`mean` with error `se`, variance of one bet `variance`) towards the prior and stakes on the rest.
///
/// # Errors
/// Refuses variances not above zero and an error below zero.
pub fn shrunk_kelly(
    mean: f64,
    variance: f64,
    se: f64,
    prior: &EdgePrior,
) -> Result<ShrunkEdge, NotReady> {
    check("variance", variance, variance > 0.0)?;
    check("standard error", se, se >= 0.0)?;
    check("variance of the prior", prior.variance, prior.variance > 0.0)?;
    let weight = prior.variance / (prior.variance + se * se);
    let posterior = weight * mean + (1.0 - weight) * prior.mean;
    let unknown = weight * se * se;
    let kelly = finite(posterior / (variance + unknown))?;
    Ok(ShrunkEdge { weight, mean: posterior, variance: unknown, kelly })
}

/// Gives the stake on the lower bound `mean − z·se`; zero where that is no edge.
///
/// # Errors
/// Refuses a variance not above zero, and an error or `z` below zero.
pub fn lower_bound_kelly(mean: f64, variance: f64, se: f64, z: f64) -> Result<f64, NotReady> {
    check("variance", variance, variance > 0.0)?;
    check("standard error", se, se >= 0.0)?;
    check("z", z, z >= 0.0)?;
    finite((mean - z * se).max(0.0) / variance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_worked_numbers_of_the_header_hold() {
        assert!((kelly_binary(0.55, 1.0).unwrap() - 0.1).abs() < 1e-12);
        let (growth, ruin) = fractional_kelly(0.5, 0.5).unwrap();
        assert!((growth - 0.75).abs() < 1e-12 && (ruin - 0.125).abs() < 1e-12);
        assert!(kelly(0.1, 0.0).is_err());
    }

    #[test]
    fn bets_that_move_apart_are_staked_apart_and_one_bet_twice_is_none() {
        let apart = DMatrix::from_diagonal(&DVector::from_row_slice(&[0.0004, 0.0002]));
        let stakes = kelly_joint(&[0.001, 0.0005], &apart).unwrap();
        assert!((stakes[0] - 2.5).abs() < 1e-12 && (stakes[1] - 2.5).abs() < 1e-12);
        let twice = DMatrix::from_element(2, 2, 0.0004);
        assert!(matches!(kelly_joint(&[0.001; 2], &twice), Err(NotReady::Unsolvable { .. })));
        let skewed = DMatrix::from_row_slice(2, 2, &[1.0, 0.5, 0.1, 1.0]);
        assert!(kelly_joint(&[0.001; 2], &skewed).is_err());
        assert!(kelly_joint(&[0.001], &twice).is_err() && kelly_joint(&[], &twice).is_err());
    }

    proptest! {
        #[test]
        fn the_less_is_known_the_less_is_staked(
            mean in 0.0001f64..0.1, variance in 1e-6f64..0.1, se in 0f64..0.1, more in 0.001f64..0.1,
            tau2 in 1e-8f64..0.01,
        ) {
            let prior = EdgePrior { mean: 0.0, variance: tau2 };
            let sure = shrunk_kelly(mean, variance, se, &prior).unwrap();
            let unsure = shrunk_kelly(mean, variance, se + more, &prior).unwrap();
            prop_assert!(unsure.kelly <= sure.kelly && sure.kelly <= kelly(mean, variance).unwrap());
            prop_assert!(lower_bound_kelly(mean, variance, se + more, 1.0).unwrap()
                <= lower_bound_kelly(mean, variance, se, 1.0).unwrap());
        }
    }
}
