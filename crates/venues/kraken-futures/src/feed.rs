//! The market-data session: ask for definitions, subscribe, verify, resync, reconnect. `data` turns frames into events.

mod data;
mod definitions;
mod product;
#[cfg(test)]
mod tests;

use crate::request::Ask;
use definitions::{Definitions, Due};
use product::Product;
use remora_domain::{
    DurationNs, FeedCounters, InstrumentKey, InvalidBook, MarketStatus, SystemStatus, Timestamp,
};
use remora_machine::Machine;
use remora_venue_api::session::link::{Alarm, Link};
use remora_venue_api::session::published::Times;
use remora_venue_api::session::received::At;
use remora_venue_api::session::resync::{SNAPSHOT_WAIT, Subscription, due};
use remora_venue_api::session::selection::{Selection, is_tradable};
use remora_venue_api::{
    ConnId, FeedInput, FeedOutput, FeedSession, FeedSettings, MarketEvent, ProblemKind,
};
use std::collections::{BTreeMap, BTreeSet};

/// Contracts in one subscription request.
const BATCH: usize = 50;
/// The venue sends heartbeats and does not say how often: no frame for this long is a dead connection. The sockets below send
/// a ping of the protocol after less, which the venue wants once a minute.
const SILENCE_MAX: DurationNs = DurationNs::from_s(30);

/// Is the session of one shard of the venue. See the crate's invariants.
///
/// In a recording it sends nothing, opens nothing and watches no silence; frames of any connection count, and a new snapshot
/// heals a book.
#[derive(Debug)]
pub struct KrakenFuturesFeed {
    settings: FeedSettings,
    selection: Selection,
    link: Link,
    definitions: Definitions,
    /// By symbol in upper case.
    products: BTreeMap<String, Product>,
    /// Which product an instrument came from; two may not share one.
    owners: BTreeMap<InstrumentKey, String>,
    /// Products whose subscription has a deadline.
    waiting: BTreeSet<String>,
    status: Option<SystemStatus>,
    frames: u64,
}

impl KrakenFuturesFeed {
    /// Makes a session that waits for its start.
    #[must_use]
    pub fn new(settings: FeedSettings) -> Self {
        let folded = |symbols: &BTreeSet<String>| symbols.iter().map(|name| fold(name)).collect();
        let symbols = settings.symbols.as_ref().map(folded);
        Self {
            selection: Selection::of(&FeedSettings { symbols, ..settings.clone() }),
            link: Link::new(settings.url.clone(), settings.seed, SILENCE_MAX),
            definitions: Definitions::of_feed(&settings.url),
            settings,
            products: BTreeMap::new(),
            owners: BTreeMap::new(),
            waiting: BTreeSet::new(),
            status: None,
            frames: 0,
        }
    }

    fn on_connected(&mut self, conn: ConnId, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if !self.settings.is_recorded && self.link.connected(conn, now, out) {
            self.ask(Ask::Heartbeat, now, out);
            self.subscribe_wanted(now, out);
        }
    }

    fn on_disconnected(
        &mut self,
        conn: ConnId,
        detail: &str,
        now: Timestamp,
        out: &mut Vec<FeedOutput>,
    ) {
        if conn == definitions::CONN && !self.settings.is_recorded {
            self.definitions.failed(now);
            let detail = format!("definitions: {detail}");
            out.push(FeedOutput::problem(ProblemKind::RequestRefused, None, conn, detail));
        } else if self.settings.is_recorded || self.link.disconnected(conn, now, false) {
            self.drop_books(now, out);
        }
    }

    fn on_session_ended(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if !self.settings.is_recorded {
            self.link.end(now, out);
            self.definitions.end();
        }
        for product in self.products.values_mut() {
            product.trades.reset();
        }
        self.drop_books(now, out);
    }

    /// Takes every published book back: nothing is known of the venue any more.
    fn drop_books(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        self.waiting.clear();
        self.invalidate_all(InvalidBook::Disconnected, now, out);
        for product in self.products.values_mut() {
            product.subscription = Subscription::Off;
        }
        self.set_status(SystemStatus::Disconnected, out);
    }

    fn invalidate_all(&mut self, reason: InvalidBook, now: Timestamp, out: &mut Vec<FeedOutput>) {
        let times = Times { venue: None, receive: now };
        for product in self.products.values_mut() {
            if product.published.is_begun() {
                out.extend(product.invalidate(reason, times).map(FeedOutput::Event));
            } else {
                product.clear();
            }
        }
    }

    fn set_status(&mut self, status: SystemStatus, out: &mut Vec<FeedOutput>) {
        if self.status.replace(status) != Some(status) {
            let venue = self.settings.venue.clone();
            out.push(FeedOutput::Event(MarketEvent::Status(MarketStatus { venue, status })));
        }
    }

    /// Subscribes what is wanted and not yet asked for: the named contracts, or every tradable one.
    fn subscribe_wanted(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if self.settings.is_recorded || !self.link.is_up() {
            return;
        }
        let mut wanted = Vec::new();
        for (name, product) in &mut self.products {
            let is_wanted = self.selection.is_explicit() || is_tradable(product.instrument.status);
            if product.subscription == Subscription::Off && is_wanted {
                product.subscription = Subscription::asked(now);
                self.waiting.insert(name.clone());
                wanted.push(product.instrument.symbol.clone());
            }
        }
        for products in wanted.chunks(BATCH) {
            self.ask(Ask::Book(products), now, out);
        }
        for products in wanted.chunks(BATCH) {
            self.ask(Ask::Trades(products), now, out);
        }
        for products in wanted.chunks(BATCH) {
            self.ask(Ask::Tickers(products), now, out);
        }
    }

