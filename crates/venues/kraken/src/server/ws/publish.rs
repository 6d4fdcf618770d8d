//! Telling: what the desk told accounts and the public, as frames for whoever listens.

use super::{ExecutionsSub, Pen, Sessions, balances, executions, market, slot};
use crate::server::catalogue::PairDef;
use crate::server::desk::{AccountEvent, AccountFact, Desk, PublicFact};
use crate::server::io::{PeerId, ServerOutput};
use crate::server::json::Json;
use crate::server::tape::{Tape, TapeTrade};
use crate::server::ws::book::{self, BookFeed, Change, Levels, settle};
use crate::server::ws::level3::{self, Level3Feed, QueueEvent, Queued, Queues};
use crate::server::ws::market::Bbo;
use crate::server::ws::peer::Topic;
use remora_domain::{Lots, Side, Ticks, Timestamp};
use remora_matching::{MarketIx, OrderNo, TraderIx};
use remora_orderbook::BookLevel;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Is one market's part of the engine, as the book channels read it.
pub(super) struct Engine<'a> {
    pub(super) desk: &'a Desk,
    pub(super) pair: &'a PairDef,
}

impl Levels for Engine<'_> {
    fn best(&self, side: Side, count: usize) -> impl Iterator<Item = BookLevel> {
        let levels = self.desk.exchange().levels(self.pair.market, side, count);
        levels.map(|(ticks, lots)| BookLevel { ticks, lots })
    }
}

impl Queues for Engine<'_> {
    fn queue(&self, side: Side, ticks: Ticks) -> impl Iterator<Item = Queued> {
        let queue = self.desk.exchange().queue(self.pair.market, side, ticks);
        queue.map(|(order, lots)| Queued { order, lots })
    }

    fn write_id(&self, json: &mut Json, order: OrderNo) {
        json.string(self.desk.order_id(order).as_str());
    }

    fn placed(&self, order: OrderNo) -> Option<Timestamp> {
        self.desk.exchange().order(order).map(|view| view.amended)
    }
}

/// Is who listens to a market, and what of the step being published they have not heard yet.
#[derive(Debug, Default)]
pub(super) struct MarketFeed {
    pub(super) book: BookFeed,
    pub(super) level3: Level3Feed,
    trades: BTreeSet<PeerId>,
    /// Tickers after trades.
    ticker: BTreeSet<PeerId>,
    /// Tickers after changes of the best prices.
    quotes: BTreeSet<PeerId>,
    /// By interval in minutes.
    candles: Vec<(u32, BTreeSet<PeerId>)>,
    /// What listeners to quotes heard last.
    bbo: Option<Bbo>,
    step: Step,
}

/// Is what happened to a market in the step being published.
#[derive(Debug, Default)]
struct Step {
    is_open: bool,
    time: Timestamp,
    changes: Vec<Change>,
    events: Vec<QueueEvent>,
    trades: Vec<TapeTrade>,
}

impl MarketFeed {
    /// Adds a subscriber.
    pub(super) fn join(&mut self, topic: Topic, peer: PeerId, choice: u32, engine: &Engine<'_>) {
        match topic {
            Topic::Book(_) => self.book.subscribe(peer, choice, engine),
            Topic::Level3(_) => self.level3.subscribe(peer, choice, engine),
            Topic::Trade(_) => drop(self.trades.insert(peer)),
            Topic::Ticker(_) if choice == 1 => {
                self.quotes.insert(peer);
                self.bbo = Some(Bbo::of(engine.desk.exchange(), engine.pair));
            }
            Topic::Ticker(_) => drop(self.ticker.insert(peer)),
            Topic::Ohlc(_) => {
                let at = self.candles.partition_point(|(interval, _)| *interval < choice);
                if self.candles.get(at).is_none_or(|(interval, _)| *interval != choice) {
                    self.candles.insert(at, (choice, BTreeSet::new()));
                }
                if let Some((_, listeners)) = self.candles.get_mut(at) {
                    listeners.insert(peer);
                }
            }
            Topic::Instrument | Topic::Executions | Topic::Balances => {}
        }
    }

    /// Removes a subscriber.
    pub(super) fn leave(&mut self, topic: Topic, peer: PeerId) {
        match topic {
            Topic::Book(_) => self.book.unsubscribe(peer),
            Topic::Level3(_) => self.level3.unsubscribe(peer),
            Topic::Trade(_) => drop(self.trades.remove(&peer)),
            Topic::Ticker(_) => {
                self.ticker.remove(&peer);
                self.quotes.remove(&peer);
            }
            Topic::Ohlc(_) => {
                for (_, listeners) in &mut self.candles {
                    listeners.remove(&peer);
                }
                self.candles.retain(|(_, listeners)| !listeners.is_empty());
            }
            Topic::Instrument | Topic::Executions | Topic::Balances => {}
        }
    }

