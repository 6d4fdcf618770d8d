//! One side of a book: a sorted vector whose best level is the last, because changes cluster at the best
//! price and the end of a vector is where inserting and removing moves least. Beside each level stand its digits, because
//! a checksum reads twenty levels of which one or two have changed.

use crate::checksum::Digits;
use remora_domain::{Lots, Side, Ticks};

/// Is one price level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookLevel {
    /// At which price.
    pub ticks: Ticks,
    /// How much; above zero inside a book.
    pub lots: Lots,
}

/// Is a level with what the checksum covers of it.
#[derive(Clone, Copy, Debug)]
struct Slot {
    level: BookLevel,
    digits: Digits,
}

impl Slot {
    fn new(level: BookLevel) -> Self {
        Self { level, digits: Digits::of(level) }
    }
}

/// Is one side. Invariant: strictly better towards the end; no level with zero lots.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    side: Side,
    slots: Vec<Slot>,
}

impl Ladder {
    pub(crate) const fn new(side: Side) -> Self {
        Self { side, slots: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.slots.clear();
    }

    pub(crate) fn best(&self) -> Option<BookLevel> {
        self.slots.last().map(|slot| slot.level)
    }

    /// Gives the levels, best first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = BookLevel> + '_ {
        self.slots.iter().rev().map(|slot| slot.level)
    }

    /// Gives the digits of the best levels, best first.
    pub(crate) fn digits(&self, levels: usize) -> impl Iterator<Item = &Digits> {
        self.slots.iter().rev().take(levels).map(|slot| &slot.digits)
    }

    /// Sets the quantity at a price; zero lots delete. Deleting a price that is not there does nothing: a
    /// venue also deletes levels that lie outside the window of this book.
    pub(crate) fn set(&mut self, level: BookLevel) {
        let side = self.side;
        let at = self.slots.partition_point(|held| is_worse(side, held.level.ticks, level.ticks));
        match self.slots.get_mut(at) {
            Some(held) if held.level.ticks == level.ticks => {
                if level.lots == Lots::ZERO {
                    self.slots.remove(at);
                } else {
                    *held = Slot::new(level);
                }
            }
            Some(_) | None if level.lots == Lots::ZERO => {}
            Some(_) | None => self.slots.insert(at, Slot::new(level)),
        }
    }

    /// Adds a level of a snapshot at the end, wherever it belongs; `settle` must follow. One by one, `set` would move
    /// what is held for each level of a snapshot that begins with the best.
    pub(crate) fn push(&mut self, level: BookLevel) {
        self.slots.push(Slot::new(level));
    }

    /// Sorts what was pushed: the last level of a price counts, and zero lots delete.
    pub(crate) fn settle(&mut self) {
        match self.side {
            Side::Buy => self.slots.sort_by_key(|slot| slot.level.ticks),
            Side::Sell => self.slots.sort_by_key(|slot| std::cmp::Reverse(slot.level.ticks)),
        }
        self.slots.dedup_by(|next, kept| {
            let is_same = next.level.ticks == kept.level.ticks;
            if is_same {
                *kept = *next;
            }
            is_same
        });
        self.slots.retain(|slot| slot.level.lots != Lots::ZERO);
    }

    /// Drops the worst levels beyond `depth`.
    pub(crate) fn cut(&mut self, depth: usize) {
        let excess = self.slots.len().saturating_sub(depth);
        self.slots.drain(..excess);
    }
}

/// Tells whether price `a` is worse than price `b` for somebody trading against the side.
fn is_worse(side: Side, a: Ticks, b: Ticks) -> bool {
    match side {
        Side::Buy => a < b,
        Side::Sell => a > b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(ticks: i64, lots: i64) -> BookLevel {
        BookLevel { ticks: Ticks::new(ticks), lots: Lots::new(lots) }
    }

    fn check(side: Side, changes: &[(i64, i64)], depth: usize, best_first: &[(i64, i64)]) {
        let (mut one_by_one, mut at_once) = (Ladder::new(side), Ladder::new(side));
        for &(ticks, lots) in changes {
            one_by_one.set(level(ticks, lots));
            at_once.push(level(ticks, lots));
        }
        at_once.settle();
        for mut ladder in [one_by_one, at_once] {
            ladder.cut(depth);
            let got: Vec<_> = ladder.iter().map(|at| (at.ticks.get(), at.lots.get())).collect();
            assert_eq!(got, best_first);
            assert_eq!(ladder.best(), best_first.first().map(|&(ticks, lots)| level(ticks, lots)));
        }
    }

    #[test]
    fn the_best_bid_is_the_highest_and_the_best_ask_the_lowest() {
        check(Side::Buy, &[(5, 1), (7, 2), (6, 3)], 10, &[(7, 2), (6, 3), (5, 1)]);
        check(Side::Sell, &[(5, 1), (7, 2), (6, 3)], 10, &[(5, 1), (6, 3), (7, 2)]);
    }

    #[test]
    fn the_last_change_of_a_price_wins_and_zero_deletes() {
        check(Side::Buy, &[(5, 1), (5, 9), (6, 1), (6, 0), (4, 0)], 10, &[(5, 9)]);
    }

    #[test]
    fn the_cut_drops_the_worst_levels() {
        check(Side::Buy, &[(1, 1), (2, 1), (3, 1)], 2, &[(3, 1), (2, 1)]);
        check(Side::Sell, &[(1, 1), (2, 1), (3, 1)], 2, &[(1, 1), (2, 1)]);
    }
}
