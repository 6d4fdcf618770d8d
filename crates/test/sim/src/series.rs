//! Series for plots: bounded, evenly thinned, deterministic.

use remora_domain::{DurationNs, Timestamp};

/// The most points a series holds; beyond it every second point goes and the interval doubles.
const POINTS_MAX: usize = 2_000;

/// Holds a bounded series of samples.
#[derive(Clone, Debug)]
pub struct Series<T> {
    interval: DurationNs,
    points: Vec<(Timestamp, T)>,
}

impl<T: Clone> Series<T> {
    /// Starts a series that takes at most one point an interval.
    #[must_use]
    pub const fn new(interval: DurationNs) -> Self {
        Self { interval, points: Vec::new() }
    }

    /// Tells whether a point at `now` would be taken.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.points.last().is_none_or(|(last, _)| now.since(*last) >= self.interval)
    }

    /// Adds a point if the interval has passed.
    pub fn push(&mut self, now: Timestamp, value: T) {
        if !self.is_due(now) {
            return;
        }
        self.points.push((now, value));
        if self.points.len() > POINTS_MAX {
            let kept = self.points.iter().step_by(2).cloned().collect();
            self.points = kept;
            self.interval = self.interval.saturating_mul(2);
        }
    }

    /// Gives the points in time order.
    #[must_use]
    pub fn points(&self) -> &[(Timestamp, T)] {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_stays_bounded_and_keeps_its_first_point() {
        let mut series = Series::new(DurationNs::from_ns(1));
        for at in 0..100_000 {
            series.push(Timestamp::from_ns(at), at);
        }
        assert!(series.points().len() <= POINTS_MAX);
        assert_eq!(series.points()[0], (Timestamp::EPOCH, 0));
        assert!(series.points().last().unwrap().1 > 99_000);
    }
}
