//! Correlation that outliers do not make, and clusters of pairs that are one bet (sections 16 and 17).
//!
//! Rank correlation of each pair of series over the instants both have, made comparable with Pearson's for normal returns:
//! `ρ = 2·sin(π·ρ_S/6)`. One price error moves a rank by n places at most, whatever its size. A pair with fewer common instants than asked has no
//! correlation, which is not a correlation of zero.
//! Clusters: series whose `|ρ|` is at least the threshold are in one, and so are those that such links connect (a chain is one cluster).
//! Worked number: ranks in the same order: ρ_S = 1, ρ = 2·sin(π/6) = 1.
//! Batch: O(p²·n) where series are complete, with a sort for each pair that has gaps.
//! Pitfall: correlation of sampled returns falls as the step shrinks (Epps); for unequal activity take the covariation at lag zero of
//! [`crate::lead_lag`].

use crate::NotReady;
use crate::estimate::{at_least, check};
use crate::numeric::{pearson, ranks, spearman};

/// Holds one correlation for each pair of series; `None` where too little is common or a series stands still.
#[derive(Clone, Debug, PartialEq)]
pub struct RobustCorrelation {
    series: usize,
    /// Row by row: (0, 1), (0, 2), …, (1, 2), …
    pairs: Vec<Option<f64>>,
}

/// Correlates every two series; a missing return is `None`.
///
/// # Errors
/// Refuses series of different length and values that are not finite; not ready below two series or an overlap of three.
pub fn robust_correlation(
    series: &[Vec<Option<f64>>],
    overlap_min: usize,
) -> Result<RobustCorrelation, NotReady> {
    at_least(series.len(), 2)?;
    at_least(overlap_min, 3)?;
    let length = series.first().map_or(0, Vec::len);
    let is_usable =
        series.iter().all(|s| s.len() == length && s.iter().flatten().all(|x| x.is_finite()));
    if !is_usable {
        return Err(NotReady::Input { what: "returns" });
    }
    // Ranks of complete series do not depend on the partner.
    let ranked: Vec<Option<Vec<f64>>> = series
        .iter()
        .map(|s| s.iter().copied().collect::<Option<Vec<f64>>>().map(|s| ranks(&s)))
        .collect();
    let mut pairs = Vec::new();
    for (i, (a, ranks_a)) in series.iter().zip(&ranked).enumerate() {
        for (b, ranks_b) in series.iter().zip(&ranked).skip(i + 1) {
            let rho = if let (Some(a), Some(b)) = (ranks_a, ranks_b) {
                pearson(a, b).filter(|_| length >= overlap_min)
            } else {
                let common = a.iter().zip(b).filter_map(|(a, b)| a.zip(*b));
                let (a, b): (Vec<f64>, Vec<f64>) = common.unzip();
                spearman(&a, &b).filter(|_| a.len() >= overlap_min)
            };
            pairs.push(rho.map(|rho| 2.0 * libm::sin(std::f64::consts::PI / 6.0 * rho)));
        }
    }
    Ok(RobustCorrelation { series: series.len(), pairs })
}

impl RobustCorrelation {
    /// Gives the correlation of two series, −1 to 1: 1 with itself, `None` where it is not known or a series does not exist.
    #[must_use]
    pub fn between(&self, a: usize, b: usize) -> Option<f64> {
        let (low, high) = (a.min(b), a.max(b));
        if high >= self.series {
            return None;
        }
        if low == high {
            return Some(1.0);
        }
        // Rows before `low` hold (series − 1) + (series − 2) + … pairs.
        let before = low * (2 * self.series - low - 1) / 2;
        self.pairs.get(before + high - low - 1).copied().flatten()
    }

