//! The book channel of one market: what a client at each depth holds, and the frame that brings it up to date.
//!
//! In: level changes of one step of the engine, and the engine's best levels. Out: one text for every subscriber of
//! a depth.
//!
//! Invariants: after each step a window is exactly the best `depth` levels a side of the engine's book. A frame
//! names the levels that changed inside the window and those that entered it at the bottom because others went;
//! levels that left it at the bottom are not named (the client cuts). The checksum covers the ten best levels, so
//! it is one for all depths.
//! Source: Kraken WebSocket v2, channel "book" and guide "Book checksum" (checked June 2026).

use crate::server::date::Rfc3339;
use crate::server::io::PeerId;
use crate::server::json::{Fixed, Json};
use crate::server::ws::depths::Depths;
use remora_domain::{Lots, Side, Ticks, Timestamp};
use remora_orderbook::{BookLevel, Checksum};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many levels a side a checksum covers.
pub(crate) const CHECKED: usize = 10;

/// Is a market as its texts need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printed<'a> {
    /// v2 symbol.
    pub(crate) symbol: &'a str,
    /// Decimals of prices.
    pub(crate) price_decimals: u32,
    /// Decimals of quantities.
    pub(crate) qty_decimals: u32,
}

impl Printed<'_> {
    pub(crate) fn price(&self, units: i64) -> Fixed {
        Fixed::new(units, self.price_decimals)
    }

    pub(crate) fn qty(&self, units: i64) -> Fixed {
        Fixed::new(units, self.qty_decimals)
    }
}

/// Gives the engine's levels of a side, best first.
pub(crate) trait Levels {
    /// Gives at most `count` levels from the best.
    fn best(&self, side: Side, count: usize) -> impl Iterator<Item = BookLevel>;
}

/// Is a changed level: its price, and its quantity now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Of which side.
    pub(crate) side: Side,
    /// At which price, in units.
    pub(crate) price: i64,
    /// What is there now, in units; 0 when gone.
    pub(crate) qty: i64,
}

/// Puts changes in the order of their prices and keeps the last of each price.
pub(crate) fn settle(changes: &mut Vec<Change>) {
    if changes.len() > 1 {
        // Turned round, the last change of a price comes first; the sort keeps that, and the first one stays.
        changes.reverse();
        changes.sort_by_key(|change| (change.side == Side::Sell, change.price));
        changes.dedup_by_key(|change| (change.side, change.price));
    }
}

/// Is one side as a client at one depth holds it; the best level is the last.
#[derive(Debug)]
struct Window {
    side: Side,
    depth: usize,
    levels: Vec<BookLevel>,
    /// What the client must hear of this step.
    news: Vec<BookLevel>,
}

impl Window {
    fn new(side: Side, depth: usize, engine: &impl Levels) -> Self {
        let mut levels: Vec<_> = engine.best(side, depth).collect();
        levels.reverse();
        Self { side, depth, levels, news: Vec::new() }
    }

    /// Takes the changes of one step; afterwards `news` holds what the client must hear.
    fn step(&mut self, changes: &[Change], engine: &impl Levels) {
        self.news.clear();
        // What lies behind a full window is not known here: levels there count only once the engine is asked.
        let edge =
            self.levels.first().filter(|_| self.levels.len() >= self.depth).map(|at| at.ticks);
        let side = self.side;
        for change in changes.iter().filter(|change| change.side == side) {
            let (ticks, lots) = (Ticks::new(change.price), Lots::new(change.qty));
            if edge.is_none_or(|edge| !is_worse(side, ticks, edge)) {
                self.set(BookLevel { ticks, lots });
            }
        }
        self.cut();
        if edge.is_some() && self.levels.len() < self.depth {
            self.refill(engine);
        }
    }

    fn set(&mut self, level: BookLevel) {
        let side = self.side;
        let at = self.levels.partition_point(|held| is_worse(side, held.ticks, level.ticks));
        let is_gone = level.lots == Lots::ZERO;
        match self.levels.get_mut(at).filter(|held| held.ticks == level.ticks) {
            Some(held) if held.lots == level.lots => return,
            Some(_) if is_gone => {
                self.levels.remove(at);
            }
            Some(held) => held.lots = level.lots,
            None if is_gone => return,
            None => self.levels.insert(at, level),
        }
        self.news.push(level);
    }

    /// Drops what is behind the depth; a client that never saw it need not hear of it.
    fn cut(&mut self) {
        let excess = self.levels.len().saturating_sub(self.depth);
        if excess > 0 {
            self.levels.drain(..excess);
            if let Some(edge) = self.levels.first().map(|at| at.ticks) {
                let side = self.side;
                self.news.retain(|at| at.lots == Lots::ZERO || !is_worse(side, at.ticks, edge));
            }
        }
    }

    fn refill(&mut self, engine: &impl Levels) {
        let held = self.levels.len();
        let entering = engine.best(self.side, self.depth).skip(held);
        let known = self.news.len();
        self.news.extend(entering);
        let entered = self.news.get(known..).unwrap_or(&[]);
        self.levels.splice(..0, entered.iter().rev().copied());
    }

    fn best_first(&self) -> impl Iterator<Item = BookLevel> + '_ {
        self.levels.iter().rev().copied()
    }
}

