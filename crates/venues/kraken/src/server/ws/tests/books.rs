//! Books over whole sessions: our own order book and feed session read them and find every checksum good.

use super::*;
use crate::KrakenFeed;
use crate::server::ws::level3::tests::{Client, Seen};
use remora_domain::{BookTop, VenueId};
use remora_machine::SplitMix64;
use remora_orderbook::{LevelChange, OrderBook, Verify};
use remora_venue_api::{ConnId, FeedInput, FeedOutput, FeedSettings, MarketEvent};
use std::collections::BTreeMap;

const SYMBOL: &str = "BTC/USD";

fn subscribe(depth: u32) -> String {
    format!(
        r#"{{"method":"subscribe","params":{{"channel":"book","symbol":["{SYMBOL}"],"depth":{depth}}}}}"#
    )
}

#[test]
fn a_book_is_acknowledged_then_sent_and_then_changes_come_with_their_checksum() {
    let mut venue = Venue::new();
    let peer = venue.connect(WsHost::Public);
    venue.crowd(SYMBOL, Side::Buy, 610_000, 5_000_000);
    venue.crowd(SYMBOL, Side::Sell, 610_005, 12_345_678);
    assert_eq!(
        venue.ask(
            peer,
            r#"{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"]},"req_id":4}"#
        ),
        [
            r#"{"method":"subscribe","req_id":4,"result":{"channel":"book","depth":10,"snapshot":true,"symbol":"BTC/USD"},"success":true}"#,
            &format!(
                r#"{{"channel":"book","type":"snapshot","data":[{{"symbol":"BTC/USD","bids":[{{"price":61000.0,"qty":0.05000000}}],"asks":[{{"price":61000.5,"qty":0.12345678}}],"checksum":{},"timestamp":"T"}}]}}"#,
                crc("610005123456786100005000000")
            ),
        ]
    );
    let tag = venue.crowd(SYMBOL, Side::Buy, 610_001, 5_000);
    let symbol: Arc<str> = SYMBOL.into();
    venue.input(ServerInput::Flow(Flow::Remove { symbol, tag }));
    let heard: Vec<_> = venue.heard(peer).iter().map(|text| timeless(text)).collect();
    assert_eq!(
        heard,
        [
            format!(
                r#"{{"channel":"book","type":"update","data":[{{"symbol":"BTC/USD","bids":[{{"price":61000.1,"qty":0.00005000}}],"asks":[],"checksum":{},"timestamp":"T"}}]}}"#,
                crc("6100051234567861000150006100005000000")
            ),
            format!(
                r#"{{"channel":"book","type":"update","data":[{{"symbol":"BTC/USD","bids":[{{"price":61000.1,"qty":0.00000000}}],"asks":[],"checksum":{},"timestamp":"T"}}]}}"#,
                crc("610005123456786100005000000")
            ),
        ]
    );
}

