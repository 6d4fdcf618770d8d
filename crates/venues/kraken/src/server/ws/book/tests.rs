//! The book channel against an engine of random steps: levels, truncation, checksums at every depth.

use super::*;
use crate::frame::{BookItem, Frame as Text, MessageKind, decode};
use remora_domain::{InstrumentId, InstrumentKey, VenueId};
use remora_machine::SplitMix64;
use remora_orderbook::{LevelChange, OrderBook, Verify};
use std::collections::BTreeMap;

const PRINTED: Printed<'static> = Printed { symbol: "EXA/USD", price_decimals: 4, qty_decimals: 8 };

/// Is an engine's book: quantities by price, asks and bids.
#[derive(Clone, Debug, Default)]
struct Book {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl Levels for Book {
    fn best(&self, side: Side, count: usize) -> impl Iterator<Item = BookLevel> {
        let level = |(&price, &qty): (&i64, &i64)| BookLevel {
            ticks: Ticks::new(price),
            lots: Lots::new(qty),
        };
        let all: Vec<_> = match side {
            Side::Buy => self.bids.iter().rev().map(level).take(count).collect(),
            Side::Sell => self.asks.iter().map(level).take(count).collect(),
        };
        all.into_iter()
    }
}

impl Book {
    fn set(&mut self, side: Side, price: i64, qty: i64) -> Change {
        let levels = if side == Side::Buy { &mut self.bids } else { &mut self.asks };
        if qty == 0 {
            levels.remove(&price);
        } else {
            levels.insert(price, qty);
        }
        Change { side, price, qty }
    }
}

/// Is a client: our own book, at one depth, that believes only what the frames and their checksums say.
struct Client {
    peer: PeerId,
    book: OrderBook,
}

impl Client {
    fn new(depth: u32) -> Self {
        let venue = VenueId::new("kraken-spot").unwrap();
        let key = InstrumentKey::new(venue, InstrumentId::new("EXA-USD").unwrap());
        Self { peer: PeerId(depth.into()), book: OrderBook::new(key, depth.try_into().unwrap()) }
    }

    fn take(&mut self, text: &str) {
        let Text::Books(frame) = decode(text).unwrap() else { panic!("{text}") };
        let [item] = frame.items.as_slice() else { panic!("{text}") };
        let verify = Verify::Crc32 { expected: item.checksum, levels: CHECKED };
        let changes = changes(item);
        match frame.kind {
            MessageKind::Snapshot => {
                let depth = self.book.depth();
                self.book.apply_snapshot(depth, changes, verify).unwrap();
            }
            MessageKind::Update => self.book.apply_update(changes, verify).unwrap(),
        }
    }

    fn agrees_with(&self, engine: &Book) {
        let depth = self.book.depth();
        assert!(self.book.bids().eq(engine.best(Side::Buy, depth)), "bids at {depth}");
        assert!(self.book.asks().eq(engine.best(Side::Sell, depth)), "asks at {depth}");
    }
}

fn changes(item: &BookItem<'_>) -> Vec<LevelChange> {
    let mut changes = Vec::new();
    item.changes(PRINTED.price_decimals, PRINTED.qty_decimals, &mut changes).unwrap();
    changes
}

#[derive(Default)]
struct Desk {
    json: Json,
    checksum: Checksum,
}

impl Desk {
    fn frame(&mut self) -> Frame<'_> {
        let time = Timestamp::from_ns(1_767_323_045_678_901_000);
        Frame { json: &mut self.json, checksum: &mut self.checksum, printed: PRINTED, time }
    }
}

fn subscribed(feed: &mut BookFeed, engine: &Book, desk: &mut Desk, depth: u32) -> Client {
    let mut client = Client::new(depth);
    feed.subscribe(client.peer, depth, engine);
    client.take(&feed.snapshot(depth, &mut desk.frame()).unwrap());
    client
}

