//! Seeded shuffles and draws, and percentiles of what they give (section 0 of the methods).
//!
//! Fisher–Yates from the end, `j = next mod (i + 1)`; a draw below `n` is `next mod n`; percentile `⌊p·n⌋` of the ascending
//! values. Equal seeds replay exactly.

use crate::numeric::{count_est, floor_index};
use remora_machine::SplitMix64;

/// Gives the value at place `⌊p·n⌋` of the ascending values, the last one at the end; `None` of nothing.
pub(crate) fn percentile(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(floor_index(p * count_est(sorted.len()))?.min(last)).copied()
}

/// Shuffles in place, every order equally likely.
pub(crate) fn shuffle<T>(items: &mut [T], random: &mut SplitMix64) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(random, i + 1));
    }
}

/// Gives a whole number in [0, bound); 0 for a bound of 0.
pub(crate) fn below(random: &mut SplitMix64, bound: usize) -> usize {
    let bound = u64::try_from(bound).unwrap_or(u64::MAX);
    usize::try_from(random.next_below(bound)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_take_the_place_below() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(percentile(&sorted, 0.5), Some(3.0));
        assert_eq!(percentile(&sorted, 1.0), Some(4.0));
        assert_eq!(percentile(&sorted, -0.1), None);
    }

    proptest! {
        #[test]
        fn a_shuffle_keeps_every_item(n in 0usize..60, seed: u64) {
            let mut items: Vec<usize> = (0..n).collect();
            shuffle(&mut items, &mut SplitMix64::new(seed));
            items.sort_unstable();
            prop_assert_eq!(items, (0..n).collect::<Vec<_>>());
        }
    }
}
