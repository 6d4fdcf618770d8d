//! Random variates from one seeded generator: in integers where equal bytes must be plain to see (the recording
//! that ships), in floats where a model wants exact distributions.

use remora_machine::SplitMix64;

/// ln 2 in 1/65536.
const LN_2_Q16: i64 = 45_426;

/// Draws from one seeded generator.
#[derive(Clone, Debug)]
pub struct Chance {
    bits: SplitMix64,
    /// The second of two normal variates that are made together.
    spare: Option<f64>,
}

impl Chance {
    /// Starts from a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { bits: SplitMix64::new(seed), spare: None }
    }

    /// Gives a number in [0, bound); 0 for a bound below 1.
    pub fn below(&mut self, bound: i64) -> i64 {
        let bound = u64::try_from(bound).unwrap_or(0);
        i64::try_from(self.bits.next_below(bound)).unwrap_or(0)
    }

    /// Gives a number in [low, high].
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high - low + 1)
    }

    /// Tells true in `per_mille` of 1000 cases.
    pub fn is(&mut self, per_mille: i64) -> bool {
        self.below(1_000) < per_mille
    }

    /// Gives an exponential variate: -ln(u) × mean. The logarithm to base 2 is the count of leading zeros plus
    /// a straight line between powers of two, which is at most 0.09 off.
    pub fn exponential(&mut self, mean: i64) -> i64 {
        let u = self.bits.next_u64() | 1;
        let zeros = i64::from(u.leading_zeros());
        // The 16 bits behind the leading one: how far u is between two powers of two.
        let fraction = (u << u.leading_zeros() << 1) >> 48;
        let fraction = i64::try_from(fraction).unwrap_or(0);
        let minus_log2_q16 = (zeros << 16) + (65_536 - fraction);
        let minus_ln_q16 = (minus_log2_q16 * LN_2_Q16) >> 16;
        let scaled = i128::from(mean) * i128::from(minus_ln_q16) / 65_536;
        i64::try_from(scaled).unwrap_or(i64::MAX)
    }

    /// Gives a nearly normal variate with mean 0: twelve uniform ones summed have variance 1.
    pub fn normal(&mut self, deviation: i64) -> i64 {
        let mut sum = -6 * 65_536;
        for _ in 0..3 {
            let mut bits = self.bits.next_u64();
            for _ in 0..4 {
                sum += i64::try_from(bits & 0xffff).unwrap_or(0);
                bits >>= 16;
            }
        }
        deviation * sum / 65_536
    }

    /// Gives a float in (0, 1].
    pub(crate) fn unit_est(&mut self) -> f64 {
        1.0 - self.bits.next_unit_est()
    }

    /// Tells true in this fraction of cases.
    pub(crate) fn is_est(&mut self, fraction: f64) -> bool {
        self.unit_est() <= fraction
    }

    /// Gives an exponential variate with this mean.
    pub(crate) fn exponential_est(&mut self, mean: f64) -> f64 {
        -libm::log(self.unit_est()) * mean
    }

    /// Gives a standard normal variate (Box and Muller, 1958, "A note on the generation of random normal deviates").
    pub(crate) fn normal_est(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = libm::sqrt(-2.0 * libm::log(self.unit_est()));
        let angle = 2.0 * core::f64::consts::PI * self.unit_est();
        self.spare = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }

    /// Gives a log-normal variate with this mean; `sigma` is the deviation of its logarithm.
    pub(crate) fn lognormal_est(&mut self, mean: f64, sigma: f64) -> f64 {
        mean * libm::exp(sigma * self.normal_est() - sigma * sigma / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u32 = 200_000;

    fn moments(mut draw: impl FnMut(&mut Chance) -> f64) -> (f64, f64) {
        let mut chance = Chance::new(11);
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..COUNT {
            let value = draw(&mut chance);
            sum += value;
            squares += value * value;
        }
        let mean = sum / f64::from(COUNT);
        (mean, squares / f64::from(COUNT) - mean * mean)
    }

    fn check(got: (f64, f64), mean: f64, variance: f64) {
        assert!((got.0 - mean).abs() < 0.02, "mean {}", got.0);
        assert!((got.1 - variance).abs() < 0.05 * variance.max(1.0), "variance {}", got.1);
    }

    #[test]
    fn variates_have_the_moments_of_their_distributions() {
        check(moments(Chance::unit_est), 0.5, 1.0 / 12.0);
        check(moments(|chance| chance.exponential_est(2.0)), 2.0, 4.0);
        check(moments(Chance::normal_est), 0.0, 1.0);
        // Variance of a log-normal: mean² × (e^(sigma²) - 1) = e^0.25 - 1.
        check(moments(|chance| chance.lognormal_est(1.0, 0.5)), 1.0, 0.284);
        check(moments(|chance| f64::from(u8::from(chance.is_est(0.3)))), 0.3, 0.21);
    }

    #[test]
    fn integer_variates_are_within_their_stated_error() {
        let of = |draw: fn(&mut Chance) -> i64| {
            moments(move |chance| f64::from(i32::try_from(draw(chance)).unwrap()) / 1e6)
        };
        let (mean, _) = of(|chance| chance.exponential(1_000_000));
        assert!((1.0..1.09).contains(&mean), "{mean}");
        check(of(|chance| chance.normal(1_000_000)), 0.0, 1.0);
        check(of(|chance| chance.between(0, 1_000_000)), 0.5, 1.0 / 12.0);
    }
}
