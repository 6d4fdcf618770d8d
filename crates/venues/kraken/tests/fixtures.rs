//! The shared messages of Kraken Spot (`REMORA_SHARED`), each through whatever reads its kind: public frames through the
//! codec, private frames and answers through order entry, requests through the simulated exchange. What our own answers
//! must look like is compared with the REST fixtures beside the server (`src/server/rest/tests/shapes.rs`).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test fails by panicking, finds its fixtures through the environment, and says what it skips"
)]

use remora_domain::{AccountId, DurationNs, SessionId, Timestamp, VenueId};
use remora_kraken::server::faults::FaultSettings;
use remora_kraken::server::io::{CallId, HttpCall, PeerId, ServerInput, ServerOutput, WsHost};
use remora_kraken::server::{Server, ServerSettings, WsSettings, synthetic};
use remora_kraken::{Frame, KrakenTrading, MessageKind, decode};
use remora_machine::Machine as _;
use remora_testkit::instrument;
use remora_venue_api::{
    CallEnd, ConnId, Credentials, DeadMan, OrderEntrySettings, ProblemKind, VenueCall, VenueInput,
    VenueOutput,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::PathBuf;

const START: Timestamp = Timestamp::from_ns(1_771_234_567_000_000_000);

/// Gives the text of a fixture; says so where there is none.
fn fixture(name: &str) -> Option<String> {
    let named = std::env::var("REMORA_SHARED").map(PathBuf::from);
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared");
    let path = named.unwrap_or_else(|_| beside()).join("fixtures/kraken").join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("skipped: no {}; set REMORA_SHARED", path.display());
    }
    text
}

#[test]
fn public_frames_are_read_as_what_they_are() {
    let name = |name: &str| format!("nautilus/{name}.json");
    if let Some(text) = fixture(&name("ws_ticker_snapshot")) {
        let Ok(Frame::Tickers(tickers)) = decode(&text) else { panic!("{text}") };
        assert_eq!((tickers.kind, tickers.items.len()), (MessageKind::Snapshot, 1));
        assert_eq!(tickers.items[0].prices().unwrap()[0].to_string(), "105944.20");
    }
    if let Some(text) = fixture(&name("ws_trade_update")) {
        let Ok(Frame::Trades(trades)) = decode(&text) else { panic!("{text}") };
        let sizes: Vec<i64> =
            trades.items.iter().map(|item| item.size(2, 8).unwrap().1.get()).collect();
        assert_eq!((trades.kind, sizes), (MessageKind::Update, vec![27_625, 12_460]));
    }
    if let Some(text) = fixture(&name("ws_book_snapshot")) {
        // Composed: its checksum does not belong to its levels, so it is read only.
        let Ok(Frame::Books(books)) = decode(&text) else { panic!("{text}") };
        let mut changes = Vec::new();
        books.items[0].changes(8, 8, &mut changes).unwrap();
        assert!(!changes.is_empty());
    }
    if let Some(text) = fixture(&name("ws_subscribe_response")) {
        let Ok(Frame::Reply(reply)) = decode(&text) else { panic!("{text}") };
        assert!(reply.is_success);
        assert_eq!(reply.channel.as_deref(), Some("ticker"));
    }
}

/// Is a simulated exchange and what it answered.
struct Exchange {
    server: Server,
    calls: u64,
}

impl Exchange {
    fn new() -> Self {
        let (ws, faults) = (WsSettings { message_rate: None }, FaultSettings::default());
        let settings = ServerSettings { desk: synthetic::settings(7), ws, faults };
        Self { server: Server::new(&settings, START).unwrap(), calls: 0 }
    }

    fn give(&mut self, input: ServerInput) -> Vec<ServerOutput> {
        let mut out = Vec::new();
        self.server.handle(START, input, &mut out);
        out
    }

