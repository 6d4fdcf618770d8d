//! The core with a scripted session: what is published when, silence, sessions, the machine contract.

use super::*;
use proptest::prelude::*;
use remora_domain::{
    Body, BookState, BookTop, DurationNs, Envelope, FeedCounters, FeedStatus, InstrumentKey,
    InvalidBook, MarketTrade, ProducerId, Sequencer, SessionId, Side, SystemStatus, Timestamp,
};
use remora_machine::{Machine, ServiceInput, ServiceOutput};
use remora_testkit::{
    Driver, at_ms, book, contract, instrument, invalid_book, key, published, px, qty, venue,
    venue_status,
};
use remora_venue_api::{
    ConnId, FeedInput, FeedOutput, FeedSession, LinkCommand, MarketEvent, Problem, ProblemKind,
};
use std::collections::BTreeMap;
use std::sync::Arc;

const CONN: ConnId = ConnId::new(0);

/// A session that says what the frame tells it to: `book BTC-USD 99 101`, `bad BTC-USD`, `trade BTC-USD 7`,
/// `define BTC 3`, `status`, `lost`, `problem`; anything else is a heartbeat. It reconnects 100 ms after a start.
#[derive(Default)]
struct Scripted {
    counters: BTreeMap<InstrumentKey, FeedCounters>,
    reconnect_at: Option<Timestamp>,
}

impl Scripted {
    fn say(&mut self, receive_time: Timestamp, text: &str, out: &mut Vec<FeedOutput>) {
        let words: Vec<&str> = text.split(' ').collect();
        let venue_time = Some(receive_time.saturating_sub(DurationNs::from_ms(3)));
        match words.as_slice() {
            ["book", name, bid, ask] => {
                self.count(name, |counters| counters.checksums_passed += 1);
                let top = book(name, bid, ask);
                out.push(FeedOutput::Event(MarketEvent::Book { top, venue_time, receive_time }));
            }
            ["deep", name] => self.count(name, |counters| counters.checksums_passed += 1),
            ["bad", name] => {
                self.count(name, |counters| counters.checksums_failed += 1);
                let top = invalid_book(name, InvalidBook::Checksum);
                out.push(FeedOutput::Event(MarketEvent::Book { top, venue_time, receive_time }));
            }
            ["trade", name, number] => {
                self.count(name, |counters| counters.trades += 1);
                let trade = MarketTrade {
                    instrument: key(name),
                    trade_id: number.parse().unwrap(),
                    taker_side: Side::Buy,
                    price: px("101"),
                    qty: qty("2"),
                };
                out.push(FeedOutput::Event(MarketEvent::Trade { trade, venue_time, receive_time }));
            }
            ["define", base, decimals] => {
                let mut definition = instrument(base, "USD");
                definition.price_decimals = decimals.parse().unwrap();
                definition.receive_time = receive_time;
                out.push(FeedOutput::Event(MarketEvent::Instrument(definition)));
            }
            ["status"] | ["lost"] => {
                let is_lost = text == "lost";
                let word = if is_lost { SystemStatus::Disconnected } else { SystemStatus::Online };
                let status = venue_status(word);
                out.push(FeedOutput::Event(MarketEvent::Status(status)));
            }
            ["problem"] => out.push(FeedOutput::Problem(Problem {
                kind: ProblemKind::Malformed,
                instrument: None,
                conn: CONN,
                detail: text.to_owned(),
            })),
            _ => {}
        }
    }

    fn count(&mut self, name: &str, with: impl Fn(&mut FeedCounters)) {
        let counters = self.counters.entry(key(name)).or_default();
        counters.frames += 1;
        with(counters);
    }
}

impl Machine for Scripted {
    type Input = FeedInput;
    type Output = FeedOutput;

    fn handle(&mut self, now: Timestamp, input: FeedInput, out: &mut Vec<FeedOutput>) {
        match input {
            FeedInput::Start => {
                self.reconnect_at = Some(now.saturating_add(DurationNs::from_ms(100)))
            }
            FeedInput::Frame { receive_time, text, .. } => self.say(receive_time, &text, out),
            FeedInput::Connected { .. }
            | FeedInput::Disconnected { .. }
            | FeedInput::SessionEnded => {}
        }
    }

