//! Recorded book and trade frames as the flow of a simulated exchange.
//!
//! In: what the player of recordings gives (`FeedInput`). Out: [`Flow`] in the units of the exchange's pairs, and
//! beforehand the pairs themselves ([`PairFinder`]).
//!
//! The market-data session of this crate reads the frames, so a recorded book counts under the same rules as a live one:
//! checksums, depth, stale definitions. A book that fails is reset until its next snapshot. Trades keep what the
//! session leaves out: whether they were market orders. Linear perpetuals are no pairs of a spot exchange; the
//! middle of their book is the index of the pair of the same base and quote.
//!
//! What must never happen here: a level beyond the depth that was recorded, a trade from before the recording.

use super::catalogue;
use super::io::Flow;
use crate::frame::{Frame, MessageKind, TradeItem, decode};
use crate::{DEPTHS, KrakenFeed};
use remora_domain::{
    BookState, BookTop, ContractKind, Instrument, InstrumentKey, Level, Lots, Side, Ticks,
    Timestamp, VenueId,
};
use remora_machine::Machine;
use remora_venue_api::{FeedInput, FeedOutput, FeedSettings, MarketEvent, ProblemKind};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Is a pair as a recording defines it and as its books prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedPair {
    /// v2 symbol.
    pub symbol: Arc<str>,
    /// v2 name of what is traded.
    pub base: String,
    /// v2 name of what it is paid in.
    pub quote: String,
    /// Decimals of prices.
    pub price_decimals: u32,
    /// Decimals of quantities.
    pub qty_decimals: u32,
    /// Price step as defined; the last decimal where the pair's decimals contradict it.
    pub tick: Decimal,
    /// Quantity step; the same.
    pub lot: Decimal,
    /// Smallest quantity.
    pub qty_min: Decimal,
    /// Smallest cost; none where the recording does not say.
    pub cost_min: Option<Decimal>,
    /// Whether a perpetual of the recording gives it an index.
    pub has_index: bool,
}

/// Finds the pairs of recordings, before they are played: those that are defined and have a book.
#[derive(Debug)]
pub struct PairFinder {
    feed: KrakenFeed,
    defined: BTreeMap<InstrumentKey, Instrument>,
    with_book: BTreeSet<InstrumentKey>,
    out: Vec<FeedOutput>,
}

impl PairFinder {
    /// Starts without any.
    #[must_use]
    pub fn new(venue: &VenueId) -> Self {
        Self {
            feed: session(venue),
            defined: BTreeMap::new(),
            with_book: BTreeSet::new(),
            out: Vec::new(),
        }
    }

    /// Takes the next thing that happens in the recordings.
    pub fn play(&mut self, now: Timestamp, input: FeedInput) {
        // Updates prove nothing that snapshots do not, and are most of a recording.
        if let FeedInput::Frame { text, .. } = &input
            && !["\"instrument\"", "\"snapshot\"", "\"method\""]
                .iter()
                .any(|word| text.contains(word))
        {
            return;
        }
        self.feed.handle(now, input, &mut self.out);
        for output in self.out.drain(..) {
            match output {
                FeedOutput::Event(MarketEvent::Instrument(made)) => {
                    let finest = self.defined.get(&made.key).map_or((0, 0), decimals);
                    // One session may have declared fewer decimals than another: the finest hold both.
                    if decimals(&made) >= finest || made.price_decimals >= finest.0 {
                        self.defined.insert(made.key.clone(), made);
                    }
                }
                FeedOutput::Event(MarketEvent::Book { top, .. })
                    if top.state == BookState::Live =>
                {
                    self.with_book.insert(top.instrument);
                }
                FeedOutput::Event(_)
                | FeedOutput::Problem(_)
                | FeedOutput::Connect { .. }
                | FeedOutput::Send { .. }
                | FeedOutput::Close { .. } => {}
            }
        }
    }

    /// Gives the spot pairs found, by symbol.
    #[must_use]
    pub fn finish(self) -> Vec<RecordedPair> {
        let with_book = |made: &&Instrument| self.with_book.contains(&made.key);
        let of_kind =
            |kind| self.defined.values().filter(with_book).filter(move |made| made.kind == kind);
        let has_index = |pair: &Instrument| {
            of_kind(ContractKind::LinearPerpetual)
                .any(|perpetual| perpetual.base == pair.base && perpetual.quote == pair.quote)
        };
        let pairs = of_kind(ContractKind::Spot).map(|made| recorded_pair(made, has_index(made)));
        let mut pairs: Vec<RecordedPair> = pairs.collect();
        pairs.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        pairs
    }
}

const fn decimals(made: &Instrument) -> (u32, u32) {
    (made.price_decimals, made.qty_decimals)
}