    /// Makes a call of the session and gives the body of its answer.
    fn answer(&mut self, call: &VenueCall) -> String {
        self.calls += 1;
        let header = |name: &str| {
            let found = call.headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| text.expose().to_owned())
        };
        let is_private = call.url.contains("/private/");
        let request = HttpCall {
            method: if is_private { "POST" } else { "GET" }.to_owned(),
            path: call.url.strip_prefix("http://venue").unwrap().to_owned(),
            query: String::new(),
            content_type: header("content-type"),
            api_key: header("api-key"),
            api_sign: header("api-sign"),
            body: call.body.expose().as_bytes().to_vec(),
            address: "127.0.0.1".to_owned(),
        };
        let out = self.give(ServerInput::Http { call: CallId(self.calls), request });
        let [ServerOutput::HttpReply { body, .. }] = out.as_slice() else { panic!("{out:?}") };
        body.to_string()
    }
}

/// Is order entry in front of the simulated exchange, with some answers replaced by captured ones.
struct Entry {
    session: KrakenTrading,
    exchange: Exchange,
    /// By the last part of the path.
    captured: Vec<(&'static str, String)>,
    used: Vec<&'static str>,
    now: Timestamp,
    conn: ConnId,
    malformed: Vec<String>,
    /// The session that the exchange gave.
    token: String,
}

impl Entry {
    fn new(captured: Vec<(&'static str, String)>) -> Self {
        let desk = synthetic::settings(7);
        let key = &desk.accounts[0].keys[0];
        let session = KrakenTrading::new(OrderEntrySettings {
            venue: VenueId::new("kraken-spot").unwrap(),
            account: AccountId::new("main").unwrap(),
            run: SessionId::new(1),
            credentials: Credentials {
                key: key.key.as_str().into(),
                secret: key.secret.reveal().into(),
            },
            rest_url: "http://venue".to_owned(),
            private_url: "ws://venue/v2".to_owned(),
            nonces_from: 0,
            dead_man: DeadMan::Off,
            is_rest_only: false,
            rate_tier: "pro".to_owned(),
            cl_ord_id_prefix: "mm-".to_owned(),
            seed: 1,
        });
        Self {
            session: session.unwrap(),
            exchange: Exchange::new(),
            captured,
            used: Vec::new(),
            now: START,
            conn: ConnId::new(0),
            malformed: Vec::new(),
            token: String::new(),
        }
    }

    fn give(&mut self, input: VenueInput) {
        let mut out = Vec::new();
        self.session.handle(self.now, input, &mut out);
        self.said(out);
    }

    fn said(&mut self, out: Vec<VenueOutput>) {
        for output in out {
            match output {
                VenueOutput::ReserveNonces { until } => {
                    self.give(VenueInput::NoncesReserved { until });
                }
                VenueOutput::Connect { conn, .. } => {
                    self.conn = conn;
                    self.give(VenueInput::Connected { conn });
                }
                VenueOutput::Call(call) => {
                    let is_it =
                        |(name, _): &&(&str, String)| call.url.ends_with(&format!("/{name}"));
                    let captured = self.captured.iter().find(is_it);
                    self.used.extend(captured.map(|(name, _)| *name));
                    let body = captured.map(|(_, body)| body.clone());
                    let body = body.unwrap_or_else(|| self.exchange.answer(&call));
                    if let Some((_, rest)) = body.split_once("\"token\":\"") {
                        self.token = rest.split('"').next().unwrap().to_owned();
                    }
                    let end = CallEnd::Answered { status: 200, body: body.into() };
                    self.give(VenueInput::CallEnded { call: call.call, end });
                }
                VenueOutput::Problem(problem) if problem.kind == ProblemKind::Malformed => {
                    self.malformed.push(problem.detail);
                }
                VenueOutput::Problem(_)
                | VenueOutput::Report(_)
                | VenueOutput::Send { .. }
                | VenueOutput::Close { .. }
                | VenueOutput::Stopped => {}
            }
        }
    }

    fn pass(&mut self, by: DurationNs) {
        let until = self.now.saturating_add(by);
        while let Some(due) = self.session.next_deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            let mut out = Vec::new();
            self.session.tick(self.now, &mut out);
            self.said(out);
        }
        self.now = until;
    }

