//! Our side of the made-up exchange's public feed: connect, read frames, notice gaps and silence, begin anew.
//!
//! It keeps the promises that the real session keeps: a book with a gap is invalid until its next snapshot, a connection
//! that falls silent is closed and opened again, nothing is guessed.

use remora_domain::{
    BookState, BookTop, DurationNs, FeedCounters, Instrument, InstrumentKey, InvalidBook, Level,
    Lots, MarketStatus, MarketTrade, Price, Qty, Side, SystemStatus, Ticker, Ticks, Timestamp,
    VenueId,
};
use remora_machine::Machine;
use remora_venue_api::{
    ConnId, FeedInput, FeedOutput, FeedSession, MarketEvent, Problem, ProblemKind,
};
use std::collections::BTreeMap;

pub(super) const CONN: ConnId = ConnId::new(0);
const RECONNECT_AFTER: DurationNs = DurationNs::from_ms(500);
/// How long a snapshot may take before it is asked for again.
const SNAPSHOT_WITHIN: DurationNs = DurationNs::from_s(1);
const SILENCE_MAX: DurationNs = DurationNs::from_ms(3_500);

/// Is the session.
pub(super) struct SimFeed {
    venue: VenueId,
    /// By symbol, as they will be defined.
    listed: BTreeMap<String, Instrument>,
    /// The number of the last change of each live book.
    numbers: BTreeMap<String, u64>,
    /// When the snapshot of each dead book was asked for.
    asked: BTreeMap<String, Timestamp>,
    told: u64,
    counters: BTreeMap<InstrumentKey, FeedCounters>,
    is_connected: bool,
    reconnect_at: Option<Timestamp>,
    heard_at: Timestamp,
}

impl SimFeed {
    pub(super) fn new(venue: VenueId, listed: Vec<Instrument>) -> Self {
        let listed = listed.into_iter().map(|one| (one.symbol.clone(), one)).collect();
        Self {
            venue,
            listed,
            numbers: BTreeMap::new(),
            asked: BTreeMap::new(),
            told: 0,
            counters: BTreeMap::new(),
            is_connected: false,
            reconnect_at: None,
            heard_at: Timestamp::EPOCH,
        }
    }

    fn frame(&mut self, at: Timestamp, text: &str, out: &mut Vec<FeedOutput>) -> Option<()> {
        let mut words = text.split(' ');
        let kind = words.next()?;
        let venue_time = Timestamp::from_ns(words.next()?.parse().ok()?);
        match kind {
            "H" => {}
            "Y" => {
                let status = match words.next()? {
                    "online" => SystemStatus::Online,
                    "cancel_only" => SystemStatus::CancelOnly,
                    "maintenance" => SystemStatus::Maintenance,
                    _ => return None,
                };
                let status = MarketStatus { venue: self.venue.clone(), status };
                out.push(FeedOutput::Event(MarketEvent::Status(status)));
            }
            "D" => {
                let listed = self.listed.get(words.next()?)?;
                let defined = Instrument { receive_time: at, ..listed.clone() };
                out.push(FeedOutput::Event(MarketEvent::Instrument(defined)));
            }
            "B" => return self.book(at, venue_time, words, out),
            "T" => return self.trade(at, venue_time, words, out),
            "K" => return self.ticker(at, venue_time, words, out),
            _ => return None,
        }
        Some(())
    }

    fn count(&mut self, symbol: &str) -> Option<&mut FeedCounters> {
        let key = self.listed.get(symbol)?.key.clone();
        let counters = self.counters.entry(key).or_default();
        counters.frames = counters.frames.saturating_add(1);
        Some(counters)
    }

