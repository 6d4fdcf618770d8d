//! What was sent and executed so far, as far as controls of flow look back. Everything here is bounded by a limit.

use crate::day::day_of;
use crate::denial::Denial;
use remora_domain::{DurationNs, Notional, OrderRequest, Price, Qty, Side, Timestamp};
use std::collections::VecDeque;

/// Counts what happened on one UTC day.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct DayCounts {
    day: i64,
    pub(crate) orders: u64,
    pub(crate) fills: u64,
    /// Fees in the reporting currency, or why they cannot be told.
    pub(crate) fees: Result<Notional, Denial>,
}

impl Default for DayCounts {
    fn default() -> Self {
        Self { day: i64::MIN, orders: 0, fills: 0, fees: Ok(Notional::ZERO) }
    }
}

impl DayCounts {
    /// Gives the counts of the day of `now`.
    pub(crate) fn at(&self, now: Timestamp) -> Self {
        if self.day == day_of(now) {
            self.clone()
        } else {
            Self { day: day_of(now), ..Self::default() }
        }
    }

    /// Gives the counts to change by something that happened at `at`; `None` when that day is over.
    fn on(&mut self, at: Timestamp) -> Option<&mut Self> {
        if day_of(at) > self.day {
            *self = Self { day: day_of(at), ..Self::default() };
        }
        (day_of(at) == self.day).then_some(self)
    }

    pub(crate) fn note_order(&mut self, at: Timestamp) {
        if let Some(today) = self.on(at) {
            today.orders = today.orders.saturating_add(1);
        }
    }

    pub(crate) fn note_fill(&mut self, at: Timestamp, fee: Result<Notional, Denial>) {
        let Some(today) = self.on(at) else { return };
        today.fills = today.fills.saturating_add(1);
        let sum = today.fees.clone().and_then(|fees| Ok(fees.checked_add(fee?)?));
        today.fees = sum;
    }
}

/// Remembers the orders of one pair that were approved within the longest window.
#[derive(Debug, Default, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Repeats {
    approved: VecDeque<(Timestamp, Side, Price, Qty)>,
}

impl Repeats {
    /// Notes an approved order, and forgets those older than the window. The rate of orders bounds what is left.
    pub(crate) fn note(&mut self, at: Timestamp, window: DurationNs, order: &OrderRequest) {
        while self.approved.front().is_some_and(|(then, ..)| at.since(*then) >= window) {
            self.approved.pop_front();
        }
        self.approved.push_back((at, order.side, order.price, order.qty));
    }

    /// Counts approved orders with the same economics that are younger than the window.
    pub(crate) fn count(&self, now: Timestamp, window: DurationNs, order: &OrderRequest) -> usize {
        let is_same = |(then, side, price, qty): &&(Timestamp, Side, Price, Qty)| {
            now.since(*then) < window
                && (*side, *price, *qty) == (order.side, order.price, order.qty)
        };
        self.approved.iter().filter(is_same).count()
    }
}

/// Counts executions of one pair in a sliding window, and remembers when they were too many.
#[derive(Debug, Default, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Executions {
    times: VecDeque<Timestamp>,
    /// When the limit was passed; only a person makes it none again.
    pub(crate) tripped_at: Option<Timestamp>,
    resumed_at: Option<Timestamp>,
}

impl Executions {
    /// Notes an execution told at `at`. One from before a person's word is settled.
    pub(crate) fn note(&mut self, at: Timestamp, count_max: usize, window: DurationNs) {
        if self.resumed_at.is_some_and(|resumed| at <= resumed) {
            return;
        }
        let at = self.times.back().map_or(at, |last| at.max(*last));
        self.times.push_back(at);
        while self.times.len() > count_max.saturating_add(1) {
            self.times.pop_front();
        }
        if self.count(at, window) > count_max {
            self.tripped_at = Some(at);
        }
    }

