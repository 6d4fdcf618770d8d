//! How many messages left in the window before now.

use remora_domain::{DurationNs, Timestamp};
use std::collections::VecDeque;

/// Counts messages in a sliding window. Holds at most `count_max` instants: with that many in the window nothing
/// new is allowed, however many more (cancels) there are.
#[derive(Debug, Clone)]
pub(crate) struct OrderRate {
    count_max: usize,
    window: DurationNs,
    times: VecDeque<Timestamp>,
}

impl OrderRate {
    pub(crate) const fn new(count_max: usize, window: DurationNs) -> Self {
        Self { count_max, window, times: VecDeque::new() }
    }

    /// Follows other limits from now on; what was counted stays, as far as there is room.
    pub(crate) fn resize(&mut self, count_max: usize, window: DurationNs) {
        (self.count_max, self.window) = (count_max, window);
        self.cut();
    }

    pub(crate) const fn times(&self) -> &VecDeque<Timestamp> {
        &self.times
    }

    /// Goes on where a snapshot under the same limits ended.
    pub(crate) fn restore(&mut self, times: VecDeque<Timestamp>) {
        self.times = times;
        self.cut();
    }

    /// Counts a message sent at `at`, or at the last one counted when clocks disagree.
    pub(crate) fn note(&mut self, at: Timestamp) {
        let at = self.times.back().map_or(at, |last| at.max(*last));
        self.times.push_back(at);
        self.cut();
    }

    /// Gives how many messages are younger than the window, up to the most that are remembered.
    pub(crate) fn count(&self, now: Timestamp) -> usize {
        let is_old = |at: &Timestamp| now.since(*at) >= self.window;
        self.times.len().saturating_sub(self.times.partition_point(is_old))
    }

    fn cut(&mut self) {
        while self.times.len() > self.count_max {
            self.times.pop_front();
        }
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
        assert_eq!(rate.count(at_ms(99)), 2);
        assert_eq!(rate.count(at_ms(100)), 1);
        rate.note(at_ms(100));
        assert_eq!(rate.count(at_ms(149)), 2);
        assert_eq!(rate.count(at_ms(150)), 1);
    }

    #[test]
    fn a_flood_of_cancels_needs_no_more_room_than_the_limit() {
        let mut rate = OrderRate::new(2, DurationNs::from_ms(100));
        (0..1_000).for_each(|ms| rate.note(at_ms(ms)));
        assert_eq!(rate.times.len(), 2);
        assert_eq!(rate.count(at_ms(1_000)), 2);
    }
}
