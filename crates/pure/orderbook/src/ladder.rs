//! One side of a book: a sorted vector whose best level is the last, because changes cluster at the best
//! price and the end of a vector is where inserting and removing moves least.

use remora_domain::{Lots, Side, Ticks};

/// Is one price level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookLevel {
    /// At which price.
    pub ticks: Ticks,
    /// How much; above zero inside a book.
    pub lots: Lots,
}

/// Is one side. Invariant: strictly better towards the end; no level with zero lots.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    side: Side,
    levels: Vec<BookLevel>,
}

impl Ladder {
    pub(crate) const fn new(side: Side) -> Self {
        Self { side, levels: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.levels.clear();
    }

    pub(crate) fn best(&self) -> Option<BookLevel> {
        self.levels.last().copied()
    }

    /// Gives the levels, best first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = BookLevel> + '_ {
        self.levels.iter().rev().copied()
    }

    /// Sets the quantity at a price; zero lots delete. Deleting a price that is not there does nothing: a
    /// venue also deletes levels that lie outside the window of this book.
    pub(crate) fn set(&mut self, level: BookLevel) {
        let side = self.side;
        let at = self.levels.partition_point(|held| is_worse(side, held.ticks, level.ticks));
        match self.levels.get_mut(at) {
            Some(held) if held.ticks == level.ticks => {
                if level.lots == Lots::ZERO {
                    self.levels.remove(at);
                } else {
                    held.lots = level.lots;
                }
            }
            Some(_) | None if level.lots == Lots::ZERO => {}
            Some(_) | None => self.levels.insert(at, level),
        }
    }

    /// Adds a level of a snapshot at the end, wherever it belongs; `settle` must follow. One by one, `set` would move
    /// what is held for each level of a snapshot that begins with the best.
    pub(crate) fn push(&mut self, level: BookLevel) {
        self.levels.push(level);
    }

    /// Sorts what was pushed: the last level of a price counts, and zero lots delete.
    pub(crate) fn settle(&mut self) {
        match self.side {
            Side::Buy => self.levels.sort_by_key(|level| level.ticks),
            Side::Sell => self.levels.sort_by_key(|level| std::cmp::Reverse(level.ticks)),
        }
        self.levels.dedup_by(|next, kept| {
            let is_same = next.ticks == kept.ticks;
            if is_same {
                *kept = *next;
            }
            is_same
        });
        self.levels.retain(|level| level.lots != Lots::ZERO);
    }

    /// Drops the worst levels beyond `depth`.
    pub(crate) fn cut(&mut self, depth: usize) {
        let excess = self.levels.len().saturating_sub(depth);
        if excess > 0 {
            self.levels.drain(..excess);
        }
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
