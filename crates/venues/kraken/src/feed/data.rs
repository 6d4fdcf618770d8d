//! What frames mean for the session.

use super::symbol::Symbol;
use super::{At, KrakenFeed};
use crate::error::{FrameError, chain, excerpt};
use crate::frame::{
    BookItem, Decoded, Frame, MessageKind, Reply, Request, TickerItem, TradeItem, decode,
    named_symbols,
};
use crate::instrument::{self, Decimals, Origin};
use crate::usual::Update;
use crate::{CHECKSUM_LEVELS, DEPTHS};
use remora_domain::{
    Instrument, InstrumentKey, InvalidBook, MarketTrade, QuantiseError, Ticker, Timestamp,
};
use remora_orderbook::{BookError, LevelChange, Sequenced, Verify};
use remora_venue_api::session::published::Times;
use remora_venue_api::session::resync::Subscription;
use remora_venue_api::{FeedOutput, MarketEvent, ProblemKind};
use serde_json::value::RawValue;
use std::error::Error;

/// Symbols remembered before they are defined; the venue lists about a thousand.
const SYMBOLS_MAX: usize = 20_000;

impl KrakenFeed {
    pub(super) fn on_frame(&mut self, at: At, text: &str, out: &mut Vec<FeedOutput>) {
        self.frames = self.frames.saturating_add(1);
        if self.on_usual_update(at, text, out) {
            return;
        }
        match decode(text) {
            Ok(Frame::Books(books)) => {
                for item in &books.items {
                    self.on_book(at, books.kind, item, out);
                }
            }
            Ok(Frame::Trades(trades)) => self.on_trades(at, trades, out),
            Ok(Frame::Tickers(tickers)) => {
                for item in &tickers.items {
                    self.on_ticker(at, item, out);
                }
            }
            Ok(Frame::Instruments(pairs)) => self.on_instruments(at, &pairs, out),
            Ok(Frame::Status(status)) => self.set_status(status, out),
            Ok(Frame::Heartbeat | Frame::Pong | Frame::Ignored) => {}
            Ok(Frame::Reply(reply)) => self.on_reply(at, &reply, out),
            Ok(Frame::Request(request)) => self.on_request(&request),
            Ok(Frame::Refusal(refusal)) => {
                let detail = format!("venue says {:?}", excerpt(&refusal));
                out.push(at.problem(ProblemKind::RequestRefused, None, detail));
            }
            Err(error) => self.on_unreadable(at, text, &error, out),
        }
    }

    /// Distrusts exactly the symbols that an unreadable frame names. One that names none may have been a change of
    /// any book of its connection: all of them are distrusted, unless it says that it was of another channel.
    fn on_unreadable(&mut self, at: At, text: &str, error: &FrameError, out: &mut Vec<FeedOutput>) {
        let named = named_symbols(text);
        let mut is_reported = false;
        for name in &named.symbols {
            if let Some(key) = self.known(at, name, out) {
                is_reported = true;
                self.on_malformed(at, name, &key, named.may_be_book, error, out);
            }
        }
        if named.symbols.is_empty() && named.may_be_book {
            let is_there = |symbol: &Symbol| symbol.conn == Some(at.conn) && symbol.book.is_live();
            let live = self.symbols.iter().filter(|(_, symbol)| is_there(symbol));
            let names: Vec<String> = live.map(|(name, _)| name.clone()).collect();
            for name in names {
                self.distrust(at, &name, InvalidBook::Malformed, out);
            }
        }
        if !is_reported {
            out.push(at.problem(ProblemKind::Malformed, None, chain(error)));
        }
    }

    fn on_malformed(
        &mut self,
        at: At,
        name: &str,
        key: &InstrumentKey,
        is_book: bool,
        error: &dyn Error,
        out: &mut Vec<FeedOutput>,
    ) {
        if let Some(symbol) = self.symbols.get_mut(name) {
            let counters = &mut symbol.counters;
            counters.malformed = counters.malformed.saturating_add(1);
        }
        out.push(at.problem(ProblemKind::Malformed, Some(key.clone()), chain(error)));
        if is_book {
            self.distrust(at, name, InvalidBook::Malformed, out);
        }
    }

    /// Takes one book back, at once, and plans to fetch it again.
    fn distrust(&mut self, at: At, name: &str, reason: InvalidBook, out: &mut Vec<FeedOutput>) {
        if let Some(symbol) = self.symbols.get_mut(name) {
            let event = symbol.invalidate(reason, at.times(None));
            out.extend(event.map(FeedOutput::Event));
        }
        self.resync(name, at.now, out);
    }

