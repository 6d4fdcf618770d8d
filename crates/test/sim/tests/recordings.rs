//! Recordings through the whole road, in one process: every frame, every checksum, every promise, twice the same.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Finished, Run, key, play, play_seen, shared, shipped};
use flate2::read::GzDecoder;
use remora_domain::{Body, BookState, Envelope, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

const OF_2021: &str = "kraken_spot_ws2_converted_20210417";
const OF_2021_V1: &str = "kraken_spot_ws2_converted_v1decimals_20210417";
const OF_2024: &str = "binance_spot_as_kraken_ws2_20240808";
const OF_2026: &str = "bitstamp_btcusd_as_kraken_ws2_20260502";
const LIVE_BTC: &str = "kraken_ws2_live_btcusd_d10_20260719";
const LIVE_MINA: &str = "kraken_ws2_live_minagbp_d25_20260816";
const INSTRUMENTS: &str = "kraken_ws2_live_instrument_202404";

fn raw(shared: &Path, names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| shared.join(format!("data/raw/{name}.jsonl.gz"))).collect()
}

fn lines(path: &Path) -> impl Iterator<Item = String> {
    BufReader::new(GzDecoder::new(File::open(path).unwrap())).lines().map(Result::unwrap)
}

fn value(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Counts the frames that the recorder received, without the code under test.
fn frames_received(path: &Path) -> u64 {
    let received = lines(path).filter(|line| value(line)["dir"] == "in").count();
    u64::try_from(received).unwrap()
}

/// Wants the number of lines that the manifest states.
fn check_manifest(shared: &Path, path: &Path) {
    let manifest = json(&shared.join("data/MANIFEST.json"));
    let name = format!("raw/{}", path.file_name().unwrap().to_str().unwrap());
    let files = manifest["files"].as_array().unwrap();
    let entry = files.iter().find(|file| file["path"] == name.as_str()).unwrap();
    assert_eq!(entry["records"], lines(path).count(), "{name}");
}

/// Plays a run twice, at the same time, wants both alike and gives one.
fn play_twice(run: &Run<'_>) -> Finished {
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(|| play(run));
        (play(run), second.join().unwrap())
    });
    first.check_same(&second);
    first
}

#[test]
fn all_recordings_in_one_run_play_every_frame_and_keep_every_promise_twice_alike() {
    let Some(shared) = shared() else { return };
    let sessions = [OF_2021, OF_2021_V1, OF_2024, OF_2026, LIVE_BTC, LIVE_MINA];
    let mut paths = raw(&shared, &sessions);
    let own: u64 = paths.iter().map(|path| frames_received(path)).sum();
    paths.iter().for_each(|path| check_manifest(&shared, path));
    paths.extend(raw(&shared, &[INSTRUMENTS]));
    let run = play_twice(&Run::of("recordings", &paths));
    run.check();
    assert_eq!(run.facts.sessions, 6);
    // The definitions are given once a session.
    assert_eq!(run.facts.frames_played, own + 6);
    assert_eq!(run.feed("BTC-USD")[1..3], [41 + 48_636, 0]);
    assert_eq!(run.feed("MINA-GBP")[1..3], [30, 0]);
    let passed: u64 = run.facts.counters.values().map(|counters| counters.checksums_passed).sum();
    assert_eq!(passed, 2 * (7 + 3_231) + 6_517 + 48_636 + 41 + 30);
    assert!(run.facts.counters.values().all(|counters| counters.checksums_failed == 0));
    assert!(run.quoted().len() >= 8, "{:?}", run.quoted());
    assert!(run.verdict.totals.fills > 100);
    // Sessions years apart: the clock jumps between them and plays inside them only.
    let days =
        run.facts.last_frame.unwrap().since(run.facts.first_frame.unwrap()).as_ms() / 86_400_000;
    assert!(days > 1_900, "{days}");
    assert!(run.facts.elapsed.as_ms() < 1_700_000);
}

