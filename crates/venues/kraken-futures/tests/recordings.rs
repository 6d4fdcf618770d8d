//! The recording of 2021-07-22 and the captured frames and answers, against their oracle. Read from `REMORA_SHARED`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use flate2::read::GzDecoder;
use remora_domain::{
    BookState, BookTop, ContractKind, FeedCounters, Instrument, Side, Timestamp, VenueId,
};
use remora_kraken_futures::{Frame, KrakenFuturesFeed, decode, rest};
use remora_machine::Machine as _;
use remora_testkit::shared;
use remora_venue_api::{
    ConnId, FeedInput, FeedOutput, FeedSession as _, FeedSettings, MarketEvent, ProblemKind,
};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};

const RECORDING: &str = "data/raw/kraken_futures_ws1_20210722.jsonl.gz";
const FIXTURES: &str = "fixtures/kraken";

#[derive(Deserialize)]
struct Record {
    t: i64,
    dir: String,
    frame: Box<RawValue>,
}

fn settings(symbols: Option<BTreeSet<String>>) -> FeedSettings {
    FeedSettings {
        venue: VenueId::new("kraken-futures").unwrap(),
        symbols,
        shard: (0, 1),
        depth: 10,
        levels_published: 1000,
        url: String::new(),
        is_recorded: true,
        is_synthetic: false,
        seed: 1,
    }
}

/// Reads the recording; `None` where the shared folder is not there.
fn recording() -> Option<Vec<Record>> {
    let file = std::fs::File::open(shared(RECORDING)?).unwrap();
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    Some(lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect())
}

fn fixture(name: &str) -> Option<String> {
    Some(std::fs::read_to_string(shared(&format!("{FIXTURES}/{name}"))?).unwrap())
}

/// Is what a played recording gave.
#[derive(Default)]
struct Played {
    instruments: BTreeMap<String, Instrument>,
    tops: BTreeMap<String, BookTop>,
    invalid: usize,
    trades: BTreeMap<String, Vec<u64>>,
    problems: BTreeMap<ProblemKind, usize>,
    counters: BTreeMap<String, FeedCounters>,
}

impl Played {
    fn take(&mut self, output: FeedOutput) {
        match output {
            FeedOutput::Event(MarketEvent::Instrument(made)) => {
                self.instruments.insert(made.symbol.to_uppercase(), made);
            }
            FeedOutput::Event(MarketEvent::Book { top, .. }) => {
                self.invalid += usize::from(top.state != BookState::Live);
                self.tops.insert(top.instrument.instrument.to_string(), top);
            }
            FeedOutput::Event(MarketEvent::Trade { trade, .. }) => {
                let ids = self.trades.entry(trade.instrument.instrument.to_string()).or_default();
                ids.push(trade.trade_id);
            }
            FeedOutput::Event(MarketEvent::Ticker { .. } | MarketEvent::Status(_)) => {}
            FeedOutput::Problem(problem) => {
                *self.problems.entry(problem.kind).or_default() += 1;
            }
            FeedOutput::Connect { .. } | FeedOutput::Send { .. } | FeedOutput::Close { .. } => {
                panic!("a recording is neither asked nor opened: {output:?}")
            }
        }
    }
}

/// Plays what was received; `seen` is called after each frame.
fn play<'a>(
    records: impl Iterator<Item = (i64, &'a str)>,
    mut seen: impl FnMut(&str, &Played),
) -> Played {
    let mut feed = KrakenFuturesFeed::new(settings(None));
    let mut played = Played::default();
    let mut out = Vec::new();
    for (t, text) in records {
        let receive_time = Timestamp::from_ns(t);
        let input = FeedInput::Frame { conn: ConnId::new(0), receive_time, text: text.to_owned() };
        feed.handle(receive_time, input, &mut out);
        out.drain(..).for_each(|output| played.take(output));
        seen(text, &played);
    }
    let counted = feed.counters().into_iter();
    played.counters = counted.map(|(key, it)| (key.instrument.to_string(), it)).collect();
    played
}

