//! Recorded frames of the venue, read from `REMORA_SHARED`: every checksum, every count, the oracle's books.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use flate2::read::GzDecoder;
use remora_domain::{BookState, BookTop, FeedCounters, Timestamp, VenueId};
use remora_kraken::KrakenFeed;
use remora_machine::Machine;
use remora_venue_api::{
    ConnId, FeedInput, FeedOutput, FeedSession, FeedSettings, MarketEvent, ProblemKind,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

const DECIMALS_REAL: &str = "kraken_spot_ws2_converted_20210417";
const DECIMALS_V1: &str = "kraken_spot_ws2_converted_v1decimals_20210417";
const INSTRUMENTS: &str = "kraken_ws2_live_instrument_202404";

#[derive(Deserialize)]
struct Record {
    t: i64,
    ch: String,
    dir: String,
    frame: Box<RawValue>,
}

#[derive(Deserialize)]
struct Fixture {
    messages: Vec<Box<RawValue>>,
}

fn shared() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests find their recordings by this variable")]
    let named = std::env::var("REMORA_SHARED").map(PathBuf::from);
    let folder =
        named.unwrap_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared"));
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no recordings at {}; set REMORA_SHARED", folder.display());
    None
}

fn records(shared: &Path, name: &str) -> Vec<Record> {
    let file = File::open(shared.join(format!("data/raw/{name}.jsonl.gz"))).unwrap();
    BufReader::new(GzDecoder::new(file))
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}

fn book_record(frame: Box<RawValue>) -> Record {
    Record { t: 1_800_000_000_000_000_000, ch: "ws-book".to_owned(), dir: "in".to_owned(), frame }
}

/// Makes a definition of our own, for captures that come without one.
fn defined(base: &str, quote: &str, decimals: u32) -> Record {
    let step = format!("1E-{decimals}");
    let text = format!(
        r#"{{"channel":"instrument","type":"snapshot","data":{{"assets":[],"pairs":[{{"symbol":"{base}/{quote}","base":"{base}","quote":"{quote}","status":"online","qty_precision":8,"qty_increment":1E-8,"price_precision":{decimals},"price_increment":{step},"qty_min":1}}]}}}}"#
    );
    book_record(RawValue::from_string(text).unwrap())
}

fn settings() -> FeedSettings {
    FeedSettings::recorded(VenueId::new("kraken-spot").unwrap(), 10, 10)
}

/// Is what a played recording gave.
#[derive(Default)]
struct Played {
    instruments: usize,
    books: usize,
    invalid: usize,
    tickers: usize,
    statuses: usize,
    trades: BTreeMap<String, Vec<u64>>,
    problems: BTreeMap<ProblemKind, usize>,
    tops: BTreeMap<String, BookTop>,
    counters: BTreeMap<String, FeedCounters>,
}

impl Played {
    fn take(&mut self, output: FeedOutput) {
        let event = match output {
            FeedOutput::Event(event) => event,
            FeedOutput::Problem(problem) => {
                *self.problems.entry(problem.kind).or_default() += 1;
                return;
            }
            FeedOutput::Connect { .. } | FeedOutput::Send { .. } | FeedOutput::Close { .. } => {
                panic!("a recording is neither asked nor opened: {output:?}")
            }
        };
        match event {
            MarketEvent::Instrument(_) => self.instruments += 1,
            MarketEvent::Book { top, .. } => {
                self.books += 1;
                self.invalid += usize::from(top.state != BookState::Live);
                self.tops.insert(top.instrument.instrument.to_string(), top);
            }
            MarketEvent::Trade { trade, .. } => {
                let ids = self.trades.entry(trade.instrument.instrument.to_string()).or_default();
                ids.push(trade.trade_id);
            }
            MarketEvent::Ticker { .. } => self.tickers += 1,
            MarketEvent::Status(_) => self.statuses += 1,
        }
    }

