//! Asset values: a factor model.
//!
//! Symbols: x_i(t) logarithm of asset i over its start; sigma_i deviation of one second's change; W common factor, B_i own
//! factor, independent standard Brownian motions in seconds; rho_i correlation of asset i with the factor.
//! Formula: x_i(t) = sigma_i (rho_i W(t) + sqrt(1 - rho_i²) B_i(t)); so two different assets correlate by rho_i rho_j
//! (a one-factor model: Sharpe 1963, "A simplified model for portfolio analysis").
//! Worked number (test): BTC (0.9 bps, 0.9) and ETH (1.1 bps, 0.85) against a fixed USD correlate by 0.765.
//! A pair is base less quote. Walks are folded back at ±[`RANGE`], so no price leaves its decimals.

use crate::chance::Chance;
use remora_domain::Timestamp;

/// The largest logarithm of an asset's value over its start: a factor of 4.5 either way.
pub(crate) const RANGE: f64 = 1.5;

/// Is how one asset moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AssetLaw {
    /// Deviation of one second's logarithmic change.
    pub(crate) sigma: f64,
    /// Correlation with the common factor.
    pub(crate) rho: f64,
}

/// Gives the covariance of one second's changes of two assets.
#[cfg(test)]
pub(crate) fn covariance(laws: &[AssetLaw], a: usize, b: usize) -> f64 {
    let (Some(one), Some(other)) = (laws.get(a), laws.get(b)) else { return 0.0 };
    let correlation = if a == b { 1.0 } else { one.rho * other.rho };
    one.sigma * other.sigma * correlation
}

#[derive(Clone, Copy, Debug)]
struct Walk {
    at: Timestamp,
    value: f64,
}

impl Walk {
    fn advance(&mut self, now: Timestamp, chance: &mut Chance) -> f64 {
        let seconds = now.since(self.at).as_seconds_est();
        if seconds > 0.0 {
            self.value += libm::sqrt(seconds) * chance.normal_est();
            self.at = now;
        }
        self.value
    }
}

/// Holds all walks. Each is moved only when it is looked at, over the whole time since the last look: the joint law at
/// the instants looked at is exact, and assets nobody looks at cost nothing.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    chance: Chance,
    factor: Walk,
    assets: Vec<(AssetLaw, Walk)>,
}

impl Values {
    pub(crate) fn new(laws: &[AssetLaw], seed: u64, now: Timestamp) -> Self {
        let start = Walk { at: now, value: 0.0 };
        let assets = laws.iter().map(|&law| (law, start)).collect();
        Self { chance: Chance::new(seed), factor: start, assets }
    }

    /// Gives the logarithm of an asset's value over its start.
    pub(crate) fn log_value(&mut self, asset: usize, now: Timestamp) -> f64 {
        let factor = self.factor.advance(now, &mut self.chance);
        let Some((law, walk)) = self.assets.get_mut(asset) else { return 0.0 };
        if law.sigma == 0.0 {
            return 0.0;
        }
        let own = walk.advance(now, &mut self.chance);
        let AssetLaw { sigma, rho } = *law;
        fold(sigma * (rho * factor + libm::sqrt(1.0 - rho * rho) * own))
    }
}

/// Reflects a number at both ends of the range, as often as it takes.
fn fold(x: f64) -> f64 {
    let period = 4.0 * RANGE;
    let phase = libm::fmod(libm::fabs(x) + RANGE, period);
    let folded = if phase <= 2.0 * RANGE { phase - RANGE } else { 3.0 * RANGE - phase };
    if x < 0.0 { -folded } else { folded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::DurationNs;

    const LAWS: [AssetLaw; 3] = [
        AssetLaw { sigma: 0.9e-4, rho: 0.9 },
        AssetLaw { sigma: 1.1e-4, rho: 0.85 },
        AssetLaw { sigma: 0.0, rho: 0.0 },
    ];

    #[test]
    fn the_worked_correlation_is_the_product_of_the_factor_correlations() {
        let of = |a, b| covariance(&LAWS, a, b);
        let correlation = of(0, 1) / libm::sqrt(of(0, 0) * of(1, 1));
        assert!((correlation - 0.765).abs() < 1e-12);
        assert_eq!(of(0, 2), 0.0);
        assert_eq!(of(0, 9), 0.0);
    }

    #[test]
    fn walks_have_the_stated_covariance_also_when_looked_at_at_odd_times() {
        let mut values = Values::new(&LAWS, 3, Timestamp::EPOCH);
        let mut now = Timestamp::EPOCH;
        let (mut before, mut sums) = ([0.0; 2], [0.0; 3]);
        let count = 20_000;
        for _ in 0..count {
            // Several looks within each second, at one asset only.
            for _ in 0..3 {
                now = now.saturating_add(DurationNs::from_ms(333));
                let _ = values.log_value(1, now);
            }
            now = now.saturating_add(DurationNs::from_ms(1));
            let after = [values.log_value(0, now), values.log_value(1, now)];
            let change = [after[0] - before[0], after[1] - before[1]];
            sums[0] += change[0] * change[0];
            sums[1] += change[1] * change[1];
            sums[2] += change[0] * change[1];
            before = after;
        }
        let of = |sum: f64, want: f64| (sum / f64::from(count) / want - 1.0).abs();
        assert!(of(sums[0], covariance(&LAWS, 0, 0)) < 0.03);
        assert!(of(sums[1], covariance(&LAWS, 1, 1)) < 0.03);
        assert!(of(sums[2], covariance(&LAWS, 0, 1)) < 0.03);
    }

    #[test]
    fn a_fixed_asset_and_an_unknown_one_stay_at_their_start() {
        let mut values = Values::new(&LAWS, 3, Timestamp::EPOCH);
        assert_eq!(values.log_value(2, Timestamp::from_ns(1 << 40)), 0.0);
        assert_eq!(values.log_value(7, Timestamp::from_ns(1 << 40)), 0.0);
    }

    #[test]
    fn walks_are_folded_at_the_range() {
        for (x, want) in
            [(0.3, 0.3), (-0.3, -0.3), (1.6, 1.4), (-1.6, -1.4), (4.4, -1.4), (6.2, 0.2)]
        {
            assert!((fold(x) - want).abs() < 1e-12, "{x}: {}", fold(x));
        }
    }
}
