//! One contract of a session: its definition, its book, what was published of it, and how far its subscription is.

use remora_domain::{FeedCounters, Instrument, InstrumentStatus, InvalidBook, QuantiseError};
use remora_orderbook::{BookError, OrderBook, SequenceCheck, Sequenced};
use remora_venue_api::session::published::{Published, Times};
use remora_venue_api::session::resync::{Pause, Subscription};
use remora_venue_api::{ConnId, MarketEvent};

/// Is one contract.
#[derive(Debug)]
pub(super) struct Product {
    /// The definition in force.
    pub(super) instrument: Instrument,
    /// The state of the last definition; the ticker may say less is allowed.
    pub(super) defined: InstrumentStatus,
    /// What the last ticker said: suspended, and makers only.
    pub(super) told: (bool, bool),
    pub(super) book: OrderBook,
    /// The number of the last change in the book, while there is one.
    changes: SequenceCheck,
    pub(super) trades: SequenceCheck,
    pub(super) subscription: Subscription,
    /// The connection that its last snapshot came on.
    pub(super) conn: Option<ConnId>,
    /// What was counted of it.
    pub(super) counters: FeedCounters,
    pub(super) published: Published,
    pub(super) pause: Pause,
}

impl Product {
    pub(super) fn new(instrument: Instrument) -> Self {
        let key = &instrument.key;
        Self {
            // Changes come for every level, so every level is kept.
            book: OrderBook::new(key.clone(), usize::MAX),
            changes: SequenceCheck::new(key.clone()),
            trades: SequenceCheck::new(key.clone()),
            defined: instrument.status,
            told: (false, false),
            instrument,
            subscription: Subscription::Off,
            conn: None,
            counters: FeedCounters::default(),
            published: Published::default(),
            pause: Pause::default(),
        }
    }

    /// Gives what is allowed by definition and ticker together.
    pub(super) fn status(&self) -> InstrumentStatus {
        match self.told {
            (true, _) => InstrumentStatus::Closed,
            (false, true) if self.defined == InstrumentStatus::Online => InstrumentStatus::PostOnly,
            (false, true | false) => self.defined,
        }
    }

    /// Gives the decimals of price and quantity.
    pub(super) const fn decimals(&self) -> (u32, u32) {
        (self.instrument.price_decimals, self.instrument.qty_decimals)
    }

    /// Takes the number of a snapshot: changes go on behind it.
    pub(super) fn begin(&mut self, seq: u64) {
        self.changes.reset();
        // The first number after a reset is always the next.
        let _ = self.changes.accept(seq);
    }

    /// Takes the number of a change: a repeat is as wrong as a hole.
    pub(super) fn next(&mut self, seq: u64) -> Result<(), BookError> {
        let expected = self.changes.last().map_or(seq, |last| last.saturating_add(1));
        match self.changes.accept(seq)? {
            Sequenced::Next => Ok(()),
            Sequenced::Old => {
                let instrument = self.instrument.key.clone();
                Err(BookError::Gap { instrument, expected, got: seq })
            }
        }
    }

    /// Gives the event of a good book, if its published top changed.
    pub(super) fn publish(
        &mut self,
        levels: usize,
        times: Times,
    ) -> Result<Option<MarketEvent>, QuantiseError> {
        self.published.publish(&self.instrument, &self.book, levels, times)
    }

    /// Takes the book back; gives the event, if it was not already taken back for this reason.
    pub(super) fn invalidate(&mut self, reason: InvalidBook, times: Times) -> Option<MarketEvent> {
        self.clear();
        self.published.invalidate(&self.instrument, reason, times)
    }

    pub(super) fn clear(&mut self) {
        self.book.clear();
        self.changes.reset();
    }
}
