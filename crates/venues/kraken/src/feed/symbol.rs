//! One symbol of a session: its definition, its book, what was published of it, and how far its subscription is.

use crate::instrument::{self, Decimals};
use remora_domain::{
    BookState, BookTop, DurationNs, FeedCounters, Instrument, InvalidBook, Level, QuantiseError,
    Side, Ticks, Timestamp,
};
use remora_orderbook::{BookLevel, OrderBook, SequenceCheck};
use remora_venue_api::{ConnId, MarketEvent};

/// A snapshot that does not come within this time of the request is asked for again.
pub(super) const SNAPSHOT_WAIT: DurationNs = DurationNs::from_s(10);
/// First and last pause between two resyncs of one symbol.
const COOL_DOWN_FIRST: DurationNs = DurationNs::from_s(1);
const COOL_DOWN_MAX: DurationNs = DurationNs::from_s(60);
/// A book that was good for this long starts with the first pause again.
const GOOD_LIFE: DurationNs = DurationNs::from_s(60);

/// Says how far the book subscription of a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subscription {
    /// Not asked for.
    Off,
    /// Asked for; the snapshot must come by then.
    Asked { until: Timestamp },
    /// The snapshot came.
    On,
    /// To be asked for again at that time.
    Cooling { until: Timestamp },
}

/// When a message says it happened and when it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) venue: Option<Timestamp>,
    pub(super) receive: Timestamp,
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

/// Is one symbol.
#[derive(Debug)]
pub(super) struct Symbol {
    /// The definition in force; a live book is read at its decimals.
    pub(super) instrument: Instrument,
    /// The decimals the venue's last definition gave; others than those in force where a book contradicts it.
    pub(super) defined: Decimals,
    pub(super) book: OrderBook,
    pub(super) trades: SequenceCheck,
    pub(super) subscription: Subscription,
    /// The connection that its last snapshot came on.
    pub(super) conn: Option<ConnId>,
    /// What was counted of it.
    pub(super) counters: FeedCounters,
    /// The last frame counted for it, so that a frame that names it twice counts once.
    frame: u64,
    /// The frame that told its first trades: they happened before this session listened.
    pub(super) history_frame: Option<u64>,
    sequence: u64,
    state: Option<BookState>,
    bids: Shown,
    asks: Shown,
    pause: DurationNs,
    resync_from: Timestamp,
}

impl Symbol {
    pub(super) fn new(instrument: Instrument, depth: usize) -> Self {
        Self {
            book: OrderBook::new(instrument.key.clone(), depth),
            trades: SequenceCheck::new(instrument.key.clone()),
            defined: Decimals::of(&instrument),
            instrument,
            subscription: Subscription::Off,
            conn: None,
            counters: FeedCounters::default(),
            frame: 0,
            history_frame: None,
            sequence: 0,
            state: None,
            bids: Shown::new(Side::Buy),
            asks: Shown::new(Side::Sell),
            pause: COOL_DOWN_FIRST,
            resync_from: Timestamp::EPOCH,
        }
    }

    /// Counts a frame once.
    pub(super) const fn count_frame(&mut self, frame: u64) {
        if self.frame != frame {
            self.frame = frame;
            self.counters.frames = self.counters.frames.saturating_add(1);
        }
    }

    /// Tells whether a published book was taken back.
    pub(super) const fn is_invalid(&self) -> bool {
        matches!(self.state, Some(BookState::Invalid(_)))
    }

    /// Tells whether anything was published of the book.
    pub(super) const fn is_published(&self) -> bool {
        self.state.is_some()
    }

    /// Takes what a verified book proves of its decimals; gives the definition now in force.
    pub(super) fn outdate(&mut self, book: Decimals, receive_time: Timestamp) -> Instrument {
        let version = self.instrument.version.saturating_add(1);
        let known = Instrument { version, receive_time, ..self.instrument.clone() };
        self.instrument = instrument::outdated(known, book);
        // Steps mean other prices now.
        self.bids.clear();
        self.asks.clear();
        self.instrument.clone()
    }

    /// Gives the event of a good book, if its published top changed.
    pub(super) fn publish(
        &mut self,
        levels: usize,
        times: Times,
    ) -> Result<Option<MarketEvent>, QuantiseError> {
        let is_same = self.state == Some(BookState::Live)
            && self.bids.is_showing(self.book.bids().take(levels))
            && self.asks.is_showing(self.book.asks().take(levels));
        if is_same {
            return Ok(None);
        }
        let bids = self.bids.show(&self.instrument, self.book.bids().take(levels))?;
        let asks = self.asks.show(&self.instrument, self.book.asks().take(levels))?;
        Ok(Some(self.event(BookState::Live, bids, asks, times)))
    }

    /// Takes the book back; gives the event, if it was not already taken back for this reason.
    pub(super) fn invalidate(&mut self, reason: InvalidBook, times: Times) -> Option<MarketEvent> {
        self.book.clear();
        self.bids.clear();
        self.asks.clear();
        let state = BookState::Invalid(reason);
        if self.state == Some(state) {
            return None;
        }
        Some(self.event(state, Vec::new(), Vec::new(), times))
    }

    /// Says when the next resync may start, and doubles the pause behind it.
    pub(super) fn plan_resync(&mut self, now: Timestamp) -> Timestamp {
        if now >= self.resync_from.saturating_add(GOOD_LIFE) {
            self.pause = COOL_DOWN_FIRST;
        }
        let at = now.max(self.resync_from);
        self.resync_from = at.saturating_add(self.pause);
        self.pause = self.pause.saturating_mul(2).min(COOL_DOWN_MAX);
        at
    }

    /// When this symbol wants attention, if nothing comes.
    pub(super) const fn deadline(&self) -> Option<Timestamp> {
        match self.subscription {
            Subscription::Asked { until } | Subscription::Cooling { until } => Some(until),
            Subscription::Off | Subscription::On => None,
        }
    }

    fn event(
        &mut self,
        state: BookState,
        bids: Vec<Level>,
        asks: Vec<Level>,
        times: Times,
    ) -> MarketEvent {
        self.sequence = self.sequence.saturating_add(1);
        self.state = Some(state);
        let instrument = self.instrument.key.clone();
        let top = BookTop { instrument, book_sequence: self.sequence, state, bids, asks };
        MarketEvent::Book { top, venue_time: times.venue, receive_time: times.receive }
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
