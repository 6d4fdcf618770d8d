//! Whether one bucket differs from the others, to any depth of the tail (section 15).
//!
//! Null: within each group (day or week) the values may stand in any order, or in any turn of their own; either way the value in bucket `b`
//! is a draw from the values of its group, `n_g` of them, independent of other groups. Statistic: `S = Σ_g x_{g,b}`, values less the mean
//! of their group, two-sided by doubling the nearer tail.
//! A test by sampled permutations knows no p-value below one over their number, and thousands of buckets tested together need much less.
//! The tail is therefore computed: `K(t) = Σ_g ln(Σ_i e^{t·x_gi}/n_g)`, `K'(t) = S`, `w = √(2(t·S − K))`, `u = t·√K''`,
//! `P(S or more) = 1 − Φ(w) + φ(w)(1/u − 1/w)`; below one standard deviation the normal tail; at the largest sum possible the exact share.
//! Worked number: five groups with the values −1, 0, 1 and the bucket at 1 in each: one of 3⁵ orders, p = 2/243.
//! Sources: Lugannani, Rice (1980), "Saddle point approximation for the distribution of the sum of independent random variables";
//! Robinson (1982), "Saddlepoint approximations for permutation tests and confidence intervals".

use crate::numeric::{count_est, mean};
use crate::season::SeasonTable;
use crate::season_test::known;
use libm::{erfc, exp, log, sqrt};
use std::f64::consts::{PI, SQRT_2};

/// With fewer groups no p-value of a bucket is given.
const GROUPS_MIN: usize = 5;
/// Steps of the search for `t`; each at least halves the interval once it is closed.
const STEPS_MAX: usize = 80;
/// `S` is met to this part of its standard deviation.
const TOLERANCE: f64 = 1e-9;

/// Is what one bucket shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BucketTest {
    /// Mean of the bucket less the mean elsewhere, in log units or the unit of the values.
    pub difference: f64,
    /// Groups with a value for it.
    pub groups: usize,
    /// Chance of such a sum or a more extreme one, above 0 and at most 1.
    pub p_value: f64,
}

impl SeasonTable {
    /// Tests every bucket; `None` with fewer than five groups, or where the values of all groups are alike. Takes O(buckets · cells).
    #[must_use]
    pub fn bucket_tests(&self) -> Vec<Option<BucketTest>> {
        let mut groups = known(&self.levelled());
        for group in &mut groups {
            let centre = mean(&group.iter().map(|(_, x)| *x).collect::<Vec<_>>()).unwrap_or(0.0);
            group.iter_mut().for_each(|(_, x)| *x -= centre);
        }
        (0..self.family().buckets()).map(|bucket| test(&groups, bucket)).collect()
    }
}

fn test(groups: &[Vec<(usize, f64)>], bucket: usize) -> Option<BucketTest> {
    let own = |group: &Vec<(usize, f64)>| group.iter().find(|(b, _)| *b == bucket).map(|(_, x)| *x);
    let with: Vec<(f64, Vec<f64>)> = groups
        .iter()
        .filter_map(|group| Some((own(group)?, group.iter().map(|(_, x)| *x).collect())))
        .collect();
    let seen: f64 = with.iter().map(|(own, _)| own).sum();
    let total: f64 = groups.iter().flatten().map(|(_, x)| x).sum();
    let cells: usize = groups.iter().map(Vec::len).sum();
    let inside = count_est(with.len());
    let difference = seen / inside - (total - seen) / (count_est(cells) - inside);
    let groups = with.len();
    let draws: Vec<Vec<f64>> = with.into_iter().map(|(_, group)| group).collect();
    let p_value = draw_p_value(&draws, seen)?;
    difference.is_finite().then_some(BucketTest { difference, groups, p_value })
}

/// Gives the chance that the sum of one draw from each group, all values of a group equally likely and each group with mean zero, lies as
/// far from zero as `seen` on either side; `None` with fewer than five groups or where nothing varies.
#[must_use]
pub fn draw_p_value(groups: &[Vec<f64>], seen: f64) -> Option<f64> {
    if groups.len() < GROUPS_MIN {
        return None;
    }
    let sign = if seen < 0.0 { -1.0 } else { 1.0 };
    let turned: Vec<Vec<f64>> =
        groups.iter().map(|group| group.iter().map(|x| sign * x).collect()).collect();
    let p_value = 2.0 * tail(&turned, seen.abs())?;
    p_value.is_finite().then(|| p_value.clamp(f64::MIN_POSITIVE, 1.0))
}

/// Gives `P(S ≥ seen)` of one draw from each group, for `seen` at or above zero, the mean.
fn tail(groups: &[Vec<f64>], seen: f64) -> Option<f64> {
    let at_zero = cumulants(groups, 0.0);
    let sd = sqrt(at_zero.curvature);
    if !(sd > 0.0 && sd.is_finite()) {
        return None;
    }
    let upper = |w: f64| 0.5 * erfc(w / SQRT_2);
    if seen < sd {
        return Some(upper(seen / sd));
    }
    let largest = |group: &Vec<f64>| group.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let most: f64 = groups.iter().map(largest).sum();
    if seen >= most - TOLERANCE * sd {
        let share = |group: &Vec<f64>| {
            let top = largest(group);
            let ties = group.iter().filter(|x| **x >= top - TOLERANCE * sd).count();
            log(count_est(ties) / count_est(group.len()))
        };
        return Some(exp(groups.iter().map(share).sum()));
    }
    let (t, at) = solve(groups, seen, sd)?;
    let w = sqrt(2.0 * (t * seen - at.value).max(0.0));
    let u = t * sqrt(at.curvature);
    Some(upper(w) + exp(-0.5 * w * w) / sqrt(2.0 * PI) * (1.0 / u - 1.0 / w))
}

