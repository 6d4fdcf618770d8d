//! Sums, medians, ranks and correlations of a slice: the batch arithmetic that several estimators share.
//!
//! In: slices of finite floats. Out: `None` where the statistic is not defined. Order statistics sort a copy, so
//! they are O(n log n) and belong to
//! bounded windows.

/// A normal standard deviation per median absolute deviation.
pub const SIGMA_PER_MAD: f64 = 1.4826;

/// Gives a count as a float: exact up to 2^53, more than memory holds.
#[expect(clippy::as_conversions, reason = "counts stay far below 2^53")]
pub(crate) const fn count_est(n: usize) -> f64 {
    n as f64
}

/// Gives the whole number at or below `x`; `None` below zero, above 2^32 and for what is not a number.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked first"
)]
pub(crate) fn floor_index(x: f64) -> Option<usize> {
    (0.0..=4_294_967_296.0).contains(&x).then(|| libm::floor(x) as usize)
}

/// Gives the arithmetic mean; `None` of nothing.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / count_est(values.len()))
}

/// Gives the variance about the mean with `n − 1`; `None` below two values.
pub(crate) fn variance(values: &[f64]) -> Option<f64> {
    let centre = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|x| (x - centre) * (x - centre)).sum();
    Some(squares / (count_est(values.len()) - 1.0))
}

pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Gives the middle value, the mean of the two middle ones for an even count; `None` of nothing.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let half = sorted.len() / 2;
    let upper = sorted.get(half)?;
    if sorted.len() % 2 == 1 {
        return Some(*upper);
    }
    sorted.get(half.checked_sub(1)?).map(|lower| (lower + upper) / 2.0)
}

/// Gives `1.4826 · median |x − median|`: the scale of the values, untouched by a minority of outliers.
/// `None` of nothing.
#[must_use]
pub fn mad_sigma(values: &[f64]) -> Option<f64> {
    let centre = median(values)?;
    let distances: Vec<f64> = values.iter().map(|x| (x - centre).abs()).collect();
    median(&distances).map(|mad| SIGMA_PER_MAD * mad)
}

/// Gives ranks from 1, ties sharing the mean of their places.
pub(crate) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|a, b| a.1 == b.1) {
        let rank = count_est(before) + (count_est(tied.len()) + 1.0) / 2.0;
        for (place, _) in tied {
            if let Some(slot) = ranks.get_mut(*place) {
                *slot = rank;
            }
        }
        before += tied.len();
    }
    ranks
}

/// Gives Pearson's correlation of two series of one length; `None` below two pairs or where one is constant.
#[must_use]
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || x.len() < 2 {
        return None;
    }
    let (mean_x, mean_y) = (mean(x)?, mean(y)?);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (a, b) = (a - mean_x, b - mean_y);
        xx += a * a;
        yy += b * b;
        xy += a * b;
    }
    let rho = xy / libm::sqrt(xx * yy);
    (xx > 0.0 && yy > 0.0 && rho.is_finite()).then(|| rho.clamp(-1.0, 1.0))
}

/// Gives Spearman's rank correlation; `None` as for [`pearson`].
#[must_use]
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    pearson(&ranks(x), &ranks(y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn medians_ranks_and_correlations_of_small_samples() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(mad_sigma(&[1.0, 2.0, 3.0, 4.0, 100.0]), Some(SIGMA_PER_MAD));
        assert_eq!(ranks(&[5.0, 1.0, 5.0]), [2.5, 1.0, 2.5]);
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[1.0, 10.0, 100.0]), Some(1.0));
        assert_eq!(pearson(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(variance(&[1.0, 3.0]), Some(2.0));
        assert_eq!(variance(&[1.0]), None);
    }

    proptest! {
        #[test]
        fn ranks_do_not_change_under_increasing_maps(x in prop::collection::vec(-50f64..50.0, 1..60)) {
            let mapped: Vec<f64> = x.iter().map(|v| libm::exp(*v / 10.0)).collect();
            prop_assert_eq!(ranks(&x), ranks(&mapped));
        }
    }
}
