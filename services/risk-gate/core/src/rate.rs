//! How many orders and cancels left in the window before now.

use remora_domain::{DurationNs, Timestamp};
use std::collections::VecDeque;

/// Counts messages in a sliding window. Holds at most `count_max` instants: with that many in the window nothing
/// new is allowed, however many more (cancels) there are.
#[derive(Debug)]
pub(crate) struct OrderRate {
    count_max: usize,
    window: DurationNs,
    times: VecDeque<Timestamp>,
}

impl OrderRate {
    pub(crate) const fn new(count_max: usize, window: DurationNs) -> Self {
        Self { count_max, window, times: VecDeque::new() }
    }

    /// Counts a message sent at `at`, or at the last one counted when clocks disagree.
    pub(crate) fn note(&mut self, at: Timestamp) {
        let at = self.times.back().map_or(at, |last| at.max(*last));
        self.times.push_back(at);
        while self.times.len() > self.count_max {
            self.times.pop_front();
        }
    }

    /// Tells whether as many messages as allowed are younger than the window.
    pub(crate) fn is_full(&self, now: Timestamp) -> bool {
        let is_young = |at: &Timestamp| now.since(*at) < self.window;
        self.times.len() >= self.count_max && self.times.front().is_none_or(is_young)
    }

    pub(crate) const fn count_max(&self) -> usize {
        self.count_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_testkit::at_ms;

    #[test]
    fn a_message_leaves_the_window_exactly_at_its_length() {
        let mut rate = OrderRate::new(2, DurationNs::from_ms(100));
        rate.note(at_ms(0));
        rate.note(at_ms(50));
        assert!(rate.is_full(at_ms(99)));
        assert!(!rate.is_full(at_ms(100)));
        rate.note(at_ms(100));
        assert!(rate.is_full(at_ms(149)));
        assert!(!rate.is_full(at_ms(150)));
    }

    #[test]
    fn a_flood_of_cancels_needs_no_more_room_than_the_limit() {
        let mut rate = OrderRate::new(2, DurationNs::from_ms(100));
        (0..1_000).for_each(|ms| rate.note(at_ms(ms)));
        assert_eq!(rate.times.len(), 2);
        assert!(rate.is_full(at_ms(1_000)));
    }
}
