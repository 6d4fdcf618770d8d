//! One symbol of a session: its definition, its book, what was published of it, and how far its subscription is.

use crate::instrument::{self, Decimals};
use remora_domain::{
    BookState, BookTop, DurationNs, FeedCounters, Instrument, InvalidBook, Level, QuantiseError,
    Timestamp,
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
    bids: Vec<BookLevel>,
    asks: Vec<BookLevel>,
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
            bids: Vec::new(),
            asks: Vec::new(),
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
        self.instrument.clone()
    }

    /// Gives the event of a good book, if its published top changed.
    pub(super) fn publish(
        &mut self,
        levels: usize,
        times: Times,
    ) -> Result<Option<MarketEvent>, QuantiseError> {
        let is_same = self.state == Some(BookState::Live)
            && self.book.bids().take(levels).eq(self.bids.iter().copied())
            && self.book.asks().take(levels).eq(self.asks.iter().copied());
        if is_same {
            return Ok(None);
        }
        self.bids.clear();
        self.bids.extend(self.book.bids().take(levels));
        self.asks.clear();
        self.asks.extend(self.book.asks().take(levels));
        let bids = self.levels(&self.bids)?;
        let asks = self.levels(&self.asks)?;
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

    fn levels(&self, of: &[BookLevel]) -> Result<Vec<Level>, QuantiseError> {
        let mut levels = Vec::with_capacity(of.len());
        for level in of {
            let price = self.instrument.price_of(level.ticks)?;
            levels.push(Level { price, qty: self.instrument.qty_of(level.lots)? });
        }
        Ok(levels)
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
