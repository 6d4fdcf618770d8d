//! The synthetic recording read by a reader of its own: checksums, order, lead, spreads, and that the file that
//! ships is the one that is made.

use super::*;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::io::Read;

/// Is a frame with the time at which it was received.
struct Line {
    t: i64,
    direction: String,
    frame: Value,
    text: String,
}

fn lines(text: &str) -> Vec<Line> {
    #[derive(serde::Deserialize)]
    struct Raw<'a> {
        t: i64,
        venue: String,
        dir: String,
        #[serde(borrow)]
        frame: &'a RawValue,
    }
    let read = |line: &str| {
        let raw: Raw<'_> = serde_json::from_str(line).unwrap();
        assert_eq!(raw.venue, "remora_synthetic");
        let (text, direction) = (raw.frame.get().to_owned(), raw.dir);
        Line { t: raw.t, direction, frame: serde_json::from_str(&text).unwrap(), text }
    };
    text.lines().map(read).collect()
}

/// Gives the (price, quantity) texts of one side of a book frame, by cutting the frame's own text.
fn levels(text: &str, side: &str) -> Vec<(String, String)> {
    let list = text.split(&format!("\"{side}\":[")).nth(1).unwrap().split(']').next().unwrap();
    let level = |level: &str| {
        let (price, qty) = level.split_once(",\"qty\":").unwrap();
        let price = price.trim_start_matches("{\"price\":");
        (price.to_owned(), qty.trim_end_matches('}').to_owned())
    };
    list.split("},").filter(|level| !level.is_empty()).map(level).collect()
}

/// Is a reader's book, keyed by price digits; it knows nothing of the generator.
#[derive(Default)]
struct Book {
    bids: BTreeMap<u64, String>,
    asks: BTreeMap<u64, String>,
}

fn digits(text: &str) -> String {
    text.replace('.', "").trim_start_matches('0').to_owned()
}

impl Book {
    fn apply(&mut self, text: &str) {
        for (side, levels_of) in [(&mut self.bids, "bids"), (&mut self.asks, "asks")] {
            for (price, qty) in levels(text, levels_of) {
                let price: u64 = digits(&price).parse().unwrap();
                if digits(&qty).is_empty() {
                    assert!(side.remove(&price).is_some(), "a level is removed that was not told");
                } else {
                    side.insert(price, digits(&qty));
                }
            }
        }
        while self.bids.len() > 25 {
            self.bids.pop_first();
        }
        while self.asks.len() > 25 {
            self.asks.pop_last();
        }
    }

    fn checksum(&self) -> u32 {
        let mut text = String::new();
        for (price, qty) in self.asks.iter().take(10).chain(self.bids.iter().rev().take(10)) {
            text.push_str(&format!("{price}{qty}"));
        }
        crc32fast::hash(text.as_bytes())
    }

    fn touch(&self) -> (u64, u64) {
        (*self.bids.last_key_value().unwrap().0, *self.asks.first_key_value().unwrap().0)
    }
}

/// Is the recording that ships.
fn made() -> String {
    generate(SEED, LENGTH_US).unwrap()
}

/// Is its first minute and a half.
fn short() -> String {
    generate(SEED, 90_000_000).unwrap()
}

#[test]
fn the_checksum_is_over_asks_then_bids_without_points_and_leading_zeros() {
    let level = |price: &str, qty: &str| -> (i64, i64) {
        (digits(price).parse().unwrap(), digits(qty).parse().unwrap())
    };
    let asks = [level("0.5021", "120.00000000"), level("0.5022", "0.05000000")];
    let bids = [level("0.5020", "1000.00000000")];
    let want = crc32fast::hash(b"502112000000000502250000005020100000000000");
    assert_eq!(frames::checksum(&bids, &asks), want);
}

#[test]
fn a_seed_gives_the_same_bytes_each_time_and_another_seed_others() {
    let first = short();
    assert_eq!(pack(&first).unwrap(), pack(&short()).unwrap());
    assert_ne!(first, generate(SEED + 1, 90_000_000).unwrap());
    // A recording is the beginning of every longer one.
    assert!(made().starts_with(first.rsplit_once("\n{").unwrap().0));
}

#[test]
fn the_recording_that_ships_is_the_one_that_is_made() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let packed = fs::read(root.join(PATH)).unwrap();
    assert!(packed.len() < 2_500_000, "{}", packed.len());
    let mut shipped = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut shipped).unwrap();
    assert!(shipped == made(), "run `cargo xtask make-demo-data`");
}

#[test]
fn a_reader_of_its_own_finds_every_checksum_right_and_no_crossed_book() {
    let mut books: BTreeMap<String, Book> = BTreeMap::new();
    let mut count = 0;
    for line in lines(&made()) {
        if line.frame["channel"] == "book" {
            let item = &line.frame["data"][0];
            let book = books.entry(item["symbol"].as_str().unwrap().to_owned()).or_default();
            book.apply(&line.text);
            assert_eq!(u64::from(book.checksum()), item["checksum"].as_u64().unwrap());
            let (bid, ask) = book.touch();
            assert!(bid < ask);
            assert!(book.bids.len() >= 10 && book.asks.len() >= 10);
            count += 1;
        }
    }
    assert_eq!(books.len(), 7);
    assert!(count > 15_000, "{count}");
}

