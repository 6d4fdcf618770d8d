//! The market itself: prices, quotes, takers. Prices are `Fine`: ticks in 1/2^20.

use super::instruments::{BTC, ETH, ETH_BTC, PERPETUAL, SPECS, Spec};
use super::spec;
use anyhow::{Context, Result};
use remora_flow::Chance;
use std::collections::BTreeMap;

/// Fine steps in one tick.
const FINE: i64 = 1 << 20;
/// The grid on which prices move, in microseconds.
const GRID_US: i64 = 10_000;
/// Deviation of the common factor in 10 ms, in 1e-9: 0.8 bps in a second.
const COMMON_NANO: i64 = 8_000;
/// News begins once in so many grid steps: every 75 s.
const NEWS_STEPS: i64 = 7_500;
/// How many grid steps a piece of news takes.
const NEWS_LENGTH: i64 = 33;
/// How many grid steps arbitrage takes to close most of a gap: 1.5 s.
const ARBITRAGE_STEPS: i64 = 150;
/// Quotes a side that makers maintain, roughly.
const QUOTES: (usize, usize) = (34, 48);

/// Says on which side of the book something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Bid,
    Ask,
}

impl Side {
    pub(crate) const fn opposite(self) -> Self {
        match self {
            Self::Bid => Self::Ask,
            Self::Ask => Self::Bid,
        }
    }

    /// Gives 1 for the side that wants low prices, -1 for the other: the direction away from the touch.
    const fn away(self) -> i64 {
        match self {
            Self::Bid => -1,
            Self::Ask => 1,
        }
    }
}

/// Is one public trade, in ticks and quantity steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trade {
    pub(crate) taker: Side,
    pub(crate) ticks: i64,
    pub(crate) qty: i64,
}

/// Is something the venue tells.
pub(crate) enum Event {
    /// One taker was filled, at one or several prices.
    Traded(Vec<Trade>),
    /// Levels changed.
    BookChanged,
}

/// Is the market of one instrument.
pub(crate) struct Pair {
    spec: &'static Spec,
    /// Where the price is going.
    target: i64,
    /// Where traders think it is.
    seen: i64,
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
    /// The side of the last taker; takers come in runs.
    last_taker: Side,
}

impl Pair {
    fn new(spec: &'static Spec, chance: &mut Chance) -> Self {
        let price = spec.traded.start_ticks * FINE;
        let (bids, asks) = (BTreeMap::new(), BTreeMap::new());
        let mut pair = Self { spec, target: price, seen: price, bids, asks, last_taker: Side::Bid };
        for side in [Side::Bid, Side::Ask] {
            while pair.levels(side).len() < QUOTES.1 {
                pair.add(side, chance);
            }
        }
        pair
    }

