//! What a linear flow with rates at or above zero makes of a positive start: `x(t) = e^(tG)·x(0)`.
//!
//! Off-diagonal entries of `G` are rates and at or above zero; the diagonal may be anything. `e^(tG) = e^(−ct)·e^(t(G + cI))` with `c` so
//! large that nothing is negative: then only sums of positive numbers remain, and small entries keep their relative accuracy. The series
//! is taken for a time so short that it ends soon, and squared (uniformisation). Scales are taken out and given as a logarithm.
//! Worked number: G = −1 (one state), t = 2: x = e^(−2).

use nalgebra::{DMatrix, DVector};

/// Squarings at most: 2^60 times the time of one series.
const SQUARINGS_MAX: u32 = 60;
/// Terms of the series for a time of which the largest rate is at most a half: the next one is below 1e-20.
const TERMS: u32 = 16;

/// Gives `x(t)` up to a scale, and the natural logarithm of that scale. `None` where numbers end.
pub(crate) fn propagate(
    flow: &DMatrix<f64>,
    start: &DVector<f64>,
    time: f64,
) -> Option<(DVector<f64>, f64)> {
    let lift = flow.diagonal().iter().fold(0.0_f64, |most, entry| most.max(-entry));
    let lifted = flow + DMatrix::identity(flow.nrows(), flow.ncols()) * lift;
    let most = lifted.row_sum().amax().max(lifted.column_sum().amax()) * time;
    let squarings = (0..=SQUARINGS_MAX).find(|n| libm::scalbn(most, -n.cast_signed()) <= 0.5)?;
    let short = lifted * libm::scalbn(time, -squarings.cast_signed());
    let mut power = DMatrix::identity(flow.nrows(), flow.ncols());
    let mut sum = power.clone();
    for n in 1..=TERMS {
        power = &power * &short / f64::from(n);
        sum += &power;
    }
    let mut ln_scale = 0.0;
    for _ in 0..squarings {
        sum = &sum * &sum;
        ln_scale = 2.0 * ln_scale + unscale(&mut sum)?;
    }
    let end = sum * start;
    let is_usable = end.iter().all(|x| x.is_finite() && *x > 0.0);
    is_usable.then_some((end, ln_scale - lift * time))
}

/// Divides by the largest entry; gives its logarithm.
fn unscale(matrix: &mut DMatrix<f64>) -> Option<f64> {
    let most = matrix.amax();
    *matrix /= most;
    (most > 0.0 && most.is_finite()).then(|| libm::log(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let one = DVector::from_element(1, 1.0);
        let (end, ln_scale) = propagate(&DMatrix::from_element(1, 1, -1.0), &one, 2.0).unwrap();
        assert!((libm::log(end[0]) + ln_scale + 2.0).abs() < 1e-13);
    }

    #[test]
    fn small_entries_keep_their_accuracy_through_long_times() {
        // Two states that decay at 1 and 2; the second feeds the first: x1 = 2e^(−t) − e^(−2t), x2 = e^(−2t).
        let flow = DMatrix::from_row_slice(2, 2, &[-1.0, 1.0, 0.0, -2.0]);
        let (end, ln_scale) = propagate(&flow, &DVector::from_element(2, 1.0), 300.0).unwrap();
        assert!((libm::log(end[1]) + ln_scale + 600.0).abs() < 1e-9, "{}", libm::log(end[1]));
        assert!((libm::log(end[0]) + ln_scale + 300.0 - libm::log(2.0)).abs() < 1e-9);
        assert!(propagate(&flow, &DVector::from_element(2, 1.0), 1e30).is_none());
    }
}
