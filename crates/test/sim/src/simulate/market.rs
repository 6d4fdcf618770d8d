//! The public side of the made-up exchange: what is traded, the crowd's book of each pair, and the frames that tell it.
//!
//! In: the crowd's events. Out: tops and trades for the matching of our orders, and frames for whoever is connected.
//! A frame is a line: a letter, the venue's time in nanoseconds, then fields. Each book frame holds the whole top and
//! the number of its change, so that a missing one is a gap.

use remora_domain::{
    Asset, BookState, BookTop, ContractKind, IdError, Instrument, InstrumentId, InstrumentKey,
    InstrumentStatus, Level, Lots, MarketTrade, Notional, Price, Qty, Side, Ticks, Timestamp,
    VenueId,
};
use remora_flow::{FlowAction, FlowPair};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Levels a side that a frame tells.
const LEVELS: usize = 10;

/// Is a pair that can be traded: base, value in USD, decimals of its price, smallest order.
struct Listed(&'static str, f64, u32, &'static str);

/// Everything that is listed, all against USD; a run takes the first ones. Invented, of the order of early 2026.
const LISTED: [Listed; 10] = [
    Listed("BTC", 68_000.0, 1, "0.00005"),
    Listed("ETH", 3_100.0, 2, "0.002"),
    Listed("SOL", 148.0, 3, "0.02"),
    Listed("XRP", 2.1, 5, "2"),
    Listed("ADA", 0.7, 6, "5"),
    Listed("DOGE", 0.2, 7, "15"),
    Listed("LTC", 95.0, 2, "0.04"),
    Listed("LINK", 18.0, 4, "0.3"),
    Listed("DOT", 5.0, 4, "1"),
    Listed("AVAX", 25.0, 3, "0.2"),
];
/// Pairs that a run can have.
pub(super) const PAIRS_MAX: usize = LISTED.len();
const QTY_DECIMALS: u32 = 8;

/// Gives the first definitions, as the venue tells them.
pub(super) fn definitions(
    venue: &VenueId,
    count: usize,
    now: Timestamp,
) -> Result<Vec<Instrument>, MarketError> {
    LISTED.iter().take(count).map(|listed| definition(venue, listed, now)).collect()
}

/// Gives the value of every asset that is traded, in USD.
pub(super) fn values(count: usize) -> BTreeMap<String, f64> {
    let listed = LISTED.iter().take(count).map(|listed| (listed.0.to_owned(), listed.1));
    listed.chain([("USD".to_owned(), 1.0)]).collect()
}

