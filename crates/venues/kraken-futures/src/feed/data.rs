//! What frames mean for the session.

use super::product::Product;
use super::{At, KrakenFuturesFeed, definitions, fold};
use crate::definition::{self, Origin};
use crate::frame::{About, Change, Frame, Snapshot, TickerItem, TradeItem, about, decode};
use crate::ticker;
use remora_domain::{
    Instrument, InstrumentStatus, InvalidBook, MarketTrade, QuantiseError, SystemStatus, Timestamp,
};
use remora_orderbook::{BookError, Sequenced, Verify};
use remora_venue_api::session::error::{FrameError, chain, excerpt};
use remora_venue_api::session::resync::Subscription;
use remora_venue_api::{FeedOutput, MarketEvent, ProblemKind};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeSet;

impl KrakenFuturesFeed {
    pub(super) fn on_frame(&mut self, at: At, text: &str, out: &mut Vec<FeedOutput>) {
        self.frames = self.frames.saturating_add(1);
        match decode(text) {
            Ok(Frame::Change(change)) => self.on_change(at, &change, out),
            Ok(Frame::Snapshot(snapshot)) => self.on_snapshot(at, &snapshot, out),
            Ok(Frame::Trade(trade)) => {
                if let Some(name) = self.known(at, &trade.product_id, out) {
                    self.on_trade(at, &name, &trade, false, out);
                }
            }
            Ok(Frame::TradeHistory { product, trades }) => {
                self.on_trade_history(at, &product, &trades, out);
            }
            Ok(Frame::Ticker(item)) => self.on_ticker(at, &item, out),
            Ok(Frame::Definitions(list)) => self.on_definitions(at, &list, out),
            Ok(Frame::Info) => self.set_status(SystemStatus::Online, out),
            Ok(Frame::Heartbeat | Frame::Subscribed | Frame::Ignored) => {}
            Ok(Frame::Refused { message, product }) => {
                if at.conn == definitions::CONN {
                    self.definitions.failed(at.now);
                }
                let product = product.and_then(|name| self.products.get(&fold(&name)));
                let key = product.map(|product| product.instrument.key.clone());
                let detail = format!("venue says {:?}", excerpt(&message));
                out.push(at.problem(ProblemKind::RequestRefused, key, detail));
            }
            Err(error) => self.on_unreadable(at, text, &error, out),
        }
    }

    /// Distrusts exactly the book that an unreadable frame may have been about; one that does not say may have been a change of
    /// any book of its connection.
    fn on_unreadable(&mut self, at: At, text: &str, error: &FrameError, out: &mut Vec<FeedOutput>) {
        if at.conn == definitions::CONN {
            self.definitions.failed(at.now);
            return out.push(at.problem(ProblemKind::Malformed, None, chain(error)));
        }
        match about(text) {
            About::Book(symbol) => {
                if let Some(name) = self.known(at, &symbol, out) {
                    return self.on_malformed(at, &name, true, error, out);
                }
            }
            About::Other(Some(symbol)) => {
                if let Some(name) = self.known(at, &symbol, out) {
                    return self.on_malformed(at, &name, false, error, out);
                }
            }
            About::AnyBook => {
                let is_there =
                    |product: &Product| product.conn == Some(at.conn) && product.book.is_live();
                let live = self.products.iter().filter(|(_, product)| is_there(product));
                let names: Vec<String> = live.map(|(name, _)| name.clone()).collect();
                for name in names {
                    self.distrust(at, &name, InvalidBook::Malformed, out);
                }
            }
            About::Other(None) => {}
        }
        out.push(at.problem(ProblemKind::Malformed, None, chain(error)));
    }

    fn on_malformed(
        &mut self,
        at: At,
        name: &str,
        is_book: bool,
        error: &dyn std::error::Error,
        out: &mut Vec<FeedOutput>,
    ) {
        if let Some(product) = self.products.get_mut(name) {
            product.counters.malformed = product.counters.malformed.saturating_add(1);
            let key = Some(product.instrument.key.clone());
            out.push(at.problem(ProblemKind::Malformed, key, chain(error)));
        }
        if is_book {
            self.distrust(at, name, InvalidBook::Malformed, out);
        }
    }

