//! One side of the crowd's own book, as the crowd believes it.

use remora_domain::Side;

/// Is one order of the crowd; price and quantity in units of the last decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quote {
    pub(crate) tag: u64,
    pub(crate) price: i64,
    pub(crate) qty: i64,
}

/// Holds one side, best first; at equal prices the earlier is ahead.
#[derive(Clone, Debug)]
pub(crate) struct Quotes {
    side: Side,
    quotes: Vec<Quote>,
}

impl Quotes {
    pub(crate) const fn new(side: Side) -> Self {
        Self { side, quotes: Vec::new() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.quotes.len()
    }

    pub(crate) fn best(&self) -> Option<Quote> {
        self.quotes.first().copied()
    }

    /// Gives the deepest price that may be taken, the one before the last: a side without quotes is no market.
    pub(crate) fn last_but_one(&self) -> Option<i64> {
        let last = self.quotes.last()?.price;
        self.quotes.iter().rev().map(|quote| quote.price).find(|price| *price != last)
    }

    pub(crate) fn insert(&mut self, quote: Quote) {
        let side = self.side;
        let rank = self.quotes.partition_point(|held| !is_better(side, quote.price, held.price));
        self.quotes.insert(rank, quote);
    }

    pub(crate) fn remove(&mut self, rank: usize) -> Option<Quote> {
        (rank < self.quotes.len()).then(|| self.quotes.remove(rank))
    }

    /// Lets a taker trade down or up to a price; appends the tags of what is used up.
    pub(crate) fn take(&mut self, limit: i64, mut qty: i64, used_up: &mut Vec<u64>) {
        let mut gone = 0;
        for quote in &mut self.quotes {
            if qty <= 0 || is_better(self.side, limit, quote.price) {
                break;
            }
            let filled = qty.min(quote.qty);
            qty -= filled;
            quote.qty -= filled;
            if quote.qty == 0 {
                used_up.push(quote.tag);
                gone += 1;
            }
        }
        self.quotes.drain(..gone);
    }
}

/// Tells whether price `a` is strictly better than price `b` for somebody trading against the side.
const fn is_better(side: Side, a: i64, b: i64) -> bool {
    match side {
        Side::Buy => a > b,
        Side::Sell => a < b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(of: &[(u64, i64, i64)]) -> Quotes {
        let mut quotes = Quotes::new(Side::Sell);
        for &(tag, price, qty) in of {
            quotes.insert(Quote { tag, price, qty });
        }
        quotes
    }

    fn check(limit: i64, qty: i64, used: &[u64], best: (u64, i64)) {
        let mut side = asks(&[(1, 101, 5), (2, 100, 5), (3, 101, 5), (4, 103, 5)]);
        let mut used_up = Vec::new();
        side.take(limit, qty, &mut used_up);
        assert_eq!(used_up, used);
        let left = side.best().unwrap();
        assert_eq!((left.tag, left.qty), best);
    }

    #[test]
    fn takers_take_by_price_then_time_down_to_their_limit() {
        check(101, 4, &[], (2, 1));
        check(101, 7, &[2], (1, 3));
        check(100, 7, &[2], (1, 5));
        check(101, 12, &[2, 1], (3, 3));
        check(99, 12, &[], (2, 5));
    }

    #[test]
    fn the_last_price_of_a_side_may_not_be_taken() {
        let deepest = |of: &[(u64, i64, i64)]| asks(of).last_but_one();
        assert_eq!(deepest(&[(1, 101, 5), (2, 100, 5)]), Some(100));
        assert_eq!(deepest(&[(1, 101, 5), (2, 100, 5), (3, 101, 5)]), Some(100));
        assert_eq!(deepest(&[(1, 101, 5), (2, 101, 5)]), None);
        assert_eq!(deepest(&[]), None);
    }
}
