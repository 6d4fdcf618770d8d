//! Section 0: `prng.json`.

use crate::shared::{assert_near, cases};
use remora_machine::SplitMix64;

#[test]
fn the_generator_agrees() {
    let Some((_, cases)) = cases("prng.json", "splitmix64") else { return };
    for case in cases {
        let seed = case["inputs"]["seed"].as_u64().unwrap();
        let mut numbers = SplitMix64::new(seed);
        for want in case["expected"]["u64"].as_array().unwrap() {
            assert_eq!(numbers.next_u64().to_string(), want.as_str().unwrap());
        }
        let mut units = SplitMix64::new(seed);
        for want in case["expected"]["uniform_53bit"].as_array().unwrap() {
            assert_near(&case, units.next_unit_est(), want);
        }
        let mut shuffle = SplitMix64::new(seed);
        let mut items: Vec<u64> = (0..10).collect();
        for i in (1..items.len()).rev() {
            let j = shuffle.next_below(u64::try_from(i).unwrap() + 1);
            items.swap(i, usize::try_from(j).unwrap());
        }
        let want: Vec<u64> = case["expected"]["fisher_yates_0_9"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap())
            .collect();
        assert_eq!(items, want);
        let mut normal = SplitMix64::new(seed);
        for want in case["expected"]["box_muller_cos"].as_array().unwrap() {
            assert_near(&case, box_muller(&mut normal), want);
        }
    }
}

/// Draws a standard normal number from two uniform ones, as the oracles do.
pub(crate) fn box_muller(random: &mut SplitMix64) -> f64 {
    let (u, v) = (random.next_unit_est(), random.next_unit_est());
    libm::sqrt(-2.0 * libm::log(1.0 - u)) * libm::cos(2.0 * std::f64::consts::PI * v)
}