    fn tick(&mut self, _: Timestamp, out: &mut Vec<FeedOutput>) {
        self.reconnect_at = None;
        out.push(FeedOutput::Connect { conn: CONN, url: "ws://here".to_owned() });
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.reconnect_at
    }
}

impl FeedSession for Scripted {
    fn counters(&self) -> BTreeMap<InstrumentKey, FeedCounters> {
        self.counters.clone()
    }

    fn counters_of(&self, instrument: &InstrumentKey) -> FeedCounters {
        self.counters.get(instrument).copied().unwrap_or_default()
    }
}

fn core() -> IngestorCore {
    let config = IngestorSettings {
        venue: venue().as_str().to_owned(),
        url: None,
        symbols: None,
        depth: 10,
        levels_published: 10,
        shard: 0,
        shards: 1,
        silence_ms_max: 5_000,
        record: None,
    };
    let producer = ProducerId::new("ingestor-sim-spot-0").unwrap();
    let sequencer = Sequencer::new(producer, SessionId::new(1));
    IngestorCore::new(config.validate().unwrap(), Box::new(Scripted::default()), sequencer)
}

fn frame_on(conn: ConnId, ms: i64, text: &str) -> ServiceInput<IngestorInput> {
    let (receive_time, text) = (at_ms(ms), text.to_owned());
    ServiceInput::Local(IngestorInput(FeedInput::Frame { conn, receive_time, text }))
}

fn ended() -> ServiceInput<IngestorInput> {
    ServiceInput::Local(IngestorInput(FeedInput::SessionEnded))
}

/// Is a core that has caught up at 0 ms, with everything it said since the last look.
struct Bench {
    driver: Driver<IngestorCore>,
    said: Vec<Arc<Envelope>>,
}

impl Bench {
    fn new() -> Self {
        let mut driver = Driver::new(core());
        driver.caught_up(at_ms(0));
        Self { driver, said: Vec::new() }
    }

    fn frame(&mut self, ms: i64, text: &str) -> &mut Self {
        self.frame_on(CONN, ms, text)
    }

    fn frame_on(&mut self, conn: ConnId, ms: i64, text: &str) -> &mut Self {
        self.input(ms, frame_on(conn, ms, text))
    }

    fn input(&mut self, ms: i64, input: ServiceInput<IngestorInput>) -> &mut Self {
        let out = self.driver.feed(at_ms(ms), input);
        self.said.extend(published(out));
        self
    }

    fn wait(&mut self, ms: i64) -> &mut Self {
        let out = self.driver.advance(at_ms(ms));
        self.said.extend(published(out));
        self
    }

    /// Gives what was said since the last look, in a few words a message, heartbeats and health left out.
    fn look(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said).iter().filter_map(|envelope| tell(envelope)).collect()
    }

    fn bodies(&mut self) -> Vec<Body> {
        std::mem::take(&mut self.said).iter().map(|envelope| envelope.body.clone()).collect()
    }
}

fn tell(envelope: &Envelope) -> Option<String> {
    let ms = envelope.header.receive_time.map_or(-1, |t| t.as_ns() / 1_000_000);
    if let Body::Book(top) = &envelope.body {
        let number = top.book_sequence;
        return Some(match top.state {
            BookState::Live => format!("#{number} live {} heard {ms}", top.bids[0].price),
            BookState::Invalid(why) => {
                assert!(top.bids.is_empty());
                format!("#{number} {why:?}")
            }
        });
    }
    if let Body::Trade(trade) = &envelope.body {
        return Some(format!("trade {}", trade.trade_id));
    }
    if let Body::Instrument(instrument) = &envelope.body {
        return Some(format!("define v{}", instrument.version));
    }
    if let Body::Bar(bar) = &envelope.body {
        return Some(format!("bar of {} trades", bar.trades));
    }
    None
}