    /// Finds the instrument of a symbol we serve and counts the frame once for it. A symbol of another shard
    /// is no concern of ours; one of ours without a definition is a problem.
    fn known(&mut self, at: At, name: &str, out: &mut Vec<FeedOutput>) -> Option<InstrumentKey> {
        let Some(symbol) = self.symbols.get_mut(name) else {
            if self.selection.includes(name) {
                let detail = format!("data of {:?} before its definition", excerpt(name));
                out.push(at.problem(ProblemKind::UnknownInstrument, None, detail));
            }
            return None;
        };
        symbol.count_frame(self.frames);
        Some(symbol.instrument.key.clone())
    }

    /// Takes an update of the usual form of a live book, which nearly every frame is; says whether this was one. What
    /// happens is what the general way below does, without a list in between.
    fn on_usual_update(&mut self, at: At, text: &str, out: &mut Vec<FeedOutput>) -> bool {
        let Some(update) = Update::of(text) else { return false };
        let levels_max = self.levels_max(MessageKind::Update, None);
        let Some(symbol) = self.symbols.get_mut(update.symbol) else { return false };
        if !symbol.book.is_live() {
            return false;
        }
        let decimals = Decimals::of(&symbol.instrument);
        let Some(tail) = update.read(decimals, levels_max, &mut self.changes) else {
            return false;
        };
        symbol.count_frame(self.frames);
        let changes = self.changes.iter().copied();
        let applied = symbol.book.apply_update(changes, verify(tail.checksum));
        let times = at.times(tail.venue_time);
        let levels = self.settings.levels_published;
        let fault =
            applied.map_err(BookFault::Book).and_then(|()| accept(symbol, levels, times, out));
        if let Err(fault) = fault {
            let key = symbol.instrument.key.clone();
            self.on_fault(at, update.symbol, &key, &fault, out);
        }
        true
    }

    fn on_book(
        &mut self,
        at: At,
        kind: MessageKind,
        item: &BookItem<'_>,
        out: &mut Vec<FeedOutput>,
    ) {
        let name = item.symbol.as_ref();
        let Some(key) = self.known(at, name, out) else { return };
        let declared = self.depths.get(name).copied();
        let levels_max = self.levels_max(kind, declared);
        let Some(symbol) = self.symbols.get_mut(name) else { return };
        if kind == MessageKind::Update && !symbol.book.is_live() {
            return; // taken back, or not yet begun: only a snapshot helps
        }
        let (least, decimals) = match kind {
            MessageKind::Update => {
                let in_force = Decimals::of(&symbol.instrument);
                (in_force, in_force)
            }
            // The venue writes every digit it hashes: where that is finer, the definition is in doubt.
            MessageKind::Snapshot => (symbol.defined, symbol.defined.or_finer(item.decimals())),
        };
        let read = check_levels(item, levels_max)
            .and_then(|()| read_changes(item, least, decimals, &mut self.changes))
            .and_then(|()| item.venue_time());
        let venue_time = match read {
            Ok(venue_time) => venue_time,
            Err(error) => return self.on_malformed(at, name, &key, true, &error, out),
        };
        let verify = verify(item.checksum);
        let changes = self.changes.iter().copied();
        let applied = match kind {
            MessageKind::Update => symbol.book.apply_update(changes, verify),
            MessageKind::Snapshot => {
                symbol.subscription = Subscription::On;
                symbol.conn = Some(at.conn);
                self.waiting.remove(name);
                let depth = if self.settings.is_recorded {
                    declared.unwrap_or(undeclared_depth(item.levels_max(), self.settings.depth))
                } else {
                    declared.unwrap_or(usize::try_from(self.settings.depth).unwrap_or(usize::MAX))
                };
                symbol.book.apply_snapshot(depth, changes, verify)
            }
        };
        let levels = self.settings.levels_published;
        let done = applied.map_err(BookFault::Book).and_then(|()| {
            prove(symbol, decimals, at, out);
            accept(symbol, levels, at.times(venue_time), out)
        });
        if let Err(fault) = done {
            self.on_fault(at, name, &key, &fault, out);
        }
    }