/// The checksum of a text, computed with the book crate's own digits: the text of one level and no more.
fn crc(text: &str) -> u32 {
    // CRC-32 (IEEE 802.3), bit by bit: slow, short and independent of the code under test.
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn no_snapshot_comes_where_none_is_wanted() {
    let mut venue = Venue::new();
    let peer = venue.connect(WsHost::Public);
    let text = r#"{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"snapshot":false}}"#;
    let want = r#"{"method":"subscribe","result":{"channel":"book","depth":10,"snapshot":false,"symbol":"BTC/USD"},"success":true}"#;
    assert_eq!(venue.ask(peer, text), [want]);
}

#[test]
fn subscribers_of_one_depth_share_one_text() {
    let mut venue = Venue::new();
    let peers = [venue.connect(WsHost::Public), venue.connect(WsHost::Public)];
    for peer in peers {
        venue.ask(peer, &subscribe(100));
    }
    venue.crowd(SYMBOL, Side::Buy, 600_000, 5_000);
    let [one, other] = peers.map(|peer| venue.heard(peer).remove(0));
    assert!(Arc::ptr_eq(&one, &other));
}

/// Is a random crowd around a wandering price, with clients' orders between: everything that moves a book.
fn step(venue: &mut Venue, random: &mut SplitMix64, mid: &mut i64, tags: &mut Vec<u64>) {
    let mut below = |bound: u64| i64::try_from(random.next_below(bound)).unwrap();
    *mid += below(41) - 20;
    let side = if below(2) == 0 { Side::Buy } else { Side::Sell };
    let reach = if below(5) == 0 { 3_000 } else { 40 };
    let away = below(reach) - 3;
    let price = if side == Side::Buy { *mid - away } else { *mid + away };
    let qty = 10_000 + below(900_000_000);
    match below(8) {
        0..=3 => {
            let tag = venue.crowd(SYMBOL, side, price, qty);
            tags.push(tag);
        }
        4 | 5 if !tags.is_empty() => {
            let at = usize::try_from(below(u64::try_from(tags.len()).unwrap())).unwrap();
            let (symbol, tag) = (SYMBOL.into(), tags.swap_remove(at));
            venue.input(ServerInput::Flow(Flow::Remove { symbol, tag }));
        }
        6 => venue.take(
            SYMBOL,
            side,
            if side == Side::Buy { *mid + 500 } else { *mid - 500 },
            qty * 3,
        ),
        _ => {
            let symbol = SYMBOL.into();
            let (price, qty) = (Ticks::new(price), Lots::new(if below(3) == 0 { 0 } else { qty }));
            venue.input(ServerInput::Flow(Flow::Level { symbol, side, price, qty }));
        }
    }
}

#[test]
fn our_own_book_validates_every_checksum_at_every_depth_of_a_random_market() {
    let mut venue = Venue::new();
    let (mut random, mut mid, mut tags) = (SplitMix64::new(5), 610_000, Vec::new());
    for _ in 0..800 {
        step(&mut venue, &mut random, &mut mid, &mut tags);
    }
    let mut books = BTreeMap::new();
    for depth in crate::DEPTHS {
        let peer = venue.connect(WsHost::Public);
        venue.send(peer, &subscribe(depth));
        let key = remora_domain::InstrumentKey::new(
            VenueId::new("kraken-spot").unwrap(),
            remora_domain::InstrumentId::new("BTC-USD").unwrap(),
        );
        books.insert(peer, OrderBook::new(key, usize::try_from(depth).unwrap()));
    }
    let (mut frames, mut changes): (u32, Vec<LevelChange>) = (0, Vec::new());
    for _ in 0..4_000 {
        step(&mut venue, &mut random, &mut mid, &mut tags);
        venue.now = venue.now.saturating_add(DurationNs::from_us(250));
        for (&peer, book) in &mut books {
            for text in venue.heard(peer) {
                let crate::Frame::Books(frame) = crate::decode(&text).unwrap() else { continue };
                let [item] = frame.items.as_slice() else { panic!("one symbol a frame") };
                changes.clear();
                item.changes(1, 8, &mut changes).unwrap();
                let verify = Verify::Crc32 { expected: item.checksum, levels: 10 };
                let taken = changes.iter().copied();
                match frame.kind {
                    crate::MessageKind::Snapshot => {
                        let depth = book.depth();
                        book.apply_snapshot(depth, taken, verify).unwrap();
                    }
                    crate::MessageKind::Update => book.apply_update(taken, verify).unwrap(),
                }
                frames += 1;
            }
            let exchange = venue.server.desk_mut().exchange();
            for side in [Side::Buy, Side::Sell] {
                let market = remora_matching::MarketIx::new(0);
                let engine: Vec<_> = exchange.levels(market, side, book.depth()).collect();
                let held: Vec<_> = match side {
                    Side::Buy => book.bids().map(|level| (level.ticks, level.lots)).collect(),
                    Side::Sell => book.asks().map(|level| (level.ticks, level.lots)).collect(),
                };
                assert_eq!(held, engine);
            }
        }
    }
    assert!(frames > 8_000, "{frames}");
}

#[test]
fn our_own_feed_session_follows_the_simulated_market_without_a_problem() {
    let mut venue = Venue::new();
    let peer = venue.open(WsHost::Public);
    let conn = ConnId::new(0);
    let mut feed = KrakenFeed::new(FeedSettings {
        venue: VenueId::new("kraken-spot").unwrap(),
        symbols: Some([SYMBOL.to_owned(), "ETH/USD".to_owned()].into()),
        shard: (0, 1),
        depth: 25,
        levels_published: 5,
        url: "ws://127.0.0.1/v2".to_owned(),
        is_recorded: false,
        is_synthetic: true,
        seed: 1,
    });
    let (mut random, mut mid, mut tags) = (SplitMix64::new(9), 610_000, Vec::new());
    let mut asked = Vec::new();
    feed.handle(venue.now, FeedInput::Start, &mut asked);
    asked.clear();
    feed.handle(venue.now, FeedInput::Connected { conn }, &mut asked);
    let (mut tops, mut trades): (Vec<BookTop>, u32) = (Vec::new(), 0);
    for _ in 0..3_000 {
        venue.pass(DurationNs::from_ms(2));
        step(&mut venue, &mut random, &mut mid, &mut tags);
        while feed.next_deadline().is_some_and(|at| at <= venue.now) {
            feed.tick(venue.now, &mut asked);
        }
        for output in std::mem::take(&mut asked) {
            match output {
                FeedOutput::Send { text, .. } => venue.send(peer, &text),
                FeedOutput::Problem(problem) => panic!("{problem:?}"),
                FeedOutput::Event(MarketEvent::Book { top, .. }) => tops.push(top),
                FeedOutput::Event(MarketEvent::Trade { .. }) => trades += 1,
                FeedOutput::Event(
                    MarketEvent::Instrument(_)
                    | MarketEvent::Ticker { .. }
                    | MarketEvent::Status(_),
                ) => {}
                FeedOutput::Connect { .. } | FeedOutput::Close { .. } => panic!("reconnects"),
            }
        }
        for text in venue.heard(peer) {
            let (receive_time, text) = (venue.now, text.to_string());
            feed.handle(venue.now, FeedInput::Frame { conn, receive_time, text }, &mut asked);
        }
    }
    assert!(tops.len() > 1_000 && trades > 100, "{} tops, {trades} trades", tops.len());
}

#[test]
fn a_client_of_the_order_level_book_holds_the_engines_queues_at_every_depth() {
    let mut venue = Venue::new();
    let token = venue.token("maker");
    let (mut random, mut mid, mut tags) = (SplitMix64::new(3), 610_000, Vec::new());
    for _ in 0..500 {
        step(&mut venue, &mut random, &mut mid, &mut tags);
    }
    let mut clients = BTreeMap::new();
    for depth in [10, 100, 1000] {
        let peer = venue.connect(WsHost::Level3);
        let text = format!(
            r#"{{"method":"subscribe","params":{{"channel":"level3","symbol":["{SYMBOL}"],"depth":{depth},"token":"{token}"}}}}"#
        );
        venue.send(peer, &text);
        clients.insert(peer, Client::new(depth));
    }
    let mut frames = 0;
    for _ in 0..2_000 {
        for (&peer, client) in &mut clients {
            for text in venue.heard(peer) {
                if text.starts_with(r#"{"channel":"level3""#) {
                    client.take(&text);
                    frames += 1;
                }
            }
            let desk = venue.server.desk_mut();
            for (side, seen) in [(Side::Buy, &client.bids), (Side::Sell, &client.asks)] {
                let market = remora_matching::MarketIx::new(0);
                let levels = desk.exchange().levels(market, side, client.depth);
                let queue = |(price, _): (Ticks, Lots)| {
                    let queue = desk.exchange().queue(market, side, price);
                    let row =
                        |(order, qty): (_, Lots)| (desk.order_id(order).to_string(), qty.get());
                    (price.get(), queue.map(row).collect::<Vec<_>>())
                };
                assert_eq!(*seen, levels.map(queue).collect::<Seen>());
            }
        }
        step(&mut venue, &mut random, &mut mid, &mut tags);
    }
    assert!(frames > 3_000, "{frames}");
}
