//! What must hold for any bytes: from the venue (feed, orders), from clients (WebSocket, REST), from operators. The bodies of the
//! property tests beside this file and of the fuzz targets in `fuzz/`, which include it by path.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a body fails by panicking, and two crates share it"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use remora_approval::Verifier;
use remora_domain::{AccountId, DurationNs, SessionId, Timestamp, VenueId};
use remora_kraken::server::faults::FaultSettings;
use remora_kraken::server::io::{CallId, HttpCall, PeerId, ServerInput, ServerOutput, WsHost};
use remora_kraken::server::{Server, ServerSettings, WsSettings, synthetic};
use remora_kraken::{KrakenFeed, KrakenTrading, decode};
use remora_machine::Machine;
use remora_testkit::{approval, instrument, request, signer};
use remora_venue_api::{
    CallEnd, CallId as OurCall, ConnId, Credentials, DeadMan, FeedInput, FeedSettings,
    OrderEntrySettings, VenueCommand, VenueInput, VenueOutput,
};
use sha2::{Digest as _, Sha256, Sha512};
use std::collections::VecDeque;

const START: Timestamp = Timestamp::from_ns(1_771_234_567_000_000_000);
const DEFINITION: &str = r#"{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":[{"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online","qty_precision":8,"qty_increment":1E-8,"price_precision":1,"price_increment":0.1,"qty_min":0.0001}]}}"#;

/// Frames of the venue, one a line: each gives a value or an error, and the session survives all of them.
pub fn feed(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut session =
        KrakenFeed::new(FeedSettings::recorded(VenueId::new("kraken-spot").unwrap(), 10, 10));
    let (conn, mut now, mut out) = (ConnId::new(1), START, Vec::new());
    session.handle(now, FeedInput::Connected { conn }, &mut out);
    for line in std::iter::once(DEFINITION).chain(text.lines().take(64)) {
        // What cannot be read says why in bounded words.
        if let Err(error) = decode(line) {
            assert!(error.to_string().len() < 1_000, "{error}");
        }
        now = now.saturating_add(DurationNs::from_ms(1));
        let frame = FeedInput::Frame { conn, receive_time: now, text: line.to_owned() };
        session.handle(now, frame, &mut out);
        assert!(session.next_deadline().is_none_or(|due| due > START));
    }
}

/// What the venue says to our order-entry session, one a line: the answer to its oldest call behind `call `, else a frame.
/// The session survives it, its deadlines move, and its problems tell no secret.
pub fn orders(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().take(64).collect();
    let mut venue = Venue::new();
    venue.give(VenueInput::Instrument(instrument("BTC", "USD")));
    venue.give(VenueInput::Start);
    for (number, line) in lines.iter().enumerate() {
        if number == lines.len() / 2 {
            let expires_at = venue.now.saturating_add(DurationNs::from_s(5));
            let mut order = request("r-1");
            order.deadline = expires_at;
            let approval = approval(order, 1, 1, expires_at);
            let approved = Verifier::new(signer().verifying_key()).verify(venue.now, &approval);
            venue.give(VenueInput::Command(VenueCommand::Submit(approved.unwrap())));
        }
        venue.now = venue.now.saturating_add(DurationNs::from_ms(200));
        venue.tick();
        match (line.strip_prefix("call "), venue.calls.pop_front()) {
            (Some(body), Some(call)) => {
                let end = CallEnd::Answered { status: 200, body: body.into() };
                venue.give(VenueInput::CallEnded { call, end });
            }
            (None, call) => {
                venue.calls.extend(call);
                let (conn, receive_time) = (venue.conn, venue.now);
                venue.give(VenueInput::Frame { conn, receive_time, text: (*line).into() });
            }
            (Some(_), None) => {}
        }
    }
}

/// Is our order-entry session, and what it waits for.
struct Venue {
    session: KrakenTrading,
    now: Timestamp,
    conn: ConnId,
    calls: VecDeque<OurCall>,
}

impl Venue {
    const SECRET: &str = "c2VjcmV0LW9mLXRoZS10ZXN0cw==";

    fn new() -> Self {
        let session = KrakenTrading::new(OrderEntrySettings {
            venue: VenueId::new("kraken-spot").unwrap(),
            account: AccountId::new("main").unwrap(),
            run: SessionId::new(1),
            credentials: Credentials {
                key: "KEY-OF-THE-TESTS".into(),
                secret: Self::SECRET.into(),
            },
            rest_url: "http://venue".to_owned(),
            private_url: "ws://venue/v2".to_owned(),
            nonces_from: 0,
            dead_man: DeadMan::Guard(DurationNs::from_s(60)),
            is_rest_only: false,
            rate_tier: "pro".to_owned(),
            cl_ord_id_prefix: "r-".to_owned(),
            seed: 1,
        });
        Self { session: session.unwrap(), now: START, conn: ConnId::new(0), calls: VecDeque::new() }
    }

    fn give(&mut self, input: VenueInput) {
        let mut out = Vec::new();
        self.session.handle(self.now, input, &mut out);
        self.said(out);
    }

    fn tick(&mut self) {
        if self.session.next_deadline().is_some_and(|due| due <= self.now) {
            let mut out = Vec::new();
            self.session.tick(self.now, &mut out);
            assert!(self.session.next_deadline().is_none_or(|due| due > self.now));
            self.said(out);
        }
    }

    /// Opens, stores and remembers what is asked for.
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
                VenueOutput::Call(call) => self.calls.push_back(call.call),
                VenueOutput::Problem(problem) => {
                    assert!(problem.detail.chars().count() <= 300, "{problem:?}");
                    for secret in ["KEY-OF-THE-TESTS", Self::SECRET] {
                        assert!(!problem.detail.contains(secret), "{problem:?}");
                    }
                }
                VenueOutput::Close { conn } => {
                    let detail = "closed by us".to_owned();
                    self.give(VenueInput::Disconnected { conn, detail });
                }
                VenueOutput::Report(_) | VenueOutput::Send { .. } | VenueOutput::Stopped => {}
            }
        }
    }
}

