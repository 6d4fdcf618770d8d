//! Whether buckets differ: rank test, permutation within groups, and whether the profile repeats (section 15).
//!
//! Kruskal–Wallis: `H = 12/(N(N + 1))·Σ R_b²/n_b − 3(N + 1)`, divided by `1 − Σ(t³ − t)/(N³ − N)` for ties; chi-squared with `k − 1` degrees of
//! freedom; effect `(H − k + 1)/(N − k)`.
//! Permutation: the values of each group change places among its own buckets, which keeps the levels of days. Statistic of a bucket: mean
//! inside less mean elsewhere, two-sided; of the family: `Σ n_b·mean_b²`. `p = (1 + #{as extreme})/(1 + n)`. `Shuffle` makes every order
//! equally likely; `Rotate` turns each group by a random part, which keeps how neighbours depend on each other: shuffled, a day whose busy
//! hours follow each other looks like evidence that it is not.
//! Persistence: Spearman's correlation of bucket means, first half of the groups against the second, one-sided by turning each group of the
//! second; and forward-chained: the mean of all groups before against the next quarter, averaged.
//! Worked number: {1, 2, 3} against {4, 5, 6}: H = 3.8571, p = 0.0495.
//! Sources: Kruskal, Wallis (1952); Gallant (1981) for the Fourier form beside it.

use crate::NotReady;
use crate::estimate::{at_least, finite};
use crate::lead_lag_test::Surrogate;
use crate::numeric::{count_est, mean, ranks, spearman};
use crate::resample::{below, shuffle};
use crate::season::{Row, SeasonTable};
use remora_machine::SplitMix64;
use statrs::function::gamma::checked_gamma_ur;

/// Is the rank test of several samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KruskalWallis {
    /// `H`.
    pub h: f64,
    /// Chance of such an `H` or a larger one if all samples are alike.
    pub p_value: f64,
    /// Share of the ranks' variance that the samples explain, about 0 where there is nothing (it may be below).
    pub effect: f64,
}

/// Tests whether samples differ in location. Samples without values are left out.
///
/// # Errors
/// Not ready below two samples with values, or with no more values than samples; unsolvable where all values are equal.
pub fn kruskal_wallis(samples: &[Vec<f64>]) -> Result<KruskalWallis, NotReady> {
    let samples: Vec<&Vec<f64>> = samples.iter().filter(|sample| !sample.is_empty()).collect();
    let values: Vec<f64> = samples.iter().flat_map(|sample| sample.iter().copied()).collect();
    at_least(samples.len(), 2)?;
    at_least(values.len(), samples.len() + 1)?;
    let (n, k) = (count_est(values.len()), count_est(samples.len()));
    let mut ranks = ranks(&values).into_iter();
    let squares: f64 = samples
        .iter()
        .map(|sample| {
            let sum: f64 = ranks.by_ref().take(sample.len()).sum();
            sum * sum / count_est(sample.len())
        })
        .sum();
    let sorted = crate::numeric::sorted(&values);
    let ties: f64 = sorted
        .chunk_by(|a, b| a.total_cmp(b).is_eq())
        .map(|tied| {
            let t = count_est(tied.len());
            t * t * t - t
        })
        .sum();
    let correction = 1.0 - ties / (n * n * n - n);
    if correction <= 0.0 {
        return Err(NotReady::Unsolvable { what: "a rank test of equal values" });
    }
    let h = finite((12.0 / (n * (n + 1.0)) * squares - 3.0 * (n + 1.0)) / correction)?;
    let tail = checked_gamma_ur((k - 1.0) / 2.0, h.max(f64::MIN_POSITIVE) / 2.0);
    let p_value = finite(tail.map_err(|_| NotReady::NotFinite)?)?;
    Ok(KruskalWallis { h, p_value, effect: (h - k + 1.0) / (n - k) })
}

