//! The order-level book of one market: every order of the best price levels, in queue order.
//!
//! In: changes of queues of one step of the engine, and the engine's queues. Out: one text for every subscriber of a
//! depth (counted in price levels).
//!
//! Rules: orders of a level that becomes visible because others went arrive as `add`; levels pushed out at the
//! bottom get no `delete`; the checksum covers every order of the ten best levels, in queue order.
//! Source: Kraken WebSocket v2, channel "level3" and guide "L3 checksum" (checked June 2026).

use crate::server::date::Rfc3339;
use crate::server::io::PeerId;
use crate::server::json::Json;
use crate::server::ws::book::{CHECKED, Levels, Printed, data};
use crate::server::ws::depths::Depths;
use remora_domain::{Lots, Side, Ticks, Timestamp};
use remora_matching::{OrderNo, QueueChange};
use remora_orderbook::{BookLevel, Checksum};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Is one order of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queued {
    /// Which.
    pub(crate) order: OrderNo,
    /// What it shows.
    pub(crate) lots: Lots,
}

/// Gives the engine's queues and what is told of an order.
pub(crate) trait Queues: Levels {
    /// Gives the orders at a price, front first.
    fn queue(&self, side: Side, ticks: Ticks) -> impl Iterator<Item = Queued>;
    /// Writes the venue's id of an order.
    fn write_id(&self, json: &mut Json, order: OrderNo);
    /// Gives when an order took its place; none for one that is gone.
    fn placed(&self, order: OrderNo) -> Option<Timestamp>;
}

/// Is a changed order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueEvent {
    /// Which side of the book.
    pub(crate) side: Side,
    /// At which price.
    pub(crate) ticks: Ticks,
    /// Which order.
    pub(crate) order: OrderNo,
    /// How it changed.
    pub(crate) change: QueueChange,
    /// What it shows now.
    pub(crate) lots: Lots,
}

/// Is one side as a client at one depth holds it: the prices of its levels, best first.
#[derive(Debug)]
struct Prices {
    side: Side,
    seen: Vec<Ticks>,
    /// Levels that became visible in this step.
    entered: Vec<Ticks>,
}

impl Prices {
    fn new(side: Side, depth: usize, engine: &impl Levels) -> Self {
        let seen = engine.best(side, depth).map(|level| level.ticks).collect();
        Self { side, seen, entered: Vec::new() }
    }

    fn holds(&self, ticks: Ticks) -> bool {
        let found = match self.side {
            Side::Buy => self.seen.binary_search_by(|held| ticks.cmp(held)),
            Side::Sell => self.seen.binary_search(&ticks),
        };
        found.is_ok()
    }

    /// Finds the levels that are new; `commit` makes them seen.
    fn look(&mut self, depth: usize, engine: &impl Levels) {
        self.entered.clear();
        for level in engine.best(self.side, depth) {
            if !self.holds(level.ticks) {
                self.entered.push(level.ticks);
            }
        }
    }

    fn commit(&mut self, depth: usize, engine: &impl Levels) {
        self.seen.clear();
        self.seen.extend(engine.best(self.side, depth).map(|level| level.ticks));
    }
}

/// Is the order-level book at one depth.
#[derive(Debug)]
struct Windows {
    levels: usize,
    bids: Prices,
    asks: Prices,
}

impl Windows {
    fn has_news(&self, events: &[QueueEvent]) -> bool {
        let is_seen = |event: &QueueEvent| match event.side {
            Side::Buy => self.bids.holds(event.ticks),
            Side::Sell => self.asks.holds(event.ticks),
        };
        !self.bids.entered.is_empty() || !self.asks.entered.is_empty() || events.iter().any(is_seen)
    }
}

/// Is the level3 channel of one market.
#[derive(Debug, Default)]
pub(crate) struct Level3Feed {
    depths: Depths<Windows>,
}

/// Is what writing a frame needs.
pub(crate) struct Frame<'a> {
    pub(crate) json: &'a mut Json,
    pub(crate) checksum: &'a mut Checksum,
    pub(crate) printed: Printed<'a>,
    pub(crate) time: Timestamp,
}

impl Level3Feed {
    /// Tells whether anybody listens.
    pub(crate) fn is_idle(&self) -> bool {
        self.depths.is_idle()
    }

    /// Adds a subscriber.
    pub(crate) fn subscribe(&mut self, peer: PeerId, depth: u32, engine: &impl Levels) {
        self.depths.subscribe(peer, depth, |levels| Windows {
            levels,
            bids: Prices::new(Side::Buy, levels, engine),
            asks: Prices::new(Side::Sell, levels, engine),
        });
    }

    /// Takes a subscriber out of every depth.
    pub(crate) fn unsubscribe(&mut self, peer: PeerId) {
        self.depths.unsubscribe(peer);
    }

