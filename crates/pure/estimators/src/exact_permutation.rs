//! Two small samples, every assignment counted: no approximation, no seed (section 15).
//!
//! Statistic: difference of means, two-sided; `p` = share of the `C(n_a + n_b, n_a)` assignments at least as extreme, the seen
//! one among them.
//! Worked number: {3, 4} against {1, 2}: 2 of 6 assignments are as extreme, p = 1/3.
//! Bound: at most 24 values together, 2.7 million assignments.

use crate::NotReady;
use crate::estimate::at_least;
use crate::numeric::{count_est, mean};

/// The most values of both samples together.
const VALUES_MAX: usize = 24;
/// Differences this much below the seen one, relative to the largest value, are equal to it: sums in another order differ
/// by rounding.
const TIE: f64 = 1e-12;

/// Is the exact test of two samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExactPermutation {
    /// Mean of the first less mean of the second.
    pub difference: f64,
    /// Assignments at least as extreme.
    pub as_extreme: u32,
    /// All assignments.
    pub assignments: u32,
    /// Their share: above 0, at most 1.
    pub p_value: f64,
}

/// Tests whether two samples differ in their mean.
///
/// # Errors
/// Refuses more than 24 values and such that are not finite; not ready where a sample is empty.
pub fn exact_permutation(a: &[f64], b: &[f64]) -> Result<ExactPermutation, NotReady> {
    at_least(a.len().min(b.len()), 1)?;
    let values: Vec<f64> = a.iter().chain(b).copied().collect();
    if values.len() > VALUES_MAX || !values.iter().all(|x| x.is_finite()) {
        return Err(NotReady::Input { what: "values of an exact test" });
    }
    let (mean_a, mean_b) = mean(a).zip(mean(b)).ok_or(NotReady::NoObservation)?;
    let difference = mean_a - mean_b;
    let total: f64 = values.iter().sum();
    let scale = values.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let (size_a, size_b) = (count_est(a.len()), count_est(b.len()));
    let (mut as_extreme, mut assignments) = (0_u32, 0_u32);
    for chosen in 0u32..(1 << values.len()) {
        if u32::try_from(a.len()) != Ok(chosen.count_ones()) {
            continue;
        }
        let inside = values.iter().enumerate().filter(|(i, _)| chosen >> i & 1 == 1);
        let sum: f64 = inside.map(|(_, x)| x).sum();
        let other = sum / size_a - (total - sum) / size_b;
        assignments += 1;
        as_extreme += u32::from(other.abs() >= difference.abs() - TIE * scale);
    }
    let p_value = f64::from(as_extreme) / f64::from(assignments);
    Ok(ExactPermutation { difference, as_extreme, assignments, p_value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let got = exact_permutation(&[3.0, 4.0], &[1.0, 2.0]).unwrap();
        assert_eq!((got.as_extreme, got.assignments), (2, 6));
        assert!((got.p_value - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn equal_samples_are_never_extreme_and_large_ones_are_refused() {
        assert_eq!(exact_permutation(&[1.0, 1.0], &[1.0]).unwrap().p_value, 1.0);
        assert!(exact_permutation(&[0.0; 20], &[0.0; 20]).is_err());
        assert!(exact_permutation(&[], &[1.0]).is_err());
    }
}
