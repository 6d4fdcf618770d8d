//! The whole exchange: both doors, the faults between, two clocks.

use super::*;
use crate::server::io::WsHost;
use crate::server::synthetic;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use remora_domain::{Lots, Side, Ticks};
use remora_machine::SplitMix64;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256, Sha512};

const START: Timestamp = Timestamp::from_ns(1_771_234_567_100_001_000);
const PEER: PeerId = PeerId(1);

fn server() -> Server {
    let settings = ServerSettings {
        desk: synthetic::settings(7),
        ws: WsSettings { message_rate: None },
        faults: FaultSettings::default(),
    };
    Server::new(&settings, START).unwrap()
}

/// Is an exchange with a log of what it put out.
struct Bench {
    server: Server,
    now: Timestamp,
    calls: u64,
}

impl Bench {
    fn new() -> Self {
        Self { server: server(), now: START, calls: 0 }
    }

    fn input(&mut self, input: ServerInput) -> Vec<ServerOutput> {
        let mut out = Vec::new();
        self.server.handle(self.now, input, &mut out);
        out
    }

    fn pass(&mut self, by: DurationNs) -> Vec<ServerOutput> {
        let (until, mut out) = (self.now.saturating_add(by), Vec::new());
        while let Some(at) = self.server.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.server.tick(self.now, &mut out);
        }
        self.now = until;
        out
    }

    fn frame(&mut self, text: &str) -> Vec<ServerOutput> {
        self.input(ServerInput::WsFrame { peer: PEER, text: text.to_owned() })
    }

    fn private(&mut self, method: &str, body: &str) -> Vec<ServerOutput> {
        self.calls += 1;
        let settings = synthetic::settings(7);
        let key = &settings.accounts[0].keys[0];
        let nonce = format!("{}", 1_000 + self.calls);
        let body = format!("nonce={nonce}{body}");
        let path = format!("/0/private/{method}");
        let digest = Sha256::digest([nonce.as_bytes(), body.as_bytes()].concat());
        let secret = STANDARD.decode(key.secret.reveal()).unwrap();
        let mut mac = Hmac::<Sha512>::new_from_slice(&secret).unwrap();
        mac.update(path.as_bytes());
        mac.update(&digest);
        let request = HttpCall {
            method: "POST".to_owned(),
            path,
            query: String::new(),
            content_type: Some("application/x-www-form-urlencoded".to_owned()),
            api_key: Some(key.key.clone()),
            api_sign: Some(STANDARD.encode(mac.finalize().into_bytes())),
            body: body.into_bytes(),
            address: "127.0.0.1".to_owned(),
        };
        self.input(ServerInput::Http { call: CallId(self.calls), request })
    }

    fn admin(&mut self, method: &str, path: &str, body: &str) -> (u16, String) {
        let (method, path) = (method.to_owned(), path.to_owned());
        let call = CallId(1_000_000);
        let body = body.as_bytes().to_vec();
        let out = self.input(ServerInput::Admin { call, method, path, body });
        let [ServerOutput::HttpReply { status, body, .. }] = out.as_slice() else {
            panic!("{out:?}")
        };
        (*status, body.to_string())
    }
}

/// Gives what kind of thing each output is, in order.
fn said(out: &[ServerOutput]) -> Vec<String> {
    out.iter()
        .map(|output| match output {
            ServerOutput::HttpReply { body, .. } => body.to_string(),
            ServerOutput::WsSend { text, .. } => text.to_string(),
            ServerOutput::WsClose { .. }
            | ServerOutput::HttpDrop { .. }
            | ServerOutput::WsStall { .. } => format!("{output:?}"),
        })
        .collect()
}