fn recorded_pair(made: &Instrument, has_index: bool) -> RecordedPair {
    let finest = |step: Decimal, decimals: u32| {
        let last = Decimal::new(1, decimals);
        // A step that the book's own decimals contradict is as outdated as its definition.
        if step.scale() > decimals || step < last { last } else { step }
    };
    RecordedPair {
        symbol: made.symbol.as_str().into(),
        base: made.base.as_str().to_owned(),
        quote: made.quote.as_str().to_owned(),
        price_decimals: made.price_decimals,
        qty_decimals: made.qty_decimals,
        tick: finest(made.tick.to_decimal(), made.price_decimals),
        lot: finest(made.lot.to_decimal(), made.qty_decimals),
        qty_min: made.qty_min.to_decimal(),
        cost_min: made.cost_min.map(remora_domain::Notional::to_decimal),
        has_index,
    }
}

/// Turns recorded frames into flow.
#[derive(Debug)]
pub struct Recorded {
    feed: KrakenFeed,
    pairs: BTreeMap<Arc<str>, Told>,
    /// What each instrument of the session moves.
    roles: BTreeMap<InstrumentKey, Role>,
    problems: BTreeMap<ProblemKind, u64>,
    out: Vec<FeedOutput>,
}

/// Is what an instrument of the recording is for.
#[derive(Clone, Debug)]
enum Role {
    /// Its book is the book of this pair.
    Book(Arc<str>),
    /// The middle of its book is the index of this pair.
    Index(Arc<str>),
}

/// Is what the exchange was told of one pair, in the exchange's units.
#[derive(Debug)]
struct Told {
    price_decimals: u32,
    qty_decimals: u32,
    bids: Vec<Units>,
    asks: Vec<Units>,
    last_trade_id: Option<u64>,
    index: Option<i64>,
}

/// Is a level in units of the last decimals: price, quantity.
type Units = (i64, i64);

impl Recorded {
    /// Starts for the pairs of the exchange; whatever else is recorded is left out.
    #[must_use]
    pub fn new(venue: &VenueId, pairs: &[RecordedPair]) -> Self {
        let told = |pair: &RecordedPair| Told {
            price_decimals: pair.price_decimals,
            qty_decimals: pair.qty_decimals,
            bids: Vec::new(),
            asks: Vec::new(),
            last_trade_id: None,
            index: None,
        };
        Self {
            feed: session(venue),
            pairs: pairs.iter().map(|pair| (Arc::clone(&pair.symbol), told(pair))).collect(),
            roles: BTreeMap::new(),
            problems: BTreeMap::new(),
            out: Vec::new(),
        }
    }

    /// Counts what was wrong with the recording so far.
    #[must_use]
    pub const fn problems(&self) -> &BTreeMap<ProblemKind, u64> {
        &self.problems
    }

    /// Takes the next thing that happens in the recording; appends the flow it is.
    pub fn play(&mut self, now: Timestamp, input: FeedInput, flow: &mut Vec<Flow>) {
        if let FeedInput::Frame { text, .. } = &input
            && text.contains("\"channel\":\"trade\"")
            && let Ok(Frame::Trades(trades)) = decode(text)
        {
            // A snapshot tells what happened before the recording began.
            if trades.kind == MessageKind::Update {
                flow.extend(trades.items.iter().filter_map(|item| self.trade(item)));
            }
            return;
        }
        if matches!(input, FeedInput::SessionEnded) {
            for told in self.pairs.values_mut() {
                told.last_trade_id = None;
            }
        }
        let mut out = std::mem::take(&mut self.out);
        self.feed.handle(now, input, &mut out);
        for output in out.drain(..) {
            match output {
                FeedOutput::Event(MarketEvent::Instrument(made)) => self.define(&made),
                FeedOutput::Event(MarketEvent::Book { top, .. }) => self.book(&top, flow),
                FeedOutput::Problem(problem) => {
                    let count = self.problems.entry(problem.kind).or_default();
                    *count = count.saturating_add(1);
                }
                FeedOutput::Event(
                    MarketEvent::Trade { .. } | MarketEvent::Ticker { .. } | MarketEvent::Status(_),
                )
                | FeedOutput::Connect { .. }
                | FeedOutput::Send { .. }
                | FeedOutput::Close { .. } => {}
            }
        }
        self.out = out;
    }

    fn define(&mut self, made: &Instrument) {
        let known = |symbol: &str| self.pairs.get_key_value(symbol).map(|(known, _)| known.clone());
        let role = match made.kind {
            ContractKind::Spot => known(&made.symbol).map(Role::Book),
            ContractKind::LinearPerpetual => {
                known(&format!("{}/{}", made.base, made.quote)).map(Role::Index)
            }
            ContractKind::InversePerpetual
            | ContractKind::LinearFuture
            | ContractKind::InverseFuture => None,
        };
        if let Some(role) = role {
            self.roles.insert(made.key.clone(), role);
        }
    }

