//! One symbol of a session: its definition, its book, what was published of it, and how far its subscription is.

use crate::instrument::{self, Decimals};
use remora_domain::{FeedCounters, Instrument, InvalidBook, QuantiseError, Timestamp};
use remora_orderbook::{OrderBook, SequenceCheck};
use remora_venue_api::session::published::{Published, Times};
use remora_venue_api::session::resync::{Pause, Subscription};
use remora_venue_api::{ConnId, MarketEvent};

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
    pub(super) published: Published,
    pub(super) pause: Pause,
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
            published: Published::default(),
            pause: Pause::default(),
        }
    }

    /// Counts a frame once.
    pub(super) const fn count_frame(&mut self, frame: u64) {
        if self.frame != frame {
            self.frame = frame;
            self.counters.frames = self.counters.frames.saturating_add(1);
        }
    }

    /// Takes what a verified book proves of its decimals; gives the definition now in force.
    pub(super) fn outdate(&mut self, book: Decimals, receive_time: Timestamp) -> Instrument {
        let version = self.instrument.version.saturating_add(1);
        let known = Instrument { version, receive_time, ..self.instrument.clone() };
        self.instrument = instrument::outdated(known, book);
        self.published.rescale();
        self.instrument.clone()
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
        self.book.clear();
        self.published.invalidate(&self.instrument, reason, times)
    }

    /// When this symbol wants attention, if nothing comes.
    pub(super) const fn deadline(&self) -> Option<Timestamp> {
        self.subscription.deadline()
    }
}
