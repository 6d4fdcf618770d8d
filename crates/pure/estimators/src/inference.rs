//! Whether a mean of dependent results is above zero (section 11).
//!
//! `n` results `x_i` in the order of time, `e = x − mean`. Errors of the mean: independent `s/√n`; HAC (Newey–West, Bartlett
//! weights, `L` lags) `√(Σe² + 2Σ_l (1 − l/(L + 1))Σ e_i e_{i−l})/n`; clustered by day `V = G/(G − 1)·Σ_g (Σ_{i∈g} e_i)²/n²`. The larger of HAC
//! and clustered counts, with `t` on `G − 1` degrees of freedom. Third opinion: circular block bootstrap, blocks of following
//! results from random starts, wrapped at the end.
//! Worked number: days {1, 3}, {2, 6}: mean 3, e = −2, 0, −1, 3: clustered V = 2·(4 + 4)/16 = 1, independent se = 1.0801.
//! Sources: Newey, West (1987); Politis, Romano (1992).

use crate::NotReady;
use crate::estimate::{at_least, check, finite};
use crate::numeric::{count_est, mean, sorted, variance};
use crate::regression::bartlett_sum;
use crate::resample::{below, percentile};
use remora_machine::SplitMix64;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Is a mean with its errors; all but `t` and counts in the unit of the results.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanInference {
    /// Results.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Standard deviation of one result.
    pub sd: f64,
    /// Error if results were independent.
    pub iid_se: f64,
    /// Error that allows for dependence on results near by.
    pub hac_se: f64,
    /// Error that takes a cluster (day) as one observation.
    pub cluster_se: f64,
    /// Clusters.
    pub clusters: usize,
    /// The larger of the last two: the one that counts.
    pub se: f64,
    /// Mean over [`Self::se`].
    pub t: f64,
    /// Chance of such a mean or a larger one if the true one is zero or less.
    pub p_value: f64,
}

/// Says how sure a mean is. `results` are (cluster, value) in the order of time.
///
/// # Errors
/// Refuses values that are not finite and clusters that come back; not ready below two clusters; unsolvable where results
/// do not vary.
pub fn mean_inference(results: &[(i64, f64)], hac_lags: usize) -> Result<MeanInference, NotReady> {
    let values: Vec<f64> = results.iter().map(|(_, x)| *x).collect();
    let is_ordered = results.iter().zip(results.iter().skip(1)).all(|(a, b)| a.0 <= b.0);
    if !(is_ordered && values.iter().all(|x| x.is_finite())) {
        return Err(NotReady::Input { what: "results" });
    }
    let (mean, variance) = mean(&values).zip(variance(&values)).ok_or(NotReady::NoObservation)?;
    let n = count_est(values.len());
    let errors: Vec<f64> = values.iter().map(|x| x - mean).collect();
    let sums: Vec<f64> = results
        .chunk_by(|a, b| a.0 == b.0)
        .map(|cluster| cluster.iter().map(|(_, x)| x - mean).sum())
        .collect();
    at_least(sums.len(), 2)?;
    let groups = count_est(sums.len());
    let between: f64 = sums.iter().map(|sum| sum * sum).sum();
    let cluster_se = libm::sqrt(groups / (groups - 1.0) * between) / n;
    let hac_se = libm::sqrt(bartlett_sum(&errors, hac_lags).max(0.0)) / n;
    let se = cluster_se.max(hac_se);
    if se <= 0.0 {
        return Err(NotReady::Unsolvable { what: "the error of results that do not vary" });
    }
    let t = finite(mean / se)?;
    Ok(MeanInference {
        n: values.len(),
        mean,
        sd: libm::sqrt(variance),
        iid_se: libm::sqrt(variance / n),
        hac_se,
        cluster_se,
        clusters: sums.len(),
        se,
        t,
        p_value: finite(student(sums.len())?.sf(t))?,
    })
}

impl MeanInference {
    /// Gives the bounds between which the true mean lies with `confidence` (0 to 1, both sides alike); the chance that it is
    /// below the lower one is half of the rest.
    ///
    /// # Errors
    /// Refuses a confidence outside its range.
    pub fn interval(&self, confidence: f64) -> Result<(f64, f64), NotReady> {
        check("confidence", confidence, confidence > 0.0 && confidence < 1.0)?;
        let by = student(self.clusters)?.inverse_cdf(0.5 + confidence / 2.0) * self.se;
        Ok((finite(self.mean - by)?, finite(self.mean + by)?))
    }
}

fn student(clusters: usize) -> Result<StudentsT, NotReady> {
    let freedom = count_est(clusters) - 1.0;
    StudentsT::new(0.0, 1.0, freedom).map_err(|_| NotReady::Input { what: "degrees of freedom" })
}