    fn levels(&self, side: Side) -> &BTreeMap<i64, i64> {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    fn levels_mut(&mut self, side: Side) -> &mut BTreeMap<i64, i64> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    /// Gives levels of (ticks, quantity), best first.
    pub(crate) fn best_first(&self, side: Side, count: usize) -> Vec<(i64, i64)> {
        let pair = |(ticks, qty): (&i64, &i64)| (*ticks, *qty);
        match side {
            Side::Bid => self.bids.iter().rev().take(count).map(pair).collect(),
            Side::Ask => self.asks.iter().take(count).map(pair).collect(),
        }
    }

    fn best(&self, side: Side) -> Option<(i64, i64)> {
        self.best_first(side, 1).first().copied()
    }

    /// Gives a share of the price seen, in fine steps; `share` in 1e-7.
    fn share(&self, share: i64) -> i64 {
        let value = i128::from(self.seen) * i128::from(share) / 10_000_000;
        i64::try_from(value).unwrap_or(0)
    }

    fn qty(&self, mean: i64, chance: &mut Chance) -> i64 {
        let step = self.spec.qty_step;
        (chance.exponential(mean) / step).max(1) * step
    }

    /// Adds a quote somewhere in the book: some join the touch, most lie behind it, some far behind.
    fn add(&mut self, side: Side, chance: &mut Chance) -> bool {
        let behind = match chance.below(10) {
            0..2 => self.spec.traded.half_spread / 6,
            2..8 => 2 * self.spec.traded.half_spread,
            _ => 8 * self.spec.traded.half_spread,
        };
        let distance = self.spec.traded.half_spread * chance.between(95, 130) / 100;
        self.place(side, distance + chance.exponential(behind), chance)
    }

    /// Adds a quote at a distance from what traders see (1e-7 of the price); one that would trade is not placed.
    /// Tells whether it was.
    fn place(&mut self, side: Side, distance: i64, chance: &mut Chance) -> bool {
        let price = self.seen + self.share(distance) * side.away();
        let ticks = match side {
            Side::Bid => price.div_euclid(FINE),
            Side::Ask => -(-price).div_euclid(FINE),
        };
        let crosses = self.best(side.opposite()).is_some_and(|(best, _)| match side {
            Side::Bid => ticks >= best,
            Side::Ask => ticks <= best,
        });
        if crosses || ticks <= 0 {
            return false;
        }
        let qty = self.qty(self.spec.traded.quote_mean, chance);
        *self.levels_mut(side).entry(ticks).or_insert(0) += qty;
        true
    }

    /// Takes a quote back: all of one level, or a part of it.
    fn cancel(&mut self, side: Side, rank: usize, chance: &mut Chance) -> bool {
        let Some((ticks, qty)) = self.best_first(side, rank + 1).pop() else {
            return false;
        };
        let step = self.spec.qty_step;
        let rest =
            if chance.is(300) { qty / step * chance.between(20, 80) / 100 * step } else { 0 };
        self.set(side, ticks, rest);
        true
    }

    fn set(&mut self, side: Side, ticks: i64, qty: i64) {
        if qty > 0 {
            self.levels_mut(side).insert(ticks, qty);
        } else {
            self.levels_mut(side).remove(&ticks);
        }
    }

    /// Lets a taker trade; it pays no more than `reach` (1e-7 of the price) beyond what traders see.
    fn take(&mut self, taker: Side, mut qty: i64, reach: i64) -> Vec<Trade> {
        let mut trades = Vec::new();
        let limit = self.seen - self.share(reach) * taker.away();
        while qty > 0 {
            let Some((ticks, shown)) = self.best(taker.opposite()) else { break };
            let is_within = match taker {
                Side::Bid => ticks * FINE <= limit,
                Side::Ask => ticks * FINE >= limit,
            };
            // The last level of a side is never taken: a book without one is no market.
            if !is_within || self.levels(taker.opposite()).len() <= 1 {
                break;
            }
            let filled = qty.min(shown);
            self.set(taker.opposite(), ticks, shown - filled);
            trades.push(Trade { taker, ticks, qty: filled });
            qty -= filled;
        }
        trades
    }

    /// Moves the target for good in the direction of a taker, because some takers know something: a sixth of the
    /// half-spread for one of mean size, at most four times that.
    fn leave_impact(&mut self, taker: Side, filled: i64) {
        let unit = self.share(self.spec.traded.half_spread) / 6;
        let size_percent = (filled * 100 / self.spec.traded.taker_mean).min(400);
        self.target -= unit * size_percent / 100 * taker.away();
    }

    /// Lets the best quote that the price has left behind be taken or taken back; `None` if there is none.
    fn clean(&mut self, chance: &mut Chance) -> Option<Vec<Event>> {
        let half_spread = self.share(self.spec.traded.half_spread);
        for side in [Side::Bid, Side::Ask] {
            let Some((ticks, shown)) = self.best(side) else { continue };
            // How far behind what traders see the quote lies; below zero it gives money away.
            let edge = (ticks * FINE - self.seen) * side.away();
            if edge > half_spread * 6 / 10 || chance.is(150) {
                continue;
            }
            if edge < 0 && chance.is(600) {
                let trades = self.take(side.opposite(), shown * chance.between(3, 10) / 10, 0);
                if !trades.is_empty() {
                    return Some(vec![Event::Traded(trades), Event::BookChanged]);
                }
            }
            self.set(side, ticks, 0);
            self.place(side, self.spec.traded.half_spread, chance);
            return Some(vec![Event::BookChanged]);
        }
        None
    }

    /// Lets a maker follow the price where the best quote was left behind by it; `false` if none was.
    fn follow(&mut self, chance: &mut Chance) -> bool {
        let half_spread = self.share(self.spec.traded.half_spread);
        for side in [Side::Bid, Side::Ask] {
            let edge = self.best(side).map(|(ticks, _)| (ticks * FINE - self.seen) * side.away());
            if edge.is_none_or(|edge| edge > half_spread * 13 / 10) && chance.is(750) {
                let distance = self.spec.traded.half_spread * chance.between(92, 108) / 100;
                return self.place(side, distance, chance);
            }
        }
        false
    }

    /// Lets one participant act.
    fn act(&mut self, chance: &mut Chance) -> Vec<Event> {
        if let Some(events) = self.clean(chance) {
            return events;
        }
        if self.follow(chance) {
            return vec![Event::BookChanged];
        }
        let side = if chance.is(500) { Side::Bid } else { Side::Ask };
        let count = self.levels(side).len();
        let what = chance.below(1_000);
        if what < 95 {
            return self.uninformed(chance);
        }
        let is_change = if count < QUOTES.0 || (what < 560 && count < QUOTES.1) {
            self.add(side, chance)
        } else {
            // Most cancels are near the touch, where most quotes are moved.
            let rank = usize::try_from(chance.exponential(7)).unwrap_or(0).min(count - 1);
            self.cancel(side, rank, chance)
        };
        if is_change { vec![Event::BookChanged] } else { Vec::new() }
    }

    /// Lets someone trade who knows nothing; one in sixteen is large.
    fn uninformed(&mut self, chance: &mut Chance) -> Vec<Event> {
        if chance.is(400) {
            self.last_taker = self.last_taker.opposite();
        }
        let scale = if chance.is(60) { 8 } else { 1 };
        let qty = self.qty(self.spec.traded.taker_mean * scale, chance);
        let trades = self.take(self.last_taker, qty, 5 * self.spec.traded.half_spread);
        if trades.is_empty() {
            return Vec::new();
        }
        self.leave_impact(self.last_taker, trades.iter().map(|trade| trade.qty).sum());
        vec![Event::Traded(trades), Event::BookChanged]
    }
}

/// Is the whole market.
pub(crate) struct Market {
    pairs: Vec<Pair>,
    grid: i64,
    news_left: i64,
    news_nano: i64,
}

impl Market {
    /// Begins at an instant in microseconds, with full books.
    pub(crate) fn new(now: i64, chance: &mut Chance) -> Self {
        let pairs = SPECS.iter().map(|spec| Pair::new(spec, chance)).collect();
        Self { pairs, grid: now, news_left: 0, news_nano: 0 }
    }