    fn problems(&self, kind: ProblemKind) -> usize {
        self.problems.get(&kind).copied().unwrap_or(0)
    }

    fn passed(&self) -> u64 {
        self.counters.values().map(|counters| counters.checksums_passed).sum()
    }
}

/// Plays records; `with_out` also feeds what the recorder sent. `seen` is called after each book frame.
fn play<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    with_out: bool,
    mut seen: impl FnMut(&str, &Played),
) -> Played {
    let mut feed = KrakenFeed::new(settings());
    let mut played = Played::default();
    let mut out = Vec::new();
    let mut conns: Vec<&str> = Vec::new();
    for record in records.into_iter().filter(|record| with_out || record.dir == "in") {
        let number = conns.iter().position(|ch| *ch == record.ch).unwrap_or_else(|| {
            conns.push(&record.ch);
            conns.len() - 1
        });
        let receive_time = Timestamp::from_ns(record.t);
        let conn = ConnId::new(u16::try_from(number).unwrap());
        let text = record.frame.get().to_owned();
        feed.handle(receive_time, FeedInput::Frame { conn, receive_time, text }, &mut out);
        out.drain(..).for_each(|output| played.take(output));
        seen(record.frame.get(), &played);
    }
    assert_eq!(feed.next_deadline(), None);
    played.counters = feed
        .counters()
        .into_iter()
        .map(|(key, counters)| (key.instrument.to_string(), counters))
        .collect();
    played
}

fn check_clean(played: &Played, book_frames: u64, trades: usize) {
    assert_eq!(played.passed(), book_frames);
    assert!(played.counters.values().all(|counters| counters.checksums_failed == 0));
    assert_eq!(played.invalid, 0);
    assert_eq!(played.trades.values().map(Vec::len).sum::<usize>(), trades);
    let counted: u64 = played.counters.values().map(|counters| counters.trades).sum();
    assert_eq!(usize::try_from(counted).unwrap(), trades);
}

#[derive(Deserialize)]
struct Oracle {
    symbols: BTreeMap<String, OracleSymbol>,
}

#[derive(Deserialize)]
struct OracleSymbol {
    book_snapshots: u64,
    book_updates: u64,
    ticker_frames: u64,
    #[serde(default)]
    trade_frames: u64,
    #[serde(default)]
    trades: u64,
    states: Vec<OracleState>,
}

