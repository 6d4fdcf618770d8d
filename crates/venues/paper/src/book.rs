//! The visible book as last published, what we took of it, and what traded since each level last changed.

use crate::queue::{less, more};
use remora_domain::{BookState, BookTop, Level, Price, Qty, Side};
use std::collections::BTreeMap;

/// Is the visible part of one instrument's book.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    is_live: bool,
    bids: Vec<Level>,
    asks: Vec<Level>,
    /// Displayed quantity that fills of ours have used, by the side and price of the level.
    taken: BTreeMap<(Side, Price), Qty>,
    /// Quantity traded at a level since it last changed, by the side and price of the level.
    traded: BTreeMap<(Side, Price), Qty>,
}

impl Book {
    /// Tells whether the book may be matched against.
    pub(crate) const fn is_live(&self) -> bool {
        self.is_live
    }

    /// Replaces the levels. A crossed or locked book is as unusable as an invalid one.
    /// What we took of a level is remembered until the level is seen gone.
    pub(crate) fn replace(&mut self, top: &BookTop) {
        let is_crossed = match (top.best_bid(), top.best_ask()) {
            (Some(bid), Some(ask)) => bid.price >= ask.price,
            (None, _) | (_, None) => false,
        };
        if top.state != BookState::Live || is_crossed {
            let taken = std::mem::take(&mut self.taken);
            *self = Self { taken, ..Self::default() };
            return;
        }
        let Self { is_live, bids, asks, mut taken, mut traded } = std::mem::take(self);
        let before = |side, price| {
            is_live.then(|| shown_in(side_of(&bids, &asks, side), side, price)).flatten()
        };
        let after = |side, price| shown_in(side_of(&top.bids, &top.asks, side), side, price);
        taken.retain(|(side, price), taken| match after(*side, *price) {
            Some(shown) => {
                *taken = (*taken).min(shown);
                !taken.is_zero()
            }
            None => true,
        });
        traded.retain(|(side, price), _| {
            let shown = after(*side, *price);
            shown.is_some() && shown == before(*side, *price)
        });
        *self =
            Self { is_live: true, bids: top.bids.clone(), asks: top.asks.clone(), taken, traded };
    }

    /// Gives what is displayed at a price; `None` when the book is not live or the price lies beyond its levels.
    pub(crate) fn shown(&self, side: Side, price: Price) -> Option<Qty> {
        let levels = side_of(&self.bids, &self.asks, side);
        self.is_live.then(|| shown_in(levels, side, price)).flatten()
    }

    /// Gives the best price of a side.
    pub(crate) fn best(&self, side: Side) -> Option<Price> {
        side_of(&self.bids, &self.asks, side).first().map(|level| level.price)
    }

    /// Notes a trade against the resting orders of `side`.
    pub(crate) fn note_trade(&mut self, side: Side, price: Price, qty: Qty) {
        let traded = self.traded.entry((side, price)).or_default();
        *traded = more(*traded, qty);
    }

    /// Gives what traded at a level since it last changed.
    pub(crate) fn traded(&self, side: Side, price: Price) -> Qty {
        self.traded.get(&(side, price)).copied().unwrap_or(Qty::ZERO)
    }

    /// Takes at most `wanted` of what is displayed against an order of `side` at `limit`, best first, and never what
    /// was taken before. Gives (price, quantity) of each level used.
    pub(crate) fn take(&mut self, side: Side, limit: Price, wanted: Qty) -> Vec<(Price, Qty)> {
        let against = side.opposite();
        let mut left = wanted;
        let mut used = Vec::new();
        for level in side_of(&self.bids, &self.asks, against) {
            if left.is_zero() || !reaches(side, limit, level.price) {
                break;
            }
            let taken = self.taken.entry((against, level.price)).or_default();
            let qty = less(level.qty, *taken).min(left);
            if !qty.is_zero() {
                *taken = more(*taken, qty);
                left = less(left, qty);
                used.push((level.price, qty));
            }
        }
        used
    }
}

/// Tells whether an order of `side` at `limit` may trade at `price`.
pub(crate) fn reaches(side: Side, limit: Price, price: Price) -> bool {
    match side {
        Side::Buy => limit >= price,
        Side::Sell => limit <= price,
    }
}

const fn side_of<'a>(bids: &'a [Level], asks: &'a [Level], side: Side) -> &'a [Level] {
    match side {
        Side::Buy => bids,
        Side::Sell => asks,
    }
}

/// Gives what is displayed at a price of one side; nothing on a level that is absent between visible ones, and `None`
/// beyond the last. An empty side of a live book shows nothing anywhere.
fn shown_in(levels: &[Level], side: Side, price: Price) -> Option<Qty> {
    if let Some(level) = levels.iter().find(|level| level.price == price) {
        return Some(level.qty);
    }
    let is_visible = levels.last().is_none_or(|worst| reaches(side, price, worst.price));
    is_visible.then_some(Qty::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::InvalidBook;
    use remora_testkit::{book_of, invalid_book, px, qty};

    fn book() -> Book {
        let mut book = Book::default();
        book.replace(&book_of(
            "BTC-USD",
            &[("100", "5"), ("99", "9")],
            &[("101", "4"), ("103", "8")],
        ));
        book
    }

    #[test]
    fn a_price_between_levels_shows_nothing_and_one_beyond_them_is_unknown() {
        let book = book();
        assert_eq!(book.shown(Side::Buy, px("100")), Some(qty("5")));
        assert_eq!(book.shown(Side::Buy, px("99.5")), Some(Qty::ZERO));
        assert_eq!(book.shown(Side::Buy, px("100.5")), Some(Qty::ZERO));
        assert_eq!(book.shown(Side::Buy, px("98")), None);
        assert_eq!(book.shown(Side::Sell, px("104")), None);
    }

    #[test]
    fn displayed_liquidity_is_taken_once() {
        let mut book = book();
        assert_eq!(
            book.take(Side::Buy, px("103"), qty("6")),
            [(px("101"), qty("4")), (px("103"), qty("2"))]
        );
        assert_eq!(book.take(Side::Buy, px("102"), qty("1")), []);
        // More is shown at 103: only what is new and what was left may be taken.
        book.replace(&book_of("BTC-USD", &[("100", "5")], &[("101", "4"), ("103", "9")]));
        assert_eq!(book.take(Side::Buy, px("103"), qty("99")), [(px("103"), qty("7"))]);
    }

    #[test]
    fn what_was_taken_is_forgotten_when_the_level_is_seen_gone_and_not_before() {
        let mut book = book();
        book.take(Side::Buy, px("101"), qty("4"));
        book.replace(&invalid_book("BTC-USD", InvalidBook::Silent));
        book.replace(&book_of("BTC-USD", &[("100", "5")], &[("101", "4")]));
        assert_eq!(book.take(Side::Buy, px("101"), qty("1")), []);
        book.replace(&book_of("BTC-USD", &[("100", "5")], &[("102", "4")]));
        book.replace(&book_of("BTC-USD", &[("100", "5")], &[("101", "4")]));
        assert_eq!(book.take(Side::Buy, px("101"), qty("1")), [(px("101"), qty("1"))]);
    }

    #[test]
    fn a_crossed_book_is_not_live() {
        let mut book = book();
        book.replace(&book_of("BTC-USD", &[("100", "5")], &[("100", "5")]));
        assert!(!book.is_live());
    }
}