    /// Plans to fetch the book of one contract again, at once or when its pause is over.
    fn resync(&mut self, name: &str, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if self.settings.is_recorded || !self.link.is_up() {
            return;
        }
        let Some(product) = self.products.get_mut(name) else { return };
        if product.subscription.plan(&mut product.pause, now) {
            self.waiting.insert(name.to_owned());
        }
        self.resync_due(name, now, out);
    }

    fn resync_due(&mut self, name: &str, now: Timestamp, out: &mut Vec<FeedOutput>) {
        let is_busy = self.link.is_busy();
        let Some(product) = self.products.get_mut(name) else { return };
        if product.subscription.ask_again(is_busy, now) {
            let symbols = [product.instrument.symbol.clone()];
            self.ask(Ask::EndBook(&symbols), now, out);
            self.ask(Ask::Book(&symbols), now, out);
        }
    }

    /// Attends to the contracts whose snapshot did not come or whose pause is over.
    fn tick_products(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if !self.link.is_up() {
            return self.waiting.clear(); // the next connection begins anew
        }
        let deadline = |name: &String| self.products.get(name)?.subscription.deadline();
        let names = due(&self.waiting, deadline, now);
        for name in names {
            let Some(product) = self.products.get(&name) else {
                self.waiting.remove(&name);
                continue;
            };
            match product.subscription {
                Subscription::Asked { .. } => {
                    let key = product.instrument.key.clone();
                    let wait = SNAPSHOT_WAIT.as_ms();
                    let detail = format!("no book snapshot of {name} within {wait} ms");
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

    fn tick_definitions(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        match self.definitions.tick(now) {
            Due::Nothing => {}
            Due::Ask { url } => out.push(FeedOutput::Connect { conn: definitions::CONN, url }),
            Due::NoAnswer => {
                let detail = "no definitions: asking again".to_owned();
                out.push(FeedOutput::problem(ProblemKind::Silent, None, definitions::CONN, detail));
            }
        }
    }

    fn tick_link(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        match self.link.tick(now, out) {
            // The venue has no ping of its own.
            Alarm::None | Alarm::Ping => {}
            Alarm::Silent => {
                let s = SILENCE_MAX.as_ms() / 1_000;
                let detail = format!("neither data nor heartbeat for {s} s: reconnecting");
                out.push(self.problem(ProblemKind::Silent, None, detail));
                self.waiting.clear();
                self.invalidate_all(InvalidBook::Silent, now, out);
            }
            Alarm::Gone => self.on_disconnected(self.link.conn(), "", now, out),
        }
    }

    fn ask(&mut self, ask: Ask<'_>, now: Timestamp, out: &mut Vec<FeedOutput>) {
        self.link.send(ask.text(), now, out);
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

impl Machine for KrakenFuturesFeed {
    type Input = FeedInput;
    type Output = FeedOutput;

    fn handle(&mut self, now: Timestamp, input: FeedInput, out: &mut Vec<FeedOutput>) {
        let is_recorded = self.settings.is_recorded;
        match input {
            FeedInput::Start => {
                if !is_recorded && self.definitions.start(now) {
                    self.link.start(now, out);
                    self.tick_definitions(now, out);
                }
            }
            FeedInput::Connected { conn } => self.on_connected(conn, now, out),
            FeedInput::Frame { conn, receive_time, text } => {
                let is_answer = conn == definitions::CONN && self.definitions.is_asked();
                if is_recorded || is_answer || self.link.heard(conn, now) {
                    self.on_frame(At { conn, receive: receive_time, now }, &text, out);
                }
            }
            FeedInput::Disconnected { conn, detail } => {
                self.on_disconnected(conn, &detail, now, out);
            }
            FeedInput::SessionEnded => self.on_session_ended(now, out),
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if !self.settings.is_recorded {
            self.tick_definitions(now, out);
            self.tick_link(now, out);
            self.tick_products(now, out);
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        if self.settings.is_recorded {
            return None;
        }
        let deadline = |name: &String| self.products.get(name)?.subscription.deadline();
        let products = self.waiting.iter().filter_map(deadline);
        products.chain(self.link.next_deadline()).chain(self.definitions.next_deadline()).min()
    }
}

impl FeedSession for KrakenFuturesFeed {
    fn counters(&self) -> BTreeMap<InstrumentKey, FeedCounters> {
        let is_heard = |product: &&Product| product.counters != FeedCounters::default();
        let heard = self.products.values().filter(is_heard);
        heard.map(|product| (product.instrument.key.clone(), product.counters)).collect()
    }

    fn counters_of(&self, instrument: &InstrumentKey) -> FeedCounters {
        let product = self.owners.get(instrument).and_then(|name| self.products.get(name));
        product.map_or_else(FeedCounters::default, |product| product.counters)
    }
}

/// Gives the form in which symbols are compared: old definitions are in lower case, frames in upper case, shares in both.
fn fold(symbol: &str) -> String {
    symbol.to_ascii_uppercase()
}
