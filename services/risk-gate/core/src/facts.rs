//! Everything the gate knows, as far as it knows it.

use crate::config::RiskGateConfig;
use crate::control::{Halts, Router};
use crate::flow::{Budget, DayCounts, Executions, Repeats};
use crate::funds::Funds;
use crate::limits::Waiting;
use crate::loss::{Equity, Streak};
use crate::orders::{IdState, PairOrders};
use crate::portfolio::Worth;
use crate::rate::OrderRate;
use crate::seen::Stamp;
use remora_domain::{
    AmountError, Asset, BookState, BookTop, ClOrdId, DurationNs, FeeSchedule, Fill, Header,
    Instrument, InstrumentKey, Level, Price, Qty, Side, SystemStatus, Ticker, Timestamp, VenueId,
};
use remora_ledger::Ledger;
use remora_machine::Liveness;
use std::collections::{BTreeMap, BTreeSet};

/// Is what is known of one pair.
#[derive(Debug, Default, Clone)]
pub(crate) struct Pair {
    pub(crate) instrument: Option<(Stamp, Instrument)>,
    pub(crate) book: Option<Book>,
    /// The last mid of a live, uncrossed book. It values what is held when the book is gone; it admits no order.
    pub(crate) mark: Option<Mark>,
    /// The price of the last own execution: it values what is held while no mid was seen.
    pub(crate) fill_mark: Option<Mark>,
    /// The last public trade, and when it was told.
    pub(crate) last_trade: Option<(Timestamp, Price)>,
    pub(crate) skew: Option<Skew>,
    /// Base volume of 24 hours by the venue's last summary.
    pub(crate) volume_24h: Option<Qty>,
    pub(crate) repeats: Repeats,
    pub(crate) executions: Executions,
    pub(crate) streak: Streak,
    pub(crate) orders: PairOrders,
    /// Executions that could not be booked yet; while there are any, the position is unknown.
    pub(crate) unbooked: Vec<Unbooked>,
}

/// Is a price at which a holding is valued, and when it was known.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Mark {
    pub(crate) price: Price,
    pub(crate) known_at: Timestamp,
}

/// Is an execution that waits for the definition of its instrument, or that can never be booked.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Unbooked {
    pub(crate) stamp: Stamp,
    pub(crate) cl_ord_id: ClOrdId,
    pub(crate) side: Side,
    pub(crate) fill: Fill,
}

/// Is the top of a book as far as orders are checked against it.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    stamp: Stamp,
    /// When it was received, never later than when the gate got it: an instant ahead of us is not freshness.
    pub(crate) known_at: Timestamp,
    pub(crate) state: BookState,
    pub(crate) bid: Option<Price>,
    pub(crate) ask: Option<Price>,
    /// Best bid, best ask and mid where there are two sides and a spread.
    pub(crate) touch: Result<Option<Touch>, AmountError>,
    /// What all levels told show on the thinner side.
    pub(crate) depth: Result<Qty, AmountError>,
}

/// Is the touch of a book.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touch {
    pub(crate) bid: Price,
    pub(crate) ask: Price,
    pub(crate) mid: Price,
}

fn touch(bid: Option<Price>, ask: Option<Price>) -> Result<Option<Touch>, AmountError> {
    match (bid, ask) {
        (Some(bid), Some(ask)) if bid < ask => {
            Ok(Some(Touch { bid, ask, mid: bid.checked_mid(ask)? }))
        }
        (Some(_) | None, Some(_) | None) => Ok(None),
    }
}

fn shown(levels: &[Level]) -> Result<Qty, AmountError> {
    levels.iter().try_fold(Qty::ZERO, |sum, level| sum.checked_add(level.qty))
}

fn thinner(top: &BookTop) -> Result<Qty, AmountError> {
    Ok(shown(&top.bids)?.min(shown(&top.asks)?))
}

/// Is how far clocks were apart when the last dated message of a pair came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Skew(pub(crate) DurationNs);

impl Skew {
    /// Compares the clock of the venue with that of the ingestor either way (a late message looks like a slow clock), and
    /// the ingestor's with ours as far as it is ahead. `None` without a venue time.
    fn of(now: Timestamp, header: &Header) -> Option<Self> {
        let venue = header.venue_time?;
        let received = header.receive_time.unwrap_or(header.publish_time);
        let apart = received.since(venue).max(venue.since(received));
        let ahead = header.publish_time.since(now);
        Some(Self(apart.max(ahead)))
    }
}

impl Pair {
    pub(crate) fn set_instrument(&mut self, stamp: Stamp, instrument: &Instrument) -> bool {
        let is_newer = self.instrument.as_ref().is_none_or(|(at, _)| stamp.is_after(at));
        if is_newer {
            self.instrument = Some((stamp, instrument.clone()));
        }
        is_newer
    }

    pub(crate) fn set_book(&mut self, now: Timestamp, header: &Header, top: &BookTop) {
        let stamp = Stamp::of(header);
        if self.book.as_ref().is_some_and(|before| !stamp.is_after(&before.stamp)) {
            return;
        }
        let bid = top.best_bid().map(|level| level.price);
        let ask = top.best_ask().map(|level| level.price);
        let book = Book {
            stamp,
            known_at: header.receive_time.unwrap_or(header.publish_time).min(now),
            state: top.state,
            bid,
            ask,
            touch: touch(bid, ask),
            depth: thinner(top),
        };
        if let (BookState::Live, Ok(Some(touch))) = (book.state, &book.touch) {
            self.mark = Some(Mark { price: touch.mid, known_at: book.known_at });
        }
        self.book = Some(book);
        self.skew = Skew::of(now, header).or(self.skew);
    }