/// Frames of clients, one a line: each is answered, on a public and on a private connection.
pub fn websocket(bytes: &[u8]) {
    let (mut server, token) = exchange();
    let text = String::from_utf8_lossy(bytes).replace("TOKEN", &token);
    for (number, host) in [(1, WsHost::Public), (2, WsHost::Private), (3, WsHost::Level3)] {
        let (peer, address) = (PeerId(number), "127.0.0.1".to_owned());
        give(&mut server, ServerInput::WsOpened { peer, host, address });
        for line in text.lines().take(32) {
            let out = give(&mut server, ServerInput::WsFrame { peer, text: line.to_owned() });
            let is_answer = |output: &ServerOutput| match output {
                ServerOutput::WsSend { peer: to, .. } => *to == peer,
                ServerOutput::HttpReply { .. }
                | ServerOutput::HttpDrop { .. }
                | ServerOutput::WsClose { .. }
                | ServerOutput::WsStall { .. } => false,
            };
            assert!(out.iter().any(is_answer), "no answer to {line:?}");
        }
    }
}

/// A REST call: the first line is its path (and query), the rest its body. It is signed, so it gets as far as it can.
pub fn rest(bytes: &[u8]) {
    let (mut server, _) = exchange();
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(end);
    let head = String::from_utf8_lossy(head);
    let (path, query) = head.split_once('?').unwrap_or((&head, ""));
    let body = body.get(1..).unwrap_or_default();
    for content_type in ["application/x-www-form-urlencoded", "application/json"] {
        for method in ["GET", "POST"] {
            let request = call(method, path, query, content_type, body, "7");
            let out = give(&mut server, ServerInput::Http { call: CallId(9), request });
            let mut replies = out.iter().filter_map(|output| match output {
                ServerOutput::HttpReply { call, status, body, .. } => Some((*call, *status, body)),
                ServerOutput::HttpDrop { .. }
                | ServerOutput::WsSend { .. }
                | ServerOutput::WsClose { .. }
                | ServerOutput::WsStall { .. } => None,
            });
            let (call, status, text) = replies.next().expect("an answer");
            assert_eq!((call, status), (CallId(9), 200));
            assert!(replies.next().is_none(), "a second answer");
            let answer: serde_json::Value = serde_json::from_str(text).expect("JSON");
            let error = answer["error"].as_array().expect("an error list");
            assert!(error.is_empty() != answer["result"].is_null(), "{text}");
        }
    }
}

/// An operator's call: the first line is the path below `/sim/`, the rest its body.
pub fn admin(bytes: &[u8]) {
    let (mut server, _) = exchange();
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (path, body) = bytes.split_at(end);
    let path = String::from_utf8_lossy(path).into_owned();
    let body = body.get(1..).unwrap_or_default().to_vec();
    for method in ["GET", "POST", "DELETE"] {
        let (method, path, body) = (method.to_owned(), path.clone(), body.clone());
        let input = ServerInput::Admin { call: CallId(9), method, path, body };
        let replies = give(&mut server, input);
        let is_reply = |output: &&ServerOutput| matches!(output, ServerOutput::HttpReply { .. });
        assert_eq!(replies.iter().filter(is_reply).count(), 1);
    }
    for _ in 0..16 {
        let Some(due) = server.next_deadline() else { break };
        server.tick(due, &mut Vec::new());
    }
}

fn give(server: &mut Server, input: ServerInput) -> Vec<ServerOutput> {
    let mut out = Vec::new();
    server.handle(START.saturating_add(DurationNs::from_ms(1)), input, &mut out);
    out
}

/// Opens the exchange and gives a token of the first account.
fn exchange() -> (Server, String) {
    let desk = synthetic::settings(7);
    let (ws, faults) = (WsSettings { message_rate: None }, FaultSettings::default());
    let mut server = Server::new(&ServerSettings { desk, ws, faults }, START).unwrap();
    let path = "/0/private/GetWebSocketsToken";
    let request = call("POST", path, "", "application/x-www-form-urlencoded", b"nonce=1", "1");
    let out = give(&mut server, ServerInput::Http { call: CallId(1), request });
    let [ServerOutput::HttpReply { body, .. }] = out.as_slice() else { panic!("{out:?}") };
    let answer: serde_json::Value = serde_json::from_str(body).unwrap();
    (server, answer["result"]["token"].as_str().unwrap().to_owned())
}

/// Makes a call, signed for a body whose nonce this is.
fn call(
    method: &str,
    path: &str,
    query: &str,
    content_type: &str,
    body: &[u8],
    nonce: &str,
) -> HttpCall {
    let settings = synthetic::settings(7);
    let key = &settings.accounts[0].keys[0];
    let digest = Sha256::new().chain_update(nonce).chain_update(body).finalize();
    let secret = STANDARD.decode(key.secret.reveal()).unwrap();
    let mut mac = Hmac::<Sha512>::new_from_slice(&secret).unwrap();
    mac.update(path.as_bytes());
    if !query.is_empty() {
        mac.update(b"?");
        mac.update(query.as_bytes());
    }
    mac.update(&digest);
    HttpCall {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        content_type: Some(content_type.to_owned()),
        api_key: Some(key.key.clone()),
        api_sign: Some(STANDARD.encode(mac.finalize().into_bytes())),
        body: body.to_vec(),
        address: "127.0.0.1".to_owned(),
    }
}