#[test]
fn the_recordings_of_2021_agree_with_the_oracle_and_at_least_five_pairs_are_quoted() {
    let Some(shared) = shared() else { return };
    let oracle = json(&shared.join("data/oracles/kraken_spot_20210417.json"));
    for name in [OF_2021, OF_2021_V1] {
        let paths = raw(&shared, &[name]);
        let run = play(&Run::of("recordings", &paths));
        run.check();
        assert_eq!(run.facts.frames_played, frames_received(&paths[0]));
        assert!(run.quoted().len() >= 5, "{name}: {:?}", run.quoted());
        let symbols = oracle["symbols"].as_object().unwrap();
        assert_eq!(run.facts.counters.len(), symbols.len());
        for (symbol, want) in symbols {
            let of = |field: &str| want[field].as_u64().unwrap_or(0);
            let books = of("book_snapshots") + of("book_updates");
            let frames = books + of("ticker_frames") + of("trade_frames");
            let got = run.feed(&symbol.replace('/', "-"));
            assert_eq!(got, [frames, books, 0, of("trades"), 0], "{name}: {symbol}");
        }
    }
}

#[test]
fn both_pairs_of_the_recording_of_2024_are_quoted() {
    let Some(shared) = shared() else { return };
    let paths = raw(&shared, &[OF_2024]);
    let run = play(&Run::of("recordings", &paths));
    run.check();
    assert_eq!(run.facts.frames_played, frames_received(&paths[0]));
    assert_eq!(run.quoted(), ["BTC-USDT", "ETH-USDT"]);
    assert_eq!(run.feed("BTC-USDT")[1] + run.feed("ETH-USDT")[1], 6_517);
    assert_eq!(run.feed("BTC-USDT")[3] + run.feed("ETH-USDT")[3], 15_862);
    assert_eq!(run.feed("BTC-USDT")[2] + run.feed("ETH-USDT")[2], 0);
}

#[test]
fn captures_without_definitions_play_with_those_of_another_recording() {
    let Some(shared) = shared() else { return };
    for (name, pair, frames) in [(LIVE_BTC, "BTC-USD", 41), (LIVE_MINA, "MINA-GBP", 30)] {
        let run = play(&Run::of("recordings", &raw(&shared, &[name, INSTRUMENTS])));
        run.check();
        assert_eq!(run.feed(pair), [frames, frames, 0, 0, 0]);
    }
}

#[test]
fn the_shipped_recording_keeps_every_promise_twice_alike_and_another_seed_is_another_run() {
    let paths = [shipped()];
    let run = play_twice(&Run::of("demo", &paths));
    run.check();
    assert_eq!(run.facts.frames_played, frames_received(&paths[0]));
    assert!(run.quoted().len() >= 5, "{:?}", run.quoted());
    assert!(run.facts.is_synthetic);
    assert!(run.verdict.totals.fills > 0);
    let mut books: BTreeMap<String, u64> = BTreeMap::new();
    for line in lines(&paths[0]) {
        let frame = &value(&line)["frame"];
        if frame["channel"] == "book" {
            *books.entry(frame["data"][0]["symbol"].to_string()).or_default() += 1;
        }
    }
    let passed = run.facts.counters.values().map(|counters| counters.checksums_passed);
    assert_eq!(passed.sum::<u64>(), books.values().sum::<u64>());
    let other = play(&Run { seed: 2, ..Run::of("demo", &paths) });
    other.check();
    assert_ne!(other.digest, run.digest);
}

#[test]
fn fees_and_rebates_are_in_the_balances_to_the_last_digit() {
    for maker_bps in ["0.7", "-0.3"] {
        let overrides = [("REMORA_PAPER__MAKER_BPS", maker_bps)];
        let run = play(&Run { overrides: &overrides, ..Run::of("demo", &[shipped()]) });
        run.check();
        let fees = run.tally.totals().fees.unwrap();
        assert!(!fees.is_zero());
        assert_eq!(fees < remora_domain::Notional::ZERO, maker_bps.starts_with('-'));
    }
}