#[derive(Deserialize)]
struct OracleState {
    book_frame_index: usize,
    top10_asks: Vec<(String, String)>,
    top10_bids: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct BookFrame {
    channel: Option<String>,
    data: Option<serde_json::Value>,
}

/// Gives the symbol of a book frame.
fn book_symbol(text: &str) -> Option<String> {
    let frame: BookFrame = serde_json::from_str(text).unwrap();
    let is_book = frame.channel.as_deref() == Some("book");
    let symbol = frame.data?.get(0)?.get("symbol")?.as_str()?.to_owned();
    is_book.then_some(symbol)
}

/// Compares levels by value: the oracle prints prices at the decimals of the older protocol.
fn check_levels(got: &[remora_domain::Level], want: &[(String, String)]) {
    let got: Vec<_> = got.iter().map(|level| (level.price, level.qty)).collect();
    let want: Vec<_> =
        want.iter().map(|(price, qty)| (price.parse().unwrap(), qty.parse().unwrap())).collect();
    assert_eq!(got, want);
}

#[test]
fn three_connections_of_2021_equal_the_oracle_frame_by_frame() {
    let Some(shared) = shared() else { return };
    let text = std::fs::read_to_string(shared.join("data/oracles/kraken_spot_20210417.json"));
    let oracle: Oracle = serde_json::from_str(&text.unwrap()).unwrap();
    for name in [DECIMALS_REAL, DECIMALS_V1] {
        let mut frames: BTreeMap<String, usize> = BTreeMap::new();
        let mut compared = 0;
        let played = play(&records(&shared, name), false, |text, played| {
            let Some(symbol) = book_symbol(text) else { return };
            let index = frames.entry(symbol.clone()).or_insert(0);
            let states = oracle.symbols[&symbol].states.iter();
            for state in states.filter(|state| state.book_frame_index == *index) {
                let top = &played.tops[&symbol.replace('/', "-")];
                check_levels(&top.bids, &state.top10_bids);
                check_levels(&top.asks, &state.top10_asks);
                compared += 1;
            }
            *index += 1;
        });
        assert_eq!(
            compared,
            oracle.symbols.values().map(|symbol| symbol.states.len()).sum::<usize>()
        );
        check_clean(&played, 7 + 3231, 10);
        assert_eq!((played.instruments, played.tickers, played.statuses), (293, 15, 1));
        assert!(played.problems.is_empty(), "{:?}", played.problems);
        for (symbol, want) in &oracle.symbols {
            let got = played.counters[&symbol.replace('/', "-")];
            let books = want.book_snapshots + want.book_updates;
            assert_eq!(got.checksums_passed, books, "{symbol}");
            assert_eq!(got.frames, books + want.ticker_frames + want.trade_frames, "{symbol}");
            assert_eq!((got.trades, got.malformed, got.resyncs), (want.trades, 0, 0), "{symbol}");
        }
    }
}

#[test]
fn a_live_capture_verifies_with_definitions_from_another_recording() {
    let Some(shared) = shared() else { return };
    let capture = "kraken_ws2_live_btcusd_d10_20260719";
    let mut all = records(&shared, INSTRUMENTS);
    all.extend(records(&shared, capture));
    let played = play(&all, true, |_, _| {});
    check_clean(&played, 41, 0);
    assert_eq!(played.counters["BTC-USD"].frames, 41);
    assert_eq!(played.instruments, 683);
    assert!(played.problems.is_empty(), "{:?}", played.problems);
    // Without definitions nothing can be read, and nothing breaks.
    let played = play(&records(&shared, capture), false, |_, _| {});
    assert_eq!(played.problems(ProblemKind::UnknownInstrument), 41);
    assert!(played.counters.is_empty() && played.tops.is_empty());
}

#[test]
fn a_definition_older_than_a_change_of_decimals_is_noticed_and_the_book_verifies() {
    let Some(shared) = shared() else { return };
    let capture = records(&shared, "kraken_ws2_live_minagbp_d25_20260816");
    let fresh = [defined("MINA", "GBP", 4)];
    let played = play(fresh.iter().chain(&capture), true, |_, _| {});
    check_clean(&played, 30, 0);
    assert_eq!(played.counters["MINA-GBP"].frames, 30);
    assert!(played.problems.is_empty(), "{:?}", played.problems);

    // The venue gave MINA/GBP a fourth decimal between 2024 and 2026.
    let stale = play(records(&shared, INSTRUMENTS).iter().chain(&capture), true, |_, _| {});
    check_clean(&stale, 30, 0);
    assert_eq!(stale.counters, played.counters); // so nothing counts as malformed either
    assert_eq!(stale.tops, played.tops);
    assert_eq!(stale.problems, BTreeMap::from([(ProblemKind::StaleDefinition, 1)]));
    assert_eq!(stale.instruments, 683 + 1);
}

#[test]
fn the_depth_of_a_recording_is_told_from_its_snapshot_where_it_declares_none() {
    let Some(shared) = shared() else { return };
    for (name, frames) in
        [("kraken_ws2_live_btcusd_d10_20260719", 41), ("binance_spot_as_kraken_ws2_20240808", 6517)]
    {
        let mut all = records(&shared, INSTRUMENTS);
        all.extend(records(&shared, name));
        all.retain(|record| !record.frame.get().starts_with(r#"{"method""#));
        check_clean(&play(&all, false, |_, _| {}), frames, if frames == 6517 { 15_862 } else { 0 });
    }
}

#[test]
fn two_pairs_at_depth_25_verify_end_to_end() {
    let Some(shared) = shared() else { return };
    let played = play(&records(&shared, "binance_spot_as_kraken_ws2_20240808"), false, |_, _| {});
    check_clean(&played, 6517, 15_862);
    assert_eq!(played.instruments, 2);
    assert_eq!((played.trades["BTC-USDT"].len(), played.trades["ETH-USDT"].len()), (9756, 6106));
    assert!(played.problems.is_empty(), "{:?}", played.problems);
}

#[test]
fn twenty_minutes_of_a_full_step_price_verify_end_to_end() {
    let Some(shared) = shared() else { return };
    let played =
        play(&records(&shared, "bitstamp_btcusd_as_kraken_ws2_20260502"), false, |_, _| {});
    check_clean(&played, 48_636, 232);
    // Trade numbers of that origin are not consecutive per pair, which this dialect promises.
    assert_eq!(played.problems.keys().copied().collect::<Vec<_>>(), [ProblemKind::SequenceGap]);
    assert_eq!(played.problems(ProblemKind::SequenceGap), 92);
    let top = &played.tops["BTC-USD"];
    assert_eq!(top.best_bid().unwrap().price.to_string(), "78407");
    assert_eq!(top.best_ask().unwrap().qty.to_string(), "0.28885202");
}

#[test]
fn a_capture_of_2023_verifies_though_its_trailing_zeros_are_lost() {
    let Some(shared) = shared() else { return };
    let path = shared.join("fixtures/kraken/python-kraken-sdk/spot_ws_v2_book10_BTCUSD.json");
    let fixture: Fixture = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let frames = fixture.messages.len();
    let mut all = records(&shared, INSTRUMENTS);
    all.extend(fixture.messages.into_iter().map(book_record));
    let played = play(&all, false, |_, _| {});
    assert_eq!(frames, 251);
    check_clean(&played, 251, 0);
}

#[test]
fn the_worked_example_of_the_reference_verifies() {
    let Some(shared) = shared() else { return };
    let path = shared.join("fixtures/kraken/composed/spot_ws_v2_book_checksum_worked_example.json");
    let fixture: Fixture = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut all = vec![defined("EXA", "USD", 4)];
    all.extend(fixture.messages.into_iter().map(book_record));
    check_clean(&play(&all, false, |_, _| {}), 3, 0);
}

#[test]
fn every_definition_of_2024_is_read_and_keeps_its_rules() {
    let Some(shared) = shared() else { return };
    let played = play(&records(&shared, INSTRUMENTS), false, |_, _| {});
    assert_eq!(played.instruments, 683);
    assert!(played.problems.is_empty(), "{:?}", played.problems);
}

#[test]
fn one_corrupted_frame_stops_one_recorded_symbol_and_no_other() {
    let Some(shared) = shared() else { return };
    let mut all = records(&shared, DECIMALS_REAL);
    let spoilt = all
        .iter_mut()
        .filter(|record| book_symbol(record.frame.get()).as_deref() == Some("XMR/USD"))
        .nth(100)
        .unwrap();
    let text = spoilt.frame.get().replace(r#""checksum":"#, r#""checksum":1"#);
    let text = text.replace(r#""checksum":1"#, r#""checksum":0,"was":1"#);
    spoilt.frame = RawValue::from_string(text).unwrap();
    let played = play(&all, false, |_, _| {});
    assert_eq!(played.invalid, 1);
    assert_eq!(played.problems(ProblemKind::Checksum), 1);
    let spoilt = played.counters["XMR-USD"];
    assert_eq!((spoilt.checksums_passed, spoilt.checksums_failed), (100, 1));
    assert_ne!(played.tops["XMR-USD"].state, BookState::Live);
    assert_eq!(played.passed() - spoilt.checksums_passed, 7 + 3231 - 847);
}
