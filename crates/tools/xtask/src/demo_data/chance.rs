//! Random variates in integers.

use remora_machine::SplitMix64;

/// ln 2 in 1/65536.
const LN_2_Q16: i64 = 45_426;

/// Draws from one seeded generator.
pub(crate) struct Chance {
    bits: SplitMix64,
}

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { bits: SplitMix64::new(seed) }
    }

    /// Gives a number in [0, bound); 0 for a bound below 1.
    pub(crate) fn below(&mut self, bound: i64) -> i64 {
        let bound = u64::try_from(bound).unwrap_or(0);
        i64::try_from(self.bits.next_below(bound)).unwrap_or(0)
    }

    /// Gives a number in [low, high].
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high - low + 1)
    }

    /// Tells true in `per_mille` of 1000 cases.
    pub(crate) fn is(&mut self, per_mille: i64) -> bool {
        self.below(1_000) < per_mille
    }

    /// Gives an exponential variate: -ln(u) × mean. The logarithm to base 2 is the count of leading zeros plus
    /// a straight line between powers of two, which is at most 0.09 off.
    pub(crate) fn exponential(&mut self, mean: i64) -> i64 {
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
    pub(crate) fn normal(&mut self, deviation: i64) -> i64 {
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
}