fn received(records: &[Record]) -> impl Iterator<Item = (i64, &str)> {
    let inbound = records.iter().filter(|record| record.dir == "in");
    inbound.map(|record| (record.t, record.frame.get()))
}

#[test]
fn every_book_of_the_recording_is_the_oracles_and_no_change_is_missing() {
    let Some(records) = recording() else { return };
    let path = shared("data/oracles/kraken_futures_20210722.json").unwrap();
    let oracle: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut states: BTreeMap<(String, u64), Value> = BTreeMap::new();
    for (product, facts) in oracle["products"].as_object().unwrap() {
        for state in facts["states"].as_array().unwrap() {
            states.insert((product.clone(), state[1].as_u64().unwrap()), state.clone());
        }
    }
    let wanted = states.len();
    assert!(wanted > 50, "{wanted}");
    let played = play(received(&records), |text, played| {
        let (product, seq) = match decode(text) {
            Ok(Frame::Snapshot(it)) => (it.product_id.to_string(), it.seq),
            Ok(Frame::Change(it)) => (it.product_id.to_string(), it.seq),
            Ok(_) | Err(_) => return,
        };
        let Some(state) = states.remove(&(product.clone(), seq)) else { return };
        let key = &played.instruments[&product].key;
        let top = &played.tops[&key.instrument.to_string()];
        let (bid, ask) = (top.best_bid().unwrap(), top.best_ask().unwrap());
        let got = [
            bid.price.to_decimal(),
            bid.qty.to_decimal(),
            ask.price.to_decimal(),
            ask.qty.to_decimal(),
        ];
        for (got, want) in got.iter().zip(&state.as_array().unwrap()[2..6]) {
            assert_eq!(*got, want.as_str().unwrap().parse().unwrap(), "{product} {seq}");
        }
        assert_eq!(top.bids.len(), usize::try_from(state[6].as_u64().unwrap()).unwrap());
        assert_eq!(top.asks.len(), usize::try_from(state[7].as_u64().unwrap()).unwrap());
    });
    assert!(states.is_empty(), "states that were not met: {states:?}");
    assert_eq!((played.problems.len(), played.invalid), (0, 0), "{:?}", played.problems);
    for (product, facts) in oracle["products"].as_object().unwrap() {
        let name = played.instruments[product].key.instrument.to_string();
        let number = |field: &str| facts[field].as_u64().unwrap_or(0);
        let counters = played.counters[&name];
        assert_eq!(
            counters.checksums_passed,
            number("book_snapshot") + number("book"),
            "{product}"
        );
        assert_eq!(counters.trades, number("trade"), "{product}");
    }
    let told: usize = played.trades.values().map(Vec::len).sum();
    assert_eq!(told, 3);
}

#[test]
fn the_contracts_of_2021_are_inverse_and_name_the_common_asset() {
    let Some(records) = recording() else { return };
    let played = play(received(&records).take(1), |_, _| {});
    assert_eq!(played.instruments.len(), 17);
    let xbt = &played.instruments["PI_XBTUSD"];
    assert_eq!((xbt.base.as_str(), xbt.quote.as_str()), ("BTC", "USD"));
    assert_eq!(xbt.key.instrument.as_str(), "BTC-USD-PERP-INVERSE");
    assert_eq!((xbt.kind, xbt.lot.to_string().as_str()), (ContractKind::InversePerpetual, "1"));
    let dated = &played.instruments["FI_ETHUSD_211231"];
    assert_eq!(dated.key.instrument.as_str(), "ETH-USD-20211231-INVERSE");
    assert_eq!(dated.kind, ContractKind::InverseFuture);
}