/// Is what changing places within groups says.
#[derive(Clone, Debug, PartialEq)]
pub struct PermutationTest {
    /// For the family: chance of such differences between buckets if there are none.
    pub family_p_value: f64,
    /// For every bucket: its mean less the mean elsewhere, and the chance of such a difference; `None` without values.
    pub buckets: Vec<Option<(f64, f64)>>,
    /// Permutations made.
    pub permutations: usize,
}

/// Is how well a profile repeats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Persistence {
    /// Spearman's correlation of bucket means, first half against second; −1 to 1.
    pub halves: f64,
    /// Chance of such a correlation if buckets of the second half were exchanged.
    pub p_value: f64,
    /// Mean correlation of all earlier groups with the next quarter; `None` below 8 groups.
    pub forward: Option<f64>,
}

impl SeasonTable {
    /// Tests buckets by rank, levels taken out.
    ///
    /// # Errors
    /// As [`kruskal_wallis`].
    pub fn rank_test(&self) -> Result<KruskalWallis, NotReady> {
        kruskal_wallis(&columns(&self.levelled(), self.family().buckets()))
    }

    /// Tests buckets by exchanging values within groups. Takes O(permutations · cells).
    ///
    /// # Errors
    /// Refuses fewer than 19 permutations; not ready below two groups.
    pub fn permutation_test(
        &self,
        kind: Surrogate,
        permutations: usize,
        seed: u64,
    ) -> Result<PermutationTest, NotReady> {
        at_least(permutations, 19)?;
        let rows = self.levelled();
        at_least(rows.len(), 2)?;
        let buckets = self.family().buckets();
        let groups = known(&rows);
        let mut counts = vec![0.0; buckets];
        let mut seen = vec![0.0; buckets];
        for (bucket, value) in groups.iter().flatten() {
            add(&mut counts, *bucket, 1.0);
            add(&mut seen, *bucket, *value);
        }
        let (n, total) = (counts.iter().sum::<f64>(), seen.iter().sum::<f64>());
        let difference = |sum: f64, count: f64| sum / count - (total - sum) / (n - count);
        let spread = |sums: &[f64]| -> f64 {
            let parts = sums.iter().zip(&counts).filter(|(_, count)| **count > 0.0);
            parts.map(|(sum, count)| sum * sum / count).sum()
        };
        let seen_spread = spread(&seen);
        let mut as_extreme = vec![0.0; buckets];
        let mut as_spread = 0.0;
        let mut random = SplitMix64::new(seed);
        let mut order: Vec<usize> = Vec::new();
        for _ in 0..permutations {
            let mut sums = vec![0.0; buckets];
            for group in &groups {
                reorder(&mut order, group.len(), kind, &mut random);
                for ((bucket, _), from) in group.iter().zip(&order) {
                    add(&mut sums, *bucket, group.get(*from).map_or(0.0, |(_, value)| *value));
                }
            }
            as_spread += if spread(&sums) >= seen_spread { 1.0 } else { 0.0 };
            for (bucket, ((sum, seen), count)) in sums.iter().zip(&seen).zip(&counts).enumerate() {
                if difference(*sum, *count).abs() >= difference(*seen, *count).abs() {
                    add(&mut as_extreme, bucket, 1.0);
                }
            }
        }
        let p = |count: f64| (1.0 + count) / (1.0 + count_est(permutations));
        let bucket = |((sum, count), extreme): ((&f64, &f64), &f64)| {
            let difference = difference(*sum, *count);
            difference.is_finite().then(|| (difference, p(*extreme)))
        };
        Ok(PermutationTest {
            family_p_value: p(as_spread),
            buckets: seen.iter().zip(&counts).zip(&as_extreme).map(bucket).collect(),
            permutations,
        })
    }

