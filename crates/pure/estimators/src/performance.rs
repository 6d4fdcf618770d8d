//! How good a series of returns is, and how sure that is: Sharpe ratio with its distribution, drawdown, tail losses (section 19).
//!
//! Sharpe ratio of one period `SR = mean/sd(n−1)`. Probabilistic: `PSR(SR*) = Φ((SR − SR*)√(n−1)/√(1 − g₃·SR + (g₄−1)/4·SR²))` with skewness `g₃` and
//! kurtosis `g₄` (3 for a normal, moments over n). Least track record `1 + (1 − g₃·SR + (g₄−1)/4·SR²)(z/(SR − SR*))²`.
//! Deflated: `SR₀ = √V·((1−γ)Φ⁻¹(1−1/N) + γ·Φ⁻¹(1−1/(N·e)))`, γ = 0.5772…, of N trials whose Sharpe ratios vary by V; then `PSR(SR₀)`.
//! Over q periods `η(q) = q/√(q + 2Σ_{k<q}(q−k)ρ_k)`: √q only without serial correlation. VaR at α: the ⌈αn⌉-th smallest loss; ES: the mean of
//! it and of all larger ones. Drawdown: of compounded wealth (a share), of summed returns (their unit).
//! Worked number: SR 0.458 over 24 months with g₃ −2.448 and g₄ 10.164 gives PSR(0) = 0.913; normal ones would give 0.982.
//! Pitfalls: annualising before PSR; excess kurtosis in it. Sources: Bailey, López de Prado (2012), "The Sharpe ratio efficient frontier"; (2014), "The
//! deflated Sharpe ratio"; Lo (2002), "The statistics of Sharpe ratios".

use crate::NotReady;
use crate::estimate::{at_least, check, finite};
use crate::numeric::{count_est, mean, variance};
use statrs::distribution::{ContinuousCDF, Normal};

/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// Is a Sharpe ratio of one period with the shape that its distribution depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SharpeRatio {
    /// Mean over standard deviation, of one period; not annualised.
    pub value: f64,
    /// Periods.
    pub n: usize,
    /// Skewness of the returns.
    pub skew: f64,
    /// Kurtosis of them, 3 for a normal.
    pub kurtosis: f64,
}

impl SharpeRatio {
    /// Measures returns.
    ///
    /// # Errors
    /// Refuses values that are not finite; not ready below three; unsolvable where they do not vary.
    pub fn of(returns: &[f64]) -> Result<Self, NotReady> {
        at_least(returns.len(), 3)?;
        if !returns.iter().all(|x| x.is_finite()) {
            return Err(NotReady::Input { what: "returns" });
        }
        let (mean, variance) =
            mean(returns).zip(variance(returns)).ok_or(NotReady::NoObservation)?;
        if variance <= 0.0 {
            return Err(NotReady::Unsolvable {
                what: "the Sharpe ratio of returns that do not vary",
            });
        }
        let n = count_est(returns.len());
        let moment = |power: i32| {
            returns.iter().map(|x| libm::pow(x - mean, f64::from(power))).sum::<f64>() / n
        };
        let second = moment(2);
        Ok(Self {
            value: finite(mean / libm::sqrt(variance))?,
            n: returns.len(),
            skew: finite(moment(3) / libm::pow(second, 1.5))?,
            kurtosis: finite(moment(4) / (second * second))?,
        })
    }

    /// Gives the chance that the true one is above `benchmark` (both of one period).
    ///
    /// # Errors
    /// Not finite where the shape allows no such ratio.
    pub fn probability_above(&self, benchmark: f64) -> Result<f64, NotReady> {
        let steps = libm::sqrt((count_est(self.n) - 1.0) / self.spread());
        Ok(normal()?.cdf(finite((self.value - benchmark) * steps)?))
    }

    /// Gives the periods that it takes to be so sure that the true one is above `benchmark`.
    ///
    /// # Errors
    /// Refuses a confidence outside (0, 1) and a ratio that is not above the benchmark.
    pub fn track_record_min(&self, benchmark: f64, confidence: f64) -> Result<f64, NotReady> {
        check("confidence", confidence, confidence > 0.0 && confidence < 1.0)?;
        check("Sharpe ratio above the benchmark", self.value, self.value > benchmark)?;
        let z = normal()?.inverse_cdf(confidence) / (self.value - benchmark);
        finite(1.0 + self.spread() * z * z)
    }

    /// Gives the chance that it is above the best of so many trials without skill, and that best one.
    ///
    /// # Errors
    /// Refuses fewer than two trials and a variance that is not above zero.
    pub fn deflated(&self, trials: usize, variance: f64) -> Result<(f64, f64), NotReady> {
        at_least(trials, 2)?;
        check("variance of the trials' Sharpe ratios", variance, variance > 0.0)?;
        let (normal, n) = (normal()?, count_est(trials));
        let best = (1.0 - EULER) * normal.inverse_cdf(1.0 - 1.0 / n)
            + EULER * normal.inverse_cdf(1.0 - 1.0 / (n * std::f64::consts::E));
        let best = finite(libm::sqrt(variance) * best)?;
        Ok((self.probability_above(best)?, best))
    }

    fn spread(&self) -> f64 {
        1.0 - self.skew * self.value + (self.kurtosis - 1.0) / 4.0 * self.value * self.value
    }
}

fn normal() -> Result<Normal, NotReady> {
    Normal::new(0.0, 1.0).map_err(|_| NotReady::Unsolvable { what: "the normal distribution" })
}