/// Gives the feed health among bodies.
fn health(bodies: &[Body]) -> Vec<FeedStatus> {
    let each =
        |body: &Body| if let Body::FeedStatus(told) = body { Some(told.clone()) } else { None };
    bodies.iter().filter_map(each).collect()
}

#[test]
fn a_top_is_published_once_and_again_only_when_it_changes() {
    let mut bench = Bench::new();
    bench.frame(10, "book BTC-USD 99 101").frame(11, "book BTC-USD 99 101");
    bench.frame(12, "book BTC-USD 98 101");
    assert_eq!(bench.look(), ["#1 live 99 heard 10", "#2 live 98 heard 12"]);
}

#[test]
fn venue_and_receive_time_travel_with_what_a_frame_said() {
    let mut bench = Bench::new();
    bench.frame(10, "trade BTC-USD 7");
    let header = &bench.said[0].header;
    assert_eq!((header.venue_time, header.receive_time), (Some(at_ms(7)), Some(at_ms(10))));
}

#[test]
fn a_quiet_book_stays_live_while_its_connection_is_heard() {
    let mut bench = Bench::new();
    bench.frame(10, "book BTC-USD 99 101");
    for second in 1..=9 {
        bench.frame(second * 1_000 + 500, "heartbeat");
    }
    let said = bench.frame(9_600, "book BTC-USD 99 101").wait(11_000).look();
    assert!(said.iter().all(|line| line.starts_with("#1 live 99")), "{said:?}");
    // Told again each second, with the time at which the connection was heard.
    assert_eq!(said.last().unwrap(), "#1 live 99 heard 9600");
}

#[test]
fn a_book_on_a_silent_connection_is_withdrawn_and_comes_back_when_it_is_heard() {
    let mut bench = Bench::new();
    bench.frame(10, "book BTC-USD 99 101").wait(5_009);
    assert_eq!(bench.look(), ["#1 live 99 heard 10"]);
    bench.wait(5_010);
    assert_eq!(bench.look(), ["#2 Silent"]);
    bench.frame(6_100, "heartbeat");
    assert_eq!(bench.look(), ["#3 live 99 heard 6100"]);
}

#[test]
fn silence_of_one_connection_leaves_the_books_of_another_alone() {
    let mut bench = Bench::new();
    bench.frame(10, "book BTC-USD 99 101");
    bench.frame_on(ConnId::new(1), 10, "book ETH-USD 49 51");
    bench.look();
    for second in 1..=8 {
        bench.frame_on(ConnId::new(1), second * 1_000, "heartbeat");
    }
    let said = bench.look();
    // One book is withdrawn, and told again at 7 and 8 s.
    assert_eq!(said.iter().filter(|line| line.ends_with("Silent")).count(), 3);
    assert!(said.iter().any(|line| line.contains("live 49 heard 7000")), "{said:?}");
}

#[test]
fn a_book_that_failed_its_checksum_does_not_come_back_by_being_heard() {
    let mut bench = Bench::new();
    bench.frame(10, "book BTC-USD 99 101").frame(20, "bad BTC-USD").look();
    bench.frame(1_030, "heartbeat").wait(9_000).frame(9_000, "heartbeat").wait(12_000);
    let said = bench.look();
    assert!(said.iter().all(|line| line == "#2 Checksum"), "{said:?}");
    bench.frame(12_010, "book BTC-USD 97 101");
    assert_eq!(bench.look(), ["#3 live 97 heard 12010"]);
}

#[test]
fn a_withdrawal_is_repeated_each_second_until_the_book_is_back() {
    let mut bench = Bench::new();
    bench.frame(10, "book BTC-USD 99 101").wait(900).frame(910, "bad BTC-USD").look();
    bench.wait(4_500);
    assert_eq!(bench.look(), ["#2 Checksum"; 3]);
    bench.frame(4_510, "book BTC-USD 97 101").look();
    assert_eq!(bench.wait(4_990).look(), Vec::<String>::new());
}

