//! Many tests at once: the share of false discoveries is held (sections 11 and 15).
//!
//! Ascending p-values `p_(1) … p_(m)`: adjusted `min_{j ≥ i} c·m·p_(j)/j`, at most 1; reject where it is at most `q`. Benjamini–Hochberg
//! `c = 1` (independent or positively dependent tests), Benjamini–Yekutieli `c = Σ 1/i` (any dependence, such as overlapping bucket
//! families).
//! Worked number: p = 0.01, 0.04, 0.03, 0.5: adjusted 0.04, 0.0533, 0.0533, 0.5.
//! Sources: Benjamini, Hochberg (1995); Benjamini, Yekutieli (2001);
//! Hommel (1983), "Tests of the overall hypothesis for arbitrary dependence structures".

use crate::NotReady;
use crate::numeric::count_est;

/// Says how the tests depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// Not at all, or positively (Benjamini–Hochberg).
    Positive,
    /// In any way (Benjamini–Yekutieli).
    Any,
}

/// Gives the adjusted p-values in the order of the given ones: rejecting those at most `q` holds the expected share of false
/// ones among them at `q`. Every test that was looked at belongs in here, not only the interesting ones.
///
/// # Errors
/// Refuses p-values outside 0 to 1.
pub fn adjusted_p_values(p_values: &[f64], dependence: Dependence) -> Result<Vec<f64>, NotReady> {
    if !p_values.iter().all(|p| (0.0..=1.0).contains(p)) {
        return Err(NotReady::Input { what: "p-value" });
    }
    let m = count_est(p_values.len());
    let factor = match dependence {
        Dependence::Positive => 1.0,
        Dependence::Any => (1..=p_values.len()).map(|i| 1.0 / count_est(i)).sum(),
    };
    let mut order: Vec<(usize, f64)> = p_values.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least: f64 = 1.0;
    for (rank, (place, p)) in order.iter().enumerate().rev() {
        least = least.min(factor * m * p / (count_est(rank) + 1.0));
        if let Some(slot) = adjusted.get_mut(*place) {
            *slot = least;
        }
    }
    Ok(adjusted)
}

/// Gives one p-value for "nothing at all" from several, valid however they depend on each other: the least of the adjusted ones
/// (Hommel 1983). 1 of nothing.
///
/// # Errors
/// Refuses p-values outside 0 to 1.
pub fn combined_p_value(p_values: &[f64]) -> Result<f64, NotReady> {
    Ok(adjusted_p_values(p_values, Dependence::Any)?.into_iter().fold(1.0, f64::min))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use remora_machine::SplitMix64;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let got = adjusted_p_values(&[0.01, 0.04, 0.03, 0.5], Dependence::Positive).unwrap();
        for (got, want) in got.iter().zip([0.04, 0.053_333, 0.053_333, 0.5]) {
            assert!((got - want).abs() < 1e-5);
        }
        // Two: 1.5·2·p₁, or 1.5·p₂ where both are small.
        assert!((combined_p_value(&[0.01, 0.5]).unwrap() - 0.03).abs() < 1e-12);
        assert!((combined_p_value(&[0.01, 0.012]).unwrap() - 0.018).abs() < 1e-12);
        assert!(adjusted_p_values(&[1.1], Dependence::Positive).is_err());
    }

    #[test]
    fn false_discoveries_stay_below_the_stated_share_with_true_ones_among_them() {
        let mut random = SplitMix64::new(9);
        let mut share = 0.0;
        for _ in 0..400 {
            // 80 tests of nothing, 20 of something.
            let p: Vec<f64> = (0..100)
                .map(|i| random.next_unit_est() * if i < 80 { 1.0 } else { 0.001 })
                .collect();
            let adjusted = adjusted_p_values(&p, Dependence::Positive).unwrap();
            let rejected = |from: usize, to: usize| {
                f64::from(
                    u32::try_from(adjusted[from..to].iter().filter(|p| **p <= 0.1).count())
                        .unwrap(),
                )
            };
            let (wrong, right) = (rejected(0, 80), rejected(80, 100));
            assert!(right > 15.0);
            share += wrong / (wrong + right).max(1.0) / 400.0;
        }
        // The rule holds it at q·(80/100) = 8 %.
        assert!(share < 0.1, "{share}");
        assert!(share > 0.05, "{share}");
    }

    proptest! {
        #[test]
        fn adjusting_keeps_the_order_and_never_helps(p in prop::collection::vec(0f64..=1.0, 1..60)) {
            let (bh, by) = (
                adjusted_p_values(&p, Dependence::Positive).unwrap(),
                adjusted_p_values(&p, Dependence::Any).unwrap(),
            );
            for i in 0..p.len() {
                prop_assert!(bh[i] >= p[i] - 1e-15 && by[i] >= bh[i] - 1e-15 && by[i] <= 1.0);
                for j in 0..p.len() {
                    prop_assert!(p[i] > p[j] || bh[i] <= bh[j] + 1e-15);
                }
            }
        }
    }
}