/// Makes one step of the engine: a few changes near the best prices, at times a sweep, at times a whole new book.
fn step(engine: &mut Book, random: &mut SplitMix64, mid: &mut i64) -> Vec<Change> {
    let mut below =
        |bound: i64| i64::try_from(random.next_below(bound.try_into().unwrap())).unwrap();
    let mut changes = Vec::new();
    *mid += below(21) - 10;
    // Whatever the new middle crosses goes first, as a taker would have taken it.
    let crossed: Vec<_> = engine.bids.range(*mid..).map(|(&price, _)| (Side::Buy, price)).collect();
    let taken = engine.asks.range(..=*mid).map(|(&price, _)| (Side::Sell, price));
    for (side, price) in crossed.into_iter().chain(taken.collect::<Vec<_>>()) {
        changes.push(engine.set(side, price, 0));
    }
    let count = if below(50) == 0 { 400 } else { below(6) };
    for _ in 0..count {
        let side = if below(2) == 0 { Side::Buy } else { Side::Sell };
        let reach = if below(4) == 0 { 1500 } else { 30 };
        let distance = 1 + below(reach);
        let price = if side == Side::Buy { *mid - distance } else { *mid + distance };
        let qty = if below(3) == 0 { 0 } else { 1 + below(9_000_000_000) };
        changes.push(engine.set(side, price, qty));
    }
    changes
}

#[test]
fn clients_at_all_depths_agree_with_the_engine_after_every_random_step() {
    for seed in 1..=4 {
        let mut random = SplitMix64::new(seed);
        let (mut engine, mut mid) = (Book::default(), 500_000);
        for _ in 0..(200 * seed) {
            step(&mut engine, &mut random, &mut mid);
        }
        let (mut feed, mut desk) = (BookFeed::default(), Desk::default());
        let mut clients: Vec<Client> = Vec::new();
        for depth in crate::DEPTHS {
            clients.push(subscribed(&mut feed, &engine, &mut desk, depth));
        }
        let mut frames = 0;
        for _ in 0..1_500 {
            let before = engine.clone();
            let mut changes = step(&mut engine, &mut random, &mut mid);
            settle(&mut changes);
            let mut sent = Vec::new();
            feed.step(&changes, &engine, &mut desk.frame(), |peers, text| {
                sent.push((peers.clone(), text));
            });
            for client in &mut clients {
                let peer = client.peer;
                let mut mine = sent.iter().filter(|(peers, _)| peers.contains(&peer));
                let depth = client.book.depth();
                let is_changed = [Side::Buy, Side::Sell]
                    .iter()
                    .any(|&side| !before.best(side, depth).eq(engine.best(side, depth)));
                match mine.next() {
                    Some((_, text)) => client.take(text),
                    None => assert!(!is_changed, "a change at {depth} was not told"),
                }
                assert!(mine.next().is_none(), "one frame a step");
                client.agrees_with(&engine);
            }
            frames += sent.len();
        }
        assert!(frames > 4_000, "{frames}");
    }
}