/// Is what means of resampled blocks say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockBootstrap {
    /// 2.5 % of the means lie below.
    pub low: f64,
    /// The middle mean.
    pub middle: f64,
    /// 2.5 % of the means lie above.
    pub high: f64,
    /// Share of means at or below zero.
    pub share_at_or_below_zero: f64,
}

/// Resamples blocks of `block` results `replicates` times. Takes O(replicates · n).
///
/// # Errors
/// Refuses a block of none or longer than the series, fewer than 40 replicates, and values that are not finite.
pub fn block_bootstrap(
    values: &[f64],
    block: usize,
    replicates: usize,
    seed: u64,
) -> Result<BlockBootstrap, NotReady> {
    at_least(replicates, 40)?;
    let is_usable = block > 0 && block <= values.len() && values.iter().all(|x| x.is_finite());
    if !is_usable {
        return Err(NotReady::Input { what: "blocks or values" });
    }
    let n = values.len();
    let mut random = SplitMix64::new(seed);
    let means: Vec<f64> = (0..replicates)
        .map(|_| {
            let (mut sum, mut taken) = (0.0, 0);
            while taken < n {
                let from = values.iter().cycle().skip(below(&mut random, n));
                let length = block.min(n - taken);
                sum = from.take(length).fold(sum, |sum, x| sum + x);
                taken += length;
            }
            sum / count_est(n)
        })
        .collect();
    let below_zero = means.iter().filter(|mean| **mean <= 0.0).count();
    let means = sorted(&means);
    let at = |p| percentile(&means, p).ok_or(NotReady::NoObservation);
    Ok(BlockBootstrap {
        low: at(0.025)?,
        middle: at(0.5)?,
        high: at(0.975)?,
        share_at_or_below_zero: count_est(below_zero) / count_est(replicates),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead_lag::tests::normal;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let got = mean_inference(&[(1, 1.0), (1, 3.0), (2, 2.0), (2, 6.0)], 0).unwrap();
        assert!((got.mean - 3.0).abs() < 1e-12 && (got.cluster_se - 1.0).abs() < 1e-12);
        assert!((got.iid_se - 1.080_123).abs() < 1e-6);
        // t = 3 on one degree of freedom (Cauchy): ½ − atan(3)/π.
        assert!((got.p_value - 0.102_416).abs() < 1e-5, "{got:?}");
    }

    #[test]
    fn one_day_is_not_enough_and_days_do_not_come_back() {
        assert!(matches!(
            mean_inference(&[(1, 1.0), (1, 3.0)], 0),
            Err(NotReady::TooLittle { .. })
        ));
        let back = mean_inference(&[(1, 1.0), (2, 3.0), (1, 2.0)], 0);
        assert_eq!(back, Err(NotReady::Input { what: "results" }));
        assert!(mean_inference(&[(1, 1.0), (2, 1.0)], 0).is_err());
    }

    fn days(seed: u64, drift: f64) -> Vec<(i64, f64)> {
        let mut random = SplitMix64::new(seed);
        let mut results = Vec::new();
        for day in 0..20 {
            let shared = normal(&mut random);
            results.extend((0..15).map(|_| (day, drift + shared + normal(&mut random))));
        }
        results
    }

    #[test]
    fn days_that_move_together_do_not_make_an_edge_and_a_planted_one_is_found() {
        let found = |drift: f64| {
            (0..300).filter(|s| mean_inference(&days(*s, drift), 5).unwrap().p_value < 0.05).count()
        };
        // 5 % of 300 is 15; as independent results these would be called an edge in a third of the runs.
        assert!(found(0.0) <= 27, "{}", found(0.0));
        assert!(found(1.0) > 270, "{}", found(1.0));
    }

    #[test]
    fn the_interval_holds_the_true_mean_about_as_often_as_it_says() {
        let holds = |seed: &u64| {
            let (low, high) = mean_inference(&days(*seed, 0.3), 5).unwrap().interval(0.9).unwrap();
            low <= 0.3 && 0.3 <= high
        };
        let held = (0..300).filter(holds).count();
        assert!((249..=291).contains(&held), "{held}");
    }

    #[test]
    fn blocks_replay_and_cover_the_mean() {
        let values: Vec<f64> = days(1, 0.5).into_iter().map(|(_, x)| x).collect();
        let got = block_bootstrap(&values, 15, 200, 3).unwrap();
        assert_eq!(got, block_bootstrap(&values, 15, 200, 3).unwrap());
        let mean = mean(&values).unwrap();
        assert!(got.low < mean && mean < got.high && got.low < got.middle);
        assert!(block_bootstrap(&values, 0, 200, 3).is_err());
        assert!(block_bootstrap(&values, 301, 200, 3).is_err());
    }
}
