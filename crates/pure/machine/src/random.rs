//! SplitMix64, so that every randomised choice replays exactly from a seed.
//! Source: Steele, Lea, Flood (2014), "Fast splittable pseudorandom number generators".

/// Generates 64-bit numbers from a seed; equal seeds give equal sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// Starts from a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Gives the next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = self.state;
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Gives a float in [0, 1).
    #[expect(clippy::as_conversions, reason = "53 bits fit a double exactly")]
    pub fn next_unit_est(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Gives a number in [0, bound); 0 for a bound of 0.
    pub const fn next_below(&mut self, bound: u64) -> u64 {
        match self.next_u64().checked_rem(bound) {
            Some(rest) => rest,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence_for_seed_1234567_is_reproduced() {
        let mut rng = SplitMix64::new(1_234_567);
        let got: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(
            got,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }
}