#[test]
fn the_worked_example_of_the_reference_is_reproduced() {
    let mut engine = Book::default();
    for (price, qty) in [
        (5021, 12_000_000_000),
        (5022, 5_000_000),
        (5023, 710_000_000),
        (5025, 250_075_000_000),
        (5026, 3_333_333_333),
        (5030, 41_012_340_000),
        (5031, 900_000_000),
        (5040, 1_800_000_000_000),
        (5050, 10_000),
        (5100, 6_450_000_000),
    ] {
        engine.set(Side::Sell, price, qty);
    }
    for (price, qty) in [
        (5020, 100_000_000_000),
        (5019, 3_330_000_000),
        (5018, 25_000_000),
        (5015, 7_700_000_001),
        (5010, 512_050_000_000),
        (5008, 1_200_000_000),
        (5005, 64_006_400_000),
        (5001, 314_159_265),
        (5000, 9_999_990_000_000),
        (4990, 100_000),
    ] {
        engine.set(Side::Buy, price, qty);
    }
    let (mut feed, mut desk) = (BookFeed::default(), Desk::default());
    feed.subscribe(PeerId(1), 10, &engine);
    let snapshot = feed.snapshot(10, &mut desk.frame()).unwrap();
    assert!(snapshot.contains(r#""bids":[{"price":0.5020,"qty":1000.00000000},{"price":0.5019,"#));
    assert!(snapshot.contains(r#""checksum":430052079"#), "{snapshot}");

    let mut tell = |engine: &Book, mut changes: Vec<Change>| {
        settle(&mut changes);
        let mut texts = Vec::new();
        feed.step(&changes, engine, &mut desk.frame(), |_, text| texts.push(text));
        texts
    };
    let changes = vec![
        engine.set(Side::Buy, 5019, 0),
        engine.set(Side::Buy, 4985, 500_000_000),
        engine.set(Side::Sell, 5024, 1_550_000_000),
        engine.set(Side::Sell, 5021, 11_900_000_000),
    ];
    let [first]: [Arc<str>; 1] = tell(&engine, changes).try_into().unwrap();
    let want = r#"{"channel":"book","type":"update","data":[{"symbol":"EXA/USD","bids":[{"price":0.5019,"qty":0.00000000},{"price":0.4985,"qty":5.00000000}],"asks":[{"price":0.5021,"qty":119.00000000},{"price":0.5024,"qty":15.50000000}],"checksum":2825815933,"timestamp":"2026-01-02T03:04:05.678901Z"}]}"#;
    assert_eq!(&*first, want);
    // The eleventh ask goes unseen; then one of the ten goes and another enters at the bottom.
    let changes = vec![engine.set(Side::Sell, 5100, 0)];
    assert!(tell(&engine, changes).is_empty());
    let changes =
        vec![engine.set(Side::Sell, 5022, 0), engine.set(Side::Sell, 5110, 4_200_000_000)];
    let [second]: [Arc<str>; 1] = tell(&engine, changes).try_into().unwrap();
    let want = r#""bids":[],"asks":[{"price":0.5022,"qty":0.00000000},{"price":0.5110,"qty":42.00000000}],"checksum":1769047479,"#;
    assert!(second.contains(want), "{second}");
}

#[test]
fn levels_pushed_out_at_the_bottom_are_not_named_and_levels_entering_there_are() {
    let mut engine = Book::default();
    for price in 1..=11 {
        engine.set(Side::Sell, price * 10, 7);
    }
    let (mut feed, mut desk) = (BookFeed::default(), Desk::default());
    feed.subscribe(PeerId(1), 10, &engine);
    let mut tell = |engine: &Book, changes: &[Change]| {
        let mut texts = Vec::new();
        feed.step(changes, engine, &mut desk.frame(), |_, text| texts.push(text));
        texts.first().map_or(String::new(), |text| {
            let from = text.find(r#""asks":"#).unwrap();
            text[from..].split(r#","checksum""#).next().unwrap().to_owned()
        })
    };
    let pushed = [engine.set(Side::Sell, 5, 1)];
    assert_eq!(tell(&engine, &pushed), r#""asks":[{"price":0.0005,"qty":0.00000001}]"#);
    let gone = [engine.set(Side::Sell, 5, 0)];
    let want = r#""asks":[{"price":0.0005,"qty":0.00000000},{"price":0.0100,"qty":0.00000007}]"#;
    assert_eq!(tell(&engine, &gone), want);
    let outside = [engine.set(Side::Sell, 110, 9)];
    assert_eq!(tell(&engine, &outside), "");
    let same = [Change { side: Side::Sell, price: 20, qty: 7 }];
    assert_eq!(tell(&engine, &same), "");
}

#[test]
fn an_empty_book_has_the_checksum_of_no_text() {
    let (mut feed, mut desk) = (BookFeed::default(), Desk::default());
    feed.subscribe(PeerId(1), 25, &Book::default());
    let snapshot = feed.snapshot(25, &mut desk.frame()).unwrap();
    assert!(snapshot.contains(r#""bids":[],"asks":[],"checksum":0,"#), "{snapshot}");
}

#[test]
fn the_last_change_of_a_price_counts() {
    let change = |price, qty| Change { side: Side::Buy, price, qty };
    let mut changes = vec![change(5, 1), change(4, 2), change(5, 0), change(5, 3)];
    settle(&mut changes);
    assert_eq!(changes, [change(4, 2), change(5, 3)]);
}

#[test]
fn a_depth_is_forgotten_with_its_last_subscriber() {
    let engine = Book::default();
    let mut feed = BookFeed::default();
    feed.subscribe(PeerId(1), 10, &engine);
    feed.subscribe(PeerId(2), 10, &engine);
    feed.unsubscribe(PeerId(1));
    assert!(!feed.is_idle());
    feed.unsubscribe(PeerId(2));
    assert!(feed.is_idle());
}