/// Gives the autocorrelations at lags from 1.
#[must_use]
pub fn autocorrelations(returns: &[f64], lags: usize) -> Vec<f64> {
    let centre = mean(returns).unwrap_or(0.0);
    let total: f64 = returns.iter().map(|x| (x - centre) * (x - centre)).sum();
    let at = |lag: usize| {
        let pairs = returns.iter().zip(returns.iter().skip(lag));
        pairs.map(|(a, b)| (a - centre) * (b - centre)).sum::<f64>() / total
    };
    (1..=lags).map(at).collect()
}

/// Gives what the Sharpe ratio of one period is multiplied by for that of `periods`, with their serial correlation.
///
/// # Errors
/// Refuses fewer returns than periods; not finite where they do not vary.
pub fn sharpe_horizon(returns: &[f64], periods: usize) -> Result<f64, NotReady> {
    at_least(periods, 1)?;
    at_least(returns.len(), periods + 1)?;
    let q = count_est(periods);
    let weighted: f64 = autocorrelations(returns, periods.saturating_sub(1))
        .iter()
        .enumerate()
        .map(|(place, rho)| (q - count_est(place + 1)) * rho)
        .sum();
    finite(q / libm::sqrt(q + 2.0 * weighted))
}

/// Gives mean over the root mean square of losses against zero.
///
/// # Errors
/// Not ready without returns; not finite without a loss.
pub fn sortino(returns: &[f64]) -> Result<f64, NotReady> {
    let mean = mean(returns).ok_or(NotReady::NoObservation)?;
    let losses: f64 = returns.iter().map(|x| x.min(0.0) * x.min(0.0)).sum();
    finite(mean / libm::sqrt(losses / count_est(returns.len())))
}

/// Gives the deepest fall below an earlier high: of compounded wealth, as a share, and of summed returns, in their unit.
#[must_use]
pub fn drawdowns(returns: &[f64]) -> (f64, f64) {
    let (mut wealth, mut high, mut deepest) = (1.0_f64, 1.0_f64, 0.0_f64);
    let (mut sum, mut sum_high, mut sum_deepest) = (0.0_f64, 0.0_f64, 0.0_f64);
    for x in returns {
        wealth *= 1.0 + x;
        high = high.max(wealth);
        deepest = deepest.max(1.0 - wealth / high);
        sum += x;
        sum_high = sum_high.max(sum);
        sum_deepest = sum_deepest.max(sum_high - sum);
    }
    (deepest, sum_deepest)
}

/// Gives value at risk and expected shortfall of losses at a confidence, both as losses above zero.
///
/// # Errors
/// Refuses values that are not finite and a confidence outside (0, 1); not ready without returns.
pub fn tail_losses(returns: &[f64], confidence: f64) -> Result<(f64, f64), NotReady> {
    check("confidence", confidence, confidence > 0.0 && confidence < 1.0)?;
    if !returns.iter().all(|x| x.is_finite()) {
        return Err(NotReady::Input { what: "returns" });
    }
    let mut losses: Vec<f64> = returns.iter().map(|x| -x).collect();
    losses.sort_by(f64::total_cmp);
    let rank = libm::ceil(confidence * count_est(losses.len()));
    let smaller = (0..losses.len()).take_while(|k| count_est(k + 1) < rank).count();
    let tail = losses.get(smaller..).unwrap_or_default();
    let at_risk = tail.first().copied().ok_or(NotReady::NoObservation)?;
    Ok((at_risk, mean(tail).ok_or(NotReady::NoObservation)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let skewed = SharpeRatio { value: 0.458, n: 24, skew: -2.448, kurtosis: 10.164 };
        let normal = SharpeRatio { skew: 0.0, kurtosis: 3.0, ..skewed };
        assert!((skewed.probability_above(0.0).unwrap() - 0.913).abs() < 5e-4);
        assert!((normal.probability_above(0.0).unwrap() - 0.982).abs() < 5e-4);
        // So long a record is exactly as sure as was asked.
        let needed = skewed.track_record_min(0.1, 0.95).unwrap();
        let z = (0.458 - 0.1) * libm::sqrt((needed - 1.0) / skewed.spread());
        assert!((z - 1.644_853_626_951_472_2).abs() < 1e-9);
    }

    #[test]
    fn drawdowns_and_tails_by_hand() {
        let (share, sum) = drawdowns(&[0.1, -0.5, 0.2]);
        assert!((share - 0.5).abs() < 1e-12 && (sum - 0.5).abs() < 1e-12);
        let returns: Vec<f64> = (1..=10).map(|i| -f64::from(i)).collect();
        assert_eq!(tail_losses(&returns, 0.8).unwrap(), (8.0, 9.0));
        assert_eq!(tail_losses(&returns, 0.81).unwrap(), (9.0, 9.5));
    }

    #[test]
    fn what_has_no_answer_is_refused() {
        assert!(SharpeRatio::of(&[1.0, 1.0, 1.0]).is_err() && SharpeRatio::of(&[1.0]).is_err());
        assert!(SharpeRatio::of(&[1.0, f64::NAN, 2.0]).is_err());
        let ratio = SharpeRatio::of(&[-1.0, 0.5, -0.4, 0.2]).unwrap();
        assert!(ratio.track_record_min(0.0, 0.95).is_err() && ratio.deflated(1, 0.1).is_err());
        assert!(tail_losses(&[], 0.9).is_err() && sortino(&[1.0, 2.0]).is_err());
    }
}