    pub(crate) fn count(&self, now: Timestamp, window: DurationNs) -> usize {
        let is_old = |at: &Timestamp| now.since(*at) >= window;
        self.times.len().saturating_sub(self.times.partition_point(is_old))
    }

    pub(crate) const fn resumed_at(&self) -> Option<Timestamp> {
        self.resumed_at
    }

    /// Leaves aside what a person's word has settled, where that was read first.
    pub(crate) fn settle(&mut self, resumed_at: Timestamp) {
        self.times.retain(|at| *at > resumed_at);
        self.tripped_at.take_if(|at| *at <= resumed_at);
        self.resumed_at = self.resumed_at.max(Some(resumed_at));
    }

    /// Starts anew at a person's word.
    pub(crate) fn resume(&mut self, at: Timestamp) {
        self.times.clear();
        self.tripped_at = None;
        self.resumed_at = Some(at);
    }
}

/// Is what a venue still takes by our own count: a bucket that `messages` fill and the window empties (GCRA, ITU-T
/// I.371: each message moves the theoretical time of the next by window / messages).
#[derive(Debug, Default, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Budget {
    /// When the bucket is empty again, had nothing more come.
    empty_at: Option<Timestamp>,
}

impl Budget {
    fn step(messages: u32, window: DurationNs) -> i64 {
        window.as_ns().checked_div(i64::from(messages.max(1))).unwrap_or(i64::MAX)
    }

    pub(crate) fn note(&mut self, at: Timestamp, messages: u32, window: DurationNs) {
        let from = self.empty_at.map_or(at, |empty| empty.max(at));
        let step = DurationNs::from_ns(Self::step(messages, window));
        self.empty_at = Some(from.saturating_add(step));
    }

    /// Takes the venue's word that it was too much: nothing is left for a window.
    pub(crate) fn exhaust(&mut self, at: Timestamp, window: DurationNs) {
        let full = at.saturating_add(window);
        self.empty_at = Some(self.empty_at.map_or(full, |empty| empty.max(full)));
    }

    /// Gives how many messages are in the bucket, a started one counted whole.
    pub(crate) fn used(&self, now: Timestamp, messages: u32, window: DurationNs) -> i64 {
        let left = self.empty_at.map_or(0, |empty| empty.since(now).as_ns()).max(0);
        let step = Self::step(messages, window).max(1);
        let up = left.saturating_add(step.saturating_sub(1));
        up.checked_div(step).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_testkit::at_ms;

    const WINDOW: DurationNs = DurationNs::from_ms(1_000);

    #[test]
    fn a_bucket_fills_with_messages_and_empties_with_time() {
        let mut budget = Budget::default();
        let used = |budget: &Budget, ms| budget.used(at_ms(ms), 4, WINDOW);
        assert_eq!(used(&budget, 0), 0);
        (0..4).for_each(|_| budget.note(at_ms(0), 4, WINDOW));
        assert_eq!((used(&budget, 0), used(&budget, 249), used(&budget, 250)), (4, 4, 3));
        assert_eq!((used(&budget, 999), used(&budget, 1_000)), (1, 0));
        budget.exhaust(at_ms(5_000), WINDOW);
        assert_eq!((used(&budget, 5_000), used(&budget, 6_000)), (4, 0));
    }

    #[test]
    fn a_new_day_counts_from_nothing_and_the_old_one_is_closed() {
        let mut today = DayCounts::default();
        let next = 86_400_000;
        today.note_order(at_ms(next - 1));
        today.note_fill(at_ms(next - 1), Ok(Notional::ZERO));
        assert_eq!((today.at(at_ms(next - 1)).orders, today.at(at_ms(next - 1)).fills), (1, 1));
        assert_eq!(today.at(at_ms(next)).orders, 0);
        today.note_order(at_ms(next));
        today.note_order(at_ms(next - 1));
        assert_eq!(today.at(at_ms(next)).orders, 1);
    }
}
