//! One event in a table by the clock: a group (a day, a week) in which one bucket, or some, is far from what it is in all others.
//!
//! An event is no pattern: it does not come back. It can look like one, because a bucket's mean follows it; medians and ranks, which patterns
//! rest on, do not. It is named so that a reader need not wonder.
//! Definition: with the level of its group taken out, a value more than ten robust standard deviations (1.4826·MAD of its bucket, and not
//! less than the median of that over all buckets: few values may lie close by chance) from the median of its bucket. The group with the largest sum of such distances is given, with its cells in order.
//! Worked number: a bucket with 0, 1, 2, 3, 90: median 2, MAD 1, distance of the last (90 − 2)/1.4826 = 59.4.

use crate::numeric::{mad_sigma, median};
use crate::season::{Row, SeasonTable};

/// Robust standard deviations from which a value is an event.
const FAR: f64 = 10.0;
/// With fewer groups nothing is called unusual.
const GROUPS_MIN: usize = 5;

/// Is one bucket in one group, far from what it is in others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneOff {
    /// The bucket.
    pub bucket: usize,
    /// What it was beyond the median of its bucket: log units, or the unit of the values.
    pub beyond: f64,
    /// The same in robust standard deviations of its bucket, without sign.
    pub distance: f64,
}

impl SeasonTable {
    /// Gives the most unusual group (days or weeks since the epoch, as [`crate::BucketFamily::group`] counts them) with its unusual buckets; `None`
    /// where there is none, or fewer than five groups.
    #[must_use]
    pub fn one_event(&self) -> Option<(i64, Vec<OneOff>)> {
        let groups = self.levelled_groups();
        if groups.len() < GROUPS_MIN {
            return None;
        }
        let spread = |bucket: usize| {
            let of = |row: &(i64, Row)| row.1.get(bucket).copied().flatten();
            let column: Vec<f64> = groups.iter().filter_map(of).collect();
            let (middle, sigma) = median(&column).zip(mad_sigma(&column))?;
            (column.len() >= GROUPS_MIN).then_some((middle, sigma))
        };
        let spreads: Vec<Option<(f64, f64)>> = (0..self.family().buckets()).map(spread).collect();
        let sigmas: Vec<f64> = spreads.iter().flatten().map(|(_, sigma)| *sigma).collect();
        let floor = median(&sigmas)?;
        let usual: Vec<Option<(f64, f64)>> = spreads
            .into_iter()
            .map(|spread| spread.map(|(middle, sigma)| (middle, sigma.max(floor))))
            .map(|spread| spread.filter(|(_, sigma)| *sigma > 0.0))
            .collect();
        let unusual = |(group, row): &(i64, Row)| {
            let cells = row.iter().zip(&usual).enumerate();
            let far: Vec<OneOff> = cells
                .filter_map(|(bucket, (x, usual))| {
                    let ((middle, sigma), x) = (usual.as_ref()?, (*x)?);
                    let beyond = x - middle;
                    let distance = beyond.abs() / sigma;
                    (distance > FAR).then_some(OneOff { bucket, beyond, distance })
                })
                .collect();
            (*group, far)
        };
        let weight = |far: &[OneOff]| far.iter().map(|cell| cell.distance).sum::<f64>();
        groups
            .iter()
            .map(unusual)
            .filter(|(_, far)| !far.is_empty())
            .max_by(|(_, a), (_, b)| weight(a).total_cmp(&weight(b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::season::{BucketFamily, Scale};
    use crate::season_test::tests::days;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let mut table = SeasonTable::new(BucketFamily::HourOfDay, Scale::Plain);
        // Other hours hold the level of every day at 0 and never vary.
        for (day, value) in (0..).zip([0.0, 1.0, 2.0, 3.0, 90.0]) {
            for hour in 0..23usize {
                let level = if hour < 10 { -1e3 } else { 1e3 };
                let value = if (10..13).contains(&hour) { 0.0 } else { level };
                table.add(day, hour, value).unwrap();
            }
            table.add(day, 23, value).unwrap();
        }
        let (group, far) = table.one_event().unwrap();
        assert_eq!((group, far.len(), far[0].bucket), (4, 1, 23));
        assert!((far[0].distance - 88.0 / 1.4826).abs() < 1e-3, "{far:?}");
    }

    #[test]
    fn few_weeks_whose_values_lie_close_by_chance_make_no_event() {
        let mut random = remora_machine::SplitMix64::new(5);
        let mut found = 0;
        for _ in 0..40 {
            let mut table = SeasonTable::new(BucketFamily::HourOfWeek, Scale::Plain);
            for (week, bucket) in (0..9).flat_map(|week| (0..168usize).map(move |b| (week, b))) {
                table.add(week, bucket, crate::lead_lag::tests::normal(&mut random)).unwrap();
            }
            found += usize::from(table.one_event().is_some());
        }
        assert_eq!(found, 0);
    }

    #[test]
    fn a_spike_of_two_hours_in_either_direction_is_one_event_and_ordinary_days_have_none() {
        for seed in 0..40 {
            assert_eq!(days(seed, 60, 0.4).one_event(), None, "{seed}");
        }
        for sign in [1.0, -1.0] {
            let mut table = days(1, 60, 0.4);
            // Another day with the same hours, two of which are far off.
            for hour in 0..24usize {
                let spike = if (7..=8).contains(&hour) { 12.0 * sign } else { 0.0 };
                let wave =
                    0.4 * libm::cos(std::f64::consts::TAU * crate::numeric::count_est(hour) / 24.0);
                table.add(60, hour, libm::exp(wave + spike)).unwrap();
            }
            let (group, far) = table.one_event().unwrap();
            let buckets: Vec<usize> = far.iter().map(|cell| cell.bucket).collect();
            assert_eq!((group, buckets), (60, vec![7, 8]));
            assert!(far.iter().all(|cell| (cell.beyond * sign - 12.0).abs() < 1.0), "{far:?}");
        }
    }
}