    /// Takes a fact; tells whether it is the first of this step that anybody wants to hear.
    fn note(&mut self, time: Timestamp, fact: &PublicFact) -> bool {
        let wants = match *fact {
            PublicFact::Level { side, price, qty, .. } => {
                let wants_book = !self.book.is_idle();
                if wants_book {
                    self.step.changes.push(Change { side, price, qty });
                }
                wants_book || !self.quotes.is_empty()
            }
            PublicFact::Queue { side, price, order, change, qty, .. } => {
                let wants = !self.level3.is_idle();
                if wants {
                    let (ticks, lots) = (Ticks::new(price), Lots::new(qty));
                    self.step.events.push(QueueEvent { side, ticks, order, change, lots });
                }
                wants
            }
            PublicFact::Trade { trade_id, side, price, qty, is_market_order, .. } => {
                let wants =
                    !(self.trades.is_empty() && self.ticker.is_empty() && self.candles.is_empty());
                if wants {
                    let cursor = time.as_ns();
                    self.step.trades.push(TapeTrade {
                        time,
                        cursor,
                        trade_id,
                        side,
                        price,
                        qty,
                        is_market_order,
                    });
                }
                wants
            }
            PublicFact::Instrument(_) | PublicFact::System => false,
        };
        if wants {
            self.step.time = time;
        }
        wants && !std::mem::replace(&mut self.step.is_open, true)
    }

    /// Tells every listener what happened in the step, and ends it.
    fn tell(
        &mut self,
        pen: &mut Pen,
        engine: &Engine<'_>,
        tape: &Tape,
        out: &mut Vec<ServerOutput>,
    ) {
        let (pair, time) = (engine.pair, self.step.time);
        let mut send = |peers: &BTreeSet<PeerId>, text| broadcast(out, peers, &text);
        let json = &mut pen.json;
        if !self.step.trades.is_empty() {
            if !self.trades.is_empty() {
                let text = market::trades(json, "update", pair, self.step.trades.iter());
                send(&self.trades, text);
            }
            if !self.ticker.is_empty() {
                let bbo = Bbo::of(engine.desk.exchange(), pair);
                send(&self.ticker, market::ticker(json, "update", pair, bbo, tape, time));
            }
            for (interval, listeners) in &self.candles {
                let running = tape.candles(pair.market, *interval, time).next_back().into_iter();
                let text = market::candles(json, "update", pair, *interval, running, time);
                send(listeners, text);
            }
        }
        if !self.quotes.is_empty() {
            let bbo = Bbo::of(engine.desk.exchange(), pair);
            if self.bbo.replace(bbo) != Some(bbo) {
                send(&self.quotes, market::ticker(json, "update", pair, bbo, tape, time));
            }
        }
        let printed = market::printed(pair);
        if !self.step.changes.is_empty() {
            settle(&mut self.step.changes);
            let mut frame = book::Frame { json, checksum: &mut pen.checksum, printed, time };
            self.book.step(&self.step.changes, engine, &mut frame, &mut send);
        }
        if !self.step.events.is_empty() {
            let json = &mut pen.json;
            let mut frame = level3::Frame { json, checksum: &mut pen.checksum, printed, time };
            self.level3.step(&self.step.events, engine, &mut frame, &mut send);
        }
        self.step.changes.clear();
        self.step.events.clear();
        self.step.trades.clear();
        self.step.is_open = false;
    }
}

impl Sessions {
    /// Tells everybody what the desk has just told; `public` has been put on the tape before.
    pub(crate) fn publish(
        &mut self,
        now: Timestamp,
        desk: &Desk,
        tape: &Tape,
        account: &[AccountEvent],
        public: &[(Timestamp, PublicFact)],
        out: &mut Vec<ServerOutput>,
    ) {
        self.tell_accounts(now, desk, account, out);
        self.tell_public(desk, tape, public, out);
    }

    fn tell_public(
        &mut self,
        desk: &Desk,
        tape: &Tape,
        public: &[(Timestamp, PublicFact)],
        out: &mut Vec<ServerOutput>,
    ) {
        for (time, fact) in public {
            match *fact {
                PublicFact::Level { market, .. }
                | PublicFact::Queue { market, .. }
                | PublicFact::Trade { market, .. } => {
                    let feed = slot(market).and_then(|slot| self.feeds.get_mut(slot));
                    if feed.is_some_and(|feed| feed.note(*time, fact)) {
                        self.touched.push(market);
                    }
                }
                PublicFact::Instrument(market) => self.tell_instrument(desk, market, out),
                PublicFact::System => self.tell_status(desk, out),
            }
        }
        for market in self.touched.drain(..) {
            let feed = slot(market).and_then(|slot| self.feeds.get_mut(slot));
            if let (Some(feed), Some(pair)) = (feed, desk.catalogue().pair(market)) {
                feed.tell(&mut self.pen, &Engine { desk, pair }, tape, out);
            }
        }
    }