    fn on_fault(
        &mut self,
        at: At,
        name: &str,
        key: &InstrumentKey,
        fault: &BookFault,
        out: &mut Vec<FeedOutput>,
    ) {
        match fault {
            BookFault::Book(error) => self.on_book_error(at, name, key, error, out),
            BookFault::Quantise(error) => self.on_malformed(at, name, key, true, error, out),
        }
    }

    /// Gives how many levels a side of an item may have: the depth where it is known, else the greatest there is. An
    /// update may replace a whole side at once.
    fn levels_max(&self, kind: MessageKind, declared: Option<usize>) -> usize {
        let greatest = DEPTHS.iter().copied().max().and_then(|depth| usize::try_from(depth).ok());
        let own = usize::try_from(self.settings.depth).ok().filter(|_| !self.settings.is_recorded);
        let depth = match kind {
            MessageKind::Snapshot => declared.or(own),
            MessageKind::Update => None,
        };
        depth.or(greatest).unwrap_or(usize::MAX)
    }

    fn on_book_error(
        &mut self,
        at: At,
        name: &str,
        key: &InstrumentKey,
        error: &BookError,
        out: &mut Vec<FeedOutput>,
    ) {
        let mut counters = self.symbols.get(name).map(|symbol| symbol.counters).unwrap_or_default();
        let (kind, reason) = match error {
            BookError::Checksum { .. } => {
                counters.checksums_failed = counters.checksums_failed.saturating_add(1);
                (ProblemKind::Checksum, InvalidBook::Checksum)
            }
            // The checksum is compared first: here it fitted, and the venue itself is wrong.
            BookError::Crossed { .. } | BookError::Locked { .. } => {
                counters.checksums_passed = counters.checksums_passed.saturating_add(1);
                (ProblemKind::CrossedBook, InvalidBook::Crossed)
            }
            BookError::Level { .. } => {
                counters.malformed = counters.malformed.saturating_add(1);
                (ProblemKind::Malformed, InvalidBook::Malformed)
            }
            BookError::Gap { .. } | BookError::NoSnapshot { .. } => {
                (ProblemKind::SequenceGap, InvalidBook::SequenceGap)
            }
        };
        if let Some(symbol) = self.symbols.get_mut(name) {
            symbol.counters = counters;
        }
        out.push(at.problem(kind, Some(key.clone()), chain(error)));
        self.distrust(at, name, reason, out);
    }

    fn on_trades(&mut self, at: At, mut trades: Decoded<TradeItem<'_>>, out: &mut Vec<FeedOutput>) {
        if trades.kind == MessageKind::Snapshot {
            trades.items.sort_by_key(|item| item.trade_id);
        }
        for item in &trades.items {
            if let Some(key) = self.known(at, &item.symbol, out)
                && let Err(error) = self.on_trade(at, trades.kind, item, out)
            {
                self.on_malformed(at, &item.symbol, &key, false, &error, out);
            }
        }
    }

    fn on_trade(
        &mut self,
        at: At,
        kind: MessageKind,
        item: &TradeItem<'_>,
        out: &mut Vec<FeedOutput>,
    ) -> Result<(), TradeError> {
        let Some(symbol) = self.symbols.get_mut(item.symbol.as_ref()) else { return Ok(()) };
        let (trade, venue_time) = trade_of(&symbol.instrument, item)?;
        // The first snapshot tells what happened before this session listened: taken as news it would
        // fill a resting paper order with a trade older than the order. Later ones tell what a lost
        // connection missed.
        if kind == MessageKind::Snapshot && symbol.trades.last().is_none() {
            symbol.history_frame = Some(self.frames);
        }
        let is_history = symbol.history_frame == Some(self.frames);
        let gap = match symbol.trades.accept(item.trade_id) {
            Ok(Sequenced::Old) => return Ok(()),
            Ok(Sequenced::Next) => None,
            Err(gap) => Some(gap),
        };
        if is_history {
            return Ok(());
        }
        if let Some(gap) = gap {
            let key = Some(trade.instrument.clone());
            let detail = format!("trade_id: {}", chain(&gap));
            out.push(at.problem(ProblemKind::SequenceGap, key, detail));
        }
        symbol.counters.trades = symbol.counters.trades.saturating_add(1);
        out.push(FeedOutput::Event(MarketEvent::Trade {
            trade,
            venue_time,
            receive_time: at.receive,
        }));
        Ok(())
    }

