//! A running exchange over real sockets on loopback.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod contracts;

use common::{PATIENCE, Socket, client, get, json, post, private, start};
use remora_service_kit::Shutdown;
use remora_venue_sim::{Sim, SimPlan, SimSettings, Source};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn the_market_is_there_as_soon_as_the_exchange_is() {
    let sim = start(|_| {}).await;
    let main = sim.addresses.main;
    let pairs = json(&format!("http://{main}/0/public/AssetPairs")).await;
    assert_eq!(pairs["result"].as_object().unwrap().len(), sim.symbols.len());
    let depth = json(&format!("http://{main}/0/public/Depth?pair=XBTUSD")).await;
    assert!(depth["result"]["XXBTZUSD"]["bids"].as_array().unwrap().len() >= 10, "{depth}");
    let mut socket = Socket::open(main).await;
    socket.hear("\"channel\":\"status\"").await;
    socket.send(r#"{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"]}}"#).await;
    let snapshot: Value =
        serde_json::from_str(&socket.hear("\"type\":\"snapshot\"").await).unwrap();
    assert_eq!(snapshot["data"][0]["bids"].as_array().unwrap().len(), 10);
    socket.hear("\"type\":\"update\"").await;
    sim.stop().await.unwrap();
}

#[tokio::test]
async fn an_order_is_placed_over_a_private_socket_and_heard_of() {
    let sim = start(|_| {}).await;
    let token = private(&sim, "maker", 1, "GetWebSocketsToken", "").await.unwrap();
    let token = token["result"]["token"].as_str().unwrap().to_owned();
    let mut socket = Socket::open(sim.addresses.auth).await;
    socket
        .send(&format!(
            r#"{{"method":"subscribe","params":{{"channel":"executions","token":"{token}"}}}}"#
        ))
        .await;
    socket.hear("\"channel\":\"executions\",\"type\":\"snapshot\"").await;
    socket
        .send(&format!(
            r#"{{"method":"add_order","req_id":9,"params":{{"order_type":"limit","side":"buy","symbol":"BTC/USD","order_qty":0.01,"limit_price":30000.0,"token":"{token}"}}}}"#
        ))
        .await;
    let mut answers = [false; 2];
    while answers != [true; 2] {
        let Some(Message::Text(text)) = socket.next().await else { panic!("closed") };
        answers[0] |= text.contains("\"req_id\":9") && text.contains("\"success\":true");
        answers[1] |= text.contains("\"exec_type\":\"new\"");
    }
    let open = private(&sim, "maker", 2, "OpenOrders", "").await.unwrap();
    assert_eq!(open["result"]["open"].as_object().unwrap().len(), 1);
    sim.stop().await.unwrap();
}

#[tokio::test]
async fn a_lost_reply_ends_the_connection_and_leaves_the_order() {
    let sim = start(|_| {}).await;
    let fault =
        r#"{"kind":"reply_lost","count":1,"scope":{"account":"maker","method":"AddOrder"}}"#;
    let got = post(&format!("http://{}/sim/faults", sim.addresses.admin), fault).await;
    assert_eq!(got, serde_json::json!({"ids": [1]}));
    let order = "pair=XBTUSD&type=buy&ordertype=limit&price=30000&volume=0.01";
    let error = private(&sim, "maker", 1, "AddOrder", order).await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    let open = private(&sim, "maker", 2, "OpenOrders", "").await.unwrap();
    assert_eq!(open["result"]["open"].as_object().unwrap().len(), 1);
    let seen = json(&format!("http://{}/sim/faults", sim.addresses.admin)).await;
    assert_eq!(seen["injected"]["reply_lost"], 1);
    sim.stop().await.unwrap();
}

#[tokio::test]
async fn an_accepted_order_is_answered_with_a_page_of_the_front() {
    let sim = start(|_| {}).await;
    let fault = r#"{"kind":"error_page","count":1}"#;
    post(&format!("http://{}/sim/faults", sim.addresses.admin), fault).await;
    let url = format!("http://{}/0/public/Time", sim.addresses.main);
    let (status, body) = get(&url).await;
    assert_eq!((status, body.starts_with("<!DOCTYPE html>")), (520, true));
    assert_eq!(get(&url).await.0, 200);
    sim.stop().await.unwrap();
}

#[tokio::test]
async fn disconnects_come_with_their_code_and_the_end_with_its_own() {
    let sim = start(|_| {}).await;
    let mut first = Socket::open(sim.addresses.main).await;
    first.hear("status").await;
    let fault = r#"{"kind":"disconnected"}"#;
    post(&format!("http://{}/sim/faults", sim.addresses.admin), fault).await;
    let Some(Message::Close(Some(frame))) = first.next().await else { panic!("not closed") };
    assert_eq!(u16::from(frame.code), 1001);
    let mut second = Socket::open(sim.addresses.auth).await;
    second.hear("status").await;
    let ended = tokio::spawn(sim.stop());
    let Some(Message::Close(Some(frame))) = second.next().await else { panic!("not closed") };
    assert_eq!(u16::from(frame.code), 1001);
    assert!(second.next().await.is_none());
    tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_others_are_not() {
    let sim = start(|settings| settings.queue_frames_max = 16).await;
    let mut slow = Socket::open(sim.addresses.main).await;
    let channels = ["book", "ticker", "trade", "ohlc"];
    let symbols = serde_json::to_string(&sim.symbols).unwrap();
    for channel in channels {
        let depth = if channel == "book" { ",\"depth\":1000" } else { "" };
        let ask = format!(
            r#"{{"method":"subscribe","params":{{"channel":"{channel}","symbol":{symbols}{depth}}}}}"#
        );
        slow.send(&ask).await;
    }
    // It reads nothing: what the system buffers fills up, then the queue.
    let shell = format!("http://{}/sim/shell", sim.addresses.admin);
    let cut = async {
        while json(&shell).await["counters"]["slow_consumers"] != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, cut).await.unwrap();
    let mut other = Socket::open(sim.addresses.main).await;
    other.send(r#"{"method":"ping","req_id":5}"#).await;
    other.hear("pong").await;
    sim.stop().await.unwrap();
}

#[tokio::test]
async fn all_hosts_are_served_over_tls_by_name() {
    let sim = start(|settings| settings.tls_listen = Some(([127, 0, 0, 1], 0).into())).await;
    let address = sim.addresses.tls.unwrap();
    let pem = sim.addresses.tls_authority_pem.clone().unwrap();
    let client = client()
        .tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()])
        .resolve("api.kraken.com", address)
        .build()
        .unwrap();
    let url = format!("https://api.kraken.com:{}/0/public/Time", address.port());
    let answer = client.get(url).send().await.unwrap();
    assert!(answer.text().await.unwrap().contains("unixtime"));
    sim.stop().await.unwrap();
}

#[tokio::test]
async fn the_root_path_says_that_version_1_is_not_there() {
    let sim = start(|_| {}).await;
    let url = format!("ws://{}/", sim.addresses.main);
    let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut socket = Socket(socket);
    let Some(Message::Close(Some(frame))) = socket.next().await else { panic!("not closed") };
    assert_eq!(u16::from(frame.code), 1008);
    sim.stop().await.unwrap();
}

async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_cannot_be_read_gets_the_venues_error_and_never_a_500() {
    let sim = start(|_| {}).await;
    let main = sim.addresses.main;
    let (status, body) = get(&format!("http://{main}/nonsense")).await;
    assert!(status < 500 && body.contains('E'), "{status} {body}");
    let big = "x".repeat(300 * 1024);
    let got = post(&format!("http://{main}/0/private/AddOrder"), &big).await;
    assert_eq!(got["error"][0], "EGeneral:Invalid arguments");
    for request in
        [&b"\r\n\r\n"[..], b"GET", b"GET / HTTP/9.9\r\n\r\n", b"\xff\xfe\x00\x01\r\n\r\n"]
    {
        let answer = raw(main, request).await;
        assert!(!answer.contains(" 500 "), "{answer}");
    }
    let mut socket = Socket::open(main).await;
    socket.0.get_mut();
    futures::SinkExt::send(&mut socket.0, Message::binary(vec![1, 2, 3])).await.unwrap();
    loop {
        match socket.next().await {
            Some(Message::Close(Some(frame))) => break assert_eq!(u16::from(frame.code), 1003),
            Some(_) => {}
            None => panic!("closed without a reason"),
        }
    }
    sim.stop().await.unwrap();
}

#[tokio::test]
async fn the_crowd_stops_and_goes_on_when_told() {
    let sim = start(|_| {}).await;
    let admin = sim.addresses.admin;
    let flow = format!("http://{admin}/sim/flow");
    assert_eq!(post(&flow, r#"{"is_running":false}"#).await["flow"], "paused");
    let shell = format!("http://{admin}/sim/shell");
    let count = json(&shell).await["counters"]["flow"].clone();
    assert_eq!(json(&shell).await["counters"]["flow"], count);
    assert_eq!(post(&flow, r#"{"is_running":true}"#).await["flow"], "generated");
    let goes_on = async { while json(&shell).await["counters"]["flow"] == count {} };
    tokio::time::timeout(PATIENCE, goes_on).await.unwrap();
    assert!(post(&flow, "{}").await["error"].is_string());
    sim.stop().await.unwrap();
}

#[tokio::test]
async fn a_recording_is_played_with_its_own_pairs() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let source = Source::Recordings {
        paths: vec![root.join("demo/synthetic_kraken_spot.jsonl.gz")],
        pace: "10x".parse().unwrap(),
        is_repeated: false,
        seed: 1,
    };
    let settings = SimSettings::on_free_ports();
    let sim = Sim::start(SimPlan { settings, source }, Shutdown::new()).await.unwrap();
    assert_eq!(sim.symbols.len(), 6);
    assert!(sim.is_synthetic && sim.description().contains("SYNTHETIC"));
    let mut socket = Socket::open(sim.addresses.main).await;
    socket
        .send(r#"{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"]}}"#)
        .await;
    socket.hear("\"channel\":\"trade\",\"type\":\"update\"").await;
    sim.stop().await.unwrap();
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let sim = start(|_| {}).await;
    let mut settings = SimSettings::on_free_ports();
    settings.listen = sim.addresses.main;
    let source = Source::Seed { seed: 1, invented: 0 };
    let error = Sim::start(SimPlan { settings, source }, Shutdown::new()).await.unwrap_err();
    assert!(format!("{error:#}").contains(&sim.addresses.main.to_string()));
    sim.stop().await.unwrap();
}