/// Finds `t` with `K'(t) = seen`: Newton's steps, halved into the interval known so far where they leave it.
fn solve(groups: &[Vec<f64>], seen: f64, sd: f64) -> Option<(f64, Cumulants)> {
    let (mut low, mut high, mut t) = (0.0, f64::INFINITY, seen / (sd * sd));
    for _ in 0..STEPS_MAX {
        let at = cumulants(groups, t);
        let off = at.slope - seen;
        if off.abs() <= TOLERANCE * sd {
            return Some((t, at));
        }
        if off < 0.0 {
            low = t;
        } else {
            high = t;
        }
        let newton = t - off / at.curvature;
        t = if newton > low && newton < high {
            newton
        } else if high.is_finite() {
            f64::midpoint(low, high)
        } else {
            2.0 * low
        };
    }
    None
}

/// Is `K` with its first two derivatives at one `t`.
#[derive(Clone, Copy)]
struct Cumulants {
    value: f64,
    slope: f64,
    curvature: f64,
}

fn cumulants(groups: &[Vec<f64>], t: f64) -> Cumulants {
    let mut all = Cumulants { value: 0.0, slope: 0.0, curvature: 0.0 };
    for group in groups {
        // Taken out of the exponent, so that it never overflows.
        let top = group.iter().map(|x| t * x).fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
        for x in group {
            let weight = exp(t * x - top);
            sum += weight;
            first += x * weight;
            second += x * x * weight;
        }
        let centre = first / sum;
        all.value += top + log(sum / count_est(group.len()));
        all.slope += centre;
        all.curvature += second / sum - centre * centre;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::season::{BucketFamily, Scale};
    use crate::season_test::tests::days;
    use remora_machine::SplitMix64;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let groups = vec![vec![-1.0, 0.0, 1.0]; 5];
        assert!((tail(&groups, 5.0).unwrap() - 1.0 / 243.0).abs() < 1e-12);
    }

    #[test]
    fn tails_agree_with_every_draw_counted() {
        let mut random = SplitMix64::new(4);
        let groups: Vec<Vec<f64>> = (0..6)
            .map(|_| {
                // Skewed, as logs of volume are not but drifts may be.
                let raw: Vec<f64> = (0..6).map(|_| exp(2.0 * random.next_unit_est())).collect();
                let centre = mean(&raw).unwrap();
                raw.iter().map(|x| x - centre).collect()
            })
            .collect();
        let sums: Vec<f64> = (0..6usize.pow(6))
            .map(|draw| {
                (0..6).map(|g| groups[g][draw / 6usize.pow(u32::try_from(g).unwrap()) % 6]).sum()
            })
            .collect();
        for seen in [6.0, 9.0, 12.0] {
            let exact =
                count_est(sums.iter().filter(|s| **s >= seen).count()) / count_est(sums.len());
            let got = tail(&groups, seen).unwrap();
            assert!(exact > 0.0 && (got / exact - 1.0).abs() < 0.15, "{seen}: {got} {exact}");
        }
    }

    #[test]
    fn p_values_agree_with_sampled_permutations_and_go_below_them() {
        let table = days(1, 40, 0.25);
        let sampled = table.permutation_test(crate::Surrogate::Shuffle, 1_999, 1).unwrap();
        for (got, sampled) in table.bucket_tests().iter().zip(&sampled.buckets) {
            let (got, (difference, p)) = (got.unwrap(), sampled.unwrap());
            assert!((got.difference - difference).abs() < 1e-9);
            // Three standard errors of the sampled one.
            let error = 3.0 * sqrt(p * (1.0 - p) / 2_000.0) + 0.002;
            assert!((got.p_value - p).abs() < error, "{got:?} {p}");
        }
        let strong = days(1, 200, 0.5).bucket_tests()[0].unwrap();
        assert!(strong.p_value < 1e-12, "{strong:?}");
    }

    #[test]
    fn noise_is_called_about_as_often_as_the_level_says() {
        let called = |level: f64| {
            let buckets = (0..60).flat_map(|seed| days(700 + seed, 14, 0.0).bucket_tests());
            buckets.filter(|test| test.unwrap().p_value <= level).count()
        };
        // 1,440 buckets: 72 and 14.4 are expected.
        let (often, seldom) = (called(0.05), called(0.01));
        assert!((45..=100).contains(&often) && (4..=27).contains(&seldom), "{often} {seldom}");
    }

    #[test]
    fn few_groups_and_equal_values_have_no_test() {
        assert!(days(1, 4, 0.3).bucket_tests().iter().all(Option::is_none));
        let mut flat = SeasonTable::new(BucketFamily::HourOfDay, Scale::Plain);
        for (day, hour) in (0..9).flat_map(|day| (0..24).map(move |hour| (day, hour))) {
            flat.add(day, hour, 1.0).unwrap();
        }
        assert!(flat.bucket_tests().iter().all(Option::is_none));
    }
}