    /// Compares the profile of the first half of the groups with that of the second.
    ///
    /// # Errors
    /// Refuses fewer than 19 permutations; not ready below four groups or while a half has no value for a bucket;
    /// unsolvable where a profile is flat.
    pub fn persistence(&self, permutations: usize, seed: u64) -> Result<Persistence, NotReady> {
        at_least(permutations, 19)?;
        let rows = self.levelled();
        at_least(rows.len(), 4)?;
        let buckets = self.family().buckets();
        let (first, second) = rows.split_at(rows.len() / 2);
        let (first, profile_second) = (profile(first, buckets)?, profile(second, buckets)?);
        let flat = NotReady::Unsolvable { what: "the persistence of a flat profile" };
        let halves = spearman(&first, &profile_second).ok_or(flat)?;
        let (groups, mut order) = (known(second), Vec::new());
        let mut random = SplitMix64::new(seed);
        let mut as_large = 0;
        for _ in 0..permutations {
            let (mut sums, mut counts) = (vec![0.0; buckets], vec![0.0; buckets]);
            for group in &groups {
                reorder(&mut order, group.len(), Surrogate::Rotate, &mut random);
                for ((bucket, _), from) in group.iter().zip(&order) {
                    add(&mut sums, *bucket, group.get(*from).map_or(0.0, |(_, value)| *value));
                    add(&mut counts, *bucket, 1.0);
                }
            }
            let turned: Vec<f64> = sums.iter().zip(&counts).map(|(sum, n)| sum / n).collect();
            as_large += usize::from(spearman(&first, &turned).is_some_and(|rho| rho >= halves));
        }
        let p_value = (1.0 + count_est(as_large)) / (1.0 + count_est(permutations));
        Ok(Persistence { halves, p_value, forward: forward(&rows, buckets) })
    }
}

/// Gives each group as its known cells (bucket, value): permuting exchanges the values among them.
pub(crate) fn known(rows: &[Row]) -> Vec<Vec<(usize, f64)>> {
    rows.iter()
        .map(|row| row.iter().enumerate().filter_map(|(b, x)| x.map(|x| (b, x))).collect())
        .collect()
}

/// Fills `order` with a random order of `n` places.
fn reorder(order: &mut Vec<usize>, n: usize, kind: Surrogate, random: &mut SplitMix64) {
    order.clear();
    order.extend(0..n);
    match kind {
        Surrogate::Shuffle => shuffle(order, random),
        Surrogate::Rotate => order.rotate_left(below(random, n)),
    }
}

fn add(sums: &mut [f64], at: usize, value: f64) {
    if let Some(sum) = sums.get_mut(at) {
        *sum += value;
    }
}

/// Gives the values of each bucket.
pub(crate) fn columns(rows: &[Row], buckets: usize) -> Vec<Vec<f64>> {
    (0..buckets)
        .map(|b| rows.iter().filter_map(|row| row.get(b).copied().flatten()).collect())
        .collect()
}

fn profile(rows: &[Row], buckets: usize) -> Result<Vec<f64>, NotReady> {
    let means = columns(rows, buckets).iter().map(|column| mean(column)).collect();
    Option::ok_or(means, NotReady::NoObservation)
}

