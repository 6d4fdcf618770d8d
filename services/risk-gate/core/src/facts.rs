//! Everything the gate knows, as far as it knows it.

use crate::control::{Halts, Router};
use crate::funds::Funds;
use crate::orders::{IdState, PairOrders};
use crate::rate::OrderRate;
use crate::seen::Stamp;
use crate::settings::RiskGateConfig;
use remora_domain::{
    AmountError, BookState, BookTop, ClOrdId, FeeSchedule, Fill, Header, Instrument, InstrumentKey,
    Price, Qty, Side, SystemStatus, Timestamp, VenueId,
};
use remora_ledger::Ledger;
use remora_machine::Liveness;
use std::collections::{BTreeMap, BTreeSet};

/// Is what is known of one pair.
#[derive(Debug, Default)]
pub(crate) struct Pair {
    pub(crate) instrument: Option<(Stamp, Instrument)>,
    pub(crate) book: Option<Book>,
    /// The last mid of a live, uncrossed book. It values what is held when the book is gone; it admits no order.
    pub(crate) mark: Option<Mark>,
    pub(crate) orders: PairOrders,
    /// Executions that could not be booked yet; while there are any, the position is unknown.
    pub(crate) unbooked: Vec<Unbooked>,
}

/// Is a price at which a holding is valued, and when it was known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) price: Price,
    pub(crate) known_at: Timestamp,
}

/// Is an execution that waits for the definition of its instrument, or that can never be booked.
#[derive(Debug)]
pub(crate) struct Unbooked {
    pub(crate) stamp: Stamp,
    pub(crate) cl_ord_id: ClOrdId,
    pub(crate) side: Side,
    pub(crate) fill: Fill,
}

/// Is the top of a book as far as orders are checked against it.
#[derive(Debug)]
pub(crate) struct Book {
    stamp: Stamp,
    /// When it was received, never later than when the gate got it: an instant ahead of us is not freshness.
    pub(crate) known_at: Timestamp,
    pub(crate) state: BookState,
    pub(crate) bid: Option<Price>,
    pub(crate) ask: Option<Price>,
}

impl Book {
    /// Gives best bid, best ask and mid of a book with two sides and a spread.
    pub(crate) fn touch(&self) -> Result<Option<(Price, Price, Price)>, AmountError> {
        match (self.bid, self.ask) {
            (Some(bid), Some(ask)) if bid < ask => Ok(Some((bid, ask, mid(bid, ask)?))),
            (Some(_) | None, Some(_) | None) => Ok(None),
        }
    }
}

fn mid(bid: Price, ask: Price) -> Result<Price, AmountError> {
    let half = Qty::parse("0.5")?;
    let one = Qty::parse("1")?;
    Price::from_decimal(bid.checked_add(ask)?.checked_notional(half, one)?.to_decimal())
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
        let book = Book {
            stamp,
            known_at: header.receive_time.unwrap_or(header.publish_time).min(now),
            state: top.state,
            bid: top.best_bid().map(|level| level.price),
            ask: top.best_ask().map(|level| level.price),
        };
        if let (BookState::Live, Ok(Some((_, _, mid)))) = (book.state, book.touch()) {
            self.mark = Some(Mark { price: mid, known_at: book.known_at });
        }
        self.book = Some(book);
    }
}

/// Is what is known of one venue.
#[derive(Debug, Default)]
pub(crate) struct Venue {
    pub(crate) status: Option<(Stamp, SystemStatus)>,
    pub(crate) fees: Option<(Stamp, FeeSchedule)>,
    pub(crate) router: Router,
    pub(crate) funds: Funds,
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
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) config: RiskGateConfig,
    pub(crate) epoch: u64,
    pub(crate) pairs: BTreeMap<InstrumentKey, Pair>,
    /// Pairs that any order or execution was ever about: what a decision costs follows these, not all pairs known.
    pub(crate) traded: BTreeSet<InstrumentKey>,
    pub(crate) venues: BTreeMap<VenueId, Venue>,
    pub(crate) ids: BTreeMap<ClOrdId, IdState>,
    pub(crate) ledger: Ledger,
    pub(crate) halts: Halts,
    pub(crate) rate: OrderRate,
    pub(crate) liveness: Liveness,
    pub(crate) is_stopping: bool,
}

impl Facts {
    pub(crate) fn new(config: RiskGateConfig) -> Self {
        let rate = OrderRate::new(config.orders_per_window_max, config.order_window);
        Self {
            liveness: Liveness::new(config.router_silence_max),
            is_stopping: false,
            config,
            epoch: 0,
            pairs: BTreeMap::new(),
            traded: BTreeSet::new(),
            venues: BTreeMap::new(),
            ids: BTreeMap::new(),
            ledger: Ledger::new(),
            halts: Halts::default(),
            rate,
        }
    }

    pub(crate) fn pair(&mut self, key: &InstrumentKey) -> &mut Pair {
        self.pairs.entry(key.clone()).or_default()
    }

    /// Gives a pair that an order or execution is about.
    pub(crate) fn traded_pair(&mut self, key: &InstrumentKey) -> &mut Pair {
        if !self.traded.contains(key) {
            self.traded.insert(key.clone());
        }
        self.pair(key)
    }

    /// Gives every pair that may hold a position or open orders.
    pub(crate) fn traded_pairs(&self) -> impl Iterator<Item = (&InstrumentKey, &Pair)> {
        self.traded.iter().filter_map(|key| self.pairs.get_key_value(key))
    }

    pub(crate) fn venue(&mut self, venue: &VenueId) -> &mut Venue {
        self.venues.entry(venue.clone()).or_default()
    }
}
