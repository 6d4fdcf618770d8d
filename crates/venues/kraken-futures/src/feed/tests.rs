//! The life of a session: definitions first, subscriptions, gaps and resyncs, reconnects, silence, broken frames.

mod any;

use super::*;
use remora_domain::{BookState, BookTop, InstrumentStatus, VenueId};

const WS: ConnId = ConnId::new(0);
const DEFINITIONS: &str = include_str!("../../fixtures/synthetic_instruments.json");
const FRAMES: &str = include_str!("../../fixtures/synthetic_frames.jsonl");

fn settings() -> FeedSettings {
    FeedSettings {
        venue: VenueId::new("kraken-futures").unwrap(),
        symbols: None,
        shard: (0, 1),
        depth: 10,
        levels_published: 3,
        url: "ws://127.0.0.1:9/ws/v1".to_owned(),
        is_recorded: false,
        is_synthetic: false,
        seed: 1,
    }
}

/// Gives a frame of ours by its number, from 1.
fn frame(line: usize) -> String {
    FRAMES.lines().nth(line - 1).unwrap().to_owned()
}

const INFO: usize = 1;
const SNAPSHOT: usize = 2;
const CHANGE_1: usize = 3;
const CHANGE_2: usize = 4;
const DELETE_3: usize = 5;
const HISTORY: usize = 6;
const TRADE: usize = 7;
const TICKER: usize = 8;
const HEARTBEAT: usize = 9;
const BLOCK: usize = 10;

struct Driver {
    feed: KrakenFuturesFeed,
    now: Timestamp,
}

impl Driver {
    fn new(settings: FeedSettings) -> Self {
        let now = Timestamp::EPOCH.saturating_add(DurationNs::from_s(1_000_000));
        Self { feed: KrakenFuturesFeed::new(settings), now }
    }

    fn give(&mut self, input: FeedInput) -> Vec<FeedOutput> {
        let mut out = Vec::new();
        self.feed.handle(self.now, input, &mut out);
        out
    }

    fn text(&mut self, text: &str) -> Vec<FeedOutput> {
        let (receive_time, text) = (self.now, text.to_owned());
        self.give(FeedInput::Frame { conn: WS, receive_time, text })
    }

    fn line(&mut self, line: usize) -> Vec<FeedOutput> {
        self.text(&frame(line))
    }

    fn define(&mut self, text: &str) -> Vec<FeedOutput> {
        let (conn, receive_time, text) = (definitions::CONN, self.now, text.to_owned());
        self.give(FeedInput::Frame { conn, receive_time, text })
    }

    /// Lets time pass, with each tick at its deadline.
    fn run_for(&mut self, length: DurationNs) -> Vec<FeedOutput> {
        let end = self.now.saturating_add(length);
        let mut out = Vec::new();
        while let Some(at) = self.feed.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.feed.tick(self.now, &mut out);
        }
        self.now = end;
        out
    }

    /// Gives a session that is connected, knows its contracts and has asked for everything.
    fn ready() -> Self {
        let mut driver = Self::new(settings());
        driver.give(FeedInput::Start);
        driver.give(FeedInput::Connected { conn: WS });
        driver.define(DEFINITIONS);
        driver.run_for(DurationNs::from_s(1));
        driver.line(INFO);
        driver
    }

    /// Gives a session with a book.
    fn live() -> Self {
        let mut driver = Self::ready();
        assert_eq!(tops(&driver.line(SNAPSHOT)).len(), 1);
        driver
    }
}

fn sent(out: &[FeedOutput]) -> Vec<&str> {
    let mut texts = Vec::new();
    for output in out {
        if let FeedOutput::Send { text, .. } = output {
            texts.push(text.as_str());
        }
    }
    texts
}

fn tops(out: &[FeedOutput]) -> Vec<&BookTop> {
    let mut tops = Vec::new();
    for output in out {
        if let FeedOutput::Event(MarketEvent::Book { top, .. }) = output {
            tops.push(top);
        }
    }
    tops
}

