//! The recent past of one number, to be looked at with a delay.

use remora_domain::{DurationNs, Timestamp};
use std::collections::VecDeque;

/// Samples kept over the longest delay; closer ones replace each other.
const SAMPLES: i64 = 64;

/// Remembers a number for as long as the longest look back needs.
#[derive(Clone, Debug)]
pub(crate) struct Delayed {
    keep: DurationNs,
    resolution: DurationNs,
    samples: VecDeque<(Timestamp, f64)>,
}

impl Delayed {
    /// Remembers for this long.
    pub(crate) fn new(keep: DurationNs) -> Self {
        let resolution = DurationNs::from_ns(keep.as_ns() / SAMPLES);
        Self { keep, resolution, samples: VecDeque::new() }
    }

    /// Takes the value of now; time must not run back.
    pub(crate) fn push(&mut self, now: Timestamp, value: f64) {
        // Only the newest may be replaced by one close to it; the one before it fixes its place.
        let before = self.samples.len().checked_sub(2).and_then(|at| self.samples.get(at));
        if before.is_some_and(|(at, _)| now.since(*at) < self.resolution) {
            self.samples.pop_back();
        }
        self.samples.push_back((now, value));
        // The newest sample at or before the start of what is kept stays: looks interpolate from it.
        let start = now.saturating_sub(self.keep);
        while self.samples.get(1).is_some_and(|(at, _)| *at <= start) {
            self.samples.pop_front();
        }
    }

    /// Gives the value at an instant, straight between the samples around it; the nearest one outside of them.
    pub(crate) fn at(&self, when: Timestamp) -> Option<f64> {
        let behind = self.samples.partition_point(|(at, _)| *at <= when);
        let after = self.samples.get(behind);
        let before = behind.checked_sub(1).and_then(|index| self.samples.get(index));
        match (before, after) {
            (Some((t0, v0)), Some((t1, v1))) => {
                let span = t1.since(*t0).as_seconds_est();
                let part = when.since(*t0).as_seconds_est() / span;
                Some(v0 + (v1 - v0) * part)
            }
            (Some((_, value)), None) | (None, Some((_, value))) => Some(*value),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: i64) -> Timestamp {
        Timestamp::EPOCH.saturating_add(DurationNs::from_ms(ms))
    }

    #[test]
    fn a_look_back_lies_straight_between_samples() {
        let mut past = Delayed::new(DurationNs::from_ms(640));
        assert_eq!(past.at(ms(5)), None);
        past.push(ms(0), 1.0);
        past.push(ms(100), 3.0);
        assert_eq!(past.at(ms(-7)), Some(1.0));
        assert_eq!(past.at(ms(0)), Some(1.0));
        assert_eq!(past.at(ms(25)), Some(1.5));
        assert_eq!(past.at(ms(100)), Some(3.0));
        assert_eq!(past.at(ms(900)), Some(3.0));
    }

    #[test]
    fn memory_is_bounded_and_still_reaches_back_far_enough() {
        let mut past = Delayed::new(DurationNs::from_ms(640));
        for at in 0..5_000 {
            past.push(ms(at), crate::plan::to_est(at));
        }
        assert!(past.samples.len() < 150, "{}", past.samples.len());
        let got = past.at(ms(4_999 - 640)).unwrap();
        assert!((got - 4_359.0).abs() < 1e-6, "{got}");
    }

    #[test]
    fn without_a_delay_the_newest_value_is_seen() {
        let mut past = Delayed::new(DurationNs::ZERO);
        past.push(ms(1), 1.0);
        past.push(ms(2), 2.0);
        assert_eq!(past.at(ms(2)), Some(2.0));
        assert_eq!(past.samples.len(), 1);
    }
}
