//! The market-data session: subscribe, verify, resync, reconnect. `data` turns frames into events.

mod data;
mod symbol;
#[cfg(test)]
mod tests;

use crate::SILENCE_MAX;
use crate::request::Ask;
use crate::selection::{Selection, is_tradable};
use remora_domain::{
    FeedCounters, InstrumentKey, InvalidBook, MarketStatus, SystemStatus, Timestamp,
};
use remora_machine::Machine;
use remora_orderbook::LevelChange;
use remora_venue_api::session::link::{Alarm, Link};
use remora_venue_api::session::published::Times;
use remora_venue_api::session::received::At;
use remora_venue_api::session::resync::{SNAPSHOT_WAIT, Subscription, due};
use remora_venue_api::{
    ConnId, FeedInput, FeedOutput, FeedSession, FeedSettings, MarketEvent, ProblemKind,
};
use std::collections::{BTreeMap, BTreeSet};
use symbol::Symbol;

/// Symbols in one subscription request.
const BATCH: usize = 50;

/// Is the session of one shard of one venue. See the crate's invariants.
///
/// In a recording it sends nothing, opens nothing and watches no silence; frames of any connection count, and
/// a new snapshot heals a book. The depth of a recorded book is the one its subscription or acknowledgement
/// declares; without either it is told from the snapshot (see `undeclared_depth`).
#[derive(Debug)]
pub struct KrakenFeed {
    settings: FeedSettings,
    selection: Selection,
    link: Link,
    /// The number of the last request.
    req_id: u32,
    /// When the definitions must have come, while they are awaited.
    definitions_by: Option<Timestamp>,
    symbols: BTreeMap<String, Symbol>,
    /// Which symbol an instrument came from; two symbols may not share one.
    owners: BTreeMap<InstrumentKey, String>,
    /// The depth each book was subscribed at, from acknowledgements.
    depths: BTreeMap<String, usize>,
    /// Symbols whose subscription has a deadline.
    waiting: BTreeSet<String>,
    status: Option<SystemStatus>,
    frames: u64,
    /// Reused for the changes of each book frame.
    changes: Vec<LevelChange>,
}

impl KrakenFeed {
    /// Makes a session that waits for its start.
    #[must_use]
    pub fn new(settings: FeedSettings) -> Self {
        Self {
            selection: Selection::of(&settings),
            link: Link::new(settings.url.clone(), settings.seed, SILENCE_MAX),
            req_id: 0,
            settings,
            definitions_by: None,
            symbols: BTreeMap::new(),
            owners: BTreeMap::new(),
            depths: BTreeMap::new(),
            waiting: BTreeSet::new(),
            status: None,
            frames: 0,
            changes: Vec::new(),
        }
    }

    fn on_connected(&mut self, conn: ConnId, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if !self.settings.is_recorded && self.link.connected(conn, now, out) {
            self.definitions_by = Some(now.saturating_add(SNAPSHOT_WAIT));
            self.ask(Ask::Instruments, now, out);
        }
    }

    fn on_disconnected(&mut self, conn: ConnId, now: Timestamp, out: &mut Vec<FeedOutput>) {
        let slow = self.status == Some(SystemStatus::Maintenance);
        if self.settings.is_recorded || self.link.disconnected(conn, now, slow) {
            self.drop_books(now, out);
        }
    }

    fn on_session_ended(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if !self.settings.is_recorded {
            self.link.end(now, out);
        }
        for symbol in self.symbols.values_mut() {
            symbol.trades.reset();
        }
        self.drop_books(now, out);
    }

    /// Takes every published book back: nothing is known of the venue any more.
    fn drop_books(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        self.definitions_by = None;
        self.depths.clear();
        self.waiting.clear();
        self.invalidate_all(InvalidBook::Disconnected, now, out);
        for symbol in self.symbols.values_mut() {
            symbol.subscription = Subscription::Off;
        }
        self.set_status(SystemStatus::Disconnected, out);
    }

    fn invalidate_all(&mut self, reason: InvalidBook, now: Timestamp, out: &mut Vec<FeedOutput>) {
        let times = Times { venue: None, receive: now };
        for symbol in self.symbols.values_mut() {
            if symbol.published.is_begun() {
                out.extend(symbol.invalidate(reason, times).map(FeedOutput::Event));
            } else {
                symbol.book.clear();
            }
        }
    }

    fn set_status(&mut self, status: SystemStatus, out: &mut Vec<FeedOutput>) {
        if self.status.replace(status) != Some(status) {
            let venue = self.settings.venue.clone();
            out.push(FeedOutput::Event(MarketEvent::Status(MarketStatus { venue, status })));
        }
    }

    /// Subscribes what is wanted and not yet asked for: the named symbols, or every tradable one.
    fn subscribe_wanted(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if self.settings.is_recorded || !self.link.is_up() {
            return;
        }
        let mut wanted = Vec::new();
        for (name, symbol) in &mut self.symbols {
            let is_wanted = self.selection.is_explicit() || is_tradable(symbol.instrument.status);
            if symbol.subscription == Subscription::Off && is_wanted {
                symbol.subscription = Subscription::asked(now);
                self.waiting.insert(name.clone());
                wanted.push(name.clone());
            }
        }
        let depth = self.settings.depth;
        for symbols in wanted.chunks(BATCH) {
            self.ask(Ask::Book { symbols, depth }, now, out);
        }
        for symbols in wanted.chunks(BATCH) {
            self.ask(Ask::Trades { symbols }, now, out);
        }
        for symbols in wanted.chunks(BATCH) {
            self.ask(Ask::Tickers { symbols }, now, out);
        }
    }