#[test]
fn one_missing_change_takes_exactly_one_book_back() {
    let Some(records) = recording() else { return };
    let changes =
        |text: &str| matches!(decode(text), Ok(Frame::Change(it)) if it.product_id == "PI_ETHUSD");
    let all: Vec<(i64, &str)> = received(&records).collect();
    let lost = all.iter().position(|(_, text)| changes(text)).unwrap();
    let rest = all.iter().enumerate().filter(|(at, _)| *at != lost).map(|(_, record)| *record);
    let played = play(rest, |_, _| {});
    assert_eq!(played.problems, BTreeMap::from([(ProblemKind::SequenceGap, 1)]));
    assert_eq!(played.invalid, 1);
    assert_eq!(played.counters["ETH-USD-PERP-INVERSE"].checksums_failed, 1);
    assert!(played.counters["LTC-USD-PERP-INVERSE"].checksums_passed > 100);
}

#[test]
fn every_captured_frame_of_another_origin_is_read() {
    let Some(text) = fixture("cryptofeed/futures_ws_v1_FI_BCHUSD_FI_XBTUSD.json") else { return };
    #[derive(Deserialize)]
    struct Row<'a> {
        #[serde(borrow)]
        msg: &'a RawValue,
    }
    let rows: Vec<Row<'_>> = serde_json::from_str(&text).unwrap();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows {
        let frame = decode(row.msg.get()).unwrap();
        let name = format!("{frame:?}");
        let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
        *kinds.entry(name[..end].to_owned()).or_default() += 1;
    }
    assert_eq!((kinds["Snapshot"], kinds["TradeHistory"], kinds["Info"]), (2, 2, 1));
    assert!(kinds["Change"] > 200 && kinds["Subscribed"] >= 6, "{kinds:?}");
}

#[test]
fn documented_frames_are_read_to_the_last_digit() {
    let Some(snapshot) = fixture("nautilus/ws_futures_book_snapshot.json") else { return };
    let Frame::Snapshot(read) = decode(&snapshot).unwrap() else { panic!("no snapshot") };
    assert_eq!((read.seq, read.levels((1, 0)).unwrap().len()), (326_072_249, 4));
    let change = fixture("nautilus/ws_futures_book_delta.json").unwrap();
    let Frame::Change(read) = decode(&change).unwrap() else { panic!("no change") };
    let level = read.level((1, 0)).unwrap();
    assert_eq!((level.side, level.ticks.get(), level.lots.get()), (Side::Sell, 349_810, 0));
    let trade = fixture("nautilus/ws_futures_trade.json").unwrap();
    let Frame::Trade(read) = decode(&trade).unwrap() else { panic!("no trade") };
    assert_eq!(
        (read.seq, read.taker_side().unwrap(), read.is_of_book()),
        (653_355, Side::Sell, true)
    );
    // Private feeds are not ours.
    for name in
        ["fills_snapshot", "open_orders_snapshot", "open_orders_delta", "open_orders_cancel"]
    {
        let text = fixture(&format!("nautilus/ws_futures_{name}.json")).unwrap();
        assert!(matches!(decode(&text), Ok(Frame::Ignored)), "{name}");
    }
}

/// Plays the definitions of 2025 and one more frame.
fn with_definitions(frame: &str) -> Option<Vec<FeedOutput>> {
    let definitions = fixture("nautilus/http_futures_instruments.json")?;
    let mut feed = KrakenFuturesFeed::new(settings(None));
    let mut out = Vec::new();
    for text in [definitions, frame.to_owned()] {
        let (conn, receive_time) = (ConnId::new(0), Timestamp::from_ns(1));
        feed.handle(receive_time, FeedInput::Frame { conn, receive_time, text }, &mut out);
    }
    Some(out)
}