    fn on_ticker(&mut self, at: At, item: &TickerItem<'_>, out: &mut Vec<FeedOutput>) {
        let Some(key) = self.known(at, &item.symbol, out) else { return };
        let read = || {
            let [bid, ask, last, vwap_24h, low_24h, high_24h] = item.prices()?;
            let volume_24h = item.volume()?;
            let instrument = key.clone();
            let vwap_24h = Some(vwap_24h);
            let contract = None;
            let ticker = Ticker {
                instrument,
                bid,
                ask,
                last,
                volume_24h,
                vwap_24h,
                low_24h,
                high_24h,
                contract,
            };
            Ok::<_, FrameError>((ticker, item.venue_time()?))
        };
        match read() {
            Ok((ticker, venue_time)) => out.push(FeedOutput::Event(MarketEvent::Ticker {
                ticker,
                venue_time,
                receive_time: at.receive,
            })),
            Err(error) => self.on_malformed(at, &item.symbol, &key, false, &error, out),
        }
    }

    fn on_instruments(&mut self, at: At, pairs: &Decoded<&RawValue>, out: &mut Vec<FeedOutput>) {
        self.definitions_by = None;
        for raw in &pairs.items {
            let origin = Origin {
                venue: &self.settings.venue,
                receive_time: at.receive,
                is_synthetic: self.settings.is_synthetic,
            };
            match instrument::instrument(raw, &origin) {
                Ok(made) if self.selection.includes(&made.symbol) => self.define(at, made, out),
                Ok(_) => {}
                Err(error) => {
                    out.push(at.problem(ProblemKind::Malformed, None, chain(&error)));
                }
            }
        }
        if pairs.kind == MessageKind::Snapshot {
            for name in self.selection.named().filter(|name| !self.symbols.contains_key(*name)) {
                let detail = format!("{name:?} is not among the venue's definitions");
                out.push(at.problem(ProblemKind::UnknownInstrument, None, detail));
            }
        }
        self.subscribe_wanted(at.now, out);
    }

    fn define(&mut self, at: At, mut made: Instrument, out: &mut Vec<FeedOutput>) {
        let name = made.symbol.clone();
        let owner = self.owners.entry(made.key.clone()).or_insert_with(|| name.clone());
        if *owner != name {
            let detail = format!("{name:?} and {owner:?} are both {}", made.key);
            return out.push(at.problem(ProblemKind::Malformed, Some(made.key), detail));
        }
        let Some(symbol) = self.symbols.get_mut(&name) else {
            out.push(FeedOutput::Event(MarketEvent::Instrument(made.clone())));
            let depth = usize::try_from(self.settings.depth).unwrap_or(usize::MAX);
            self.symbols.insert(name, Symbol::new(made, depth));
            return;
        };
        let (offered, in_force) = (Decimals::of(&made), Decimals::of(&symbol.instrument));
        let is_outdated = in_force != symbol.defined;
        symbol.defined = offered;
        if is_outdated && symbol.book.is_live() && offered.or_finer(in_force) != offered {
            // As outdated as the one before it: the live book contradicts both.
            made = instrument::outdated(made, in_force);
        }
        if instrument::is_same(&symbol.instrument, &made) {
            return;
        }
        made.version = symbol.instrument.version.saturating_add(1);
        let is_rescaled = Decimals::of(&made) != in_force;
        out.push(FeedOutput::Event(MarketEvent::Instrument(made.clone())));
        symbol.instrument = made;
        if is_rescaled && symbol.book.is_live() {
            // The ticks of the book mean other prices now.
            self.distrust(at, &name, InvalidBook::Malformed, out);
        }
    }

    fn on_reply(&mut self, at: At, reply: &Reply<'_>, out: &mut Vec<FeedOutput>) {
        if !reply.is_success {
            let name = reply.symbol.as_deref();
            let key = name.and_then(|name| Some(self.symbols.get(name)?.instrument.key.clone()));
            let error = reply.error.as_deref().unwrap_or("no reason given");
            let detail = format!(
                "{} of {:?} refused: {:?}",
                excerpt(&reply.method),
                excerpt(name.unwrap_or("unnamed")),
                excerpt(error)
            );
            return out.push(at.problem(ProblemKind::RequestRefused, key, detail));
        }
        let is_book = reply.method == "subscribe" && reply.channel.as_deref() == Some("book");
        if let (true, Some(name), Some(depth)) = (is_book, reply.symbol.as_deref(), reply.depth) {
            self.declare_depth(name, depth);
        }
    }