#[test]
fn an_order_of_one_door_is_told_at_the_other_after_its_answer() {
    let mut bench = Bench::new();
    bench.input(ServerInput::WsOpened {
        peer: PEER,
        host: WsHost::Private,
        address: String::new(),
    });
    let token = said(&bench.private("GetWebSocketsToken", ""));
    let token: serde_json::Value = serde_json::from_str(&token[0]).unwrap();
    let token = token["result"]["token"].as_str().unwrap().to_owned();
    let text = format!(
        r#"{{"method":"subscribe","params":{{"channel":"executions","token":"{token}"}}}}"#
    );
    assert_eq!(bench.frame(&text).len(), 2);
    let order = "&ordertype=limit&type=buy&pair=XBTUSD&price=50000&volume=0.1&cl_ord_id=rest-1";
    let heard = said(&bench.private("AddOrder", order));
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard[0].starts_with(r#"{"error":[],"result":{"#), "{heard:?}");
    assert!(heard[1].contains(r#""cl_ord_id":"rest-1","exec_type":"pending_new""#), "{heard:?}");
    assert!(heard[2].contains(r#""exec_type":"new""#));
}

#[test]
fn the_clock_of_the_venue_moves_what_clients_see_and_not_its_heartbeats() {
    let mut bench = Bench::new();
    bench.input(ServerInput::WsOpened { peer: PEER, host: WsHost::Public, address: String::new() });
    bench.frame(r#"{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"]}}"#);
    let ahead = r#"{"kind":"clock_offset","offset_ms":3600000,"duration_ms":10000}"#;
    let (status, answer) = bench.admin("POST", "faults", ahead);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(bench.pass(DurationNs::from_s(5)).len(), 5);
    let pong = said(&bench.frame(r#"{"method":"ping"}"#));
    assert!(pong[0].contains(r#""time_in":"2026-02-16T10:36:12.100001Z""#), "{pong:?}");
    assert_eq!(bench.pass(DurationNs::from_s(5)).len(), 5);
    // Back again, the venue's clock waits: it never runs backwards.
    let pong = said(&bench.frame(r#"{"method":"ping"}"#));
    assert!(pong[0].contains(r#""time_in":"2026-02-16T10:36:1"#), "{pong:?}");
    assert_eq!(bench.pass(DurationNs::from_s(5)).len(), 5);
}

#[test]
fn a_phase_reaches_instruments_and_status() {
    let mut bench = Bench::new();
    bench.input(ServerInput::WsOpened { peer: PEER, host: WsHost::Public, address: String::new() });
    bench.frame(r#"{"method":"subscribe","params":{"channel":"instrument","snapshot":false}}"#);
    let phase = r#"{"kind":"phase","mode":"post_only","scope":{"pair":"BTC/USD"}}"#;
    let (status, answer) = bench.admin("POST", "faults", phase);
    assert_eq!(status, 200, "{answer}");
    let heard = said(&bench.pass(DurationNs::from_ms(1)));
    assert!(heard.iter().any(|text| text.contains(r#""status":"post_only""#)), "{heard:?}");
}

#[test]
fn the_operator_is_told_what_there_is_and_what_there_is_not() {
    let mut bench = Bench::new();
    bench.input(ServerInput::WsOpened { peer: PEER, host: WsHost::Public, address: String::new() });
    let symbol = "NO/USD".into();
    bench.input(ServerInput::Flow(Flow::Reset { symbol }));
    let want = (200, r#"{"connections":1,"refused_flow":1}"#.to_owned());
    assert_eq!(bench.admin("GET", "status", ""), want);
    assert_eq!(bench.admin("GET", "weather", "").0, 404);
    assert_eq!(bench.server.refused_flow(), 1);
}

#[test]
fn the_operator_reads_the_books_of_every_account_to_the_last_unit_and_no_key() {
    let mut bench = Bench::new();
    let order = "&ordertype=limit&type=buy&pair=XBTUSD&price=50000&volume=0.1&cl_ord_id=rest-1";
    bench.private("AddOrder", order);
    let (symbol, side): (Arc<str>, _) = ("BTC/USD".into(), Side::Sell);
    let (limit, qty) = (Ticks::new(499_000), Lots::new(4_000_000));
    let take = Flow::Take { symbol, side, limit, qty, is_market_order: false };
    bench.input(ServerInput::Flow(take));
    let mut ask = |path: &str| -> serde_json::Value {
        let (status, body) = bench.admin("GET", path, "");
        assert_eq!(status, 200, "{body}");
        let desk = synthetic::settings(7);
        for key in desk.accounts.iter().flat_map(|account| &account.keys) {
            assert!(!body.contains(&key.key) && !body.contains(key.secret.reveal()));
        }
        serde_json::from_str(&body).unwrap()
    };
    let maker = ask("accounts/maker");
    assert_eq!((&maker["orders_open"], &maker["executions"]), (&1.into(), &1.into()));
    // 0.04 for 2000.00 and 0.25 % of it; 0.06 at 50000 are still wanted.
    assert_eq!(maker["balances"]["BTC"]["total"], "1000000.0400000000");
    assert_eq!(maker["balances"]["USD"]["total"], "997995.0000");
    let held: Decimal = maker["balances"]["USD"]["held"].as_str().unwrap().parse().unwrap();
    assert!(held >= Decimal::from(3_000), "{maker}");
    assert_eq!(ask("accounts")["accounts"].as_array().unwrap().len(), 2);
    let orders = ask("accounts/maker/orders");
    let row = &orders["orders"][0];
    assert_eq!((&row["cl_ord_id"], &row["symbol"]), (&"rest-1".into(), &"BTC/USD".into()));
    assert_eq!((&row["cum_qty"], &row["qty"]), (&"0.04000000".into(), &"0.10000000".into()));
    assert_eq!(row["status"], "partially_filled");
    let fills = ask("accounts/maker/executions");
    let fill = &fills["executions"][0];
    assert_eq!((&fill["txid"], &fill["cl_ord_id"]), (&row["txid"], &row["cl_ord_id"]));
    assert_eq!((&fill["cost"], &fill["fee"]), (&"2000.00000".into(), &"5.00000".into()));
    for path in ["accounts/nobody", "accounts/maker/keys", "accounts/maker/orders/1"] {
        let (status, body) = bench.admin("GET", path, "");
        assert!(status == 404 && body.contains("accounts/NAME/executions"), "{body}");
    }
    assert_eq!(bench.admin("POST", "accounts/maker", "").0, 405);
}

#[test]
fn the_operator_gives_and_takes_money_that_nobody_has_or_holds() {
    let mut bench = Bench::new();
    let mut give = |body: &str| bench.admin("POST", "accounts/maker/deposit", body);
    for (body, status) in [
        (r#"{"asset":"USD","amount":"1.5"}"#, 200),
        (r#"{"asset":"BTC","amount":"-1000000"}"#, 200),
        (r#"{"asset":"BTC","amount":"-1"}"#, 400),
        (r#"{"asset":"USD","amount":"0.00001"}"#, 400),
        (r#"{"asset":"NO","amount":"1"}"#, 400),
        (r#"{"asset":"USD","amount":1.5}"#, 400),
    ] {
        assert_eq!(give(body).0, status, "{body}");
    }
    assert_eq!(bench.admin("POST", "accounts/nobody/deposit", "").0, 404);
    let (_, books) = bench.admin("GET", "accounts/maker", "");
    assert!(books.contains(r#""USD":{"total":"1000001.5000""#), "{books}");
    assert!(books.contains(r#""BTC":{"total":"0.0000000000""#), "{books}");
}

#[test]
fn impossible_settings_are_all_named() {
    let mut desk = synthetic::settings(7);
    desk.pairs[0].base = "NOTHING".to_owned();
    let rate = Some(crate::server::MessageRate { per_s: 0, burst: 1 });
    let ws = WsSettings { message_rate: rate };
    let settings = ServerSettings { desk, ws, faults: FaultSettings::default() };
    let Err(problems) = Server::new(&settings, START) else { panic!("settings were taken") };
    assert!(problems.len() >= 2, "{problems:?}");
    assert!(problems.iter().any(|problem| problem.key == "ws.message_rate"), "{problems:?}");
}

/// Makes one of everything that can happen, by chance.
fn chance(random: &mut SplitMix64, token: &str) -> ServerInput {
    let peer = PeerId(random.next_below(4));
    let text = |text: String| ServerInput::WsFrame { peer, text };
    let price = 600_000 + i64::try_from(random.next_below(2_000)).unwrap();
    let qty = 10_000 + i64::try_from(random.next_below(100_000_000)).unwrap();
    let side = if random.next_below(2) == 0 { Side::Buy } else { Side::Sell };
    let word = if side == Side::Buy { "buy" } else { "sell" };
    let symbol: Arc<str> = "BTC/USD".into();
    let (ticks, lots) = (Ticks::new(price), Lots::new(qty));
    match random.next_below(10) {
        0 => {
            let host = match random.next_below(3) {
                0 => WsHost::Public,
                1 => WsHost::Private,
                _ => WsHost::Level3,
            };
            ServerInput::WsOpened { peer, host, address: String::new() }
        }
        1 => ServerInput::WsClosed { peer },
        2 => text(
            r#"{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":25}}"#
                .into(),
        ),
        3 => text(format!(
            r#"{{"method":"subscribe","params":{{"channel":"executions","snap_trades":true,"token":"{token}"}}}}"#
        )),
        4 => text(format!(
            r#"{{"method":"add_order","params":{{"order_type":"limit","side":"{word}","symbol":"BTC/USD","order_qty":0.01,"limit_price":{}.{},"token":"{token}"}}}}"#,
            price / 10,
            price % 10
        )),
        5 => text(format!(r#"{{"method":"cancel_all","params":{{"token":"{token}"}}}}"#)),
        6 => ServerInput::Flow(Flow::Take {
            symbol,
            side,
            limit: ticks,
            qty: lots,
            is_market_order: true,
        }),
        7 | 8 => ServerInput::Flow(Flow::Level { symbol, side, price: ticks, qty: lots }),
        _ => text(r#"{"method":"ping"}"#.into()),
    }
}

#[test]
fn equal_inputs_give_equal_outputs_and_a_tick_moves_its_deadline() {
    let run = || {
        let mut bench = Bench::new();
        let token = said(&bench.private("GetWebSocketsToken", ""));
        let token: serde_json::Value = serde_json::from_str(&token[0]).unwrap();
        let token = token["result"]["token"].as_str().unwrap().to_owned();
        let (mut random, mut out) = (SplitMix64::new(1), Vec::new());
        for _ in 0..3_000 {
            out.extend(bench.input(chance(&mut random, &token)));
            let wait = i64::try_from(random.next_below(400)).unwrap();
            let until = bench.now.saturating_add(DurationNs::from_ms(wait));
            while let Some(at) = bench.server.next_deadline().filter(|at| *at <= until) {
                bench.now = bench.now.max(at);
                bench.server.tick(bench.now, &mut out);
                assert!(bench.server.next_deadline().is_none_or(|next| next > bench.now));
            }
            bench.now = until;
        }
        out
    };
    let (one, other) = (run(), run());
    assert!(one.len() > 3_000, "{}", one.len());
    assert!(one == other, "two runs of one log differ");
}