    /// Plans to fetch the book of one symbol again, at once or when its pause is over.
    fn resync(&mut self, name: &str, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if self.settings.is_recorded || !self.link.is_up() {
            return;
        }
        let Some(symbol) = self.symbols.get_mut(name) else { return };
        if symbol.subscription.plan(&mut symbol.pause, now) {
            self.waiting.insert(name.to_owned());
        }
        self.resync_due(name, now, out);
    }

    fn resync_due(&mut self, name: &str, now: Timestamp, out: &mut Vec<FeedOutput>) {
        let is_busy = self.link.is_busy();
        let Some(symbol) = self.symbols.get_mut(name) else { return };
        if symbol.subscription.ask_again(is_busy, now) {
            let symbols = [name.to_owned()];
            let depth = self.settings.depth;
            self.ask(Ask::EndBook { symbols: &symbols, depth }, now, out);
            self.ask(Ask::Book { symbols: &symbols, depth }, now, out);
        }
    }

    /// Attends to the symbols whose snapshot did not come or whose pause is over.
    fn tick_symbols(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if !self.link.is_up() {
            return self.waiting.clear(); // the next connection begins anew
        }
        let deadline = |name: &String| self.symbols.get(name)?.subscription.deadline();
        let names = due(&self.waiting, deadline, now);
        for name in names {
            let Some(symbol) = self.symbols.get(&name) else {
                self.waiting.remove(&name);
                continue;
            };
            match symbol.subscription {
                Subscription::Asked { .. } => {
                    let key = symbol.instrument.key.clone();
                    let detail =
                        format!("no book snapshot of {name} within {} ms", SNAPSHOT_WAIT.as_ms());
                    out.push(self.problem(ProblemKind::Silent, Some(key), detail));
                    self.resync(&name, now, out);
                }
                Subscription::Cooling { .. } => self.resync_due(&name, now, out),
                Subscription::Off | Subscription::On => {
                    self.waiting.remove(&name);
                }
            }
        }
    }

    fn tick_link(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if self.definitions_by.is_some_and(|by| by <= now) {
            self.definitions_by = None;
            let detail =
                format!("no definitions within {} ms: reconnecting", SNAPSHOT_WAIT.as_ms());
            out.push(self.problem(ProblemKind::Silent, None, detail));
            self.link.close(now, out);
        }
        match self.link.tick(now, out) {
            Alarm::None => {}
            Alarm::Silent => {
                let detail = "neither data nor heartbeat for 10 s: reconnecting".to_owned();
                out.push(self.problem(ProblemKind::Silent, None, detail));
                self.definitions_by = None;
                self.waiting.clear();
                self.invalidate_all(InvalidBook::Silent, now, out);
            }
            Alarm::Gone => self.on_disconnected(self.link.conn(), now, out),
            Alarm::Ping => self.ask(Ask::Ping, now, out),
        }
    }

    fn ask(&mut self, ask: Ask<'_>, now: Timestamp, out: &mut Vec<FeedOutput>) {
        self.req_id = (self.req_id + 1) & 0x3FFF_FFFF;
        self.link.send(ask.text(self.req_id), now, out);
    }

    fn problem(
        &self,
        kind: ProblemKind,
        instrument: Option<InstrumentKey>,
        detail: String,
    ) -> FeedOutput {
        FeedOutput::problem(kind, instrument, self.link.conn(), detail)
    }
}

impl Machine for KrakenFeed {
    type Input = FeedInput;
    type Output = FeedOutput;

    fn handle(&mut self, now: Timestamp, input: FeedInput, out: &mut Vec<FeedOutput>) {
        match input {
            FeedInput::Start => {
                if !self.settings.is_recorded {
                    self.link.start(now, out);
                }
            }
            FeedInput::Connected { conn } => self.on_connected(conn, now, out),
            FeedInput::Frame { conn, receive_time, text } => {
                if self.settings.is_recorded || self.link.heard(conn, now) {
                    self.on_frame(At { conn, receive: receive_time, now }, &text, out);
                }
            }
            FeedInput::Disconnected { conn, detail: _ } => self.on_disconnected(conn, now, out),
            FeedInput::SessionEnded => self.on_session_ended(now, out),
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if !self.settings.is_recorded {
            self.tick_link(now, out);
            self.tick_symbols(now, out);
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        if self.settings.is_recorded {
            return None;
        }
        let symbols = self.waiting.iter().filter_map(|name| self.symbols.get(name)?.deadline());
        symbols.chain(self.link.next_deadline()).chain(self.definitions_by).min()
    }
}

impl FeedSession for KrakenFeed {
    fn counters(&self) -> BTreeMap<InstrumentKey, FeedCounters> {
        let is_heard = |symbol: &&Symbol| symbol.counters != FeedCounters::default();
        let heard = self.symbols.values().filter(is_heard);
        heard.map(|symbol| (symbol.instrument.key.clone(), symbol.counters)).collect()
    }

    fn counters_of(&self, instrument: &InstrumentKey) -> FeedCounters {
        let symbol = self.owners.get(instrument).and_then(|name| self.symbols.get(name));
        symbol.map_or_else(FeedCounters::default, |symbol| symbol.counters)
    }
}