    /// Gives the cluster of each series, numbered from 0 in the order of their first members. Unknown correlations link
    /// nothing.
    ///
    /// # Errors
    /// Refuses thresholds outside (0, 1].
    pub fn clusters(&self, threshold: f64) -> Result<Vec<usize>, NotReady> {
        check("correlation threshold", threshold, threshold > 0.0 && threshold <= 1.0)?;
        let mut found: Vec<Option<usize>> = vec![None; self.series];
        let mut next = 0;
        for start in 0..self.series {
            if found.get(start).copied().flatten().is_some() {
                continue;
            }
            let mut open = vec![start];
            while let Some(here) = open.pop() {
                if let Some(slot) = found.get_mut(here) {
                    *slot = Some(next);
                }
                for (there, slot) in found.iter().enumerate() {
                    let is_linked =
                        self.between(here, there).is_some_and(|rho| rho.abs() >= threshold);
                    if slot.is_none() && is_linked && !open.contains(&there) {
                        open.push(there);
                    }
                }
            }
            next += 1;
        }
        Ok(found.into_iter().map(|cluster| cluster.unwrap_or(0)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead_lag::tests::normal;
    use proptest::prelude::*;
    use remora_machine::SplitMix64;

    /// Series in groups: those of one group share a factor.
    fn market(seed: u64, groups: &[usize], n: usize, common: f64) -> Vec<Vec<Option<f64>>> {
        let mut random = SplitMix64::new(seed);
        let mut series = Vec::new();
        for size in groups {
            let factor: Vec<f64> = (0..n).map(|_| normal(&mut random)).collect();
            for _ in 0..*size {
                let own = |f: &f64| Some(common * f + normal(&mut random));
                series.push(factor.iter().map(own).collect());
            }
        }
        series
    }

    #[test]
    fn planted_clusters_are_found_and_a_chain_is_one() {
        let got = robust_correlation(&market(1, &[3, 1, 4], 500, 3.0), 100).unwrap();
        assert_eq!(got.clusters(0.7).unwrap(), [0, 0, 0, 1, 2, 2, 2, 2]);
        assert_eq!(got.clusters(1.0).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        let chain = RobustCorrelation { series: 3, pairs: vec![Some(0.9), Some(0.5), Some(-0.9)] };
        assert_eq!(chain.clusters(0.8).unwrap(), [0, 0, 0]);
        assert!(got.clusters(0.0).is_err());
    }

    #[test]
    fn one_absurd_price_makes_no_correlation_and_hides_none() {
        let mut series = market(2, &[2, 1], 400, 1.0);
        let plain = robust_correlation(&series, 100).unwrap();
        assert!((plain.between(0, 1).unwrap() - 0.5).abs() < 0.1, "{plain:?}");
        series[0][7] = Some(1e6);
        series[2][7] = Some(1e6);
        let hit = robust_correlation(&series, 100).unwrap();
        assert!((hit.between(0, 1).unwrap() - plain.between(0, 1).unwrap()).abs() < 0.03);
        assert!(hit.between(0, 2).unwrap().abs() < 0.15);
        let values = |i: usize| series[i].iter().flatten().copied().collect::<Vec<f64>>();
        assert!(pearson(&values(0), &values(2)).unwrap() > 0.99);
    }

    #[test]
    fn too_little_in_common_is_not_a_correlation_of_zero() {
        let mut series = market(3, &[2], 100, 5.0);
        series[1].iter_mut().skip(30).for_each(|x| *x = None);
        let got = robust_correlation(&series, 50).unwrap();
        assert_eq!((got.between(0, 1), got.between(0, 5)), (None, None));
        assert_eq!(got.clusters(0.1).unwrap(), [0, 1]);
        assert!(robust_correlation(&series, 20).unwrap().between(1, 0).unwrap() > 0.9);
        assert!(robust_correlation(&series[..1], 20).is_err());
    }

    proptest! {
        #[test]
        fn increasing_maps_of_a_series_change_nothing(seed: u64) {
            let series = market(seed, &[3], 60, 1.0);
            let mut mapped = series.clone();
            mapped[1].iter_mut().flatten().for_each(|x| *x = libm::exp(*x));
            let (a, b) = (robust_correlation(&series, 10).unwrap(), robust_correlation(&mapped, 10).unwrap());
            for (i, j) in [(0, 1), (0, 2), (1, 2)] {
                prop_assert!((a.between(i, j).unwrap() - b.between(j, i).unwrap()).abs() < 1e-12);
                prop_assert!(a.between(i, j).unwrap().abs() <= 1.0 + 1e-12);
            }
        }
    }
}