#[test]
fn the_contracts_of_2025_have_their_steps() {
    let Some(out) = with_definitions(r#"{"feed":"heartbeat","time":1}"#) else { return };
    let instrument = |output: &FeedOutput| {
        let FeedOutput::Event(MarketEvent::Instrument(made)) = output else { return None };
        Some(made.clone())
    };
    let made: BTreeMap<String, Instrument> =
        out.iter().filter_map(instrument).map(|it| (it.symbol.clone(), it)).collect();
    let facts = |symbol: &str| {
        let it = &made[symbol];
        let steps = format!("{} {}", it.tick, it.lot);
        (it.key.instrument.to_string(), it.kind, steps)
    };
    let of = |name: &str, kind, steps: &str| (name.to_owned(), kind, steps.to_owned());
    use ContractKind::{InversePerpetual, LinearPerpetual};
    assert_eq!(facts("PI_XBTUSD"), of("BTC-USD-PERP-INVERSE", InversePerpetual, "0.5 1"));
    assert_eq!(facts("PF_ETHUSD"), of("ETH-USD-PERP", LinearPerpetual, "0.1 0.001"));
    assert_eq!(facts("PF_PEPEUSD").1, LinearPerpetual);
    assert_eq!(made["PF_PEPEUSD"].lot.to_string(), "1000");
    assert!(made.contains_key("PF_AAPLxUSD"), "{:?}", made.keys());
    assert!(!out.iter().any(|output| matches!(output, FeedOutput::Problem(_))), "{out:?}");
}

#[test]
fn a_ticker_tells_mark_index_open_interest_and_funding_exactly() {
    let Some(text) = fixture("nautilus/ws_futures_ticker.json") else { return };
    let out = with_definitions(&text).unwrap();
    let Some(FeedOutput::Event(MarketEvent::Ticker { ticker, venue_time, .. })) = out.last() else {
        panic!("no ticker: {out:?}");
    };
    let contract = ticker.contract.as_ref().unwrap();
    let funding = contract.funding.unwrap();
    assert_eq!(contract.mark.to_string(), "21979.68641534714");
    assert_eq!(contract.index.to_string(), "21984.54");
    assert_eq!(contract.open_interest.to_string(), "30072580.0");
    assert_eq!(funding.rate_frac.to_string(), "-0.000001380384722222");
    assert_eq!(funding.next_rate_frac.to_string(), "-0.000008047629166667");
    assert_eq!(funding.next_time, Some(Timestamp::from_ns(1_676_394_000_000_000_000)));
    assert_eq!((ticker.bid.to_string(), ticker.vwap_24h), ("21978.5".to_owned(), None));
    assert_eq!(*venue_time, Some(Timestamp::from_ns(1_676_393_235_406_000_000)));
    // Funding of zero is left out by the venue; a perpetual still has it.
    let without: String = text.lines().filter(|line| !line.contains("funding")).collect();
    let out = with_definitions(&without).unwrap();
    let Some(FeedOutput::Event(MarketEvent::Ticker { ticker, .. })) = out.last() else {
        panic!("no ticker: {out:?}");
    };
    assert!(ticker.contract.as_ref().unwrap().funding.unwrap().rate_frac.is_zero());
}

#[test]
fn captured_answers_are_read_to_the_last_digit() {
    let Some(text) = fixture("nautilus/http_futures_tickers.json") else { return };
    let tickers = rest::tickers(&text).unwrap();
    assert_eq!((tickers.len(), tickers[0].symbol.as_str()), (2, "PI_XBTUSD"));
    assert_eq!(tickers[0].mark.unwrap().to_string(), "91506.6009839176");
    assert_eq!(tickers[0].funding_rate.unwrap().to_string(), "-0.000000003995839963");
    let (bids, asks) =
        rest::order_book(&fixture("nautilus/http_futures_orderbook.json").unwrap()).unwrap();
    assert_eq!((bids.len(), asks[0].price.to_string().as_str()), (3, "105950.0"));
    let page =
        rest::candles(&fixture("nautilus/http_futures_candles_trade.json").unwrap()).unwrap();
    assert_eq!((page.candles.len(), page.has_more), (3, false));
    assert_eq!(page.candles[0].volume.to_string(), "319499");
}