    /// Takes a public trade, or the last one that a summary tells, unless a later one is known.
    pub(crate) fn set_last_trade(&mut self, header: &Header, price: Price) {
        let at = header.receive_time.unwrap_or(header.publish_time);
        if self.last_trade.is_none_or(|(known_at, _)| known_at <= at) {
            self.last_trade = Some((at, price));
        }
    }

    pub(crate) fn set_ticker(&mut self, header: &Header, ticker: &Ticker) {
        self.set_last_trade(header, ticker.last);
        self.volume_24h = Some(ticker.volume_24h);
    }
}

/// Is what is known of one venue.
#[derive(Debug, Default, Clone)]
pub(crate) struct Venue {
    pub(crate) status: Option<(Stamp, SystemStatus)>,
    pub(crate) fees: Option<(Stamp, FeeSchedule)>,
    pub(crate) router: Router,
    pub(crate) funds: Funds,
    pub(crate) budget: Budget,
}

impl Venue {
    pub(crate) fn set_status(&mut self, stamp: Stamp, status: SystemStatus) {
        if self.status.as_ref().is_none_or(|(at, _)| stamp.is_after(at)) {
            self.status = Some((stamp, status));
        }
    }

    pub(crate) fn set_fees(&mut self, stamp: Stamp, schedule: FeeSchedule) {
        if self.fees.as_ref().is_none_or(|(at, _)| stamp.replaces(at)) {
            self.fees = Some((stamp, schedule));
        }
    }
}

/// Is everything known.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) config: RiskGateConfig,
    pub(crate) epoch: u64,
    pub(crate) pairs: BTreeMap<InstrumentKey, Pair>,
    /// Pairs that any order or execution was ever about, with what they are worth: what a decision costs follows these,
    /// not all pairs known.
    pub(crate) traded: BTreeMap<InstrumentKey, Worth>,
    /// Pairs by base and quote, to find the same at other venues.
    pub(crate) by_assets: BTreeMap<(Asset, Asset), BTreeSet<InstrumentKey>>,
    pub(crate) venues: BTreeMap<VenueId, Venue>,
    pub(crate) ids: BTreeMap<ClOrdId, IdState>,
    pub(crate) ledger: Ledger,
    pub(crate) halts: Halts,
    pub(crate) rate: OrderRate,
    pub(crate) cancels: OrderRate,
    pub(crate) today: DayCounts,
    pub(crate) equity: Equity,
    /// Pairs whose executions were too many; only a person takes one out.
    pub(crate) tripped: BTreeSet<InstrumentKey>,
    /// When recovery ended: the ramp counts from it.
    pub(crate) live_at: Option<Timestamp>,
    /// A change of the limits that a second person must confirm.
    pub(crate) waiting: Option<Waiting>,
    /// What is wrong with the limits in force; `None` when nothing is.
    pub(crate) limits_fault: Option<String>,
    /// A change in the log that lacks the signature that is wanted now: it may have been in force under another key.
    pub(crate) limits_unsigned: Option<String>,
    /// One that came without it while the gate worked: the next start reads it, and cannot know that it was never in force.
    pub(crate) limits_refused: Option<String>,
    pub(crate) liveness: Liveness,
    pub(crate) is_stopping: bool,
}

impl Facts {
    pub(crate) fn new(config: RiskGateConfig) -> Self {
        let rate = OrderRate::new(config.orders_per_window_max, config.order_window);
        let cancels =
            OrderRate::new(config.cancels_per_window_max.saturating_add(1), config.order_window);
        Self {
            liveness: Liveness::new(config.router_silence_max),
            is_stopping: false,
            config,
            epoch: 0,
            pairs: BTreeMap::new(),
            traded: BTreeMap::new(),
            by_assets: BTreeMap::new(),
            venues: BTreeMap::new(),
            ids: BTreeMap::new(),
            ledger: Ledger::new(),
            halts: Halts::default(),
            rate,
            cancels,
            today: DayCounts::default(),
            equity: Equity::default(),
            tripped: BTreeSet::new(),
            live_at: None,
            waiting: None,
            limits_fault: None,
            limits_unsigned: None,
            limits_refused: None,
        }
    }

    pub(crate) fn pair(&mut self, key: &InstrumentKey) -> &mut Pair {
        self.pairs.entry(key.clone()).or_default()
    }

    /// Gives a pair that an order or execution is about.
    pub(crate) fn traded_pair(&mut self, key: &InstrumentKey) -> &mut Pair {
        if !self.traded.contains_key(key) {
            self.traded.insert(key.clone(), Worth::default());
        }
        self.pair(key)
    }

    /// Gives every pair that may hold a position or open orders.
    pub(crate) fn traded_pairs(&self) -> impl Iterator<Item = (&InstrumentKey, &Pair)> {
        self.traded.keys().filter_map(|key| self.pairs.get_key_value(key))
    }

    /// Remembers which assets a pair trades, so that it is found from other venues.
    pub(crate) fn index(&mut self, instrument: &Instrument) {
        let assets = (instrument.base.clone(), instrument.quote.clone());
        self.by_assets.entry(assets).or_default().insert(instrument.key.clone());
    }

    pub(crate) fn venue(&mut self, venue: &VenueId) -> &mut Venue {
        self.venues.entry(venue.clone()).or_default()
    }
}
