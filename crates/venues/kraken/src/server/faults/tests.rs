//! The fault layer between a made-up exchange and its clients.

use super::admin::AdminAnswer;
use super::*;
use crate::server::io::HttpCall;
use proptest::prelude::*;

const PEER: PeerId = PeerId(7);
const OTHER: PeerId = PeerId(8);

/// Knows one account by its key `k` and its token `t`, and one pair in two spellings.
struct Known;

impl Names for Known {
    fn account_of_key(&self, api_key: &str) -> Option<Arc<str>> {
        (api_key == "k").then(|| "mm".into())
    }

    fn account_of_token(&self, token: &str) -> Option<Arc<str>> {
        (token == "t").then(|| "mm".into())
    }

    fn symbol(&self, pair: &str) -> Option<Arc<str>> {
        matches!(pair, "XBTUSD" | "BTC/USD").then(|| "BTC/USD".into())
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::EPOCH.saturating_add(DurationNs::from_ms(ms))
}

/// Is a layer with two connections; the first has shown its token.
struct Bench {
    faults: Faults,
    now: Timestamp,
}

impl Bench {
    fn new(script: Vec<FaultWish>) -> Self {
        let settings = FaultSettings { seed: 5, script };
        let mut faults = Faults::new(&settings, at(0)).unwrap();
        faults.opened(PEER);
        faults.opened(OTHER);
        let mut bench = Self { faults, now: at(0) };
        let hello = r#"{"method":"subscribe","params":{"channel":"executions","token":"t"}}"#;
        let _ = bench.faults.frame(at(0), &Known, PEER, hello, &mut Vec::new());
        bench
    }

    fn call(path: &str, key: Option<&str>, body: &str) -> HttpCall {
        HttpCall {
            method: "POST".to_owned(),
            path: path.to_owned(),
            query: String::new(),
            content_type: None,
            api_key: key.map(str::to_owned),
            api_sign: None,
            body: body.as_bytes().to_vec(),
            address: "127.0.0.1".to_owned(),
        }
    }

    /// Sends a private call and lets the exchange, if it hears of it, answer with `body`.
    fn rest(&mut self, name: &str, request: &str, body: &str) -> Vec<ServerOutput> {
        let call = Self::call(&format!("/0/private/{name}"), Some("k"), request);
        let mut out = Vec::new();
        if self.faults.http(self.now, &Known, CallId(1), &call, &mut out) == Admission::Admitted {
            let body = body.into();
            let (call, content_type) = (CallId(1), "application/json");
            let reply = ServerOutput::HttpReply { call, status: 200, content_type, body };
            self.faults.pass(self.now, &mut vec![reply], &mut out);
        }
        out
    }

    fn accepted(&mut self) -> Vec<ServerOutput> {
        self.rest("AddOrder", "pair=XBTUSD", r#"{"error":[],"result":{}}"#)
    }

    /// Sends a request over the connection and lets the exchange answer.
    fn ask(&mut self, request: &str, answer: &str) -> Vec<ServerOutput> {
        let mut out = Vec::new();
        if self.faults.frame(self.now, &Known, PEER, request, &mut out) == Admission::Admitted {
            self.faults.pass(self.now, &mut vec![send(PEER, answer)], &mut out);
        }
        out
    }

    /// Lets the exchange send frames by itself.
    fn told(&mut self, frames: &[(PeerId, &str)]) -> Vec<ServerOutput> {
        let mut made = frames.iter().map(|(peer, text)| send(*peer, text)).collect();
        let mut out = Vec::new();
        self.faults.pass(self.now, &mut made, &mut out);
        out
    }

    fn wait(&mut self, until: Timestamp) -> (Vec<FaultEffect>, Vec<ServerOutput>) {
        let (mut effects, mut out) = (Vec::new(), Vec::new());
        while let Some(due) = self.faults.next_deadline().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.faults.tick(self.now, &mut effects, &mut out);
            assert!(self.faults.next_deadline().is_none_or(|next| next > self.now));
        }
        self.now = until;
        (effects, out)
    }

