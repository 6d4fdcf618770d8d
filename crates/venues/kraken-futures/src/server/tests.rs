//! The simulated exchange as a client meets it, and our own session on it without a socket.

use super::*;
use crate::KrakenFuturesFeed;
use remora_domain::{BookState, DurationNs, Lots, Side, Ticks, Timestamp, VenueId};
use remora_machine::Machine;
use remora_venue_api::server::{CallId, Flow, HttpCall, PeerId, ServerInput, ServerOutput, WsHost};
use remora_venue_api::{
    ConnId, FeedInput, FeedOutput, FeedSession as _, FeedSettings, MarketEvent,
};
use serde_json::Value;

const START: Timestamp = Timestamp::from_ns(1_780_315_200_000_000_000);
const PEER: PeerId = PeerId(1);

struct Exchange {
    server: Server,
    now: Timestamp,
}

impl Exchange {
    fn open() -> Self {
        let settings = ServerSettings { products: listing::listed(START) };
        let mut exchange = Self { server: Server::new(settings, START).unwrap(), now: START };
        let (host, address) = (WsHost::Public, String::new());
        let heard = exchange.give(ServerInput::WsOpened { peer: PEER, host, address });
        assert_eq!(heard, [r#"{"event":"info","version":1}"#]);
        exchange
    }

    fn give(&mut self, input: ServerInput) -> Vec<String> {
        let mut out = Vec::new();
        self.server.handle(self.now, input, &mut out);
        out.iter().map(said).collect()
    }

    fn say(&mut self, text: &str) -> Vec<String> {
        self.give(ServerInput::WsFrame { peer: PEER, text: text.to_owned() })
    }

    fn flow(&mut self, flow: Flow) -> Vec<String> {
        self.give(ServerInput::Flow(flow))
    }

    fn add(&mut self, symbol: &str, side: Side, price: i64, qty: i64, tag: u64) -> Vec<String> {
        let (price, qty) = (Ticks::new(price), Lots::new(qty));
        self.flow(Flow::Add { symbol: symbol.into(), side, price, qty, tag })
    }

    fn second(&mut self) -> Vec<String> {
        self.now = self.now.saturating_add(DurationNs::from_s(1));
        let mut out = Vec::new();
        self.server.tick(self.now, &mut out);
        out.iter().map(said).collect()
    }

    fn get(&mut self, address: &str) -> Value {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
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
        let heard = self.give(ServerInput::Http { call: CallId(1), request });
        serde_json::from_str(&heard[0]).unwrap()
    }

    /// Opens a market: one order a side, an index, one trade.
    fn market(&mut self, symbol: &str, price: i64, qty: i64) {
        self.add(symbol, Side::Buy, price - 10, qty, 1);
        self.add(symbol, Side::Sell, price + 10, qty, 2);
        self.flow(Flow::Index { symbol: symbol.into(), price: Ticks::new(price) });
        let (side, limit) = (Side::Buy, Ticks::new(price + 10));
        let qty = Lots::new(qty / 2);
        self.flow(Flow::Take { symbol: symbol.into(), side, limit, qty, is_market_order: true });
    }
}

fn said(output: &ServerOutput) -> String {
    match output {
        ServerOutput::WsSend { text, .. } => text.to_string(),
        ServerOutput::HttpReply { body, .. } => body.to_string(),
        ServerOutput::HttpDrop { .. }
        | ServerOutput::WsClose { .. }
        | ServerOutput::WsStall { .. } => panic!("{output:?}"),
    }
}

#[test]
fn each_product_is_acknowledged_by_itself_and_a_snapshot_precedes_its_changes() {
    let mut exchange = Exchange::open();
    exchange.add("PF_XBTUSD", Side::Buy, 50_000, 10_000, 1);
    let heard = exchange
        .say(r#"{"event":"subscribe","feed":"book","product_ids":["pf_xbtusd","PF_NOWHERE"]}"#);
    let want = [
        r#"{"event":"subscribed","feed":"book","product_ids":["PF_XBTUSD"]}"#,
        r#"{"feed":"book_snapshot","product_id":"PF_XBTUSD","timestamp":1780315200000,"seq":1,"tickSize":null,"bids":[{"price":50000.0,"qty":1.0}],"asks":[]}"#,
        r#"{"event":"error","message":"Invalid product id"}"#,
    ];
    assert_eq!(heard, want);
    let heard = exchange.add("PF_XBTUSD", Side::Sell, 50_001, 2_500, 2);
    let want = r#"{"feed":"book","product_id":"PF_XBTUSD","side":"sell","seq":2,"price":50001.0,"qty":0.25,"timestamp":1780315200000}"#;
    assert_eq!(heard, [want]);
    assert!(exchange.add("PF_ETHUSD", Side::Sell, 30_000, 1_000, 1).is_empty());
    exchange.say(r#"{"event":"unsubscribe","feed":"book","product_ids":["PF_XBTUSD"]}"#);
    assert!(exchange.add("PF_XBTUSD", Side::Sell, 50_002, 2_500, 3).is_empty());
}

#[test]
fn what_is_no_request_and_what_is_private_is_refused_in_the_venues_words() {
    let mut exchange = Exchange::open();
    for (text, want) in [
        ("{", "Json Error"),
        (r#"{"event":"subscribe","feed":"fills"}"#, "Invalid feed"),
        (r#"{"event":"challenge","api_key":"k"}"#, "Invalid event"),
        (r#"{"event":"subscribe","feed":"book"}"#, "Invalid product id"),
    ] {
        assert_eq!(exchange.say(text), [format!(r#"{{"event":"error","message":"{want}"}}"#)]);
    }
    let answer = exchange.get("/derivatives/api/v3/sendOrder?symbol=PF_XBTUSD");
    assert_eq!(
        (&answer["result"], &answer["error"]),
        (&"error".into(), &"authenticationError".into())
    );
}

#[test]
fn a_ticker_comes_once_a_second_and_leaves_funding_of_zero_out() {
    let mut exchange = Exchange::open();
    exchange.market("PF_XBTUSD", 50_000, 10_000);
    exchange.say(r#"{"event":"subscribe","feed":"ticker","product_ids":["PF_XBTUSD"]}"#);
    exchange.say(r#"{"event":"subscribe","feed":"heartbeat"}"#);
    let heard = exchange.second();
    assert_eq!(heard.len(), 2, "{heard:?}");
    let ticker: Value = serde_json::from_str(&heard[0]).unwrap();
    assert_eq!(ticker["markPrice"].to_string(), "50000.0");
    assert_eq!(
        (ticker["last"].to_string(), ticker["volume"].to_string()),
        ("50010.0".into(), "0.5".into())
    );
    assert!(ticker.get("funding_rate").is_none() && ticker["next_funding_rate_time"].is_i64());
    assert!(heard[1].contains("heartbeat"));
    // Nothing changed: only the heartbeat goes on.
    assert_eq!(exchange.second().len(), 1);
}

#[test]
fn quantities_of_an_inverse_contract_are_dollars() {
    let mut exchange = Exchange::open();
    // One BTC of the crowd at 50,000.0 dollars.
    exchange.market("PI_XBTUSD", 500_000, 100_000_000);
    let answer = exchange.get("/derivatives/api/v3/orderbook?symbol=PI_XBTUSD");
    assert_eq!(answer["orderBook"]["bids"][0].to_string(), "[49999.0,49999.0]");
    let history = exchange.get("/derivatives/api/v3/history?symbol=pi_xbtusd");
    assert_eq!(history["history"][0]["size"].to_string(), "25000.0");
}

#[test]
fn every_public_answer_is_read_by_the_codec() {
    let mut exchange = Exchange::open();
    exchange.market("PF_XBTUSD", 50_000, 10_000);
    let mut get = |address: &str| exchange.get(address).to_string();
    let tickers = crate::rest::tickers(&get("/derivatives/api/v3/tickers")).unwrap();
    assert_eq!(tickers.iter().filter(|ticker| ticker.last.is_some()).count(), 1);
    let (bids, asks) =
        crate::rest::order_book(&get("/derivatives/api/v3/orderbook?symbol=PF_XBTUSD")).unwrap();
    assert_eq!((bids.len(), asks[0].qty.to_string().as_str()), (1, "0.5"));
    let trades = crate::rest::trades(&get("/derivatives/api/v3/history?symbol=PF_XBTUSD")).unwrap();
    let past =
        crate::rest::executions(&get("/api/history/v2/market/PF_XBTUSD/executions")).unwrap();
    assert_eq!((trades.len(), &trades[0].uid), (1, &past.trades[0].uid));
    assert_eq!((trades[0].price, trades[0].qty), (past.trades[0].price, past.trades[0].qty));
    let page = crate::rest::candles(&get("/api/charts/v1/trade/PF_XBTUSD/5m")).unwrap();
    assert_eq!((page.candles.len(), page.candles[0].volume.to_string().as_str()), (1, "0.5"));
    let none =
        crate::rest::candles(&get("/api/charts/v1/mark/PF_XBTUSD/1m?from=1780315260")).unwrap();
    assert!(none.candles.is_empty());
    let past =
        crate::rest::funding(&get("/derivatives/api/v3/historical-funding-rates?symbol=PF_XBTUSD"));
    assert_eq!(past.unwrap(), []);
    for address in [
        "/derivatives/api/v3/instruments/status",
        "/derivatives/api/v3/instruments/PF_XBTUSD/status",
        "/derivatives/api/v3/tickers/PF_XBTUSD",
        "/derivatives/api/v3/feeschedules",
    ] {
        assert!(get(address).contains(r#""result":"success""#), "{address}");
    }
    assert_eq!(get("/api/charts/v1/"), r#"["spot","mark","trade"]"#);
    assert!(get("/derivatives/api/v3/tickers/PF_NOWHERE").contains("contractNotFound"));
}

#[test]
fn our_own_session_has_the_book_of_the_exchange_after_every_step() {
    let mut exchange = Exchange::open();
    exchange.market("PF_XBTUSD", 50_000, 10_000);
    let definitions = exchange.get("/derivatives/api/v3/instruments").to_string();
    let mut session = KrakenFuturesFeed::new(FeedSettings::recorded(
        VenueId::new("kraken-futures").unwrap(),
        10,
        100,
    ));
    let mut hear = |text: String| {
        let (conn, receive_time, mut out) = (ConnId::new(0), START, Vec::new());
        session.handle(START, FeedInput::Frame { conn, receive_time, text }, &mut out);
        assert!(!out.iter().any(|output| matches!(output, FeedOutput::Problem(_))), "{out:?}");
        out
    };
    hear(definitions);
    let mut top = None;
    let asked = exchange.say(r#"{"event":"subscribe","feed":"book","product_ids":["PF_XBTUSD"]}"#);
    let mut frames: std::collections::VecDeque<String> = asked.into();
    for step in 0..200_i64 {
        let side = if step % 2 == 0 { Side::Buy } else { Side::Sell };
        let away = 11 + (step * 7) % 40;
        let price = if side == Side::Buy { 50_000 - away } else { 50_000 + away };
        let tag = u64::try_from(step).unwrap() + 10;
        frames.extend(exchange.add("PF_XBTUSD", side, price, 100 + step, tag));
        if step % 3 == 0 {
            let symbol = "PF_XBTUSD".into();
            frames.extend(exchange.flow(Flow::Remove { symbol, tag: tag / 2 }));
        }
        for output in frames.drain(..).flat_map(&mut hear) {
            if let FeedOutput::Event(MarketEvent::Book { top: now, .. }) = output {
                top = Some(now);
            }
        }
        let told = exchange.get("/derivatives/api/v3/orderbook?symbol=PF_XBTUSD").to_string();
        let (bids, asks) = crate::rest::order_book(&told).unwrap();
        let ours = top.clone().unwrap();
        assert_eq!((ours.state, ours.bids, ours.asks), (BookState::Live, bids, asks), "{step}");
    }
    let passed = session.counters().values().map(|it| it.checksums_passed).sum::<u64>();
    assert!(passed > 200, "{passed}");
}