fn forward(rows: &[Row], buckets: usize) -> Option<f64> {
    let quarter = rows.len() / 4;
    if quarter < 2 {
        return None;
    }
    let fold = |i: usize| {
        let (past, rest) = rows.split_at_checked(i * quarter)?;
        let next = if i == 3 { rest } else { rest.get(..quarter)? };
        spearman(&profile(past, buckets).ok()?, &profile(next, buckets).ok()?)
    };
    let folds: Option<Vec<f64>> = (1..=3).map(fold).collect();
    mean(&folds?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::lead_lag::tests::normal;
    use crate::season::{BucketFamily, Scale};

    /// Days with levels of their own, noise, and a wave of the given height by hour.
    pub(crate) fn days(seed: u64, days: i64, height: f64) -> SeasonTable {
        let mut random = SplitMix64::new(seed);
        let mut table = SeasonTable::new(BucketFamily::HourOfDay, Scale::Log);
        let mut level = 0.0;
        for day in 0..days {
            level = 0.8 * level + normal(&mut random);
            for hour in 0..24usize {
                let angle = 2.0 * std::f64::consts::PI * count_est(hour) / 24.0;
                let season = height * libm::cos(angle);
                table
                    .add(day, hour, libm::exp(level + season + 0.5 * normal(&mut random)))
                    .unwrap();
            }
        }
        table
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let got = kruskal_wallis(&[vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]]).unwrap();
        assert!((got.h - 3.857_142_857).abs() < 1e-8 && (got.p_value - 0.049_534_6).abs() < 1e-6);
        assert!(matches!(
            kruskal_wallis(&[vec![1.0, 1.0], vec![1.0]]),
            Err(NotReady::Unsolvable { .. })
        ));
        assert!(matches!(
            kruskal_wallis(&[vec![1.0, 2.0], vec![]]),
            Err(NotReady::TooLittle { .. })
        ));
    }

    #[test]
    fn a_planted_wave_is_found_and_repeats() {
        let table = days(1, 40, 0.4);
        let ranks = table.rank_test().unwrap();
        assert!(ranks.p_value < 1e-6 && ranks.effect > 0.1, "{ranks:?}");
        let permuted = table.permutation_test(Surrogate::Rotate, 199, 1).unwrap();
        assert!((permuted.family_p_value - 0.005).abs() < 1e-12);
        let (difference, p_value) = permuted.buckets[0].unwrap();
        assert!(difference > 0.25 && p_value < 0.01);
        let repeats = table.persistence(199, 1).unwrap();
        assert!(repeats.halves > 0.6 && repeats.p_value < 0.05 && repeats.forward.unwrap() > 0.5);
    }

    #[test]
    fn noise_is_rejected_about_as_often_as_the_level_says() {
        let (mut by_rank, mut by_permutation, mut by_halves) = (0, 0, 0);
        for seed in 0..300 {
            let table = days(1_000 + seed, 12, 0.0);
            by_rank += usize::from(table.rank_test().unwrap().p_value <= 0.05);
            by_permutation += usize::from(
                table.permutation_test(Surrogate::Shuffle, 39, seed).unwrap().family_p_value
                    <= 0.05,
            );
            by_halves += usize::from(table.persistence(39, seed).unwrap().p_value <= 0.05);
        }
        // 5 % of 300 is 15, three standard deviations are 11.
        for count in [by_rank, by_permutation, by_halves] {
            assert!(count <= 26, "{by_rank} {by_permutation} {by_halves}");
        }
        assert!(by_permutation >= 4, "a test that never rejects has no level");
    }

    /// Days without a season whose hours resemble the hour before.
    fn slow_days(seed: u64, days: i64) -> SeasonTable {
        let mut random = SplitMix64::new(seed);
        let mut table = SeasonTable::new(BucketFamily::HourOfDay, Scale::Plain);
        let mut value = 0.0;
        for day in 0..days {
            for hour in 0..24usize {
                value = 0.8 * value + normal(&mut random);
                table.add(day, hour, value).unwrap();
            }
        }
        table
    }

    #[test]
    fn turning_keeps_its_level_where_neighbours_resemble_each_other_and_shuffling_does_not() {
        let (mut turned, mut shuffled, mut halves) = (0, 0, 0);
        for seed in 0..300 {
            let table = slow_days(5_000 + seed, 16);
            let p = |kind| table.permutation_test(kind, 39, seed).unwrap().family_p_value;
            turned += usize::from(p(Surrogate::Rotate) <= 0.05);
            shuffled += usize::from(p(Surrogate::Shuffle) <= 0.05);
            halves += usize::from(table.persistence(39, seed).unwrap().p_value <= 0.05);
        }
        // 5 % of 300 is 15, three standard deviations are 11.
        assert!(turned <= 26 && halves <= 26, "{turned} {halves}");
        assert!(shuffled > 26, "{shuffled}");
    }

    #[test]
    fn equal_seeds_replay_and_too_little_is_named() {
        let table = days(2, 10, 0.1);
        for kind in [Surrogate::Shuffle, Surrogate::Rotate] {
            assert_eq!(table.permutation_test(kind, 50, 7), table.permutation_test(kind, 50, 7));
        }
        assert!(table.permutation_test(Surrogate::Rotate, 18, 7).is_err());
        assert!(days(2, 3, 0.1).persistence(50, 7).is_err());
    }
}
