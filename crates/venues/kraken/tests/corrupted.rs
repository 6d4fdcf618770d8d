//! One corrupted digit on the way from the simulated exchange to the market-data session: found on that frame, one pair's
//! book alone is taken back (so that nothing can be quoted from it), fetched again and believed again.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use remora_domain::{BookState, DurationNs, InvalidBook, Lots, Side, Ticks, Timestamp, VenueId};
use remora_kraken::KrakenFeed;
use remora_kraken::server::faults::FaultSettings;
use remora_kraken::server::io::{CallId, Flow, PeerId, ServerInput, ServerOutput, WsHost};
use remora_kraken::server::{Server, ServerSettings, WsSettings, synthetic};
use remora_machine::Machine as _;
use remora_venue_api::{
    ConnId, FeedInput, FeedOutput, FeedSession as _, FeedSettings, MarketEvent,
};
use std::collections::{BTreeSet, VecDeque};

const START: Timestamp = Timestamp::from_ns(1_771_234_567_000_000_000);
const PEER: PeerId = PeerId(1);
const PAIRS: [&str; 3] = ["ADA/USD", "BTC/USD", "ETH/USD"];

/// Is the exchange, our session on it, and every state of a book that was published, with the frame that made it so.
struct Road {
    exchange: Server,
    session: KrakenFeed,
    conn: ConnId,
    now: Timestamp,
    frames: Vec<String>,
    states: Vec<(usize, String, BookState)>,
    /// Of the next change of the book that is struck, a digit of the first number with this name arrives wrong.
    spoils: Option<&'static str>,
}

/// Gives the text with the last digit of the first number of this name one higher, or nought after nine.
fn spoilt(text: &str, name: &str) -> String {
    let start = text.find(name).unwrap() + name.len();
    let end = start + text[start..].find([',', '}']).unwrap();
    let digit = text[end - 1..end].parse::<u8>().unwrap();
    format!("{}{}{}", &text[..end - 1], (digit + 1) % 10, &text[end..])
}

fn is_struck(text: &str) -> bool {
    text.starts_with("{\"channel\":\"book\"") && text.contains("\"symbol\":\"ETH/USD\"")
}

impl Road {
    fn new() -> Self {
        let settings = ServerSettings {
            desk: synthetic::settings(7),
            ws: WsSettings { message_rate: None },
            faults: FaultSettings::default(),
        };
        let session = KrakenFeed::new(FeedSettings {
            venue: VenueId::new("kraken-spot").unwrap(),
            symbols: Some(PAIRS.iter().map(|pair| (*pair).to_owned()).collect()),
            shard: (0, 1),
            depth: 10,
            levels_published: 10,
            url: "ws://exchange/v2".to_owned(),
            is_recorded: false,
            is_synthetic: true,
            seed: 1,
        });
        let (exchange, conn) = (Server::new(&settings, START).unwrap(), ConnId::new(0));
        Self {
            exchange,
            session,
            conn,
            now: START,
            frames: Vec::new(),
            states: Vec::new(),
            spoils: None,
        }
    }

    /// Gives the exchange something, and carries what follows from it both ways.
    fn exchange(&mut self, input: ServerInput) {
        let mut out = Vec::new();
        self.exchange.handle(self.now, input, &mut out);
        self.carry(out);
    }

    fn session(&mut self, input: FeedInput) {
        let mut out = Vec::new();
        self.session.handle(self.now, input, &mut out);
        self.said(out);
    }

    fn carry(&mut self, out: Vec<ServerOutput>) {
        let texts: VecDeque<String> = out
            .into_iter()
            .filter_map(|output| match output {
                ServerOutput::WsSend { text, .. } => Some(text.to_string()),
                ServerOutput::HttpReply { .. } => None,
                ServerOutput::HttpDrop { .. }
                | ServerOutput::WsClose { .. }
                | ServerOutput::WsStall { .. } => panic!("the exchange gave up"),
            })
            .collect();
        for mut text in texts {
            if is_struck(&text)
                && let Some(name) = self.spoils.take()
            {
                text = spoilt(&text, name);
            }
            self.frames.push(text.clone());
            let (conn, receive_time) = (self.conn, self.now);
            self.session(FeedInput::Frame { conn, receive_time, text });
        }
    }

