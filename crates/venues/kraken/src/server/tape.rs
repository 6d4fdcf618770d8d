//! The tape: what the venue remembers of every pair's trades and best prices, and gives to anyone.
//!
//! In: public facts in their order, with the time. Out: the last trades, the 24-hour ticker, candles, spreads.
//! Integers throughout: prices and quantities in units of the pair's last decimal, sums exact.
//!
//! Invariants: nothing here grows without end (trades, candles and spreads are bounded per pair); a candle is kept
//! only for an interval with a trade; time never runs backwards within a pair.
//! Source of the bounds: Kraken REST reference, `OHLC`, `Trades`, `Spread` (checked June 2026).

mod candle;
mod ticker;

pub(crate) use candle::{COMMITTED, Candle, INTERVALS_MIN, begin_of, length};
pub(crate) use ticker::{TickerFacts, Window, vwap};

use super::desk::PublicFact;
use candle::Candles;
use remora_domain::{Side, Timestamp};
use remora_matching::{Exchange, MarketIx};
use std::collections::VecDeque;

/// The most trades remembered of a pair.
pub(crate) const TRADES_MAX: usize = 1_000;
/// The most spreads remembered of a pair.
pub(crate) const SPREADS_MAX: usize = 200;

/// Is one trade of anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TapeTrade {
    /// When.
    pub(crate) time: Timestamp,
    /// Its time in nanoseconds, moved on where needed to be unique and increasing: `since` and `last` of `Trades`.
    pub(crate) cursor: i64,
    /// The pair's number of it.
    pub(crate) trade_id: u64,
    /// The taker's side.
    pub(crate) side: Side,
    /// Price in units of the last decimal.
    pub(crate) price: i64,
    /// Quantity in units of the last decimal.
    pub(crate) qty: i64,
    /// Whether the taker was a market order.
    pub(crate) is_market_order: bool,
}

/// Is the best of both sides from an instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spread {
    /// Since when.
    pub(crate) time: Timestamp,
    /// Best bid in units of the last decimal, if any.
    pub(crate) bid: Option<i64>,
    /// Best ask in units of the last decimal, if any.
    pub(crate) ask: Option<i64>,
}

/// Is the memory of all pairs.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    /// By market number; only traded or quoted markets have one.
    pairs: Vec<Option<Box<PairTape>>>,
}

#[derive(Debug, Default)]
struct PairTape {
    trades: VecDeque<TapeTrade>,
    spreads: VecDeque<Spread>,
    candles: Candles,
}

impl Tape {
    /// Takes a public fact; those without trades or best prices change nothing.
    pub(crate) fn record(&mut self, time: Timestamp, fact: &PublicFact, exchange: &Exchange) {
        match *fact {
            PublicFact::Trade { market, trade_id, side, price, qty, is_market_order } => {
                let cursor = time.as_ns();
                self.trade(
                    market,
                    TapeTrade { time, cursor, trade_id, side, price, qty, is_market_order },
                );
            }
            PublicFact::Level { market, side, price, .. } => {
                if self.may_be_best(market, side, price) {
                    let best = |side| exchange.best(market, side).map(|(price, _)| price.get());
                    self.quote(
                        market,
                        Spread { time, bid: best(Side::Buy), ask: best(Side::Sell) },
                    );
                }
            }
            PublicFact::Queue { .. } | PublicFact::Instrument(_) | PublicFact::System => {}
        }
    }

    /// Takes a trade.
    pub(crate) fn trade(&mut self, market: MarketIx, mut trade: TapeTrade) {
        let Some(pair) = self.pair_mut(market) else { return };
        if let Some(last) = pair.trades.back() {
            trade.time = trade.time.max(last.time);
            trade.cursor = trade.cursor.max(last.cursor.saturating_add(1));
        }
        if pair.trades.len() >= TRADES_MAX {
            pair.trades.pop_front();
        }
        pair.candles.trade(trade.time, trade.price, trade.qty);
        pair.trades.push_back(trade);
    }

    /// Takes the best of both sides; only a change is remembered.
    pub(crate) fn quote(&mut self, market: MarketIx, spread: Spread) {
        let Some(pair) = self.pair_mut(market) else { return };
        if pair.spreads.back().is_some_and(|last| (last.bid, last.ask) == (spread.bid, spread.ask))
        {
            return;
        }
        if pair.spreads.len() >= SPREADS_MAX {
            pair.spreads.pop_front();
        }
        pair.spreads.push_back(spread);
    }

    /// Gives the remembered trades of a pair, oldest first.
    pub(crate) fn trades(
        &self,
        market: MarketIx,
    ) -> impl DoubleEndedIterator<Item = &TapeTrade> + ExactSizeIterator {
        self.pair(market).map(|pair| pair.trades.iter()).unwrap_or_default()
    }

    /// Gives the remembered best prices of a pair, oldest first.
    pub(crate) fn spreads(&self, market: MarketIx) -> impl DoubleEndedIterator<Item = &Spread> {
        self.pair(market).map(|pair| pair.spreads.iter()).unwrap_or_default()
    }

    /// Gives the candles of a pair with trades, oldest first, the running one last: those of the last 720 intervals
    /// and the running one at `now`. None for an interval the venue does not have.
    pub(crate) fn candles(
        &self,
        market: MarketIx,
        interval_min: u32,
        now: Timestamp,
    ) -> impl DoubleEndedIterator<Item = &Candle> {
        self.pair(market).into_iter().flat_map(move |pair| pair.candles.of(interval_min, now))
    }

    /// Gives the last price before an interval's start, as far as candles of that interval are kept.
    pub(crate) fn close_before(
        &self,
        market: MarketIx,
        interval_min: u32,
        begin: Timestamp,
    ) -> Option<i64> {
        self.pair(market)?.candles.close_before(interval_min, begin)
    }

    /// Gives the ticker of a pair; none before its first trade.
    pub(crate) fn ticker(&self, market: MarketIx, now: Timestamp) -> Option<TickerFacts> {
        let pair = self.pair(market)?;
        let last = pair.trades.back()?;
        Some(ticker::facts(last, &pair.candles, now))
    }

    /// Says whether a changed level can have changed the best price of its side.
    fn may_be_best(&self, market: MarketIx, side: Side, price: i64) -> bool {
        let Some(last) = self.pair(market).and_then(|pair| pair.spreads.back()) else {
            return true;
        };
        match side {
            Side::Buy => last.bid.is_none_or(|bid| price >= bid),
            Side::Sell => last.ask.is_none_or(|ask| price <= ask),
        }
    }

    fn pair(&self, market: MarketIx) -> Option<&PairTape> {
        self.pairs.get(usize::try_from(market.get()).ok()?)?.as_deref()
    }

    fn pair_mut(&mut self, market: MarketIx) -> Option<&mut PairTape> {
        let index = usize::try_from(market.get()).ok()?;
        if index >= self.pairs.len() {
            self.pairs.resize_with(index.checked_add(1)?, || None);
        }
        Some(self.pairs.get_mut(index)?.get_or_insert_default())
    }
}

#[cfg(test)]
mod tests;
