//! Realised variance of a batch of log returns or log prices: plain, free of jumps, free of noise (section 3).
//!
//! Symbols: `r_i` log returns, `n` of them. `RV = Σ r²`; bipower `BV = (π/2)·n/(n − 1)·Σ |r_i||r_{i−1}|`;
//! `MedRV = π/(6 − 4√3 + π)·n/(n − 2)·Σ med(|r_{i−1}|, |r_i|, |r_{i+1}|)²`;
//! tripower quarticity `TQ = n·μ^{−3}·n/(n − 2)·Σ |r_i r_{i−1} r_{i−2}|^{4/3}`, `μ = 2^{2/3}Γ(7/6)/Γ(1/2)`;
//! jump test `z = (1 − BV/RV)/√((π²/4 + π − 5)/n · max(1, TQ/BV²))`, standard normal without jumps, large with.
//! Two scales, `p` log prices with `n` changes: `RV^(k) = Σ (p_{i+k} − p_i)²/k`, `n̄ = (n − K + 1)/K`,
//! `TSRV = RV^(K) − (n̄/n)RV^(1)`, corrected for small samples by `1/(1 − n̄/n)`; noise variance `RV^(1)/2n`.
//! Signature: the realised variance at every `k`-th price against `k`; volatility is sampled where it becomes flat.
//! Worked number: returns 1, −1, 1: RV = 3, BV = (π/2)(3/2)·2 = 4.7124.
//! Sources: Barndorff-Nielsen, Shephard (2004); Andersen, Dobrev, Schaumburg (2012); Huang, Tauchen (2005); Zhang, Mykland,
//! Aït-Sahalia (2005).

use crate::NotReady;
use crate::estimate::{at_least, check, finite};
use crate::numeric::count_est;
use libm::{pow, sqrt, tgamma};
use std::f64::consts::PI;

/// Is the jump test and its parts; variances in squared log units over the whole batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JumpTest {
    /// `RV`.
    pub realised: f64,
    /// `BV`, with its small-sample factor.
    pub bipower: f64,
    /// `TQ`.
    pub quarticity: f64,
    /// `z`; standard normal where there are no jumps.
    pub z: f64,
}

/// Is the variance seen at two scales.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoScale {
    /// `TSRV`, log units squared over the batch; noise can make a short one negative.
    pub variance: f64,
    /// The same with the small-sample factor.
    pub variance_small_sample: f64,
    /// Variance of the noise in one observed log price.
    pub noise_variance: f64,
}

fn usable(values: &[f64], want: usize) -> Result<(), NotReady> {
    at_least(values.len(), want)?;
    if values.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    Err(NotReady::Input { what: "series" })
}

/// Gives `RV`.
///
/// # Errors
/// Refuses values that are not finite; not ready without any.
pub fn realised_variance(returns: &[f64]) -> Result<f64, NotReady> {
    usable(returns, 1)?;
    finite(returns.iter().map(|r| r * r).sum())
}

/// Gives `BV` with the factor `n/(n − 1)`.
///
/// # Errors
/// As [`realised_variance`], below two returns.
pub fn bipower_variance(returns: &[f64]) -> Result<f64, NotReady> {
    usable(returns, 2)?;
    let n = count_est(returns.len());
    let products: f64 = returns.windows(2).map(|pair| pair.iter().product::<f64>().abs()).sum();
    finite(PI / 2.0 * n / (n - 1.0) * products)
}

/// Gives `MedRV`.
///
/// # Errors
/// As [`realised_variance`], below three returns.
pub fn median_realised_variance(returns: &[f64]) -> Result<f64, NotReady> {
    usable(returns, 3)?;
    let n = count_est(returns.len());
    let squares: f64 = returns
        .windows(3)
        .filter_map(|three| {
            let sizes: Vec<f64> = three.iter().map(|r| r.abs()).collect();
            crate::median(&sizes).map(|middle| middle * middle)
        })
        .sum();
    finite(PI / (6.0 - 4.0 * sqrt(3.0) + PI) * n / (n - 2.0) * squares)
}

/// Tests for jumps.
///
/// # Errors
/// As [`realised_variance`], below three returns; unsolvable where prices did not move.
pub fn jump_test(returns: &[f64]) -> Result<JumpTest, NotReady> {
    usable(returns, 3)?;
    let n = count_est(returns.len());
    let (realised, bipower) = (realised_variance(returns)?, bipower_variance(returns)?);
    if realised <= 0.0 || bipower <= 0.0 {
        return Err(NotReady::Unsolvable { what: "a jump test of prices that stand still" });
    }
    let mu = pow(2.0, 2.0 / 3.0) * tgamma(7.0 / 6.0) / sqrt(PI);
    let products: f64 =
        returns.windows(3).map(|three| pow(three.iter().product::<f64>().abs(), 4.0 / 3.0)).sum();
    let quarticity = n * pow(mu, -3.0) * n / (n - 2.0) * products;
    let spread = (PI * PI / 4.0 + PI - 5.0) / n * (quarticity / (bipower * bipower)).max(1.0);
    Ok(JumpTest {
        realised,
        bipower,
        quarticity: finite(quarticity)?,
        z: finite((1.0 - bipower / realised) / sqrt(spread))?,
    })
}

/// Gives `RV^(k)`: the mean over the `k` offsets of the realised variance at every `k`-th price.
///
/// # Errors
/// Refuses a step of zero; not ready below `k + 1` prices.
pub fn subsampled_variance(log_prices: &[f64], k: usize) -> Result<f64, NotReady> {
    check("step", count_est(k), k > 0)?;
    usable(log_prices, k.saturating_add(1))?;
    let later = log_prices.iter().skip(k);
    let squares: f64 = later.zip(log_prices).map(|(p, before)| (p - before) * (p - before)).sum();
    finite(squares / count_est(k))
}