    /// A recording may hold the requests of its recorder; they declare the depth as well as an answer does.
    fn on_request(&mut self, request: &Request<'_>) {
        if let (true, Some("book"), Some(depth)) =
            (self.settings.is_recorded, request.channel.as_deref(), request.depth)
        {
            for name in &request.symbols {
                self.declare_depth(name, depth);
            }
        }
    }

    fn declare_depth(&mut self, name: &str, depth: u64) {
        let allowed = DEPTHS.iter().any(|&known| u64::from(known) == depth);
        let has_room = self.depths.len() < SYMBOLS_MAX || self.depths.contains_key(name);
        if let (true, true, Ok(depth)) =
            (allowed && has_room, self.selection.includes(name), usize::try_from(depth))
        {
            self.depths.insert(name.to_owned(), depth);
        }
    }
}

/// Says what was wrong with a book whose text was right.
#[derive(Debug)]
enum BookFault {
    Book(BookError),
    Quantise(QuantiseError),
}

fn verify(expected: u32) -> Verify {
    Verify::Crc32 { expected, levels: usize::try_from(CHECKSUM_LEVELS).unwrap_or(usize::MAX) }
}

/// Counts a book that was just verified, and publishes what changed of its top.
fn accept(
    symbol: &mut Symbol,
    levels: usize,
    times: Times,
    out: &mut Vec<FeedOutput>,
) -> Result<(), BookFault> {
    let was_invalid = symbol.published.is_invalid();
    let published = symbol.publish(levels, times);
    let counters = &mut symbol.counters;
    counters.checksums_passed = counters.checksums_passed.saturating_add(1);
    counters.resyncs = counters.resyncs.saturating_add(u64::from(was_invalid));
    out.extend(published.map_err(BookFault::Quantise)?.map(FeedOutput::Event));
    Ok(())
}

/// Refuses an item before its levels cost anything.
fn check_levels(item: &BookItem<'_>, max: usize) -> Result<(), FrameError> {
    let count = item.levels_max();
    if count > max { Err(FrameError::Levels { count, max }) } else { Ok(()) }
}

/// Reads the changes of a book at its decimals, which its texts may have raised above the `least` ones.
fn read_changes(
    item: &BookItem<'_>,
    least: Decimals,
    decimals: Decimals,
    into: &mut Vec<LevelChange>,
) -> Result<(), FrameError> {
    into.clear();
    item.changes(decimals.price, decimals.qty, into).or_else(|error| {
        // One text with too many digits makes others overflow; read at the least decimals, it names itself.
        item.changes(least.price, least.qty, into).and(Err(error))
    })
}

/// Corrects a definition of other decimals than its book, which was just verified. An empty book proves nothing.
fn prove(symbol: &mut Symbol, book: Decimals, at: At, out: &mut Vec<FeedOutput>) {
    let in_force = Decimals::of(&symbol.instrument);
    if book == in_force || symbol.book.best_bid().or(symbol.book.best_ask()).is_none() {
        return;
    }
    let detail = format!("a verified book has {book}, not {in_force}: closed until redefined");
    let key = symbol.instrument.key.clone();
    out.push(at.problem(ProblemKind::StaleDefinition, Some(key), detail));
    let instrument = symbol.outdate(book, at.receive);
    out.push(FeedOutput::Event(MarketEvent::Instrument(instrument)));
}

/// Guesses the depth of a recorded book whose subscription is not in the recording: a side as long as an
/// allowed depth is full; otherwise the configured depth where the snapshot fits it, or the next allowed one.
/// Where the guess is wrong, the checksum says so.
fn undeclared_depth(levels: usize, configured: u32) -> usize {
    let configured = usize::try_from(configured).unwrap_or(usize::MAX);
    let allowed = || DEPTHS.iter().filter_map(|&depth| usize::try_from(depth).ok());
    if allowed().any(|depth| depth == levels) {
        levels
    } else if levels <= configured {
        configured
    } else {
        allowed().find(|&depth| depth > levels).unwrap_or(levels)
    }
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
    item: &TradeItem<'_>,
) -> Result<(MarketTrade, Option<Timestamp>), TradeError> {
    let (ticks, lots) = item.size(instrument.price_decimals, instrument.qty_decimals)?;
    let trade = MarketTrade {
        instrument: instrument.key.clone(),
        trade_id: item.trade_id,
        taker_side: item.taker_side()?,
        price: instrument.price_of(ticks)?,
        qty: instrument.qty_of(lots)?,
    };
    Ok((trade, item.venue_time()?))
}