    /// Brings every depth up to date and gives each one's frame to `send`.
    pub(crate) fn step(
        &mut self,
        events: &[QueueEvent],
        engine: &impl Queues,
        frame: &mut Frame<'_>,
        mut send: impl FnMut(&BTreeSet<PeerId>, Arc<str>),
    ) {
        let mut checksum = None;
        for at in self.depths.iter_mut() {
            let windows = &mut at.windows;
            windows.bids.look(windows.levels, engine);
            windows.asks.look(windows.levels, engine);
            if windows.has_news(events) {
                let checksum = *checksum.get_or_insert_with(|| crc(frame.checksum, engine));
                send(&at.subscribers, frame.update(windows, events, engine, checksum));
            }
            windows.bids.commit(windows.levels, engine);
            windows.asks.commit(windows.levels, engine);
        }
    }

    /// Writes the snapshot of one depth that has a subscriber.
    pub(crate) fn snapshot(
        &self,
        depth: u32,
        engine: &impl Queues,
        frame: &mut Frame<'_>,
    ) -> Option<Arc<str>> {
        let windows = self.depths.windows(depth)?;
        let checksum = crc(frame.checksum, engine);
        Some(frame.snapshot(windows, engine, checksum))
    }
}

/// Computes the checksum of every order of the ten best levels a side.
fn crc(checksum: &mut Checksum, engine: &impl Queues) -> u32 {
    let orders = |side| {
        engine.best(side, CHECKED).flat_map(move |level| {
            let ticks = level.ticks;
            engine.queue(side, ticks).map(move |order| BookLevel { ticks, lots: order.lots })
        })
    };
    checksum.of(orders(Side::Sell), orders(Side::Buy))
}

impl Frame<'_> {
    fn snapshot(&mut self, windows: &Windows, engine: &impl Queues, checksum: u32) -> Arc<str> {
        let (printed, time) = (self.printed, self.time);
        self.write(
            "snapshot",
            checksum,
            |json, prices| {
                for &ticks in &prices.seen {
                    level(json, printed, engine, prices.side, ticks, time, None);
                }
            },
            windows,
        )
    }

    fn update(
        &mut self,
        windows: &Windows,
        events: &[QueueEvent],
        engine: &impl Queues,
        checksum: u32,
    ) -> Arc<str> {
        let (printed, time) = (self.printed, self.time);
        self.write(
            "update",
            checksum,
            |json, prices| {
                for event in events.iter().filter(|event| event.side == prices.side) {
                    // A level that is new to the client arrives whole, below.
                    if prices.holds(event.ticks) {
                        let placed =
                            engine.placed(event.order).filter(|_| event.change == QueueChange::Add);
                        let queued = Queued { order: event.order, lots: event.lots };
                        let word = Some(change(event.change));
                        let at = placed.unwrap_or(time);
                        order(json, printed, engine, event.ticks, queued, at, word);
                    }
                }
                for &ticks in &prices.entered {
                    level(json, printed, engine, prices.side, ticks, time, Some("add"));
                }
            },
            windows,
        )
    }

    fn write(
        &mut self,
        kind: &str,
        checksum: u32,
        side: impl Fn(&mut Json, &Prices),
        windows: &Windows,
    ) -> Arc<str> {
        let (printed, time) = (self.printed, self.time);
        data(self.json, "level3", kind, |json| {
            json.object(|json| {
                json.key("symbol").string(printed.symbol);
                json.key("bids").array(|json| side(json, &windows.bids));
                json.key("asks").array(|json| side(json, &windows.asks));
                json.key("checksum").number(checksum);
                json.key("timestamp").quoted(Rfc3339::nanos(time));
            });
        })
    }
}

const fn change(change: QueueChange) -> &'static str {
    match change {
        QueueChange::Add => "add",
        QueueChange::Modify => "modify",
        QueueChange::Delete => "delete",
    }
}

/// Writes every order of a level; `time` stands in for an order whose own is not known.
fn level(
    json: &mut Json,
    printed: Printed<'_>,
    engine: &impl Queues,
    side: Side,
    ticks: Ticks,
    time: Timestamp,
    event: Option<&str>,
) {
    for queued in engine.queue(side, ticks) {
        let at = engine.placed(queued.order).unwrap_or(time);
        order(json, printed, engine, ticks, queued, at, event);
    }
}

fn order(
    json: &mut Json,
    printed: Printed<'_>,
    engine: &impl Queues,
    ticks: Ticks,
    queued: Queued,
    time: Timestamp,
    event: Option<&str>,
) {
    json.object(|json| {
        if let Some(event) = event {
            json.key("event").string(event);
        }
        engine.write_id(json.key("order_id"), queued.order);
        json.key("limit_price").number(printed.price(ticks.get()));
        json.key("order_qty").number(printed.qty(queued.lots.get()));
        json.key("timestamp").quoted(Rfc3339::nanos(time));
    });
}

#[cfg(test)]
pub(crate) mod tests;