/// Gives the realised variance at every `k`-th price from the first on: one point of the signature.
///
/// # Errors
/// As [`subsampled_variance`].
pub fn sparse_variance(log_prices: &[f64], k: usize) -> Result<f64, NotReady> {
    check("step", count_est(k), k > 0)?;
    usable(log_prices, k.saturating_add(1))?;
    let sparse: Vec<f64> = log_prices.iter().step_by(k).copied().collect();
    let changes = sparse.iter().skip(1).zip(&sparse).map(|(p, before)| p - before);
    finite(changes.map(|r| r * r).sum())
}

/// Gives the variance over the batch with the noise of single prices taken out; `k` is the slow scale in prices.
///
/// # Errors
/// As [`subsampled_variance`]; refuses a slow scale of 1.
pub fn two_scale_variance(log_prices: &[f64], k: usize) -> Result<TwoScale, NotReady> {
    check("slow scale", count_est(k), k > 1)?;
    let (slow, all) = (subsampled_variance(log_prices, k)?, subsampled_variance(log_prices, 1)?);
    let n = count_est(log_prices.len()) - 1.0;
    let share = (n - count_est(k) + 1.0) / count_est(k) / n;
    let variance = slow - share * all;
    Ok(TwoScale {
        variance: finite(variance)?,
        variance_small_sample: finite(variance / (1.0 - share))?,
        noise_variance: finite(all / (2.0 * n))?,
    })
}

/// Smooths squared returns of one length: `v ← λv + (1 − λ)r²`, starting at the first.
///
/// # Errors
/// Refuses a factor outside (0, 1) and values that are not finite; not ready without returns.
pub fn smoothed_variance(returns: &[f64], lambda: f64) -> Result<f64, NotReady> {
    check("smoothing factor", lambda, lambda > 0.0 && lambda < 1.0)?;
    usable(returns, 1)?;
    let squares = returns.iter().map(|r| r * r);
    finite(squares.reduce(|v, r2| lambda * v + (1.0 - lambda) * r2).unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use remora_machine::SplitMix64;

    fn noise(seed: u64, n: usize, scale: f64) -> Vec<f64> {
        let mut random = SplitMix64::new(seed);
        let mut normal = || (0..12).map(|_| random.next_unit_est()).sum::<f64>() - 6.0;
        (0..n).map(|_| scale * normal()).collect()
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let returns = [1.0, -1.0, 1.0];
        assert_eq!(realised_variance(&returns), Ok(3.0));
        assert!((bipower_variance(&returns).unwrap() - 4.712_389).abs() < 1e-6);
    }

    #[test]
    fn a_planted_jump_is_found_and_does_not_enter_the_robust_variances() {
        let mut returns = noise(1, 500, 0.001);
        let calm =
            (bipower_variance(&returns).unwrap(), median_realised_variance(&returns).unwrap());
        assert!(jump_test(&returns).unwrap().z.abs() < 3.0);
        returns[250] += 0.02;
        assert!(jump_test(&returns).unwrap().z > 4.0);
        assert!(bipower_variance(&returns).unwrap() < 1.2 * calm.0);
        assert!(median_realised_variance(&returns).unwrap() < 1.05 * calm.1);
    }

    #[test]
    fn jump_tests_of_calm_series_reject_about_as_often_as_they_say() {
        let rejected = (0..400).filter(|s| jump_test(&noise(*s, 300, 1e-3)).unwrap().z > 1.645);
        let rejected = rejected.count();
        assert!(rejected < 45, "{rejected} of 400 at 5 %");
    }

    #[test]
    fn two_scales_take_out_planted_noise() {
        let mut price = 0.0;
        let path: Vec<f64> = noise(2, 5_000, 1e-4)
            .iter()
            .map(|r| {
                price += r;
                price
            })
            .collect();
        let seen: Vec<f64> =
            path.iter().zip(noise(3, 5_000, 5e-4)).map(|(p, bounce)| p + bounce).collect();
        let truth = 5_000.0 * 1e-8;
        let got = two_scale_variance(&seen, 60).unwrap();
        assert!((got.variance_small_sample / truth - 1.0).abs() < 0.35, "{got:?}");
        assert!((got.noise_variance / 25e-8 - 1.0).abs() < 0.1, "{got:?}");
        assert!(subsampled_variance(&seen, 1).unwrap() > 20.0 * truth);
    }

    #[test]
    fn still_prices_and_short_series_have_no_test() {
        assert!(matches!(jump_test(&[0.0; 9]), Err(NotReady::Unsolvable { .. })));
        assert!(matches!(jump_test(&[0.1, 0.2]), Err(NotReady::TooLittle { .. })));
        assert!(two_scale_variance(&[0.0; 5], 30).is_err());
        assert!(realised_variance(&[f64::NAN]).is_err());
    }

    proptest! {
        #[test]
        fn all_of_them_grow_with_the_square_of_the_scale(
            returns in prop::collection::vec(-0.1f64..0.1, 4..60), scale in 0.1f64..10.0,
        ) {
            let scaled: Vec<f64> = returns.iter().map(|r| r * scale).collect();
            for f in [realised_variance, bipower_variance, median_realised_variance] {
                let (plain, other) = (f(&returns).unwrap(), f(&scaled).unwrap());
                prop_assert!((other - scale * scale * plain).abs() < 1e-9 * (1.0 + other));
            }
        }
    }
}
