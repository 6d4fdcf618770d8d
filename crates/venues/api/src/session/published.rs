//! What is published of a book: its top, each change of it once, and that it was taken back.
//!
//! Invariants: what is published counts from 1 without holes; a book that was taken back carries no levels; the same top is
//! not published twice in a row.

use crate::MarketEvent;
use remora_domain::{
    BookState, BookTop, Instrument, InvalidBook, Level, QuantiseError, Side, Ticks, Timestamp,
};
use remora_orderbook::{BookLevel, OrderBook};

/// When a message says it happened and when it came.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// When the venue says it happened.
    pub venue: Option<Timestamp>,
    /// When it came.
    pub receive: Timestamp,
}

/// Is what was published of one book.
#[derive(Debug)]
pub struct Published {
    sequence: u64,
    state: Option<BookState>,
    bids: Shown,
    asks: Shown,
}

impl Default for Published {
    fn default() -> Self {
        let (bids, asks) = (Shown::new(Side::Buy), Shown::new(Side::Sell));
        Self { sequence: 0, state: None, bids, asks }
    }
}

impl Published {
    /// Tells whether a published book was taken back.
    #[must_use]
    pub const fn is_invalid(&self) -> bool {
        matches!(self.state, Some(BookState::Invalid(_)))
    }

    /// Tells whether anything was published of the book.
    #[must_use]
    pub const fn is_begun(&self) -> bool {
        self.state.is_some()
    }

    /// Forgets which levels were shown: the steps of the instrument mean other prices now.
    pub fn rescale(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// Gives the event of a good book, if its top of so many levels changed.
    ///
    /// # Errors
    /// Refuses levels that the instrument cannot express.
    pub fn publish(
        &mut self,
        instrument: &Instrument,
        book: &OrderBook,
        levels: usize,
        times: Times,
    ) -> Result<Option<MarketEvent>, QuantiseError> {
        let is_same = self.state == Some(BookState::Live)
            && self.bids.is_showing(book.bids().take(levels))
            && self.asks.is_showing(book.asks().take(levels));
        if is_same {
            return Ok(None);
        }
        let bids = self.bids.show(instrument, book.bids().take(levels))?;
        let asks = self.asks.show(instrument, book.asks().take(levels))?;
        Ok(Some(self.event(instrument, BookState::Live, (bids, asks), times)))
    }

    /// Takes the book back; gives the event, if it was not already taken back for this reason.
    pub fn invalidate(
        &mut self,
        instrument: &Instrument,
        reason: InvalidBook,
        times: Times,
    ) -> Option<MarketEvent> {
        self.rescale();
        let state = BookState::Invalid(reason);
        if self.state == Some(state) {
            return None;
        }
        Some(self.event(instrument, state, (Vec::new(), Vec::new()), times))
    }

    fn event(
        &mut self,
        instrument: &Instrument,
        state: BookState,
        (bids, asks): (Vec<Level>, Vec<Level>),
        times: Times,
    ) -> MarketEvent {
        self.sequence = self.sequence.saturating_add(1);
        self.state = Some(state);
        let (instrument, book_sequence) = (instrument.key.clone(), self.sequence);
        let top = BookTop { instrument, book_sequence, state, bids, asks };
        MarketEvent::Book { top, venue_time: times.venue, receive_time: times.receive }
    }
}

/// Is what was published of one side: levels of the book, best first, each with what it is outside of it.
#[derive(Debug)]
struct Shown {
    side: Side,
    levels: Vec<(BookLevel, Level)>,
    /// What was shown before, kept for its room.
    before: Vec<(BookLevel, Level)>,
}

impl Shown {
    const fn new(side: Side) -> Self {
        Self { side, levels: Vec::new(), before: Vec::new() }
    }

    fn clear(&mut self) {
        self.levels.clear();
    }

    fn is_showing(&self, levels: impl Iterator<Item = BookLevel>) -> bool {
        levels.eq(self.levels.iter().map(|(level, _)| *level))
    }

    /// Shows these levels from now on and gives them; only what was not shown before is converted.
    fn show(
        &mut self,
        instrument: &Instrument,
        levels: impl ExactSizeIterator<Item = BookLevel>,
    ) -> Result<Vec<Level>, QuantiseError> {
        std::mem::swap(&mut self.levels, &mut self.before);
        self.levels.clear();
        let mut shown = Vec::with_capacity(levels.len());
        let mut before = self.before.as_slice();
        for level in levels {
            // Both lists begin with the best: what was better than this level is gone.
            while let [(old, _), rest @ ..] = before
                && is_better(self.side, old.ticks, level.ticks)
            {
                before = rest;
            }
            let told = match before.first() {
                Some((old, told)) if *old == level => *told,
                Some(_) | None => {
                    let price = instrument.price_of(level.ticks)?;
                    Level { price, qty: instrument.qty_of(level.lots)? }
                }
            };
            self.levels.push((level, told));
            shown.push(told);
        }
        Ok(shown)
    }
}

/// Tells whether price `a` is better than `b` for somebody trading against the side.
fn is_better(side: Side, a: Ticks, b: Ticks) -> bool {
    match side {
        Side::Buy => a > b,
        Side::Sell => a < b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use remora_domain::Lots;
    use remora_testkit::instrument;

    proptest! {
        #[test]
        fn what_is_shown_is_what_converting_every_level_gives(
            side in prop::sample::select(vec![Side::Buy, Side::Sell]),
            books in prop::collection::vec(prop::collection::btree_map(1i64..30, 1i64..4, 0..12), 1..12)
        ) {
            let instrument = instrument("BTC", "USD");
            let mut shown = Shown::new(side);
            for book in books {
                let level = |(ticks, lots): (&i64, &i64)| BookLevel {
                    ticks: Ticks::new(*ticks),
                    lots: Lots::new(*lots),
                };
                let mut levels: Vec<BookLevel> = book.iter().map(level).collect();
                if side == Side::Buy {
                    levels.reverse();
                }
                let convert = |level: &BookLevel| Level {
                    price: instrument.price_of(level.ticks).unwrap(),
                    qty: instrument.qty_of(level.lots).unwrap(),
                };
                let want: Vec<Level> = levels.iter().map(convert).collect();
                prop_assert_eq!(shown.show(&instrument, levels.iter().copied()).unwrap(), want);
                prop_assert!(shown.is_showing(levels.into_iter()));
            }
        }
    }
}