/// Says why there is no market.
#[derive(Debug, thiserror::Error)]
pub(super) enum MarketError {
    #[error("name a pair")]
    Name(#[from] IdError),
    #[error("define a pair")]
    Amount(#[from] remora_domain::AmountError),
    #[error("make up the crowd: {0:?}")]
    Flow(Vec<remora_domain::SettingProblem>),
    #[error("count the steps of a pair")]
    Steps(#[from] remora_domain::QuantiseError),
}

fn definition(
    venue: &VenueId,
    &Listed(base, _, price_decimals, qty_min): &Listed,
    now: Timestamp,
) -> Result<Instrument, MarketError> {
    let step = |decimals| rust_decimal::Decimal::new(1, decimals);
    Ok(Instrument {
        key: InstrumentKey::new(venue.clone(), InstrumentId::of_pair(base, "USD")?),
        symbol: format!("{base}/USD"),
        base: Asset::new(base)?,
        quote: Asset::new("USD")?,
        kind: ContractKind::Spot,
        status: InstrumentStatus::Online,
        tick: Price::from_decimal(step(price_decimals))?,
        price_decimals,
        lot: Qty::from_decimal(step(QTY_DECIMALS))?,
        qty_decimals: QTY_DECIMALS,
        qty_min: Qty::parse(qty_min)?,
        cost_min: Some(Notional::parse("0.5")?),
        multiplier: Qty::parse("1")?,
        version: 1,
        receive_time: now,
        is_synthetic: true,
    })
}

/// Gives a definition as the crowd needs it.
pub(super) fn flow_pair(of: &Instrument) -> Result<FlowPair, MarketError> {
    Ok(FlowPair {
        symbol: Arc::from(of.symbol.as_str()),
        base: of.base.to_string(),
        quote: of.quote.to_string(),
        price_decimals: of.price_decimals,
        qty_decimals: of.qty_decimals,
        tick: Ticks::new(1),
        lot: Lots::new(1),
        qty_min: of.lots_of(of.qty_min)?,
    })
}

/// Is one pair's public market.
#[derive(Debug)]
pub(super) struct PublicBook {
    pub(super) instrument: Instrument,
    bids: Ladder,
    asks: Ladder,
    places: BTreeMap<u64, (Side, i64)>,
    /// Counts the changes that were told.
    number: u64,
    trades: u64,
    told: String,
}

/// Quantities by price and order number.
type Ladder = BTreeMap<i64, BTreeMap<u64, i64>>;

impl PublicBook {
    pub(super) const fn new(instrument: Instrument) -> Self {
        Self {
            instrument,
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
            places: BTreeMap::new(),
            number: 0,
            trades: 0,
            told: String::new(),
        }
    }

    /// Applies what the crowd does; gives the trades it led to.
    pub(super) fn apply(&mut self, action: FlowAction) -> Vec<MarketTrade> {
        match action {
            FlowAction::Add { side, price, qty, tag } => {
                self.side(side).entry(price.get()).or_default().insert(tag, qty.get());
                self.places.insert(tag, (side, price.get()));
                Vec::new()
            }
            FlowAction::Remove { tag } => {
                self.remove(tag);
                Vec::new()
            }
            FlowAction::Take { side, limit, qty, is_market_order: _ } => {
                self.take(side, limit.get(), qty.get())
            }
            FlowAction::Index { price: _ } => Vec::new(),
        }
    }

    fn side(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn remove(&mut self, tag: u64) {
        let Some((side, price)) = self.places.remove(&tag) else { return };
        let ladder = self.side(side);
        if let Some(level) = ladder.get_mut(&price) {
            level.remove(&tag);
            if level.is_empty() {
                ladder.remove(&price);
            }
        }
    }

    fn take(&mut self, taker: Side, limit: i64, mut qty: i64) -> Vec<MarketTrade> {
        let mut trades = Vec::new();
        while qty > 0 {
            let ladder = self.side(taker.opposite());
            let best = match taker {
                Side::Buy => ladder.first_key_value().filter(|(price, _)| **price <= limit),
                Side::Sell => ladder.last_key_value().filter(|(price, _)| **price >= limit),
            };
            let Some((price, level)) = best.map(|(price, level)| (*price, level.clone())) else {
                break;
            };
            let mut traded = 0_i64;
            for (tag, shown) in level {
                let part = shown.min(qty.saturating_sub(traded));
                traded = traded.saturating_add(part);
                if part == shown {
                    self.remove(tag);
                } else {
                    let level = self.side(taker.opposite()).entry(price).or_default();
                    level.insert(tag, shown.saturating_sub(part));
                    break;
                }
            }
            qty = qty.saturating_sub(traded);
            trades.extend(self.trade(taker, price, traded));
        }
        trades
    }

    fn trade(&mut self, taker_side: Side, price: i64, qty: i64) -> Option<MarketTrade> {
        self.trades = self.trades.saturating_add(1);
        Some(MarketTrade {
            instrument: self.instrument.key.clone(),
            trade_id: self.trades,
            taker_side,
            price: self.instrument.price_of(Ticks::new(price)).ok()?,
            qty: self.instrument.qty_of(Lots::new(qty)).ok()?,
        })
    }

    /// Gives the top if it is another than the one told last, with its frame.
    pub(super) fn news(&mut self, now: Timestamp) -> Option<(BookTop, String)> {
        let told = self.levels_text();
        if told == self.told {
            return None;
        }
        self.told = told;
        self.number = self.number.saturating_add(1);
        Some((self.top(), self.frame(now, false)))
    }

    /// Gives the frame of the top as told last; a snapshot begins anew.
    pub(super) fn frame(&self, now: Timestamp, is_snapshot: bool) -> String {
        let word = if is_snapshot { "S" } else { "U" };
        let (at, symbol) = (now.as_ns(), &self.instrument.symbol);
        format!("B {at} {symbol} {word} {} {}", self.number, self.told)
    }

    /// Gives the frame of the 24-hour summary. Volumes are invented.
    pub(super) fn ticker(&self, now: Timestamp) -> Option<String> {
        let (bid, ask) = (self.bids.last_key_value()?.0, self.asks.first_key_value()?.0);
        Some(format!("K {} {} {bid} {ask}", now.as_ns(), self.instrument.symbol))
    }

    fn top(&self) -> BookTop {
        let level = |(price, qty): (i64, i64)| {
            let price = self.instrument.price_of(Ticks::new(price)).ok()?;
            Some(Level { price, qty: self.instrument.qty_of(Lots::new(qty)).ok()? })
        };
        BookTop {
            instrument: self.instrument.key.clone(),
            book_sequence: self.number,
            state: BookState::Live,
            bids: self.levels(Side::Buy).into_iter().filter_map(level).collect(),
            asks: self.levels(Side::Sell).into_iter().filter_map(level).collect(),
        }
    }

    fn levels(&self, side: Side) -> Vec<(i64, i64)> {
        let sum = |(price, level): (&i64, &BTreeMap<u64, i64>)| (*price, level.values().sum());
        match side {
            Side::Buy => self.bids.iter().rev().take(LEVELS).map(sum).collect(),
            Side::Sell => self.asks.iter().take(LEVELS).map(sum).collect(),
        }
    }

    fn levels_text(&self) -> String {
        let mut text = String::with_capacity(400);
        for side in [Side::Buy, Side::Sell] {
            for (price, qty) in self.levels(side) {
                // Writing to a string does not fail.
                let _ = write!(text, "{price}:{qty},");
            }
            if side == Side::Buy {
                text.push(' ');
            }
        }
        text
    }
}

/// Gives the frame of a trade.
pub(super) fn trade_frame(now: Timestamp, symbol: &str, trade: &MarketTrade) -> String {
    let MarketTrade { trade_id, taker_side, price, qty, instrument: _ } = trade;
    format!("T {} {symbol} {trade_id} {taker_side} {price} {qty}", now.as_ns())
}
