//! Sessions against frames of our own making: connection life, resync, trades, definitions.

mod broken;
mod stale;

use super::*;
use proptest::prelude::*;
use remora_domain::{BookState, BookTop, DurationNs, InstrumentStatus, VenueId};
use remora_testkit::contract::check_machine;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Line {
    name: String,
    frame: Box<RawValue>,
}

fn frame(name: &str) -> String {
    include_str!("../../fixtures/synthetic_frames.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Line>(line).unwrap())
        .find(|line| line.name == name)
        .map(|line| line.frame.get().to_owned())
        .unwrap()
}

fn settings() -> FeedSettings {
    FeedSettings {
        venue: VenueId::new("kraken-spot").unwrap(),
        symbols: None,
        shard: (0, 1),
        depth: 10,
        levels_published: 3,
        url: "wss://venue.example/v2".to_owned(),
        is_recorded: false,
        is_synthetic: true,
        seed: 7,
    }
}

/// Drives a session by hand; time moves only when told.
struct Driver {
    feed: KrakenFeed,
    now: Timestamp,
    conn: ConnId,
}

impl Driver {
    fn new(settings: FeedSettings) -> Self {
        let now = Timestamp::from_ns(1_767_323_045_000_000_000);
        Self { feed: KrakenFeed::new(settings), now, conn: ConnId::new(0) }
    }

    fn recorded() -> Self {
        Self::new(FeedSettings { is_recorded: true, ..settings() })
    }

    /// A live session with its definitions and both snapshots, all requests sent.
    fn live() -> Self {
        let mut driver = Self::new(settings());
        driver.input(FeedInput::Start);
        driver.input(FeedInput::Connected { conn: ConnId::new(0) });
        driver.frames(&["status", "instruments", "ack_a", "ack_b", "a_snapshot", "b_snapshot"]);
        driver.run_for(DurationNs::from_s(1));
        driver
    }

    fn input(&mut self, input: FeedInput) -> Vec<FeedOutput> {
        let mut out = Vec::new();
        self.feed.handle(self.now, input, &mut out);
        out
    }

    fn text(&mut self, text: &str) -> Vec<FeedOutput> {
        let (conn, receive_time) = (self.conn, self.now);
        self.input(FeedInput::Frame { conn, receive_time, text: text.to_owned() })
    }

    fn frames(&mut self, names: &[&str]) -> Vec<FeedOutput> {
        names.iter().flat_map(|name| self.text(&frame(name))).collect()
    }

    /// Lets time pass, ticking at each deadline, which must move.
    fn run_for(&mut self, time: DurationNs) -> Vec<FeedOutput> {
        let end = self.now.saturating_add(time);
        let mut out = Vec::new();
        while let Some(deadline) = self.feed.next_deadline().filter(|&at| at <= end) {
            self.now = self.now.max(deadline);
            self.feed.tick(self.now, &mut out);
            assert!(self.feed.next_deadline().is_none_or(|next| next > self.now));
        }
        self.now = end;
        out
    }

    /// Lets time pass on a live connection: a heartbeat each second.
    fn live_for(&mut self, seconds: i64) -> Vec<FeedOutput> {
        let mut out = Vec::new();
        for _ in 0..seconds {
            out.extend(self.run_for(DurationNs::from_s(1)));
            out.extend(self.frames(&["heartbeat"]));
        }
        out
    }

    fn counters(&self, instrument: &str) -> FeedCounters {
        let mut all = self.feed.counters().into_iter();
        let (key, counters) = all.find(|(key, _)| key.instrument.as_str() == instrument).unwrap();
        assert_eq!(self.feed.counters_of(&key), counters);
        counters
    }
}

fn sent(out: &[FeedOutput]) -> Vec<&str> {
    out.iter()
        .filter_map(|output| {
            let FeedOutput::Send { text, .. } = output else { return None };
            Some(text.as_str())
        })
        .collect()
}

fn tops(out: &[FeedOutput]) -> Vec<&BookTop> {
    out.iter()
        .filter_map(|output| {
            let FeedOutput::Event(MarketEvent::Book { top, .. }) = output else { return None };
            Some(top)
        })
        .collect()
}

fn states(out: &[FeedOutput]) -> Vec<(&str, BookState)> {
    tops(out).iter().map(|top| (top.instrument.instrument.as_str(), top.state)).collect()
}

fn problems(out: &[FeedOutput]) -> Vec<ProblemKind> {
    out.iter()
        .filter_map(|output| {
            let FeedOutput::Problem(problem) = output else { return None };
            Some(problem.kind)
        })
        .collect()
}

fn trade_ids(out: &[FeedOutput]) -> Vec<u64> {
    out.iter()
        .filter_map(|output| {
            let FeedOutput::Event(MarketEvent::Trade { trade, .. }) = output else { return None };
            Some(trade.trade_id)
        })
        .collect()
}

fn corrupt(name: &str) -> String {
    let text = frame(name);
    let (before, after) = text.split_once("\"checksum\":").unwrap();
    format!("{before}\"checksum\":1{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

const INVALID: fn(InvalidBook) -> BookState = BookState::Invalid;

#[test]
fn a_session_asks_for_definitions_first_and_then_for_what_is_tradable() {
    let mut driver = Driver::new(settings());
    let conn = ConnId::new(0);
    let url = "wss://venue.example/v2".to_owned();
    assert_eq!(driver.input(FeedInput::Start), [FeedOutput::Connect { conn, url }]);
    let out = driver.input(FeedInput::Connected { conn });
    assert!(sent(&out)[0].contains(r#""channel":"instrument""#));
    let out = driver.frames(&["status", "instruments"]);
    assert_eq!(out.len(), 4, "{out:?}"); // one status, three definitions; requests are paced
    let out = driver.run_for(DurationNs::from_s(1));
    let requests = sent(&out);
    assert_eq!(requests.len(), 3);
    for (request, channel) in requests.iter().zip(["book", "trade", "ticker"]) {
        assert!(
            request.contains(&format!(r#""channel":"{channel}","symbol":["EXA/USD","EXB/USD"]"#))
        );
    }
    assert!(requests[0].contains(r#""depth":10,"snapshot":true"#));
}

#[test]
fn a_pair_that_opens_later_is_subscribed_then() {
    let mut driver = Driver::live();
    let mut out = driver.frames(&["instrument_opened"]);
    out.extend(driver.run_for(DurationNs::from_s(1)));
    assert_eq!(sent(&out).len(), 3);
    assert!(sent(&out).iter().all(|text| text.contains(r#"["EXC/USD"]"#)));
}

#[test]
fn only_a_change_of_the_published_levels_is_published() {
    let mut driver = Driver::recorded();
    let out = driver.frames(&["instruments", "a_snapshot", "a_update_deep", "a_update_top"]);
    let tops = tops(&out);
    assert_eq!(tops.iter().map(|top| top.book_sequence).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(tops[0].bids[0].price.to_string(), "0.5000");
    assert_eq!(tops[0].bids[0].qty.to_string(), "1.00000000");
    assert_eq!(tops[1].bids[0].price.to_string(), "0.4999");
    assert_eq!((tops[1].bids.len(), tops[1].asks.len()), (3, 3));
    assert_eq!(driver.counters("EXA-USD").checksums_passed, 3);
}

#[test]
fn a_wrong_checksum_stops_that_symbol_until_its_snapshot_and_no_other() {
    let mut driver = Driver::live();
    let out = driver.text(&corrupt("a_update_deep"));
    assert_eq!(states(&out), [("EXA-USD", INVALID(InvalidBook::Checksum))]);
    assert!(tops(&out)[0].bids.is_empty() && tops(&out)[0].asks.is_empty());
    assert_eq!(problems(&out), [ProblemKind::Checksum]);
    let mut requests = out;
    requests.extend(driver.run_for(DurationNs::from_ms(500)));
    let requests = sent(&requests);
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(
        requests[0].contains(r#""unsubscribe""#)
            && requests[0].contains(r#"["EXA/USD"],"depth":10"#)
    );
    assert!(requests[1].contains(r#""subscribe""#) && requests[1].contains(r#"["EXA/USD"]"#));

    // The other symbol goes on; late updates of this one are not believed, though their checksum fits.
    let out = driver.frames(&["b_update", "a_update_deep"]);
    assert_eq!(states(&out), [("EXB-USD", BookState::Live)]);
    let out = driver.frames(&["a_snapshot_again", "a_update_after"]);
    assert_eq!(states(&out)[0], ("EXA-USD", BookState::Live));
    let counters = driver.counters("EXA-USD");
    assert_eq!((counters.checksums_failed, counters.resyncs), (1, 1));
    assert_eq!(driver.counters("EXB-USD").checksums_failed, 0);
}

#[test]
fn the_pause_between_resyncs_doubles_to_a_minute() {
    let mut driver = Driver::live();
    let mut pauses = Vec::new();
    let mut last: Option<Timestamp> = None;
    for _ in 0..9 {
        driver.text(&corrupt("a_snapshot"));
        let begun = driver.now;
        // Waits for the unsubscribe, heartbeats keeping the connection alive.
        loop {
            let out = driver.run_for(DurationNs::from_ms(100));
            driver.frames(&["heartbeat"]);
            if sent(&out).iter().any(|text| text.contains("unsubscribe"))
                || driver.now.since(begun) > DurationNs::from_s(70)
            {
                break;
            }
        }
        if let Some(before) = last {
            pauses.push(driver.now.since(before).as_ms() / 100 / 10);
        }
        last = Some(driver.now);
    }
    assert_eq!(pauses[pauses.len() - 1], 60, "{pauses:?}");
    assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
}

#[test]
fn a_subscription_without_a_snapshot_is_asked_for_again() {
    let mut driver = Driver::new(settings());
    driver.input(FeedInput::Start);
    driver.input(FeedInput::Connected { conn: ConnId::new(0) });
    driver.frames(&["instruments", "b_snapshot"]);
    let out = driver.live_for(12);
    assert_eq!(problems(&out), [ProblemKind::Silent]);
    assert!(sent(&out).iter().any(|text| text.contains("unsubscribe") && text.contains("EXA")));
    assert!(!sent(&out).iter().any(|text| text.contains("unsubscribe") && text.contains("EXB")));
}

#[test]
fn silence_takes_every_book_back_and_reconnects_on_a_new_number() {
    let mut driver = Driver::live();
    let out = driver.live_for(60);
    assert!(problems(&out).is_empty());
    assert_eq!(sent(&out).iter().filter(|text| text.contains("ping")).count(), 4);
    let out = driver.run_for(DurationNs::from_s(11));
    assert_eq!(problems(&out), [ProblemKind::Silent]);
    assert_eq!(
        states(&out),
        [("EXA-USD", INVALID(InvalidBook::Silent)), ("EXB-USD", INVALID(InvalidBook::Silent))]
    );
    assert!(out.contains(&FeedOutput::Close { conn: ConnId::new(0) }));
    let detail = "closed".to_owned();
    let out = driver.input(FeedInput::Disconnected { conn: ConnId::new(0), detail });
    assert_eq!(states(&out).len(), 2);
    assert!(matches!(
        out.last(),
        Some(FeedOutput::Event(MarketEvent::Status(MarketStatus {
            status: SystemStatus::Disconnected,
            ..
        })))
    ));
    let out = driver.run_for(DurationNs::from_s(2));
    let url = "wss://venue.example/v2".to_owned();
    assert_eq!(out, [FeedOutput::Connect { conn: ConnId::new(1), url }]);
    // What still comes from the old connection is not believed.
    assert!(driver.frames(&["a_snapshot"]).is_empty());
    driver.input(FeedInput::Connected { conn: ConnId::new(1) });
    assert!(driver.frames(&["status", "instruments", "a_snapshot"]).is_empty());
    driver.conn = ConnId::new(1);
    let out = driver.frames(&["status", "a_snapshot"]);
    assert_eq!(states(&out), [("EXA-USD", BookState::Live)]);
}

#[test]
fn a_close_that_is_never_reported_counts_after_five_seconds() {
    let mut driver = Driver::live();
    let out = driver.run_for(DurationNs::from_s(18));
    assert!(out.iter().any(|output| matches!(output, FeedOutput::Connect { .. })));
}

#[test]
fn reconnects_stay_within_the_venue_limit() {
    let mut driver = Driver::new(settings());
    let mut connects = 0;
    let end = driver.now.saturating_add(DurationNs::from_s(600));
    let mut out = driver.input(FeedInput::Start);
    while driver.now < end {
        for output in std::mem::take(&mut out) {
            if let FeedOutput::Connect { conn, .. } = output {
                connects += 1;
                driver.input(FeedInput::Connected { conn });
                driver.input(FeedInput::Disconnected { conn, detail: "reset".to_owned() });
            }
        }
        out = driver.run_for(DurationNs::from_ms(100));
    }
    assert!((10..40).contains(&connects), "{connects}");
}

#[test]
fn a_connection_without_definitions_is_given_up() {
    let mut driver = Driver::new(settings());
    driver.input(FeedInput::Start);
    driver.input(FeedInput::Connected { conn: ConnId::new(0) });
    let out = driver.live_for(11);
    assert_eq!(problems(&out), [ProblemKind::Silent]);
    assert!(out.contains(&FeedOutput::Close { conn: ConnId::new(0) }));
}

#[test]
fn trades_are_told_once_missed_ones_are_made_up_for_and_holes_reported() {
    let mut driver = Driver::live();
    assert!(trade_ids(&driver.frames(&["trade_history"])).is_empty());
    let out = driver.frames(&["trades_12_13", "trades_12_13"]);
    assert_eq!((trade_ids(&out), problems(&out)), (vec![12, 13], vec![]));
    let out = driver.frames(&["trade_15"]);
    assert_eq!((trade_ids(&out), problems(&out)), (vec![15], vec![ProblemKind::SequenceGap]));
    let out = driver.frames(&["trades_missed"]);
    assert_eq!((trade_ids(&out), problems(&out)), (vec![16, 17], vec![]));
    let out = driver.frames(&["trade_bad_side"]);
    assert_eq!((trade_ids(&out), problems(&out)), (vec![], vec![ProblemKind::Malformed]));
    assert_eq!(driver.counters("EXA-USD").trades, 5);
    assert_eq!(tops(&out).len(), 0); // a bad trade says nothing against the book
}

#[test]
fn a_definition_gets_a_version_for_each_change_only() {
    let mut driver = Driver::live();
    assert!(driver.frames(&["instruments_same_again"]).is_empty());
    let out = driver.frames(&["instrument_paused"]);
    let [FeedOutput::Event(MarketEvent::Instrument(changed))] = out.as_slice() else {
        panic!("{out:?}")
    };
    assert_eq!((changed.version, changed.status), (2, InstrumentStatus::CancelOnly));
    // Other decimals: the integers of the book mean other prices.
    let out = driver.frames(&["instrument_rescaled"]);
    assert_eq!(states(&out), [("EXA-USD", INVALID(InvalidBook::Malformed))]);
}

#[test]
fn refusals_unknown_symbols_and_unknown_channels_are_told_apart() {
    let mut driver = Driver::new(FeedSettings { is_recorded: true, ..settings() });
    assert_eq!(problems(&driver.frames(&["a_snapshot"])), [ProblemKind::UnknownInstrument]);
    assert!(driver.feed.counters().is_empty());
    let out = driver.frames(&["refused", "rate_refusal"]);
    assert_eq!(problems(&out), [ProblemKind::RequestRefused, ProblemKind::RequestRefused]);
    assert!(driver.frames(&["unknown_channel", "heartbeat", "pong"]).is_empty());
}

#[test]
fn a_symbol_that_was_named_but_does_not_exist_is_reported() {
    let symbols = Some(["EXA/USD", "EXZ/USD"].map(str::to_owned).into());
    let mut driver = Driver::new(FeedSettings { symbols, is_recorded: true, ..settings() });
    let out = driver.frames(&["instruments"]);
    assert_eq!(problems(&out), [ProblemKind::UnknownInstrument]);
    assert_eq!(out.len(), 2); // and only the definition asked for
    assert!(driver.frames(&["b_snapshot"]).is_empty());
}

#[test]
fn a_symbol_is_served_by_exactly_one_shard() {
    let served = |shard| {
        let mut driver =
            Driver::new(FeedSettings { shard: (shard, 3), is_recorded: true, ..settings() });
        tops(&driver.frames(&["instruments", "a_snapshot", "b_snapshot"])).len()
    };
    assert_eq!(served(0) + served(1) + served(2), 2);
}

#[test]
fn a_recording_neither_sends_nor_connects_nor_waits() {
    let mut driver = Driver::recorded();
    let mut out = driver.input(FeedInput::Start);
    out.extend(driver.input(FeedInput::Connected { conn: ConnId::new(3) }));
    out.extend(driver.frames(&["status", "instruments", "ack_a", "a_snapshot"]));
    out.extend([driver.text(&corrupt("a_update_deep")), driver.frames(&["a_snapshot"])].concat());
    assert_eq!(driver.feed.next_deadline(), None);
    assert!(
        out.iter().all(|output| matches!(output, FeedOutput::Event(_) | FeedOutput::Problem(_)))
    );
    let want = [BookState::Live, INVALID(InvalidBook::Checksum), BookState::Live];
    assert_eq!(states(&out).iter().map(|(_, state)| *state).collect::<Vec<_>>(), want);
    let out = driver.input(FeedInput::SessionEnded);
    assert_eq!(states(&out), [("EXA-USD", INVALID(InvalidBook::Disconnected))]);
}

#[test]
fn the_ticker_is_told() {
    let mut driver = Driver::live();
    let out = driver.frames(&["ticker"]);
    let [FeedOutput::Event(MarketEvent::Ticker { ticker, .. })] = out.as_slice() else {
        panic!("{out:?}")
    };
    assert_eq!(ticker.vwap_24h.unwrap().to_string(), "0.49995123");
    assert_eq!(driver.counters("EXA-USD").frames, 2);
}

/// A log of a session: good frames, a corrupt one, heartbeats, a long silence, a new connection, the end.
fn log() -> Vec<(Timestamp, FeedInput)> {
    let start = Driver::new(settings()).now;
    let at = |seconds| start.saturating_add(DurationNs::from_s(seconds));
    let frame_at = |seconds, number, text| {
        let (conn, receive_time) = (ConnId::new(number), at(seconds));
        (receive_time, FeedInput::Frame { conn, receive_time, text })
    };
    let named = |seconds, number| move |name: &&str| frame_at(seconds, number, frame(name));
    let good = ["status", "instruments", "ack_a", "a_snapshot", "b_snapshot", "trade_history"];
    let later = ["b_update", "trades_12_13", "a_snapshot_finer", "instrument_paused", "ticker"];
    let mut log = vec![(at(0), FeedInput::Start)];
    log.push((at(0), FeedInput::Connected { conn: ConnId::new(0) }));
    log.extend(good.iter().map(named(0, 0)));
    log.push(frame_at(1, 0, corrupt("a_update_deep")));
    log.extend(later.iter().map(named(2, 0)));
    log.extend((3..20).map(|second| frame_at(second, 0, frame("heartbeat"))));
    log.push((at(200), FeedInput::Connected { conn: ConnId::new(1) }));
    log.extend(good.iter().map(named(200, 1)));
    let detail = "reset".to_owned();
    log.push((at(205), FeedInput::Disconnected { conn: ConnId::new(1), detail }));
    log.push((at(230), FeedInput::SessionEnded));
    log
}

#[test]
fn the_session_keeps_the_contract_of_a_machine() {
    for is_recorded in [false, true] {
        let make = || KrakenFeed::new(FeedSettings { is_recorded, ..settings() });
        let outputs = remora_testkit::drain(make(), log()).concat();
        assert!(outputs.len() > 12, "the log exercises too little: {outputs:?}");
        check_machine(make, &log());
    }
}

/// Frames of ours with one piece cut, doubled or replaced.
fn mutated() -> impl Strategy<Value = String> {
    let frames: Vec<String> = include_str!("../../fixtures/synthetic_frames.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Line>(line).unwrap().frame.get().to_owned())
        .collect();
    let pieces = [
        "null",
        "[]",
        "{}",
        "-1",
        "1e999",
        "\"x\"",
        "18446744073709551616",
        "0.0",
        "]",
        "\u{0}",
        "é",
    ];
    (
        proptest::sample::select(frames),
        any::<prop::sample::Index>(),
        0usize..12,
        proptest::sample::select(pieces.to_vec()),
    )
        .prop_map(|(text, at, cut, piece)| {
            // Cuts at the start of a value where there is one, so that most mutations stay JSON.
            let starts: Vec<usize> = text.match_indices(':').map(|(at, _)| at + 1).collect();
            let start = starts[at.index(starts.len())];
            let rest: String = text[start..].to_owned();
            let value = rest.find([',', '}', ']']).unwrap_or(0).max(cut % 3);
            format!("{}{piece}{}", &text[..start], rest.get(value..).unwrap_or(""))
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_gives_outputs_never_a_panic(text in "\\PC{0,200}") {
        let mut driver = Driver::live();
        let out = driver.text(&text);
        prop_assert!(!problems(&out).is_empty());
    }

    #[test]
    fn any_mutation_of_a_frame_leaves_no_unverified_book(texts in proptest::collection::vec(mutated(), 1..6)) {
        let mut driver = Driver::live();
        for text in texts {
            let passed = |driver: &Driver, key: &InstrumentKey| {
                driver.feed.counters().get(key).map_or(0, |counters| counters.checksums_passed)
            };
            let keys: Vec<InstrumentKey> = driver.feed.counters().keys().cloned().collect();
            let before: BTreeMap<InstrumentKey, u64> =
                keys.into_iter().map(|key| (key.clone(), passed(&driver, &key))).collect();
            let out = driver.text(&text);
            if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() {
                // What it would have changed is not known.
                prop_assert!(driver.feed.symbols.values().all(|symbol| !symbol.book.is_live()));
            }
            for top in tops(&out).into_iter().filter(|top| top.state == BookState::Live) {
                let was = before.get(&top.instrument).copied().unwrap_or(0);
                prop_assert!(passed(&driver, &top.instrument) > was, "published unverified");
            }
            for output in out {
                if let FeedOutput::Event(MarketEvent::Book { top, .. }) = &output {
                    let crossed = match (top.best_bid(), top.best_ask()) {
                        (Some(bid), Some(ask)) => bid.price >= ask.price,
                        _ => false,
                    };
                    prop_assert!(!crossed);
                    prop_assert!(top.state == BookState::Live || (top.bids.is_empty() && top.asks.is_empty()));
                }
                if let FeedOutput::Problem(problem) = &output {
                    prop_assert!(problem.detail.chars().count() <= 300);
                }
            }
        }
        driver.run_for(DurationNs::from_s(30));
    }
}
