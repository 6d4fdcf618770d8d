//! The recording that ships, and small ones of our own, as flow.

use super::*;
use flate2::read::GzDecoder;
use remora_orderbook::{BookLevel, Checksum};
use remora_venue_api::ConnId;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

fn venue() -> VenueId {
    VenueId::new("kraken-spot").unwrap()
}

fn frame(text: &str) -> FeedInput {
    let (conn, receive_time) = (ConnId::new(0), Timestamp::from_ns(1));
    FeedInput::Frame { conn, receive_time, text: text.to_owned() }
}

/// Gives the received frames of the recording that ships.
fn shipped() -> Vec<String> {
    #[derive(Deserialize)]
    struct Line {
        dir: String,
        frame: Box<RawValue>,
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let file = File::open(root.join("demo/synthetic_kraken_spot.jsonl.gz")).unwrap();
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    let lines = lines.map(|line| serde_json::from_str::<Line>(&line.unwrap()).unwrap());
    lines.filter(|line| line.dir == "in").map(|line| line.frame.get().to_owned()).collect()
}

fn find(frames: &[String]) -> Vec<RecordedPair> {
    let mut finder = PairFinder::new(&venue());
    for text in frames {
        finder.play(Timestamp::from_ns(1), frame(text));
    }
    finder.finish()
}

/// Is a pair of sides as the flow tells them.
#[derive(Default)]
struct Mirror {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl Mirror {
    fn apply(&mut self, flow: &Flow) {
        match flow {
            Flow::Reset { .. } => *self = Self::default(),
            Flow::Level { side, price, qty, .. } => {
                let levels = if *side == Side::Buy { &mut self.bids } else { &mut self.asks };
                if qty.get() == 0 {
                    levels.remove(&price.get()).expect("only what is there goes");
                } else {
                    levels.insert(price.get(), qty.get());
                }
                let (bid, ask) = (self.bids.last_key_value(), self.asks.first_key_value());
                assert!(bid.zip(ask).is_none_or(|(bid, ask)| bid.0 < ask.0), "crossed on the way");
            }
            Flow::Take { .. } | Flow::Add { .. } | Flow::Remove { .. } | Flow::Index { .. } => {}
        }
    }

    fn checksum(&self) -> u32 {
        let level = |(price, qty): (&i64, &i64)| BookLevel {
            ticks: Ticks::new(*price),
            lots: Lots::new(*qty),
        };
        let (asks, bids) = (self.asks.iter().take(10), self.bids.iter().rev().take(10));
        Checksum::new().of(asks.map(level), bids.map(level))
    }
}

fn symbol_of(flow: &Flow) -> &Arc<str> {
    match flow {
        Flow::Level { symbol, .. }
        | Flow::Reset { symbol }
        | Flow::Take { symbol, .. }
        | Flow::Add { symbol, .. }
        | Flow::Remove { symbol, .. }
        | Flow::Index { symbol, .. } => symbol,
    }
}

#[test]
fn the_pairs_of_a_recording_are_those_with_a_definition_and_a_book() {
    let pairs = find(&shipped());
    let symbols: Vec<&str> = pairs.iter().map(|pair| &*pair.symbol).collect();
    assert_eq!(symbols, ["ADA/EUR", "BTC/USD", "ETH/BTC", "ETH/USD", "SOL/USD", "XRP/USD"]);
    let btc = &pairs[1];
    assert_eq!((btc.price_decimals, btc.qty_decimals), (1, 8));
    assert_eq!(
        (btc.tick.to_string(), btc.qty_min.to_string()),
        ("0.1".into(), "0.00005000".into())
    );
    assert_eq!((&*btc.base, &*btc.quote), ("BTC", "USD"));
    assert_eq!(pairs.iter().filter(|pair| pair.has_index).count(), 1);
}

#[test]
fn the_flow_rebuilds_every_book_to_its_recorded_checksum() {
    let frames = shipped();
    let pairs = find(&frames);
    let mut recorded = Recorded::new(&venue(), &pairs);
    let mut mirrors: BTreeMap<Arc<str>, Mirror> = BTreeMap::new();
    let (mut flow, mut takes, mut indexes, mut checked) = (Vec::new(), 0, 0, 0);
    for text in &frames {
        recorded.play(Timestamp::from_ns(1), frame(text), &mut flow);
        for event in flow.drain(..) {
            takes += usize::from(matches!(event, Flow::Take { .. }));
            indexes += usize::from(matches!(event, Flow::Index { .. }));
            mirrors.entry(Arc::clone(symbol_of(&event))).or_default().apply(&event);
        }
        if let Ok(Frame::Books(books)) = decode(text) {
            for book in &books.items {
                if let Some(mirror) = mirrors.get(&*book.symbol) {
                    assert_eq!(mirror.checksum(), book.checksum);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 10_000 && takes > 1_000 && indexes > 500, "{checked} {takes} {indexes}");
    assert!(recorded.problems().is_empty());
}

const DEFINED: &str = r#"{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":[{"symbol":"EXA/USD","base":"EXA","quote":"USD","status":"online","qty_precision":2,"qty_increment":0.01,"price_precision":1,"price_increment":0.1,"qty_min":0.5}]}}"#;

fn book(kind: &str, bids: &str, asks: &str, sum: &[u8]) -> String {
    let checksum = crc32(sum);
    format!(
        r#"{{"channel":"book","type":"{kind}","data":[{{"symbol":"EXA/USD","bids":[{bids}],"asks":[{asks}],"checksum":{checksum}}}]}}"#
    )
}

/// Computes a CRC-32 bit by bit, so that these frames owe nothing to the code that checks them.
fn crc32(text: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc));
    !text.iter().fold(u32::MAX, byte)
}

fn play(frames: &[&str]) -> (Vec<Flow>, Recorded) {
    let pairs = find(&frames.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    let mut recorded = Recorded::new(&venue(), &pairs);
    let mut flow = Vec::new();
    for text in frames {
        recorded.play(Timestamp::from_ns(1), frame(text), &mut flow);
    }
    (flow, recorded)
}

fn short(flow: &[Flow]) -> Vec<String> {
    let line = |flow: &Flow| match flow {
        Flow::Level { side, price, qty, .. } => format!("{side} {price} {qty}"),
        Flow::Take { side, limit, qty, is_market_order, .. } => {
            format!("take {side} {limit} {qty} {is_market_order}")
        }
        Flow::Reset { .. } => "reset".to_owned(),
        Flow::Index { price, .. } => format!("index {price}"),
        Flow::Add { .. } | Flow::Remove { .. } => "generated".to_owned(),
    };
    flow.iter().map(line).collect()
}

#[test]
fn what_shrinks_is_told_before_what_grows() {
    let first = book(
        "snapshot",
        r#"{"price":9.9,"qty":1.00},{"price":9.8,"qty":2.00}"#,
        r#"{"price":10.1,"qty":3.00}"#,
        b"1013009910098200",
    );
    // The price moves up through the old ask.
    let second = book(
        "update",
        r#"{"price":10.1,"qty":0.50},{"price":9.8,"qty":0.00}"#,
        r#"{"price":10.1,"qty":0.00},{"price":10.3,"qty":4.00}"#,
        b"1034001015099100",
    );
    let (flow, recorded) = play(&[DEFINED, &first, &second]);
    assert!(recorded.problems().is_empty(), "{:?}", recorded.problems());
    let want = [
        "buy 99 100",
        "buy 98 200",
        "sell 101 300",
        "buy 98 0",
        "sell 101 0",
        "buy 101 50",
        "sell 103 400",
    ];
    assert_eq!(short(&flow), want);
}

#[test]
fn a_book_that_fails_its_checksum_is_reset_until_its_next_snapshot() {
    let sides = (r#"{"price":9.9,"qty":1.00}"#, r#"{"price":10.1,"qty":3.00}"#);
    let good = book("snapshot", sides.0, sides.1, b"10130099100");
    let bad = book("update", r#"{"price":9.9,"qty":2.00}"#, "", b"wrong");
    let late = book("update", r#"{"price":9.9,"qty":5.00}"#, "", b"10130099500");
    let (flow, recorded) = play(&[DEFINED, &good, &bad, &late, &good]);
    let levels = ["buy 99 100", "sell 101 300"];
    assert_eq!(short(&flow), [levels[0], levels[1], "reset", levels[0], levels[1]]);
    assert_eq!(recorded.problems().get(&ProblemKind::Checksum), Some(&1));
}

#[test]
fn trades_keep_their_kind_and_come_once() {
    let good = book(
        "snapshot",
        r#"{"price":9.9,"qty":1.00}"#,
        r#"{"price":10.1,"qty":3.00}"#,
        b"10130099100",
    );
    let trade = |kind: &str, id: u64, word: &str| {
        format!(
            r#"{{"channel":"trade","type":"{kind}","data":[{{"symbol":"EXA/USD","side":"sell","price":9.9,"qty":0.50,"ord_type":"{word}","trade_id":{id},"timestamp":"2026-01-02T03:04:05Z"}}]}}"#
        )
    };
    let (old, first, again, next) = (
        trade("snapshot", 6, "market"),
        trade("update", 7, "limit"),
        trade("update", 7, "limit"),
        trade("update", 8, "market"),
    );
    let (flow, _) = play(&[DEFINED, &good, &old, &first, &again, &next]);
    assert_eq!(short(&flow)[2..], ["take sell 99 50 false", "take sell 99 50 true"]);
}

#[test]
fn a_book_finer_than_its_definition_gives_the_pair_its_decimals() {
    let fine = book(
        "snapshot",
        r#"{"price":9.950,"qty":1.00}"#,
        r#"{"price":10.125,"qty":3.00}"#,
        b"101253009950100",
    );
    let pairs = find(&[DEFINED.to_owned(), fine]);
    assert_eq!((pairs[0].price_decimals, pairs[0].qty_decimals), (3, 2));
    assert_eq!(pairs[0].tick.to_string(), "0.1");
}

#[test]
fn a_pair_without_a_book_is_not_traded_and_strange_frames_are_counted() {
    assert!(find(&[DEFINED.to_owned()]).is_empty());
    let (flow, recorded) = play(&[DEFINED, "nonsense", r#"{"channel":"trade"}"#]);
    assert!(flow.is_empty());
    assert_eq!(recorded.problems().get(&ProblemKind::Malformed), Some(&2));
}