#[test]
fn tight_limits_refuse_and_are_kept() {
    let overrides = [
        ("REMORA_RISK_GATE__PAIR_POSITION_USD_MAX", "400"),
        ("REMORA_RISK_GATE__ASSET_POSITION_USD_MAX", "900"),
        ("REMORA_RISK_GATE__TOTAL_POSITION_USD_MAX", "900"),
        ("REMORA_RISK_GATE__NET_POSITION_USD_MAX", "900"),
        ("REMORA_RISK_GATE__VENUE_POSITION_USD_MAX", "900"),
        ("REMORA_RISK_GATE__ORDER_NOTIONAL_USD_MAX", "249.99"),
    ];
    let run = play(&Run { overrides: &overrides, ..Run::of("demo", &[shipped()]) });
    run.check();
    assert_eq!(run.gate.total_position_max.to_string(), "900");
    let refused: BTreeMap<String, u64> =
        run.tally.pairs().fold(BTreeMap::new(), |mut sum, (_, pair)| {
            for (reason, count) in &pair.refusals {
                *sum.entry(reason.to_string()).or_default() += count;
            }
            sum
        });
    let wanted = ["pair_position_above_max", "total_position_above_max"];
    assert!(wanted.iter().any(|reason| refused.contains_key(*reason)), "{refused:?}");
}

/// Is when one pair's book broke and when it was told again.
struct Spoilt {
    path: PathBuf,
    broken_at: Timestamp,
    again_at: Timestamp,
}

#[derive(Deserialize)]
struct Record {
    frame: Frame,
}

#[derive(Deserialize)]
struct Frame {
    data: Vec<Sides>,
}

/// Levels keep the text they have: checksums count trailing zeros.
#[derive(Deserialize)]
struct Sides {
    bids: Vec<Box<RawValue>>,
    asks: Vec<Box<RawValue>>,
}

/// Keeps the book of one symbol as its frames tell it.
#[derive(Default)]
struct Shown {
    bids: Vec<(f64, String)>,
    asks: Vec<(f64, String)>,
}

impl Shown {
    fn apply(&mut self, line: &str) {
        let record: Record = serde_json::from_str(line).unwrap();
        for sides in record.frame.data {
            apply(&mut self.bids, sides.bids, |a, b| b.total_cmp(&a));
            apply(&mut self.asks, sides.asks, |a, b| a.total_cmp(&b));
        }
    }
}

fn apply(
    side: &mut Vec<(f64, String)>,
    levels: Vec<Box<RawValue>>,
    best_first: fn(f64, f64) -> std::cmp::Ordering,
) {
    for level in levels {
        let number = |field: &str| value(level.get())[field].as_f64().unwrap();
        let price = number("price");
        side.retain(|(other, _)| *other != price);
        if number("qty") > 0.0 {
            side.push((price, level.get().to_owned()));
        }
    }
    side.sort_by(|a, b| best_first(a.0, b.0));
    side.truncate(25);
}

const SPOILT_SYMBOL: &str = "SOL/USD";

