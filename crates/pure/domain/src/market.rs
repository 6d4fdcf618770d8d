//! Market data as the bus carries it.

use crate::{Amount, InstrumentKey, Notional, Price, Qty, Side, Timestamp};

/// Is one price level of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// At which price.
    pub price: Price,
    /// How much is shown there.
    pub qty: Qty,
}

/// Says why a book may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InvalidBook {
    /// The checksum of the venue did not fit.
    Checksum,
    /// A message is missing.
    SequenceGap,
    /// Bid at or above ask.
    Crossed,
    /// A frame could not be read.
    Malformed,
    /// The connection is down.
    Disconnected,
    /// Nothing was heard for too long.
    Silent,
}

/// Says whether a book may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookState {
    /// Verified.
    Live,
    /// Not usable until the next snapshot.
    Invalid(InvalidBook),
}

/// Is the top of a verified book; levels best first. An invalid book carries no levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookTop {
    /// Of which instrument.
    pub instrument: InstrumentKey,
    /// Counts changes of this instrument's top in this session, from 1.
    pub book_sequence: u64,
    /// Whether it may be used.
    pub state: BookState,
    /// Bids, highest first.
    pub bids: Vec<Level>,
    /// Asks, lowest first.
    pub asks: Vec<Level>,
}

impl BookTop {
    /// Gives the best bid.
    #[must_use]
    pub fn best_bid(&self) -> Option<&Level> {
        self.bids.first()
    }

    /// Gives the best ask.
    #[must_use]
    pub fn best_ask(&self) -> Option<&Level> {
        self.asks.first()
    }

    /// Gives the exact middle of best bid and best ask; `None` unless the book is live and two-sided.
    #[must_use]
    pub fn mid(&self) -> Option<Price> {
        if self.state != BookState::Live {
            return None;
        }
        self.best_bid()?.price.checked_mid(self.best_ask()?.price).ok()
    }
}

/// Is someone's public execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketTrade {
    /// On which instrument.
    pub instrument: InstrumentKey,
    /// The venue's number of it.
    pub trade_id: u64,
    /// The side of the taker.
    pub taker_side: Side,
    /// At which price.
    pub price: Price,
    /// How much.
    pub qty: Qty,
}

/// Is the venue's own 24-hour summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticker {
    /// Of which instrument.
    pub instrument: InstrumentKey,
    /// Best bid at the last update.
    pub bid: Price,
    /// Best ask at the last update.
    pub ask: Price,
    /// Last price.
    pub last: Price,
    /// Base volume of 24 hours.
    pub volume_24h: Qty,
    /// Volume-weighted average price of 24 hours; `None` where the venue does not say.
    pub vwap_24h: Option<Price>,
    /// Lowest price of 24 hours.
    pub low_24h: Price,
    /// Highest price of 24 hours.
    pub high_24h: Price,
    /// What there is to say of a contract only; `None` of spot.
    pub contract: Option<Box<ContractTicker>>,
}

/// Is what a venue says of a perpetual or dated future beside its trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractTicker {
    /// The venue's reference price for margin and unrealised profit.
    pub mark: Price,
    /// Price of the underlying, built from several venues.
    pub index: Price,
    /// Contracts that are open, in units of quantity.
    pub open_interest: Qty,
    /// What its holders pay each other; `None` of a dated future.
    pub funding: Option<Funding>,
}

/// Is the funding of a perpetual, as fractions of the index for one period. Above zero the long side pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funding {
    /// The rate of the period that runs.
    pub rate_frac: Amount,
    /// What the venue expects for the period after it.
    pub next_rate_frac: Amount,
    /// When that period begins; `None` where the venue does not say.
    pub next_time: Option<Timestamp>,
}

/// Says what a venue as a whole allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SystemStatus {
    /// Everything.
    Online,
    /// Orders that add liquidity only.
    PostOnly,
    /// Cancels only.
    CancelOnly,
    /// Nothing.
    Maintenance,
    /// The connection of one feed is down: it knows nothing of the venue. Told between a session and its ingestor;
    /// on the bus the states of the feed's books say it.
    Disconnected,
}

/// Is the status of a venue, from its feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketStatus {
    /// Of which venue.
    pub venue: crate::VenueId,
    /// What it allows.
    pub status: SystemStatus,
}

/// Counts what a feed delivered for one instrument since its session began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedCounters {
    /// Data frames of any channel that carried this instrument.
    pub frames: u64,
    /// Book frames that the venue's check proved: its checksum or, where it has none, its sequence.
    pub checksums_passed: u64,
    /// Book frames that it did not.
    pub checksums_failed: u64,
    /// Public trades.
    pub trades: u64,
    /// Times the book was discarded and fetched again.
    pub resyncs: u64,
    /// Frames that could not be read.
    pub malformed: u64,
}

/// Is the health of one instrument's feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedStatus {
    /// Of which instrument.
    pub instrument: InstrumentKey,
    /// What was counted.
    pub counters: FeedCounters,
    /// Whether its book may be used.
    pub state: BookState,
    /// When the last data frame arrived.
    pub last_frame_time: Option<Timestamp>,
}

/// Is one minute of an instrument.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Of which instrument.
    pub instrument: InstrumentKey,
    /// Start of the minute.
    pub open_time: Timestamp,
    /// First mid of the minute.
    pub open: Price,
    /// Highest mid.
    pub high: Price,
    /// Lowest mid.
    pub low: Price,
    /// Last mid.
    pub close: Price,
    /// Traded base quantity.
    pub volume: Qty,
    /// Traded value in quote currency.
    pub turnover: Notional,
    /// Public trades.
    pub trades: u64,
    /// Time-weighted mean spread, in basis points of the mid.
    pub spread_bps_est: f64,
    /// Time-weighted mean quantity at the best bid plus best ask.
    pub touch_qty_est: f64,
}