fn problems(out: &[FeedOutput]) -> Vec<ProblemKind> {
    let kind = |output: &FeedOutput| {
        if let FeedOutput::Problem(problem) = output { Some(problem.kind) } else { None }
    };
    out.iter().filter_map(kind).collect()
}

#[test]
fn definitions_and_socket_are_asked_for_at_once_and_subscriptions_wait_for_both() {
    let mut driver = Driver::new(settings());
    let connect = |conn, url: &str| FeedOutput::Connect { conn, url: url.to_owned() };
    let asked = driver.give(FeedInput::Start);
    let want = [
        connect(WS, "ws://127.0.0.1:9/ws/v1"),
        connect(definitions::CONN, "http://127.0.0.1:9/derivatives/api/v3/instruments"),
    ];
    assert_eq!(asked, want);
    let out = driver.give(FeedInput::Connected { conn: WS });
    assert_eq!(sent(&out), [r#"{"event":"subscribe","feed":"heartbeat"}"#]);
    let mut out = driver.define(DEFINITIONS);
    out.extend(driver.run_for(DurationNs::from_s(1)));
    let want = ["book", "trade", "ticker"].map(|feed| {
        format!(r#"{{"event":"subscribe","feed":"{feed}","product_ids":["FI_XBTUSD_260925","PF_AAPLxUSD","PF_XBTUSD"]}}"#)
    });
    assert_eq!(sent(&out), want);
    assert!(problems(&out).is_empty(), "{out:?}");
}

#[test]
fn changes_follow_the_snapshot_one_by_one() {
    let mut driver = Driver::live();
    let prices = |out: &[FeedOutput]| -> Vec<String> {
        tops(out)
            .iter()
            .map(|top| {
                let (bid, ask) = (top.best_bid().unwrap(), top.best_ask().unwrap());
                format!("{} {} / {} {}", bid.qty, bid.price, ask.qty, ask.price)
            })
            .collect()
    };
    assert_eq!(prices(&driver.line(CHANGE_1)), ["0.5000 50001 / 2.0000 50010"]);
    assert_eq!(prices(&driver.line(CHANGE_2)), ["0.5000 50001 / 0.2500 50009"]);
    assert_eq!(prices(&driver.line(DELETE_3)), ["1.0000 50000 / 0.2500 50009"]);
}

#[test]
fn a_hole_or_a_repeat_takes_the_book_back_and_fetches_it_again_with_pauses() {
    for (first, second) in [(CHANGE_2, None), (CHANGE_1, Some(CHANGE_1))] {
        let mut driver = Driver::live();
        let mut out = driver.line(first);
        out.extend(second.map(|line| driver.line(line)).unwrap_or_default());
        out.extend(driver.run_for(DurationNs::from_ms(200)));
        assert_eq!(problems(&out), [ProblemKind::SequenceGap]);
        let last = *tops(&out).last().unwrap();
        assert_eq!(last.state, BookState::Invalid(InvalidBook::SequenceGap));
        assert!(last.bids.is_empty() && last.asks.is_empty());
        let want = ["unsubscribe", "subscribe"].map(|event| {
            format!(r#"{{"event":"{event}","feed":"book","product_ids":["PF_XBTUSD"]}}"#)
        });
        assert_eq!(sent(&out), want);
        // What still comes of the old subscription changes nothing; the snapshot heals.
        assert!(driver.line(DELETE_3).is_empty());
        assert_eq!(tops(&driver.line(SNAPSHOT))[0].state, BookState::Live);
        // The next gap waits for its pause.
        let out = driver.line(CHANGE_2);
        assert!(sent(&out).is_empty());
        assert_eq!(sent(&driver.run_for(DurationNs::from_s(2))).len(), 2);
    }
}

#[test]
fn a_book_that_crosses_is_taken_back() {
    let mut driver = Driver::live();
    let out = driver.text(&frame(CHANGE_1).replace("50001.0", "50010.0"));
    assert_eq!(problems(&out), [ProblemKind::CrossedBook]);
    assert_eq!(tops(&out)[0].state, BookState::Invalid(InvalidBook::Crossed));
}

#[test]
fn a_number_finer_than_the_definition_is_refused_and_named() {
    let mut driver = Driver::live();
    let out = driver.text(&frame(CHANGE_1).replace("50001.0", "50001.5"));
    assert_eq!(problems(&out), [ProblemKind::Malformed]);
    assert_eq!(tops(&out)[0].state, BookState::Invalid(InvalidBook::Malformed));
}

#[test]
fn history_is_no_news_and_blocks_are_no_trades_of_the_book() {
    let mut driver = Driver::ready();
    let trades = |out: &[FeedOutput]| -> Vec<u64> {
        let id = |output: &FeedOutput| {
            if let FeedOutput::Event(MarketEvent::Trade { trade, .. }) = output {
                Some(trade.trade_id)
            } else {
                None
            }
        };
        out.iter().filter_map(id).collect()
    };
    assert!(trades(&driver.line(HISTORY)).is_empty());
    assert_eq!(trades(&driver.line(TRADE)), [12]);
    assert!(trades(&driver.line(TRADE)).is_empty(), "a repeat");
    let out = driver.line(BLOCK);
    assert!(out.is_empty(), "{out:?}");
    // A second history tells what a lost connection missed.
    let later = frame(HISTORY).replace(r#""seq":11"#, r#""seq":14"#);
    assert_eq!(trades(&driver.text(&later)), [14]);
}

#[test]
fn a_suspended_contract_is_closed_until_its_ticker_says_otherwise() {
    let mut driver = Driver::ready();
    let statuses = |out: &[FeedOutput]| -> Vec<(InstrumentStatus, u32)> {
        let status = |output: &FeedOutput| {
            let FeedOutput::Event(MarketEvent::Instrument(made)) = output else { return None };
            Some((made.status, made.version))
        };
        out.iter().filter_map(status).collect()
    };
    let suspended = frame(TICKER).replace(r#""suspended":false"#, r#""suspended":true"#);
    assert_eq!(statuses(&driver.text(&suspended)), [(InstrumentStatus::Closed, 2)]);
    assert_eq!(statuses(&driver.text(&suspended)), []);
    assert_eq!(statuses(&driver.line(TICKER)), [(InstrumentStatus::Online, 3)]);
    let post_only = frame(TICKER).replace(r#""post_only":false"#, r#""post_only":true"#);
    assert_eq!(statuses(&driver.text(&post_only)), [(InstrumentStatus::PostOnly, 4)]);
    // The definitions do not say it; the ticker's word stays.
    driver.run_for(DurationNs::from_s(301));
    assert_eq!(statuses(&driver.define(DEFINITIONS)), []);
}

#[test]
fn a_quiet_market_gives_no_ticker_and_no_problem() {
    let mut driver = Driver::ready();
    assert_eq!(driver.line(TICKER).len(), 1);
    assert!(driver.text(&frame(TICKER).replace(r#""last":50005.0,"#, "")).is_empty());
}

#[test]
fn a_delisted_contract_is_closed() {
    let mut driver = Driver::ready();
    let listed = DEFINITIONS.find(r#"{"symbol":"PF_XBTUSD""#).unwrap();
    let end = DEFINITIONS[listed..].find("}").unwrap() + listed;
    let without = format!(
        "{}{{\"symbol\":\"in_x\",\"type\":\"spot index\"{}",
        &DEFINITIONS[..listed],
        &DEFINITIONS[end..]
    );
    driver.run_for(DurationNs::from_s(400));
    let out = driver.define(&without);
    let closed = out.iter().any(|output| matches!(output, FeedOutput::Event(MarketEvent::Instrument(made)) if made.symbol == "PF_XBTUSD" && made.status == InstrumentStatus::Closed));
    assert!(closed, "{out:?}");
}

#[test]
fn a_symbol_in_any_case_is_the_same_contract_and_an_unknown_one_is_named() {
    let mut driver = Driver::ready();
    let out = driver.text(&frame(SNAPSHOT).replace("PF_XBTUSD", "pf_xbtusd"));
    assert_eq!(tops(&out).len(), 1);
    let out = driver.text(&frame(SNAPSHOT).replace("PF_XBTUSD", "PF_NOWHERE"));
    assert_eq!(problems(&out), [ProblemKind::UnknownInstrument]);
    let named = FeedSettings {
        symbols: Some(["pf_aaplxusd".to_owned(), "PF_NOUSD".to_owned()].into()),
        ..settings()
    };
    let mut driver = Driver::new(named);
    driver.give(FeedInput::Start);
    let out = driver.define(DEFINITIONS);
    assert_eq!(problems(&out), [ProblemKind::UnknownInstrument]);
    assert_eq!(driver.feed.products.keys().collect::<Vec<_>>(), ["PF_AAPLXUSD"]);
}

#[test]
fn a_lost_connection_takes_every_book_back_and_asks_for_all_again() {
    let mut driver = Driver::live();
    let detail = "reset".to_owned();
    let out = driver.give(FeedInput::Disconnected { conn: WS, detail });
    assert_eq!(tops(&out)[0].state, BookState::Invalid(InvalidBook::Disconnected));
    let out = driver.run_for(DurationNs::from_s(5));
    let conn = ConnId::new(1);
    assert!(
        out.iter().any(|it| matches!(it, FeedOutput::Connect { conn: got, .. } if *got == conn))
    );
    let mut out = driver.give(FeedInput::Connected { conn });
    out.extend(driver.run_for(DurationNs::from_s(1)));
    assert_eq!(sent(&out).len(), 4);
}

#[test]
fn silence_reconnects() {
    let mut driver = Driver::live();
    for _ in 0..40 {
        driver.run_for(DurationNs::from_s(1));
        assert!(tops(&driver.line(HEARTBEAT)).is_empty());
    }
    let out = driver.run_for(DurationNs::from_s(31));
    assert!(problems(&out).contains(&ProblemKind::Silent));
    assert_eq!(tops(&out).last().unwrap().state, BookState::Invalid(InvalidBook::Silent));
}

#[test]
fn definitions_that_do_not_come_are_asked_for_again_ever_more_slowly() {
    let mut driver = Driver::new(settings());
    driver.give(FeedInput::Start);
    let mut asked = Vec::new();
    for _ in 0..6 {
        let detail = "no route".to_owned();
        let out = driver.give(FeedInput::Disconnected { conn: definitions::CONN, detail });
        assert_eq!(problems(&out), [ProblemKind::RequestRefused]);
        let before = driver.now;
        while !driver.feed.definitions.is_asked() {
            driver.now = driver.feed.definitions.next_deadline().unwrap();
            driver.feed.tick(driver.now, &mut Vec::new());
        }
        asked.push(driver.now.since(before).as_ms() / 1_000);
    }
    assert_eq!(asked, [1, 2, 4, 8, 16, 32]);
    // An answer of nonsense counts as none.
    let out = driver.define(r#"{"result":"error","error":"Unavailable"}"#);
    assert_eq!(problems(&out), [ProblemKind::RequestRefused]);
    assert!(!driver.feed.definitions.is_asked());
}

#[test]
fn a_snapshot_that_does_not_come_is_asked_for_again() {
    let mut driver = Driver::ready();
    let out = driver.run_for(DurationNs::from_s(11));
    assert_eq!(problems(&out), [ProblemKind::Silent; 3]);
    assert_eq!(sent(&out).len(), 6);
}

#[test]
fn a_second_start_changes_nothing_and_an_ended_session_asks_for_nothing() {
    let mut driver = Driver::live();
    assert!(driver.give(FeedInput::Start).is_empty());
    driver.give(FeedInput::SessionEnded);
    driver.give(FeedInput::Disconnected { conn: WS, detail: String::new() });
    assert_eq!(driver.feed.next_deadline(), None);
}