/// Writes a minute and a half of the shipped recording in which one checksum of one pair is wrong, and in which that
/// pair's book is told again ten seconds later.
fn spoil(folder: &Path) -> Spoilt {
    let path = folder.join("synthetic_spoilt.jsonl");
    let mut file = File::create(&path).unwrap();
    let (mut start, mut broken_at, mut again_at) = (None, None, None);
    let mut shown = Shown::default();
    for line in lines(&shipped()) {
        let record = value(&line);
        let t = record["t"].as_i64().unwrap();
        let since = t - *start.get_or_insert(t);
        if since > 90_000_000_000 {
            break;
        }
        let frame = &record["frame"];
        let is_book = frame["channel"] == "book" && frame["data"][0]["symbol"] == SPOILT_SYMBOL;
        if !is_book {
            writeln!(file, "{line}").unwrap();
            continue;
        }
        shown.apply(&line);
        let checksum = frame["data"][0]["checksum"].as_u64().unwrap();
        if broken_at.is_none() && since > 60_000_000_000 {
            broken_at = Some(Timestamp::from_ns(t));
            let (right, wrong) = (checksum.to_string(), (checksum ^ 1).to_string());
            assert_eq!(line.matches(&right).count(), 1);
            writeln!(file, "{}", line.replace(&right, &wrong)).unwrap();
            continue;
        }
        writeln!(file, "{line}").unwrap();
        if again_at.is_none() && since > 70_000_000_000 {
            again_at = Some(Timestamp::from_ns(t));
            writeln!(file, "{}", snapshot(&line, &shown, checksum)).unwrap();
        }
    }
    Spoilt { path, broken_at: broken_at.unwrap(), again_at: again_at.unwrap() }
}

/// Makes a snapshot frame of a book that has just been checked by an update's checksum.
fn snapshot(update: &str, shown: &Shown, checksum: u64) -> String {
    let record = value(update);
    let timestamp = &record["frame"]["data"][0]["timestamp"];
    let levels = |side: &[(f64, String)]| {
        let texts: Vec<&str> = side.iter().map(|(_, level)| level.as_str()).collect();
        texts.join(",")
    };
    let (bids, asks) = (levels(&shown.bids), levels(&shown.asks));
    let (t, venue, ch) = (&record["t"], &record["venue"], &record["ch"]);
    format!(
        r#"{{"t":{t},"venue":{venue},"ch":{ch},"dir":"in","frame":{{"channel":"book","type":"snapshot","data":[{{"symbol":"{SPOILT_SYMBOL}","bids":[{bids}],"asks":[{asks}],"checksum":{checksum},"timestamp":{timestamp}}}]}}}}"#
    )
}

#[test]
fn a_wrong_checksum_stops_one_pair_until_its_next_snapshot_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let spoilt = spoil(folder.path());
    let (asked, invalid) = (
        Rc::<RefCell<Vec<(String, Timestamp)>>>::default(),
        Rc::<RefCell<Vec<Timestamp>>>::default(),
    );
    let (asked_too, invalid_too) = (Rc::clone(&asked), Rc::clone(&invalid));
    let seen = move |message: &Envelope| {
        let at = message.header.publish_time;
        if let Body::OrderRequest(request) = &message.body {
            asked_too.borrow_mut().push((request.instrument.instrument.to_string(), at));
        }
        if let Body::Book(top) = &message.body
            && top.instrument == key("SOL-USD")
            && top.state != BookState::Live
        {
            invalid_too.borrow_mut().push(at);
        }
    };
    let run = play_seen(&Run::of("demo", std::slice::from_ref(&spoilt.path)), seen);
    run.check();
    let (broken, again) = (spoilt.broken_at, spoilt.again_at);
    assert_eq!(run.feed("SOL-USD")[2], 1);
    let others = run.facts.counters.iter().filter(|(pair, _)| **pair != key("SOL-USD"));
    assert!(others.clone().count() == 6 && others.clone().all(|(_, c)| c.checksums_failed == 0));
    assert_eq!(invalid.borrow().first(), Some(&broken));
    let asked = asked.borrow();
    let count = |pair: &str, from: Timestamp, to: Timestamp| {
        asked.iter().filter(|(name, at)| name == pair && from <= *at && *at < to).count()
    };
    let (first, last) = (Timestamp::EPOCH, Timestamp::MAX);
    assert!(count("SOL-USD", first, broken) > 0);
    assert_eq!(count("SOL-USD", broken, again), 0);
    assert!(count("SOL-USD", again, last) > 0, "not quoted again after its snapshot");
    for pair in ["ETH-USD", "XRP-USD", "ADA-EUR"] {
        assert!(count(pair, broken, again) > 0, "{pair}");
    }
}