    fn book<'a>(
        &mut self,
        receive_time: Timestamp,
        venue_time: Timestamp,
        mut words: impl Iterator<Item = &'a str>,
        out: &mut Vec<FeedOutput>,
    ) -> Option<()> {
        let symbol = words.next()?;
        let is_snapshot = words.next()? == "S";
        let number: u64 = words.next()?.parse().ok()?;
        let follows = self.numbers.get(symbol).is_some_and(|last| last.saturating_add(1) == number);
        self.count(symbol)?;
        let instrument = self.listed.get(symbol)?.clone();
        let was_live = self.numbers.contains_key(symbol);
        let (state, bids, asks) = if is_snapshot || follows {
            self.numbers.insert(symbol.to_owned(), number);
            self.asked.remove(symbol);
            let (bids, asks) = (words.next()?, words.next()?);
            (BookState::Live, levels(&instrument, bids)?, levels(&instrument, asks)?)
        } else if was_live {
            self.numbers.remove(symbol);
            out.push(FeedOutput::Problem(Problem {
                kind: ProblemKind::SequenceGap,
                instrument: Some(instrument.key.clone()),
                conn: CONN,
                detail: format!("{symbol}: change {number} does not follow the one before"),
            }));
            self.ask_again(receive_time, symbol, out);
            (BookState::Invalid(InvalidBook::SequenceGap), Vec::new(), Vec::new())
        } else {
            self.ask_again(receive_time, symbol, out);
            return Some(());
        };
        self.told = self.told.saturating_add(1);
        let (instrument, book_sequence) = (instrument.key, self.told);
        let top = BookTop { instrument, book_sequence, state, bids, asks };
        let venue_time = Some(venue_time);
        out.push(FeedOutput::Event(MarketEvent::Book { top, venue_time, receive_time }));
        Some(())
    }

    /// Asks for the snapshot of a book that cannot be used, unless one is on its way.
    fn ask_again(&mut self, now: Timestamp, symbol: &str, out: &mut Vec<FeedOutput>) {
        let last = self.asked.get(symbol);
        if last.is_none_or(|at| at.saturating_add(SNAPSHOT_WITHIN) <= now) {
            self.asked.insert(symbol.to_owned(), now);
            out.push(FeedOutput::Send { conn: CONN, text: format!("snapshot {symbol}") });
        }
    }

    fn trade<'a>(
        &mut self,
        receive_time: Timestamp,
        venue_time: Timestamp,
        mut words: impl Iterator<Item = &'a str>,
        out: &mut Vec<FeedOutput>,
    ) -> Option<()> {
        let symbol = words.next()?;
        let counters = self.count(symbol)?;
        counters.trades = counters.trades.saturating_add(1);
        let trade = MarketTrade {
            instrument: self.listed.get(symbol)?.key.clone(),
            trade_id: words.next()?.parse().ok()?,
            taker_side: if words.next()? == "buy" { Side::Buy } else { Side::Sell },
            price: Price::parse(words.next()?).ok()?,
            qty: Qty::parse(words.next()?).ok()?,
        };
        let venue_time = Some(venue_time);
        out.push(FeedOutput::Event(MarketEvent::Trade { trade, venue_time, receive_time }));
        Some(())
    }

    fn ticker<'a>(
        &mut self,
        receive_time: Timestamp,
        venue_time: Timestamp,
        mut words: impl Iterator<Item = &'a str>,
        out: &mut Vec<FeedOutput>,
    ) -> Option<()> {
        let instrument = self.listed.get(words.next()?)?;
        let mut price = || instrument.price_of(Ticks::new(words.next()?.parse().ok()?)).ok();
        let (bid, ask) = (price()?, price()?);
        // A hundred thousand smallest orders a day.
        let volume = instrument.qty_min.to_decimal().checked_mul(100_000.into())?;
        let ticker = Ticker {
            instrument: instrument.key.clone(),
            bid,
            ask,
            last: bid,
            volume_24h: Qty::from_decimal(volume).ok()?,
            vwap_24h: Some(bid),
            low_24h: bid,
            high_24h: ask,
            contract: None,
        };
        let venue_time = Some(venue_time);
        out.push(FeedOutput::Event(MarketEvent::Ticker { ticker, venue_time, receive_time }));
        Some(())
    }
}

fn levels(instrument: &Instrument, text: &str) -> Option<Vec<Level>> {
    let level = |part: &str| {
        let (price, qty) = part.split_once(':')?;
        let price = instrument.price_of(Ticks::new(price.parse().ok()?)).ok()?;
        Some(Level { price, qty: instrument.qty_of(Lots::new(qty.parse().ok()?)).ok()? })
    };
    text.split(',').filter(|part| !part.is_empty()).map(level).collect()
}

impl Machine for SimFeed {
    type Input = FeedInput;
    type Output = FeedOutput;

    fn handle(&mut self, now: Timestamp, input: FeedInput, out: &mut Vec<FeedOutput>) {
        match input {
            FeedInput::Start => {
                out.push(FeedOutput::Connect { conn: CONN, url: "ws://sim".to_owned() });
            }
            FeedInput::Connected { conn: _ } => {
                (self.is_connected, self.heard_at) = (true, now);
                out.push(FeedOutput::Send { conn: CONN, text: "hello".to_owned() });
            }
            FeedInput::Frame { conn: _, receive_time, text } => {
                self.heard_at = now;
                if self.frame(receive_time, &text, out).is_none() {
                    out.push(FeedOutput::Problem(Problem {
                        kind: ProblemKind::Malformed,
                        instrument: None,
                        conn: CONN,
                        detail: text.chars().take(200).collect(),
                    }));
                }
            }
            FeedInput::Disconnected { conn: _, detail: _ } => {
                self.is_connected = false;
                self.numbers.clear();
                self.asked.clear();
                self.reconnect_at = Some(now.saturating_add(RECONNECT_AFTER));
                let (venue, status) = (self.venue.clone(), SystemStatus::Disconnected);
                let status = MarketEvent::Status(MarketStatus { venue, status });
                out.push(FeedOutput::Event(status));
            }
            FeedInput::SessionEnded => {}
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<FeedOutput>) {
        if self.reconnect_at.take_if(|at| *at <= now).is_some() {
            out.push(FeedOutput::Connect { conn: CONN, url: "ws://sim".to_owned() });
        }
        if self.is_connected && self.heard_at.saturating_add(SILENCE_MAX) <= now {
            self.is_connected = false;
            out.push(FeedOutput::Close { conn: CONN });
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let silent_at = self.is_connected.then_some(self.heard_at.saturating_add(SILENCE_MAX));
        [self.reconnect_at, silent_at].into_iter().flatten().min()
    }
}

impl FeedSession for SimFeed {
    fn counters(&self) -> BTreeMap<InstrumentKey, FeedCounters> {
        self.counters.clone()
    }

    fn counters_of(&self, instrument: &InstrumentKey) -> FeedCounters {
        self.counters.get(instrument).copied().unwrap_or_default()
    }
}