    /// Takes one book back, at once, and plans to fetch it again.
    fn distrust(&mut self, at: At, name: &str, reason: InvalidBook, out: &mut Vec<FeedOutput>) {
        if let Some(product) = self.products.get_mut(name) {
            out.extend(product.invalidate(reason, at.times(None)).map(FeedOutput::Event));
        }
        self.resync(name, at.now, out);
    }

    /// Finds the contract of a frame, counts the frame for it and gives its key here. One of another shard is no concern of ours;
    /// one of ours without a definition is a problem.
    fn known<'a>(
        &mut self,
        at: At,
        symbol: &'a str,
        out: &mut Vec<FeedOutput>,
    ) -> Option<Cow<'a, str>> {
        let name = if symbol.bytes().any(|byte| byte.is_ascii_lowercase()) {
            Cow::Owned(fold(symbol))
        } else {
            Cow::Borrowed(symbol)
        };
        let Some(product) = self.products.get_mut(name.as_ref()) else {
            if self.selection.includes(&name) {
                let detail = format!("data of {:?} before its definition", excerpt(symbol));
                out.push(at.problem(ProblemKind::UnknownInstrument, None, detail));
            }
            return None;
        };
        product.counters.frames = product.counters.frames.saturating_add(1);
        Some(name)
    }

    fn on_snapshot(&mut self, at: At, snapshot: &Snapshot<'_>, out: &mut Vec<FeedOutput>) {
        let Some(name) = self.known(at, &snapshot.product_id, out) else { return };
        let Some(product) = self.products.get_mut(name.as_ref()) else { return };
        let read = snapshot
            .levels(product.decimals())
            .and_then(|levels| Ok((levels, snapshot.venue_time()?)));
        let (levels, venue_time) = match read {
            Ok(read) => read,
            Err(error) => return self.on_malformed(at, &name, true, &error, out),
        };
        product.subscription = Subscription::On;
        product.conn = Some(at.conn);
        self.waiting.remove(name.as_ref());
        product.begin(snapshot.seq);
        let applied = product.book.apply_snapshot(usize::MAX, levels, Verify::Order);
        self.finish_book(at, &name, applied, venue_time, out);
    }

    fn on_change(&mut self, at: At, change: &Change<'_>, out: &mut Vec<FeedOutput>) {
        let Some(name) = self.known(at, &change.product_id, out) else { return };
        let Some(product) = self.products.get_mut(name.as_ref()) else { return };
        if !product.book.is_live() {
            return; // taken back, or not yet begun: only a snapshot helps
        }
        let read =
            change.level(product.decimals()).and_then(|level| Ok((level, change.venue_time()?)));
        let (level, venue_time) = match read {
            Ok(read) => read,
            Err(error) => return self.on_malformed(at, &name, true, &error, out),
        };
        let next = product.next(change.seq);
        let applied = next.and_then(|()| product.book.apply_update([level], Verify::Order));
        self.finish_book(at, &name, applied, venue_time, out);
    }

    /// Counts a book that was just verified and publishes what changed of its top, or takes it back.
    fn finish_book(
        &mut self,
        at: At,
        name: &str,
        applied: Result<(), BookError>,
        venue_time: Timestamp,
        out: &mut Vec<FeedOutput>,
    ) {
        let levels = self.settings.levels_published;
        let Some(product) = self.products.get_mut(name) else { return };
        if let Err(error) = applied {
            return self.on_book_error(at, name, &error, out);
        }
        let was_invalid = product.published.is_invalid();
        match product.publish(levels, at.times(Some(venue_time))) {
            Ok(event) => {
                let counters = &mut product.counters;
                counters.checksums_passed = counters.checksums_passed.saturating_add(1);
                counters.resyncs = counters.resyncs.saturating_add(u64::from(was_invalid));
                out.extend(event.map(FeedOutput::Event));
            }
            Err(error) => self.on_malformed(at, name, true, &error, out),
        }
    }

    fn on_book_error(&mut self, at: At, name: &str, error: &BookError, out: &mut Vec<FeedOutput>) {
        let (kind, reason) = match error {
            BookError::Gap { .. } | BookError::NoSnapshot { .. } | BookError::Checksum { .. } => {
                (ProblemKind::SequenceGap, InvalidBook::SequenceGap)
            }
            BookError::Crossed { .. } | BookError::Locked { .. } => {
                (ProblemKind::CrossedBook, InvalidBook::Crossed)
            }
            BookError::Level { .. } => return self.on_malformed(at, name, true, error, out),
        };
        if let Some(product) = self.products.get_mut(name) {
            let counters = &mut product.counters;
            counters.checksums_failed = counters.checksums_failed.saturating_add(1);
            let key = Some(product.instrument.key.clone());
            out.push(at.problem(kind, key, chain(error)));
        }
        self.distrust(at, name, reason, out);
    }

    /// The first history of a contract tells what happened before this session listened: taken as news it would fill a resting
    /// paper order with a trade older than the order. Later ones tell what a lost connection missed.
    fn on_trade_history(
        &mut self,
        at: At,
        product: &str,
        trades: &[&RawValue],
        out: &mut Vec<FeedOutput>,
    ) {
        let Some(name) = self.known(at, product, out) else { return };
        let mut items = Vec::with_capacity(trades.len());
        for raw in trades {
            match crate::frame::read::<TradeItem<'_>>("trade", raw.get()) {
                Ok(item) => items.push(item),
                Err(error) => self.on_malformed(at, &name, false, &error, out),
            }
        }
        items.sort_by_key(|item| item.seq);
        let is_first = |product: &Product| product.trades.last().is_none();
        let is_history = self.products.get(name.as_ref()).is_some_and(is_first);
        for item in &items {
            self.on_trade(at, &name, item, is_history, out);
        }
    }

    fn on_trade(
        &mut self,
        at: At,
        name: &str,
        item: &TradeItem<'_>,
        is_history: bool,
        out: &mut Vec<FeedOutput>,
    ) {
        let Some(product) = self.products.get_mut(name) else { return };
        let (trade, venue_time) = match trade_of(&product.instrument, product.decimals(), item) {
            Ok(read) => read,
            Err(error) => return self.on_malformed(at, name, false, &error, out),
        };
        let gap = match product.trades.accept(item.seq) {
            Ok(Sequenced::Old) => return,
            Ok(Sequenced::Next) => None,
            Err(gap) => Some(gap),
        };
        if is_history {
            return;
        }
        if let Some(gap) = gap {
            let (key, detail) = (trade.instrument.clone(), format!("trade seq: {}", chain(&gap)));
            out.push(at.problem(ProblemKind::SequenceGap, Some(key), detail));
        }
        if item.is_of_book() {
            product.counters.trades = product.counters.trades.saturating_add(1);
            let (venue_time, receive_time) = (Some(venue_time), at.receive);
            out.push(FeedOutput::Event(MarketEvent::Trade { trade, venue_time, receive_time }));
        }
    }

    fn on_ticker(&mut self, at: At, item: &TickerItem<'_>, out: &mut Vec<FeedOutput>) {
        let Some(name) = self.known(at, &item.product_id, out) else { return };
        let Some(product) = self.products.get_mut(name.as_ref()) else { return };
        let read = ticker::ticker(&product.instrument, item)
            .and_then(|ticker| Ok((ticker, crate::number::instant("time", item.time)?)));
        let (ticker, venue_time) = match read {
            Ok(read) => read,
            Err(error) => return self.on_malformed(at, &name, false, &error, out),
        };
        product.told = (item.suspended, item.post_only);
        out.extend(renew_status(product, at.receive));
        if let Some(ticker) = ticker {
            let (venue_time, receive_time) = (Some(venue_time), at.receive);
            out.push(FeedOutput::Event(MarketEvent::Ticker { ticker, venue_time, receive_time }));
        }
    }

    fn on_definitions(&mut self, at: At, list: &[&RawValue], out: &mut Vec<FeedOutput>) {
        self.definitions.answered(at.now);
        let mut listed = BTreeSet::new();
        for raw in list {
            let origin = Origin {
                venue: &self.settings.venue,
                receive_time: at.receive,
                is_synthetic: self.settings.is_synthetic,
            };
            match definition::instrument(raw, &origin) {
                Ok(Some(made)) => {
                    let name = fold(&made.symbol);
                    if self.selection.includes(&name) {
                        self.define(at, &name, made, out);
                        listed.insert(name);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    out.push(at.problem(ProblemKind::Malformed, None, chain(&error)));
                }
            }
        }
        for (name, product) in &mut self.products {
            if !listed.contains(name) {
                product.defined = InstrumentStatus::Closed;
                out.extend(renew_status(product, at.receive));
            }
        }
        for name in self.selection.named().filter(|name| !self.products.contains_key(*name)) {
            let detail = format!("{name:?} is not among the venue's definitions");
            out.push(at.problem(ProblemKind::UnknownInstrument, None, detail));
        }
        self.subscribe_wanted(at.now, out);
    }

    fn define(&mut self, at: At, name: &str, mut made: Instrument, out: &mut Vec<FeedOutput>) {
        let owner = self.owners.entry(made.key.clone()).or_insert_with(|| name.to_owned());
        if *owner != name {
            let detail = format!("{name:?} and {owner:?} are both {}", made.key);
            return out.push(at.problem(ProblemKind::Malformed, Some(made.key), detail));
        }
        let Some(product) = self.products.get_mut(name) else {
            out.push(FeedOutput::Event(MarketEvent::Instrument(made.clone())));
            self.products.insert(name.to_owned(), Product::new(made));
            return;
        };
        product.defined = made.status;
        made.status = product.status();
        let known = &product.instrument;
        made.version = known.version;
        let received = std::mem::replace(&mut made.receive_time, known.receive_time);
        if made == *known {
            return;
        }
        let is_rescaled = (made.price_decimals, made.qty_decimals) != product.decimals();
        made.version = known.version.saturating_add(1);
        made.receive_time = received;
        product.instrument = made.clone();
        out.push(FeedOutput::Event(MarketEvent::Instrument(made)));
        if is_rescaled {
            // The steps of the book mean other prices now.
            self.distrust(at, name, InvalidBook::Malformed, out);
        }
    }
}

/// Gives the definition anew where definition and ticker together allow something else than before.
fn renew_status(product: &mut Product, receive_time: Timestamp) -> Option<FeedOutput> {
    let status = product.status();
    if product.instrument.status == status {
        return None;
    }
    let version = product.instrument.version.saturating_add(1);
    product.instrument.status = status;
    product.instrument.version = version;
    product.instrument.receive_time = receive_time;
    Some(FeedOutput::Event(MarketEvent::Instrument(product.instrument.clone())))
}

/// Says why a trade was not understood.
#[derive(Debug, thiserror::Error)]
enum TradeError {
    #[error("read trade")]
    Frame(#[from] FrameError),
    #[error("scale trade")]
    Quantise(#[from] QuantiseError),
}

fn trade_of(
    instrument: &Instrument,
    decimals: (u32, u32),
    item: &TradeItem<'_>,
) -> Result<(MarketTrade, Timestamp), TradeError> {
    let (ticks, lots) = item.size(decimals)?;
    let trade = MarketTrade {
        instrument: instrument.key.clone(),
        trade_id: item.seq,
        taker_side: item.taker_side()?,
        price: instrument.price_of(ticks)?,
        qty: instrument.qty_of(lots)?,
    };
    Ok((trade, item.venue_time()?))
}