#[test]
fn time_never_goes_back_and_five_whole_minutes_are_covered() {
    let made = lines(&made());
    assert!(made.is_sorted_by(|a, b| a.t <= b.t));
    let minute = 60_000_000_000;
    let (first, last) = (made.first().unwrap().t, made.last().unwrap().t);
    assert_eq!(last / minute - (first / minute + 1), 5);
}

#[test]
fn trades_have_consecutive_ids_and_precede_the_update_that_removes_their_volume() {
    let mut ids: BTreeMap<String, u64> = BTreeMap::new();
    let mut waiting: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines(&short()) {
        let Some(items) = line.frame["data"].as_array() else { continue };
        let symbol = || items[0]["symbol"].as_str().unwrap().to_owned();
        if line.frame["channel"] == "trade" {
            for item in items {
                let id = item["trade_id"].as_u64().unwrap();
                let before = ids.insert(symbol(), id);
                assert!(before.is_none_or(|before| before + 1 == id));
            }
            assert_eq!(
                waiting.insert(symbol(), items.len()),
                None,
                "two trades, no update between"
            );
        } else if line.frame["channel"] == "book" && line.frame["type"] == "update" {
            waiting.remove(&symbol());
        }
    }
    assert!(ids.values().len() == 7);
}

/// Gives the mid of each instrument on a grid of received time, in ticks doubled.
fn mids(step_ns: i64) -> BTreeMap<String, Vec<f64>> {
    let mut books: BTreeMap<String, Book> = BTreeMap::new();
    let mut mids: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut next = None;
    for line in lines(&made()) {
        if books.len() == 7 {
            let due = *next.get_or_insert(line.t);
            if line.t >= due {
                // No frame is far behind the grid: heartbeats come each second.
                next = Some(due + step_ns);
                for (symbol, book) in &books {
                    let (bid, ask) = book.touch();
                    let mid = f64::from(u32::try_from(bid + ask).unwrap());
                    mids.entry(symbol.clone()).or_default().push(mid);
                }
            }
        }
        if line.frame["channel"] == "book" {
            let symbol = line.frame["data"][0]["symbol"].as_str().unwrap().to_owned();
            books.entry(symbol).or_default().apply(&line.text);
        }
    }
    mids
}

fn returns(mids: &[f64], every: usize) -> Vec<f64> {
    let picked: Vec<f64> = mids.iter().copied().step_by(every).collect();
    picked.windows(2).map(|pair| pair[1] / pair[0] - 1.0).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let count = a.len().min(b.len());
    let (a, b) = (&a[..count], &b[..count]);
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn pairs_move_together_and_the_perpetual_leads_spot() {
    let mids = mids(500_000_000);
    let slow = |symbol: &str| returns(&mids[symbol], 10);
    for other in ["ETH/USD", "SOL/USD", "XRP/USD", "ADA/EUR"] {
        let together = correlation(&slow("BTC/USD"), &slow(other));
        assert!(together > 0.3, "{other}: {together}");
    }
    let (spot, perpetual) = (returns(&mids["BTC/USD"], 1), returns(&mids["BTC/USD:USD"], 1));
    let lead = correlation(&perpetual, &spot[1..]);
    let lag = correlation(&perpetual[1..], &spot);
    assert!(lead > 0.3 && lead > lag + 0.1, "lead {lead}, lag {lag}");
}

#[test]
fn spreads_are_those_the_readme_states() {
    let mut books: BTreeMap<String, Book> = BTreeMap::new();
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for line in lines(&short()) {
        assert!(line.direction == "in" || line.direction == "out");
        if line.frame["channel"] == "book" {
            let symbol = line.frame["data"][0]["symbol"].as_str().unwrap().to_owned();
            let book = books.entry(symbol.clone()).or_default();
            book.apply(&line.text);
            let (bid, ask) = book.touch();
            let of = |ticks: u64| f64::from(u32::try_from(ticks).unwrap());
            let bps = (of(ask) - of(bid)) / of(bid + ask) * 20_000.0;
            let sum = sums.entry(symbol).or_default();
            *sum = (sum.0 + bps, sum.1 + 1.0);
        }
    }
    let bands = [
        ("BTC/USD", 1.0, 5.0),
        ("ETH/USD", 4.0, 9.0),
        ("SOL/USD", 8.0, 18.0),
        ("XRP/USD", 8.0, 18.0),
        ("ETH/BTC", 6.0, 14.0),
        ("ADA/EUR", 18.0, 35.0),
        ("BTC/USD:USD", 0.5, 3.0),
    ];
    for (symbol, low, high) in bands {
        let (sum, count) = sums[symbol];
        assert!((low..high).contains(&(sum / count)), "{symbol}: {}", sum / count);
    }
}