    /// Gives the market of one instrument.
    pub(crate) fn pair(&self, index: usize) -> Result<&Pair> {
        self.pairs.get(index).with_context(|| format!("no market {index}"))
    }

    /// Moves prices on the grid up to an instant.
    pub(crate) fn advance(&mut self, now: i64, chance: &mut Chance) {
        while self.grid + GRID_US <= now {
            self.grid += GRID_US;
            self.step(chance);
        }
    }

    fn step(&mut self, chance: &mut Chance) {
        if self.news_left == 0 && chance.below(NEWS_STEPS) == 0 {
            let size = chance.between(9_000, 24_000);
            self.news_nano = if chance.is(500) { size } else { -size };
            self.news_left = NEWS_LENGTH;
        }
        let news = if self.news_left > 0 { self.news_nano } else { 0 };
        self.news_left = (self.news_left - 1).max(0);
        let common = chance.normal(COMMON_NANO) + news;
        let moves: Vec<i64> = SPECS
            .iter()
            .map(|spec| common * spec.beta_milli / 1_000 + chance.normal(spec.own_nano))
            .collect();
        let of = |index: usize| moves.get(index).copied().unwrap_or(0);
        for (index, pair) in self.pairs.iter_mut().enumerate() {
            let change = i128::from(pair.target) * i128::from(of(index)) / 1_000_000_000;
            pair.target += i64::try_from(change).unwrap_or(0);
        }
        self.arbitrage();
        for pair in &mut self.pairs {
            pair.seen += (pair.target - pair.seen) / pair.spec.lag;
        }
    }

    /// Lets arbitrage pull spot to the perpetual, less the basis it began with, and the cross to the pairs it is made
    /// of.
    fn arbitrage(&mut self) {
        let of = |index: usize| self.pairs.get(index).map_or(1, |pair| i128::from(pair.target));
        let began = |index: usize| {
            SPECS
                .get(index)
                .map_or(1, |spec| i128::from(spec.traded.start_ticks) * i128::from(FINE))
        };
        let spot = of(PERPETUAL) * began(BTC) / began(PERPETUAL);
        let cross = began(ETH_BTC) * of(ETH) / began(ETH) * began(BTC) / of(BTC).max(1);
        for (index, fair) in [(BTC, spot), (ETH_BTC, cross)] {
            if let Some(pair) = self.pairs.get_mut(index) {
                let gap = i64::try_from(fair).unwrap_or(pair.target) - pair.target;
                pair.target += gap / ARBITRAGE_STEPS;
            }
        }
    }

    /// Lets one participant of one instrument act.
    pub(crate) fn act(&mut self, index: usize, chance: &mut Chance) -> Result<Vec<Event>> {
        spec(index)?;
        Ok(self.pairs.get_mut(index).map_or_else(Vec::new, |pair| pair.act(chance)))
    }
}