    fn frame(&mut self, text: &str) {
        let (conn, receive_time) = (self.conn, self.now);
        self.give(VenueInput::Frame { conn, receive_time, text: text.into() });
    }
}

#[derive(Deserialize)]
struct Lifecycle {
    messages: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Message {
    dir: String,
    msg: Box<RawValue>,
}

#[derive(Deserialize)]
struct Exchanged {
    response: Box<RawValue>,
}

#[test]
fn private_frames_and_answers_are_read_by_order_entry() {
    let captured = [
        ("Time", "nautilus/http_server_time.json"),
        ("OpenOrders", "nautilus/http_open_orders.json"),
        ("TradesHistory", "nautilus/http_trades_history.json"),
    ];
    let captured: Vec<(&str, String)> = captured
        .into_iter()
        // The simulated exchange, which tells the pairs here, does not list this one.
        .filter_map(|(name, file)| Some((name, fixture(file)?.replace("ETHUSDT", "XBTUSDT"))))
        .collect();
    let wanted: Vec<&str> = captured.iter().map(|(name, _)| *name).collect();
    let mut entry = Entry::new(captured);
    if let Some(text) = fixture("kraken.net/spot_TradeVolume.json") {
        let body: Exchanged = serde_json::from_str(&text).unwrap();
        entry.captured.push(("TradeVolume", body.response.get().to_owned()));
    }
    entry.give(VenueInput::Instrument(instrument("BTC", "USD")));
    entry.give(VenueInput::Start);
    entry.pass(DurationNs::from_s(20));
    if let Some(text) = fixture("composed/spot_ws_v2_executions_lifecycle.json") {
        let lifecycle: Lifecycle = serde_json::from_str(&text).unwrap();
        lifecycle.messages.iter().for_each(|message| entry.frame(message.get()));
    }
    for name in ["kraken.net/spot_ws_batch_add.json", "kraken.net/spot_ws_cancel_all.json"] {
        let messages: Vec<Message> =
            fixture(name).map_or_else(Vec::new, |text| serde_json::from_str(&text).unwrap());
        let from_venue = messages.iter().filter(|message| message.dir == "server");
        from_venue.for_each(|message| entry.frame(message.msg.get()));
    }
    if let Some(text) = fixture("nautilus/ws_add_order_response_success.json") {
        entry.frame(&text);
    }
    entry.pass(DurationNs::from_s(20));
    assert_eq!(entry.malformed, Vec::<String>::new());
    for name in wanted.iter().filter(|name| **name != "TradesHistory") {
        assert!(entry.used.contains(name), "{name} was never asked for: {:?}", entry.used);
    }
}

#[test]
fn requests_of_other_clients_are_answered_by_the_exchange() {
    for (name, want) in [
        ("ws_add_order_request", "\"success\":true"),
        ("ws_batch_add_request", "\"success\":true"),
        ("ws_amend_order_request", "EOrder:Unknown order"),
    ] {
        let Some(text) = fixture(&format!("nautilus/{name}.json")) else { continue };
        let mut entry = Entry::new(Vec::new());
        entry.give(VenueInput::Instrument(instrument("BTC", "USD")));
        entry.give(VenueInput::Start);
        entry.pass(DurationNs::from_s(5));
        let Entry { mut exchange, token, .. } = entry;
        assert!(!token.is_empty());
        let (peer, host, address) = (PeerId(1), WsHost::Private, "127.0.0.1".to_owned());
        exchange.give(ServerInput::WsOpened { peer, host, address });
        let text = text.replace("TESTTOKEN", &token);
        let out = exchange.give(ServerInput::WsFrame { peer, text: text.clone() });
        let [ServerOutput::WsSend { text: answer, .. }] = out.as_slice() else { panic!("{out:?}") };
        assert!(answer.contains(want), "{text} -> {answer}");
    }
}