#[test]
fn a_lost_connection_takes_its_books_with_it() {
    let mut bench = Bench::new();
    bench.frame(10, "book BTC-USD 99 101").look();
    let detail = "gone".to_owned();
    let lost = FeedInput::Disconnected { conn: CONN, detail };
    bench.input(20, ServiceInput::Local(IngestorInput(lost)));
    assert_eq!(bench.look(), ["#2 Disconnected"]);
    bench.frame(30, "heartbeat");
    assert_eq!(bench.look(), Vec::<String>::new());
}

#[test]
fn a_definition_is_published_when_it_is_new_or_changed() {
    let mut bench = Bench::new();
    bench.frame(10, "define BTC 2").frame(20, "define BTC 2").frame(30, "define BTC 3");
    assert_eq!(bench.look(), ["define v1", "define v2"]);
}

#[test]
fn a_definition_of_an_earlier_run_is_not_published_again() {
    let mut first = Bench::new();
    first.frame(10, "define BTC 2").frame(11, "define BTC 3");
    let stored = Arc::clone(first.said.last().unwrap());
    let mut driver = Driver::new(core());
    driver.message(at_ms(20), stored);
    driver.caught_up(at_ms(20));
    assert!(driver.feed(at_ms(30), frame_on(CONN, 30, "define BTC 3")).is_empty());
    let said = published(driver.feed(at_ms(40), frame_on(CONN, 40, "define BTC 4")));
    assert!(matches!(&said[0].body, Body::Instrument(new) if new.version == 3));
}

#[test]
fn feed_health_is_told_at_state_changes_and_once_a_second_when_counts_changed() {
    let mut bench = Bench::new();
    bench.frame(10, "book BTC-USD 99 101").frame(20, "deep BTC-USD").wait(3_500);
    let health: Vec<_> = health(&bench.bodies())
        .iter()
        .map(|told| (told.counters.frames, told.state, told.last_frame_time))
        .collect();
    assert_eq!(
        health,
        [(1, BookState::Live, Some(at_ms(10))), (2, BookState::Live, Some(at_ms(20)))]
    );
}

#[test]
fn a_heartbeat_tells_the_age_of_the_newest_frame_and_the_venue_status_is_repeated() {
    let mut bench = Bench::new();
    bench.frame(10, "status").frame(400, "book BTC-USD 99 101").wait(2_000);
    let bodies = bench.bodies();
    let age = |body: &Body| if let Body::Heartbeat(told) = body { told.data_age } else { None };
    let ages: Vec<i64> = bodies.iter().filter_map(age).map(DurationNs::as_ms).collect();
    assert_eq!(ages, [600, 1_600]);
    let statuses = bodies.iter().filter(|body| matches!(body, Body::MarketStatus(_))).count();
    assert_eq!(statuses, 3);
}

#[test]
fn a_lost_connection_of_one_shard_is_not_told_as_the_status_of_the_venue() {
    let mut bench = Bench::new();
    bench.frame(10, "status").frame(20, "book BTC-USD 99 101").wait(1_000).bodies();
    bench.frame(1_010, "lost").wait(5_000);
    let bodies = bench.bodies();
    assert!(!bodies.iter().any(|body| matches!(body, Body::MarketStatus(_))), "{bodies:?}");
    bench.frame(5_010, "status");
    let online = Body::MarketStatus(venue_status(SystemStatus::Online));
    assert!(bench.bodies().contains(&online));
}

#[test]
fn a_minute_with_a_usable_book_throughout_gives_a_bar() {
    let mut bench = Bench::new();
    bench.frame(50_000, "define BTC 2").frame(50_010, "book BTC-USD 99 101");
    for second in 51..=125 {
        bench.frame(second * 1_000 + 500, "heartbeat");
    }
    bench.frame(125_600, "trade BTC-USD 1").wait(126_000);
    let bars: Vec<String> =
        bench.look().into_iter().filter(|line| line.starts_with("bar")).collect();
    assert_eq!(bars, ["bar of 0 trades"]);
}