    fn said(&mut self, out: Vec<FeedOutput>) {
        for output in out {
            match output {
                FeedOutput::Connect { conn, .. } => {
                    self.conn = conn;
                    let (host, address) = (WsHost::Public, "127.0.0.1".to_owned());
                    let opened = ServerInput::WsOpened { peer: PEER, host, address };
                    let mut greeting = Vec::new();
                    self.exchange.handle(self.now, opened, &mut greeting);
                    self.session(FeedInput::Connected { conn });
                    self.carry(greeting);
                }
                FeedOutput::Send { text, .. } => {
                    self.exchange(ServerInput::WsFrame { peer: PEER, text });
                }
                FeedOutput::Event(MarketEvent::Book { top, .. }) => {
                    if matches!(top.state, BookState::Invalid(_)) {
                        assert!(top.bids.is_empty() && top.asks.is_empty(), "levels to quote from");
                    }
                    let name = top.instrument.instrument.to_string();
                    self.states.push((self.frames.len(), name, top.state));
                }
                FeedOutput::Close { .. } => panic!("the session gave up its connection"),
                FeedOutput::Event(_) | FeedOutput::Problem(_) => {}
            }
        }
    }

    /// Moves every book once, and lets 100 ms pass.
    fn step(&mut self, number: i64) {
        for pair in PAIRS {
            for (side, sign) in [(Side::Buy, -1), (Side::Sell, 1)] {
                let price = Ticks::new(600_000 + sign * (1 + number % 5));
                let qty = Lots::new(1_000_000_000 + number);
                let symbol = pair.into();
                self.exchange(ServerInput::Flow(Flow::Level { symbol, side, price, qty }));
            }
        }
        self.now = self.now.saturating_add(DurationNs::from_ms(100));
        let mut out = Vec::new();
        if self.exchange.next_deadline().is_some_and(|due| due <= self.now) {
            self.exchange.tick(self.now, &mut out);
        }
        self.carry(out);
        let mut out = Vec::new();
        if self.session.next_deadline().is_some_and(|due| due <= self.now) {
            self.session.tick(self.now, &mut out);
        }
        self.said(out);
    }
}

#[test]
fn one_corrupted_digit_of_a_checksum_takes_one_book_back_on_that_frame_until_it_is_fetched_again() {
    check(|road| {
        let wish = br#"{"kind":"corrupt_checksum","count":1,"scope":{"pair":"ETH/USD"}}"#.to_vec();
        let (method, path) = ("POST".to_owned(), "faults".to_owned());
        road.exchange(ServerInput::Admin { call: CallId(1), method, path, body: wish });
    });
}

#[test]
fn one_corrupted_digit_of_a_quantity_does_the_same() {
    check(|road| road.spoils = Some("\"qty\":"));
}

#[test]
fn one_corrupted_digit_of_a_price_does_the_same() {
    check(|road| road.spoils = Some("\"price\":"));
}

fn check(strike: impl FnOnce(&mut Road)) {
    let mut road = Road::new();
    road.session(FeedInput::Start);
    (0..50).for_each(|number| road.step(number));
    let live: BTreeSet<&str> = road
        .states
        .iter()
        .filter(|(_, _, state)| *state == BookState::Live)
        .map(|(_, name, _)| name.as_str())
        .collect();
    assert_eq!(live, BTreeSet::from(["ADA-USD", "BTC-USD", "ETH-USD"]), "every pair is quotable");
    let (states, frames) = (road.states.len(), road.frames.len());
    strike(&mut road);
    (50..150).for_each(|number| road.step(number));

    let struck =
        frames + road.frames[frames..].iter().position(|text| is_struck(text)).unwrap() + 1;
    let after = &road.states[states..];
    let of_pair: Vec<&(usize, String, BookState)> =
        after.iter().filter(|(_, name, _)| name == "ETH-USD").collect();
    // On that very frame, before anything else was believed of the pair.
    let first = of_pair.first().unwrap();
    assert_eq!((first.0, first.2), (struck, BookState::Invalid(InvalidBook::Checksum)));
    // Fetched again, and from then on every change is believed.
    assert!(
        of_pair.len() > 50 && of_pair[1..].iter().all(|(_, _, state)| *state == BookState::Live)
    );
    let snapshots = road.frames[struck..]
        .iter()
        .filter(|text| text.contains("\"type\":\"snapshot\"") && is_struck(text));
    assert_eq!(snapshots.count(), 1);
    // The others never noticed.
    let others: Vec<&(usize, String, BookState)> =
        after.iter().filter(|(_, name, _)| name != "ETH-USD").collect();
    assert!(others.len() > 300 && others.iter().all(|(_, _, state)| *state == BookState::Live));
    for (key, counters) in road.session.counters() {
        let count = u64::from(key.instrument.as_str() == "ETH-USD");
        assert_eq!((counters.checksums_failed, counters.resyncs), (count, count), "{key}");
    }
}