/// Tells whether price `a` is worse than `b` for somebody trading against the side.
fn is_worse(side: Side, a: Ticks, b: Ticks) -> bool {
    match side {
        Side::Buy => a < b,
        Side::Sell => a > b,
    }
}

/// Is the book at one depth.
#[derive(Debug)]
struct Windows {
    bids: Window,
    asks: Window,
}

impl Windows {
    /// Tells whether the client must hear of this step.
    fn has_news(&self) -> bool {
        !self.bids.news.is_empty() || !self.asks.news.is_empty()
    }
}

/// Is the book channel of one market.
#[derive(Debug, Default)]
pub(crate) struct BookFeed {
    depths: Depths<Windows>,
    /// Of the ten best levels; none when it must be computed.
    checksum: Option<u32>,
}

impl BookFeed {
    /// Tells whether anybody listens.
    pub(crate) fn is_idle(&self) -> bool {
        self.depths.is_idle()
    }

    /// Adds a subscriber.
    pub(crate) fn subscribe(&mut self, peer: PeerId, depth: u32, engine: &impl Levels) {
        self.depths.subscribe(peer, depth, |levels| Windows {
            bids: Window::new(Side::Buy, levels, engine),
            asks: Window::new(Side::Sell, levels, engine),
        });
    }

    /// Takes a subscriber out of every depth.
    pub(crate) fn unsubscribe(&mut self, peer: PeerId) {
        self.depths.unsubscribe(peer);
        if self.depths.is_idle() {
            self.checksum = None;
        }
    }

    /// Brings every depth up to date and gives each one's frame to `send`.
    pub(crate) fn step(
        &mut self,
        changes: &[Change],
        engine: &impl Levels,
        frame: &mut Frame<'_>,
        mut send: impl FnMut(&BTreeSet<PeerId>, Arc<str>),
    ) {
        for at in self.depths.iter_mut() {
            at.windows.bids.step(changes, engine);
            at.windows.asks.step(changes, engine);
        }
        // The shallowest window has all that the checksum covers.
        if self.depths.shallowest().is_some_and(Windows::has_news) {
            self.checksum = None;
        }
        if self.depths.iter().any(|at| at.windows.has_news()) {
            let checksum = self.crc(frame.checksum);
            for at in self.depths.iter().filter(|at| at.windows.has_news()) {
                send(&at.subscribers, frame.update(&at.windows, checksum));
            }
        }
    }

    /// Writes the snapshot of one depth that has a subscriber.
    pub(crate) fn snapshot(&mut self, depth: u32, frame: &mut Frame<'_>) -> Option<Arc<str>> {
        let checksum = self.crc(frame.checksum);
        Some(frame.snapshot(self.depths.windows(depth)?, checksum))
    }

    fn crc(&mut self, checksum: &mut Checksum) -> u32 {
        if let Some(known) = self.checksum {
            return known;
        }
        let computed = self.depths.shallowest().map_or(0, |at| {
            checksum.of(at.asks.best_first().take(CHECKED), at.bids.best_first().take(CHECKED))
        });
        self.checksum = Some(computed);
        computed
    }
}

/// Is what writing a frame needs.
pub(crate) struct Frame<'a> {
    pub(crate) json: &'a mut Json,
    pub(crate) checksum: &'a mut Checksum,
    pub(crate) printed: Printed<'a>,
    pub(crate) time: Timestamp,
}

impl Frame<'_> {
    fn snapshot(&mut self, at: &Windows, checksum: u32) -> Arc<str> {
        self.write("snapshot", at.bids.best_first(), at.asks.best_first(), checksum)
    }

    fn update(&mut self, at: &Windows, checksum: u32) -> Arc<str> {
        let (bids, asks) = (at.bids.news.iter().copied(), at.asks.news.iter().copied());
        self.write("update", bids, asks, checksum)
    }

    fn write(
        &mut self,
        kind: &str,
        bids: impl Iterator<Item = BookLevel>,
        asks: impl Iterator<Item = BookLevel>,
        checksum: u32,
    ) -> Arc<str> {
        let (printed, time) = (self.printed, self.time);
        data(self.json, "book", kind, |json| {
            json.object(|json| {
                json.key("symbol").string(printed.symbol);
                json.key("bids").array(|json| levels(json, printed, bids));
                json.key("asks").array(|json| levels(json, printed, asks));
                json.key("checksum").number(checksum);
                json.key("timestamp").quoted(Rfc3339::micros(time));
            });
        })
    }
}

fn levels(json: &mut Json, printed: Printed<'_>, levels: impl Iterator<Item = BookLevel>) {
    for level in levels {
        json.object(|json| {
            json.key("price").number(printed.price(level.ticks.get()));
            json.key("qty").number(printed.qty(level.lots.get()));
        });
    }
}

/// Writes a data frame with a list of items.
pub(crate) fn data(
    json: &mut Json,
    channel: &str,
    kind: &str,
    items: impl FnOnce(&mut Json),
) -> Arc<str> {
    json.clear();
    json.object(|json| {
        json.key("channel").string(channel);
        json.key("type").string(kind);
        json.key("data").array(items);
    });
    json.text().into()
}

#[cfg(test)]
mod tests;