#[test]
fn the_end_of_a_session_tells_the_last_counts_and_lets_time_jump() {
    let mut bench = Bench::new();
    bench.frame(110, "book BTC-USD 99 101").frame(120, "deep BTC-USD").look();
    bench.input(130, ended());
    let bodies = bench.bodies();
    let last = health(&bodies).pop().unwrap();
    let disconnected = BookState::Invalid(InvalidBook::Disconnected);
    assert_eq!((last.counters.frames, last.state), (2, disconnected));
    // Nothing is due until the next recording begins, even years later.
    assert_eq!(bench.driver.machine.next_deadline(), None);
    bench.frame(100_000_000_000, "book BTC-USD 99 101");
    assert_eq!(bench.look(), ["#3 live 99 heard 100000000000"]);
}

#[test]
fn problems_are_counted_by_kind_and_instrument() {
    let mut bench = Bench::new();
    bench.frame(10, "problem").frame(20, "problem");
    let problems = bench.driver.machine.problems();
    let summary = &problems[&(ProblemKind::Malformed, None)];
    assert_eq!((summary.count, summary.last_time), (2, at_ms(20)));
}

#[test]
fn what_the_session_asks_for_is_handed_on() {
    let mut driver = Driver::new(core());
    driver.caught_up(at_ms(0));
    let want = IngestorEffect(LinkCommand::Connect { conn: CONN, url: "ws://here".to_owned() });
    let out = driver.advance(at_ms(100));
    assert!(matches!(&out[..], [ServiceOutput::Local(effect)] if *effect == want));
}

#[test]
fn before_recovery_ends_a_frame_is_not_heard() {
    let mut driver = Driver::new(core());
    assert!(driver.feed(at_ms(1), frame_on(CONN, 1, "book BTC-USD 99 101")).is_empty());
    assert!(driver.machine.counters().is_empty());
}

/// A log of frames on two connections, with an end of a session now and then.
fn logs() -> impl Strategy<Value = Vec<(Timestamp, ServiceInput<IngestorInput>)>> {
    let text = prop_oneof![
        4 => (90_u32..99, 101_u32..110).prop_map(|(bid, ask)| format!("book BTC-USD {bid} {ask}")),
        2 => (40_u32..49, 51_u32..60).prop_map(|(bid, ask)| format!("book ETH-USD {bid} {ask}")),
        1 => Just("bad BTC-USD".to_owned()),
        1 => (1_u32..9).prop_map(|number| format!("trade BTC-USD {number}")),
        1 => (2_u32..4).prop_map(|decimals| format!("define BTC {decimals}")),
        1 => Just("status".to_owned()),
        1 => Just("problem".to_owned()),
        2 => Just("heartbeat".to_owned()),
        1 => Just("END".to_owned()),
    ];
    proptest::collection::vec((0_i64..4_000, 0_u16..2, text), 1..60).prop_map(|steps| {
        let mut ms = 0;
        let mut log = vec![(at_ms(0), ServiceInput::CaughtUp)];
        for (step, conn, text) in steps {
            ms += step;
            let input =
                if text == "END" { ended() } else { frame_on(ConnId::new(conn), ms, &text) };
            log.push((at_ms(ms), input));
        }
        log
    })
}

proptest! {
    #[test]
    fn the_core_keeps_the_contract(log in logs()) {
        contract::check(core, &log);
    }

    #[test]
    fn a_reader_sees_consecutive_changes_and_no_live_top_out_of_silence(log in logs()) {
        let mut driver = Driver::new(core());
        let mut last: BTreeMap<InstrumentKey, BookTop> = BTreeMap::new();
        for (now, input) in log {
            for envelope in published(driver.feed(now, input)) {
                let Body::Book(top) = &envelope.body else { continue };
                let before = last.insert(top.instrument.clone(), top.clone());
                let expected = before.as_ref().map_or(0, |before| before.book_sequence) + 1;
                if before.as_ref() != Some(top) {
                    prop_assert_eq!(top.book_sequence, expected);
                }
                if top.state == BookState::Live {
                    let age = envelope.header.publish_time.since(envelope.header.receive_time.unwrap());
                    prop_assert!(age < DurationNs::from_s(5), "live, though heard {age} ago");
                }
            }
        }
    }
}
