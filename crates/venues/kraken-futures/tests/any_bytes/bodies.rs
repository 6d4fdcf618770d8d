//! What must hold for any bytes: from the venue (`venue`) and from clients of the simulated exchange (`client`). The bodies of the
//! property tests beside this file and of the fuzz targets in `fuzz/`, which include it by path.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a body fails by panicking, and two crates share it"
)]

use remora_domain::{DurationNs, Timestamp, VenueId};
use remora_kraken_futures::server::{Server, ServerSettings, listing};
use remora_kraken_futures::{KrakenFuturesFeed, decode, rest};
use remora_machine::Machine;
use remora_venue_api::server::{CallId, HttpCall, PeerId, ServerInput, ServerOutput, WsHost};
use remora_venue_api::{ConnId, FeedInput, FeedSettings};

const START: Timestamp = Timestamp::from_ns(1_780_315_200_000_000_000);
const DEFINITIONS: &str = include_str!("../../fixtures/synthetic_instruments.json");

/// Frames and answers of the venue, one a line: each gives a value or an error, and the session survives all of them.
pub fn venue(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut session = KrakenFuturesFeed::new(FeedSettings::recorded(
        VenueId::new("kraken-futures").unwrap(),
        10,
        10,
    ));
    let (conn, mut now, mut out) = (ConnId::new(1), START, Vec::new());
    for line in std::iter::once(DEFINITIONS).chain(text.lines().take(64)) {
        // What cannot be read says why in bounded words.
        if let Err(error) = decode(line) {
            assert!(error.to_string().len() < 1_000, "{error}");
        }
        now = now.saturating_add(DurationNs::from_ms(1));
        let frame = FeedInput::Frame { conn, receive_time: now, text: line.to_owned() };
        session.handle(now, frame, &mut out);
        let errors = [
            rest::tickers(line).err(),
            rest::order_book(line).err(),
            rest::trades(line).err(),
            rest::funding(line).err(),
            rest::candles(line).err(),
            rest::executions(line).err(),
        ];
        assert!(errors.iter().flatten().all(|error| error.to_string().len() < 1_000));
    }
}

/// Frames and addresses of a client, one a line: every call gets one answer of JSON, and no frame ends the exchange.
pub fn client(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let settings = ServerSettings { products: listing::listed(START) };
    let mut server = Server::new(settings, START).unwrap();
    let (peer, mut out) = (PeerId(1), Vec::new());
    let (host, address) = (WsHost::Public, String::new());
    server.handle(START, ServerInput::WsOpened { peer, host, address }, &mut out);
    for (number, line) in text.lines().take(64).enumerate() {
        out.clear();
        server.handle(START, ServerInput::WsFrame { peer, text: line.to_owned() }, &mut out);
        for output in out.drain(..) {
            let ServerOutput::WsSend { text, .. } = output else { panic!("{output:?}") };
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{text}");
        }
        let call = CallId(u64::try_from(number).unwrap());
        let (path, query) = line.split_once('?').unwrap_or((line, ""));
        let request = HttpCall {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            content_type: None,
            api_key: None,
            api_sign: None,
            body: Vec::new(),
            address: String::new(),
        };
        server.handle(START, ServerInput::Http { call, request }, &mut out);
        let [ServerOutput::HttpReply { call: answered, body, .. }] = out.as_slice() else {
            panic!("want one answer, got {out:?}");
        };
        assert_eq!(*answered, call);
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok(), "{body}");
    }
}