    fn post(&mut self, body: &str) -> AdminAnswer {
        self.faults.admin(self.now, "POST", "faults", body.as_bytes()).unwrap()
    }
}

fn send(peer: PeerId, text: &str) -> ServerOutput {
    ServerOutput::WsSend { peer, text: text.into() }
}

fn texts(outputs: &[ServerOutput]) -> Vec<String> {
    let text = |output: &ServerOutput| match output {
        ServerOutput::WsSend { text, .. } => text.to_string(),
        ServerOutput::HttpReply { status, body, .. } => format!("{status} {body}"),
        ServerOutput::HttpDrop { .. } => "dropped".to_owned(),
        ServerOutput::WsClose { peer, code, .. } => format!("close {} {code}", peer.0),
        ServerOutput::WsStall { peer, duration } => {
            format!("stall {} {}", peer.0, duration.as_ms())
        }
    };
    outputs.iter().map(text).collect()
}

fn wish(kind: FaultKind) -> FaultWish {
    FaultWish::new(kind)
}

fn execution(sequence: u32) -> String {
    format!(
        r#"{{"channel":"executions","type":"update","data":[{{"symbol":"BTC/USD"}}],"sequence":{sequence}}}"#
    )
}

#[test]
fn without_faults_everything_passes_untouched() {
    let mut bench = Bench::new(Vec::new());
    assert_eq!(texts(&bench.accepted()), [r#"200 {"error":[],"result":{}}"#]);
    assert_eq!(bench.told(&[(PEER, "x"), (OTHER, "y")]), [send(PEER, "x"), send(OTHER, "y")]);
    assert_eq!(bench.faults.next_deadline(), None);
}

#[test]
fn an_accepted_call_loses_its_answer_and_a_refused_one_does_not() {
    let mut bench = Bench::new(vec![wish(FaultKind::ReplyLost)]);
    assert_eq!(texts(&bench.accepted()), ["dropped"]);
    let refused = r#"{"error":["EOrder:Insufficient funds"]}"#;
    assert_eq!(texts(&bench.rest("AddOrder", "", refused)), [format!("200 {refused}")]);
    let answer = r#"{"method":"add_order","result":{},"success":true}"#;
    assert!(bench.ask(r#"{"method":"add_order"}"#, answer).is_empty());
    let refused = r#"{"error":"EOrder:Unknown order","method":"add_order","success":false}"#;
    assert_eq!(texts(&bench.ask(r#"{"method":"add_order"}"#, refused)), [refused]);
}

#[test]
fn an_accepted_call_is_answered_with_an_html_page() {
    let mut bench = Bench::new(vec![FaultWish { count: Some(1), ..wish(FaultKind::ErrorPage) }]);
    let got = texts(&bench.accepted());
    assert!(got[0].starts_with("520 <!DOCTYPE html>"), "{got:?}");
    assert!(texts(&bench.accepted())[0].starts_with("200 "), "counted once only");
}

#[test]
fn refusals_come_in_the_exchanges_place() {
    let check = |kind: FaultKind, rest: &str, ws: Option<&str>| {
        let mut bench = Bench::new(vec![wish(kind)]);
        assert_eq!(texts(&bench.accepted()), [format!(r#"200 {{"error":["{rest}"]}}"#)]);
        let got = texts(&bench.ask(r#"{"method":"add_order","req_id":4}"#, "passed"));
        assert_eq!(got, [ws.unwrap_or("passed")]);
    };
    check(FaultKind::InvalidNonce, "EAPI:Invalid nonce", None);
    check(
        FaultKind::Throttled,
        "EAPI:Rate limit exceeded",
        Some(r#"{"Error":"Exceeded msg rate"}"#),
    );
    let failure = r#"{"error":"EService:Unavailable","method":"add_order","req_id":4,"success":false,"time_in":"1970-01-01T00:00:00.000000Z","time_out":"1970-01-01T00:00:00.000000Z"}"#;
    check(FaultKind::Unavailable, "EService:Unavailable", Some(failure));
    let mut lost = Bench::new(vec![wish(FaultKind::RequestLost)]);
    assert_eq!(texts(&lost.accepted()), ["dropped"]);
    assert!(lost.ask(r#"{"method":"ping"}"#, "passed").is_empty());
}

#[test]
fn an_unavailable_exchange_may_have_accepted_all_the_same() {
    let busy = FaultWish {
        is_executed: true,
        error: Some("EService:Busy".to_owned()),
        ..wish(FaultKind::Unavailable)
    };
    let mut bench = Bench::new(vec![busy]);
    assert_eq!(texts(&bench.accepted()), [r#"200 {"error":["EService:Busy"]}"#]);
    // A refusal is told as it is: nothing was accepted that could be in doubt.
    let refused = r#"{"error":["EOrder:Invalid order"]}"#;
    assert_eq!(texts(&bench.rest("AddOrder", "", refused)), [format!("200 {refused}")]);
}

#[test]
fn scopes_narrow_by_account_pair_method_and_connection() {
    let scoped = |scope: FaultScope| {
        let mut bench = Bench::new(vec![FaultWish { scope, ..wish(FaultKind::InvalidNonce) }]);
        texts(&bench.accepted())[0].contains("nonce")
    };
    let text = |text: &str| Some(text.to_owned());
    let none = FaultScope::default;
    assert!(scoped(FaultScope { account: text("mm"), ..none() }));
    assert!(!scoped(FaultScope { account: text("other"), ..none() }));
    assert!(scoped(FaultScope { pair: text("BTC/USD"), ..none() }));
    assert!(!scoped(FaultScope { pair: text("ETH/USD"), ..none() }));
    assert!(scoped(FaultScope { method: text("AddOrder"), ..none() }));
    assert!(!scoped(FaultScope { method: text("CancelOrder"), ..none() }));
    assert!(!scoped(FaultScope { connection: Some(7), ..none() }));
    let scope = FaultScope { account: text("mm"), ..none() };
    let mut bench = Bench::new(vec![FaultWish { scope, ..wish(FaultKind::Lost) }]);
    let frame = execution(1);
    assert_eq!(bench.told(&[(PEER, &frame), (OTHER, &frame)]), [send(OTHER, &frame)]);
}

#[test]
fn frames_are_lost_doubled_and_swapped() {
    let run = |kind: FaultKind| {
        let mut bench = Bench::new(vec![FaultWish { count: Some(1), ..wish(kind) }]);
        let frames: Vec<String> = (1..=3).map(execution).collect();
        let frames: Vec<(PeerId, &str)> = frames.iter().map(|text| (PEER, text.as_str())).collect();
        let mut got = texts(&bench.told(&frames));
        got.extend(texts(&bench.wait(at(5_000)).1));
        let sequence =
            |text: &String| text.trim_end_matches('}').rsplit(':').next().unwrap().parse::<u32>();
        got.iter().map(|text| sequence(text).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(run(FaultKind::Lost), [2, 3]);
    assert_eq!(run(FaultKind::Duplicated), [1, 1, 2, 3]);
    assert_eq!(run(FaultKind::Reordered), [2, 1, 3]);
}

#[test]
fn a_swapped_frame_that_nothing_follows_comes_a_second_later() {
    let mut bench = Bench::new(vec![FaultWish { count: Some(1), ..wish(FaultKind::Reordered) }]);
    assert!(bench.told(&[(PEER, &execution(1))]).is_empty());
    assert!(bench.wait(at(999)).1.is_empty());
    assert_eq!(texts(&bench.wait(at(1_000)).1), [execution(1)]);
}

#[test]
fn late_frames_keep_their_order_also_when_only_the_first_is_late() {
    let late = FaultWish { count: Some(1), delay_ms: Some(200), ..wish(FaultKind::Delayed) };
    let mut bench = Bench::new(vec![late]);
    let book = r#"{"channel":"book","data":[],"checksum":1}"#;
    let frames = [execution(1), execution(2)];
    let got = bench.told(&[(PEER, &frames[0]), (PEER, book), (PEER, &frames[1])]);
    assert_eq!(texts(&got), [book], "other channels do not wait");
    bench.wait(at(100));
    assert!(bench.told(&[(PEER, &execution(3))]).is_empty());
    assert!(bench.wait(at(199)).1.is_empty());
    assert_eq!(texts(&bench.wait(at(200)).1), [execution(1), execution(2), execution(3)]);
    assert_eq!(texts(&bench.told(&[(PEER, &execution(4))])), [execution(4)]);
}

#[test]
fn an_answer_comes_late() {
    let late = FaultWish { delay_ms: Some(3_000), ..wish(FaultKind::ReplyDelayed) };
    let mut bench = Bench::new(vec![late]);
    assert!(bench.accepted().is_empty());
    assert_eq!(texts(&bench.wait(at(3_000)).1), [r#"200 {"error":[],"result":{}}"#]);
}

#[test]
fn a_closed_connection_gets_nothing_that_was_held_back() {
    let late = FaultWish { delay_ms: Some(200), ..wish(FaultKind::Delayed) };
    let mut bench = Bench::new(vec![late, wish(FaultKind::Reordered)]);
    bench.told(&[(PEER, &execution(1)), (PEER, &execution(2)), (OTHER, &execution(1))]);
    bench.faults.closed(PEER);
    let left = bench.wait(at(2_000)).1;
    assert!(left.iter().all(|output| matches!(output, ServerOutput::WsSend { peer: OTHER, .. })));
    assert_eq!(left.len(), 1);
}

#[test]
fn checksums_are_wrong_on_the_pair_alone() {
    let scope = FaultScope { pair: Some("BTC/USD".to_owned()), ..FaultScope::default() };
    let mut bench = Bench::new(vec![FaultWish { scope, ..wish(FaultKind::CorruptChecksum) }]);
    let book = |symbol: &str, sum: u32| {
        format!(
            r#"{{"channel":"book","type":"update","data":[{{"symbol":"{symbol}","checksum":{sum}}}]}}"#
        )
    };
    let (btc, eth) = (book("BTC/USD", 6), book("ETH/USD", 6));
    let got = bench.told(&[(PEER, &btc), (PEER, &eth), (OTHER, &btc)]);
    assert_eq!(texts(&got), [book("BTC/USD", 7), eth, book("BTC/USD", 7)]);
}

#[test]
fn a_silent_subscription_is_acknowledged_and_stays_silent_until_it_is_ended() {
    let silent = FaultWish { count: Some(1), ..wish(FaultKind::Silent) };
    let mut bench = Bench::new(vec![silent]);
    let ack = |method: &str| {
        format!(
            r#"{{"method":"{method}","result":{{"channel":"ticker","symbol":"BTC/USD"}},"success":true}}"#
        )
    };
    let ask = |method: &str| format!(r#"{{"method":"{method}","params":{{}}}}"#);
    let ticker = r#"{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD"}]}"#;
    assert_eq!(texts(&bench.ask(&ask("subscribe"), &ack("subscribe"))), [ack("subscribe")]);
    let other = ticker.replace("BTC", "ETH");
    let frames = [(PEER, ticker), (OTHER, ticker), (PEER, &other)];
    assert_eq!(bench.told(&frames), [send(OTHER, ticker), send(PEER, &other)]);
    bench.wait(at(1));
    bench.ask(&ask("unsubscribe"), &ack("unsubscribe"));
    bench.ask(&ask("subscribe"), &ack("subscribe"));
    assert_eq!(bench.told(&[(PEER, ticker)]), [send(PEER, ticker)]);
}

#[test]
fn connections_are_closed_at_once_and_again_and_again() {
    let often = FaultWish { every_ms: Some(500), count: Some(2), ..wish(FaultKind::Disconnected) };
    let scope = FaultScope { account: Some("mm".to_owned()), ..FaultScope::default() };
    let once = FaultWish { scope, delay_ms: Some(50), ..wish(FaultKind::Stalled) };
    let mut bench = Bench::new(vec![often, once]);
    assert_eq!(texts(&bench.wait(at(0)).1), ["close 7 1001", "close 8 1001", "stall 7 50"]);
    assert_eq!(texts(&bench.wait(at(500)).1), ["close 7 1001", "close 8 1001"]);
    assert!(bench.wait(at(5_000)).1.is_empty());
    assert!(bench.faults.rules.is_empty());
}

#[test]
fn phases_begin_end_and_give_way_to_older_ones() {
    let phase = |mode, after_ms, duration_ms| FaultWish {
        mode: Some(mode),
        after_ms,
        duration_ms: Some(duration_ms),
        ..wish(FaultKind::Phase)
    };
    let mut pair = phase(PhaseMode::LimitOnly, 0, 100);
    pair.scope.pair = Some("BTC/USD".to_owned());
    let script =
        vec![phase(PhaseMode::PostOnly, 100, 1_000), phase(PhaseMode::Maintenance, 300, 200), pair];
    let mut bench = Bench::new(script);
    let symbol: Arc<str> = "BTC/USD".into();
    let pair = |status| FaultEffect::Pair(Arc::clone(&symbol), status);
    assert_eq!(bench.wait(at(99)).0, [pair(PairStatus::LimitOnly)]);
    let system = FaultEffect::System;
    assert_eq!(bench.wait(at(100)).0, [system(SystemMode::PostOnly), pair(PairStatus::Online)]);
    assert_eq!(bench.wait(at(300)).0, [system(SystemMode::Maintenance)]);
    assert_eq!(bench.wait(at(500)).0, [system(SystemMode::PostOnly)]);
    assert_eq!(bench.wait(at(1_100)).0, [system(SystemMode::Online)]);
}

#[test]
fn the_clock_is_off_while_the_fault_lasts() {
    let wish = FaultWish {
        offset_ms: Some(-4_000),
        after_ms: 10,
        duration_ms: Some(10),
        ..wish(FaultKind::ClockOffset)
    };
    let bench = Bench::new(vec![wish]);
    let offset = |ms| bench.faults.clock_offset(at(ms)).as_ms();
    assert_eq!([offset(9), offset(10), offset(19), offset(20)], [0, -4_000, -4_000, 0]);
}

#[test]
fn faults_come_and_go_by_admin_and_are_counted() {
    let mut bench = Bench::new(Vec::new());
    let got =
        bench.post(r#"[{"kind":"reply_lost","count":3},{"kind":"phase","mode":"maintenance"}]"#);
    assert_eq!((got.status, got.body.as_str()), (200, r#"{"ids":[1,2]}"#));
    assert_eq!(bench.wait(at(1)).0, [FaultEffect::System(SystemMode::Maintenance)]);
    assert_eq!(texts(&bench.accepted()), ["dropped"]);
    let seen = bench.faults.admin(at(1), "GET", "/faults", b"").unwrap();
    let seen: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(seen["injected"], serde_json::json!({"reply_lost": 1, "phase": 1}));
    assert_eq!(seen["faults"][0]["left"], 2);
    assert_eq!(seen["connections"][0], serde_json::json!({"connection": 7, "account": "mm"}));
    let got = bench.faults.admin(at(1), "POST", "faults/clear", br#"{"id":1}"#).unwrap();
    assert_eq!(got.body, r#"{"cleared":1}"#);
    assert!(texts(&bench.accepted())[0].starts_with("200"));
    bench.faults.admin(at(1), "DELETE", "faults", b"").unwrap();
    assert_eq!(bench.wait(at(2)).0, [FaultEffect::System(SystemMode::Online)]);
    assert!(bench.faults.admin(at(1), "GET", "accounts", b"").is_none());
    assert_eq!(bench.faults.admin(at(1), "PUT", "faults", b"").unwrap().status, 405);
}

#[test]
fn every_problem_of_a_wish_is_named() {
    let mut bench = Bench::new(Vec::new());
    let mut check = |body: &str, keys: &[&str]| {
        let got = bench.post(body);
        assert_eq!(got.status, 400, "{body}");
        let got: serde_json::Value = serde_json::from_str(&got.body).unwrap();
        let got: Vec<_> = got["problems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["key"].as_str().unwrap())
            .collect();
        assert_eq!(got, keys, "{body}");
    };
    check("", &["body"]);
    check(r#"{"kind":"nonsense"}"#, &["body"]);
    check(r#"{"kind":"lost","colour":1}"#, &["body"]);
    check(r#"{"kind":"delayed"}"#, &["faults.0.delay_ms"]);
    check(
        r#"{"kind":"lost","probability_ppm":0,"count":0,"duration_ms":0,"channel":"x","mode":"post_only"}"#,
        &[
            "faults.0.probability_ppm",
            "faults.0.count",
            "faults.0.duration_ms",
            "faults.0.channel",
            "faults.0.mode",
        ],
    );
    check(r#"{"kind":"phase","mode":"limit_only"}"#, &["faults.0.mode"]);
    check(
        r#"{"kind":"clock_offset","count":1,"scope":{"account":"mm","pair":"BTC/USD"}}"#,
        &["faults.0.offset_ms", "faults.0.count", "faults.0.scope", "faults.0.scope.pair"],
    );
    check(
        r#"{"kind":"error_page","status":200,"every_ms":1000,"error":"x","code":1,"is_executed":true}"#,
        &[
            "faults.0.code",
            "faults.0.error",
            "faults.0.status",
            "faults.0.every_ms",
            "faults.0.code",
            "faults.0.error",
            "faults.0.is_executed",
        ],
    );
    let many = vec![wish(FaultKind::Lost); 257];
    check(&serde_json::to_string(&many).unwrap(), &["faults"]);
    let settings = FaultSettings { seed: 1, script: vec![wish(FaultKind::Delayed)] };
    assert_eq!(Faults::new(&settings, at(0)).unwrap_err()[0].key, "faults.script.0.delay_ms");
}

#[test]
fn equal_seeds_hit_the_same_frames_and_about_the_share_asked_for() {
    let run = || {
        let often = FaultWish { probability_ppm: Some(250_000), ..wish(FaultKind::Lost) };
        let mut bench = Bench::new(vec![often]);
        (0..2_000).map(|n| bench.told(&[(PEER, &execution(n))]).is_empty()).collect::<Vec<_>>()
    };
    let lost = run().into_iter().filter(|is_lost| *is_lost).count();
    assert_eq!(run(), run());
    assert!((420..580).contains(&lost), "{lost}");
}

proptest! {
    #[test]
    fn any_traffic_and_any_admin_text_is_survived(
        texts in proptest::collection::vec("\\PC{0,60}", 1..20),
        bodies in proptest::collection::vec(any::<Vec<u8>>(), 1..8),
    ) {
        let mut bench = Bench::new(vec![
            FaultWish { probability_ppm: Some(300_000), ..wish(FaultKind::Reordered) },
            FaultWish { delay_ms: Some(5), ..wish(FaultKind::Delayed) },
            wish(FaultKind::CorruptChecksum),
        ]);
        for text in &texts {
            bench.ask(text, text);
            let frame = format!("{{\"channel\":\"executions\",{text}");
            bench.told(&[(PEER, text), (PEER, &frame)]);
            bench.rest(text, text, text);
        }
        for body in &bodies {
            let _ = bench.faults.admin(bench.now, "POST", "faults", body);
            let _ = bench.faults.admin(bench.now, "POST", "faults/clear", body);
        }
        bench.wait(at(10_000));
        prop_assert!(bench.faults.hold.is_empty());
    }
}