    fn tell_instrument(&mut self, desk: &Desk, market: MarketIx, out: &mut Vec<ServerOutput>) {
        self.instrument_text = None;
        if self.instruments.is_empty() {
            return;
        }
        let pair = desk.catalogue().pair(market).into_iter();
        let text = market::instrument_update(&mut self.pen.json, desk.catalogue(), pair);
        broadcast(out, &self.instruments, &text);
    }

    fn tell_status(&mut self, desk: &Desk, out: &mut Vec<ServerOutput>) {
        let system = desk.system_mode();
        for (id, peer) in self.peers.iter() {
            let text = market::status(&mut self.pen.json, system, peer.connection_id);
            out.push(ServerOutput::WsSend { peer: id, text });
        }
    }

    fn tell_accounts(
        &mut self,
        now: Timestamp,
        desk: &Desk,
        account: &[AccountEvent],
        out: &mut Vec<ServerOutput>,
    ) {
        // The entries of one trade or deposit come in one message.
        let is_together = |a: &AccountEvent, b: &AccountEvent| match (&a.what, &b.what) {
            (AccountFact::Ledger(one), AccountFact::Ledger(other)) => {
                a.trader == b.trader && one.ref_id == other.ref_id
            }
            (_, _) => false,
        };
        for events in account.chunk_by(is_together) {
            match events {
                [first, ..] if matches!(first.what, AccountFact::Ledger(_)) => {
                    self.tell_balances(first.trader, events, out);
                }
                [event, ..] => self.tell_execution(now, desk, event, out),
                [] => {}
            }
        }
    }

    fn tell_balances(
        &mut self,
        trader: TraderIx,
        events: &[AccountEvent],
        out: &mut Vec<ServerOutput>,
    ) {
        for ((_, peer), sequence) in self.balances.range_mut(of_trader(trader)) {
            *sequence += 1;
            let text = numbered(&mut self.pen.json, "balances", "update", *sequence, |json| {
                for event in events {
                    if let AccountFact::Ledger(entry) = &event.what {
                        balances::entry(json, entry);
                    }
                }
            });
            out.push(ServerOutput::WsSend { peer: *peer, text });
        }
    }

    fn tell_execution(
        &mut self,
        now: Timestamp,
        desk: &Desk,
        event: &AccountEvent,
        out: &mut Vec<ServerOutput>,
    ) {
        let mut listeners = self.executions.range_mut(of_trader(event.trader)).peekable();
        if listeners.peek().is_none() {
            return;
        }
        let Pen { json, shared, .. } = &mut self.pen;
        shared.clear();
        let Some(told) = executions::event(shared, desk, event.time, &event.what) else { return };
        for (&(_, peer), sub) in listeners {
            let ExecutionsSub { sequence, is_every_step, has_rate } = sub;
            if !*is_every_step && !told.is_open_or_close {
                continue;
            }
            *sequence += 1;
            let text = numbered(json, "executions", "update", *sequence, |json| {
                json.object(|json| {
                    json.raw(shared.text());
                    if *has_rate {
                        // The name is v1's; v2 does not document one.
                        let count = desk.rate_count(now, event.trader, told.market);
                        json.key("ratecount").number(count);
                    }
                });
            });
            out.push(ServerOutput::WsSend { peer, text });
        }
    }
}

/// Writes a data frame with its number.
pub(super) fn numbered(
    json: &mut Json,
    channel: &str,
    kind: &str,
    sequence: u64,
    items: impl FnOnce(&mut Json),
) -> Arc<str> {
    json.clear();
    json.object(|json| {
        json.key("channel").string(channel);
        json.key("type").string(kind);
        json.key("data").array(items);
        json.key("sequence").number(sequence);
    });
    json.text().into()
}

/// Gives the keys of everybody who listens to an account.
fn of_trader(trader: TraderIx) -> std::ops::RangeInclusive<(TraderIx, PeerId)> {
    (trader, PeerId(0))..=(trader, PeerId(u64::MAX))
}

fn broadcast(out: &mut Vec<ServerOutput>, peers: &BTreeSet<PeerId>, text: &Arc<str>) {
    out.extend(peers.iter().map(|&peer| ServerOutput::WsSend { peer, text: text.clone() }));
}