    fn trade(&mut self, item: &TradeItem<'_>) -> Option<Flow> {
        let (symbol, told) = self.pairs.get_key_value(&*item.symbol)?;
        let symbol = Arc::clone(symbol);
        let (limit, qty) = item.size(told.price_decimals, told.qty_decimals).ok()?;
        let side = item.taker_side().ok()?;
        let told = self.pairs.get_mut(&symbol)?;
        if told.last_trade_id.is_some_and(|last| item.trade_id <= last) {
            return None;
        }
        told.last_trade_id = Some(item.trade_id);
        Some(Flow::Take { symbol, side, limit, qty, is_market_order: item.is_market_order() })
    }

    fn book(&mut self, top: &BookTop, flow: &mut Vec<Flow>) {
        match self.roles.get(&top.instrument) {
            Some(Role::Book(symbol)) => {
                let symbol = Arc::clone(symbol);
                if let Some(told) = self.pairs.get_mut(&symbol) {
                    told.book(&symbol, top, flow);
                }
            }
            Some(Role::Index(symbol)) => {
                let symbol = Arc::clone(symbol);
                if let Some(told) = self.pairs.get_mut(&symbol) {
                    flow.extend(told.index(symbol, top));
                }
            }
            None => {}
        }
    }
}

impl Told {
    /// Tells the levels that changed: first what shrank, then what grew, so that no level ever meets one that the same
    /// message takes away.
    fn book(&mut self, symbol: &Arc<str>, top: &BookTop, flow: &mut Vec<Flow>) {
        let read = |levels: &[Level]| -> Option<Vec<Units>> {
            let level = |level: &Level| {
                let price = units(level.price.to_decimal(), self.price_decimals)?;
                Some((price, units(level.qty.to_decimal(), self.qty_decimals)?))
            };
            levels.iter().map(level).collect()
        };
        let live = (top.state == BookState::Live).then(|| (read(&top.bids), read(&top.asks)));
        let Some((Some(bids), Some(asks))) = live else {
            (self.bids, self.asks) = (Vec::new(), Vec::new());
            return flow.push(Flow::Reset { symbol: Arc::clone(symbol) });
        };
        for is_growth in [false, true] {
            for (side, old, new) in
                [(Side::Buy, &self.bids, &bids), (Side::Sell, &self.asks, &asks)]
            {
                changes(side, old, new, |(price, qty), before| {
                    if (qty > before) == is_growth {
                        let (price, qty) = (Ticks::new(price), Lots::new(qty));
                        flow.push(Flow::Level { symbol: Arc::clone(symbol), side, price, qty });
                    }
                });
            }
        }
        (self.bids, self.asks) = (bids, asks);
    }

    /// Tells the middle of a perpetual's book, if it moved.
    fn index(&mut self, symbol: Arc<str>, top: &BookTop) -> Option<Flow> {
        let middle = top.best_bid()?.price.checked_mid(top.best_ask()?.price).ok()?.to_decimal();
        let price = units(middle.round_dp(self.price_decimals), self.price_decimals)?;
        let is_new = self.index.replace(price) != Some(price);
        is_new.then(|| Flow::Index { symbol, price: Ticks::new(price) })
    }
}

/// Calls back for each level that differs between two lists, best first: the level now, and its quantity before.
fn changes(side: Side, old: &[Units], new: &[Units], mut tell: impl FnMut(Units, i64)) {
    let is_better = |a: i64, b: i64| match side {
        Side::Buy => a > b,
        Side::Sell => a < b,
    };
    let (mut old, mut new) = (old.iter().copied().peekable(), new.iter().copied().peekable());
    loop {
        match (old.peek().copied(), new.peek().copied()) {
            (None, None) => return,
            (Some((price, before)), Some((same, qty))) if price == same => {
                if before != qty {
                    tell((price, qty), before);
                }
                old.next();
                new.next();
            }
            (Some((price, before)), now) if now.is_none_or(|(now, _)| is_better(price, now)) => {
                tell((price, 0), before);
                old.next();
            }
            (_, Some((price, qty))) => {
                tell((price, qty), 0);
                new.next();
            }
            (Some(_), None) => {
                old.next();
            }
        }
    }
}

/// Gives a decimal in units of a last decimal; none where it is finer, or too large.
fn units(value: Decimal, decimals: u32) -> Option<i64> {
    i64::try_from(catalogue::units(value, decimals)?).ok()
}

/// Makes the session that reads the frames: everything, to the deepest depth.
fn session(venue: &VenueId) -> KrakenFeed {
    let depth = DEPTHS.iter().copied().max().unwrap_or(1);
    KrakenFeed::new(FeedSettings {
        venue: venue.clone(),
        symbols: None,
        shard: (0, 1),
        depth,
        levels_published: usize::try_from(depth).unwrap_or(usize::MAX),
        url: String::new(),
        is_recorded: true,
        is_synthetic: false,
        seed: 0,
    })
}

#[cfg(test)]
mod tests;
