//! `remora paper` and `remora record` on a venue of our own on loopback, which plays the shipped recording to each
//! connection from its start and hangs up on the first; and `remora paper` on `remora sim`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{json, remora, repository, shipped_lines, succeed, text};
use futures::{SinkExt as _, StreamExt as _};
use remora_test_servers::SimulatedExchange;
use serde_json::{Value, json as value};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

/// Frames of market data on the first connection before it is dropped.
const FRAMES_OF_FIRST: usize = 1_000;

/// Three times as fast as recorded.
const FRAME_INTERVAL: Duration = Duration::from_millis(4);

/// Is what the venue has to tell: its status, its definitions, then everything else in order.
struct Script {
    status: String,
    instruments: String,
    rest: Vec<String>,
}

impl Script {
    fn of_shipped() -> Self {
        let mut script =
            Self { status: String::new(), instruments: String::new(), rest: Vec::new() };
        for line in shipped_lines() {
            let record: Value = serde_json::from_str(&line).unwrap();
            // The text itself: a reader of the frame may count its zeros.
            let (_, frame) = line.split_once(r#""frame":"#).unwrap();
            let frame = frame.strip_suffix('}').unwrap().to_owned();
            match record["frame"]["channel"].as_str() {
                _ if record["dir"] != "in" => {}
                Some("status") => script.status = frame,
                Some("instrument") => script.instruments = frame,
                Some(_) => script.rest.push(frame),
                None => {}
            }
        }
        script
    }
}

/// Serves connections, one after the other, until the test ends.
async fn serve(listener: TcpListener, script: Script, connections: Arc<AtomicU64>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let is_first = connections.fetch_add(1, Ordering::SeqCst) == 0;
        let frames = if is_first { FRAMES_OF_FIRST } else { script.rest.len() };
        // A client that leaves ends its connection only.
        let _gone = converse(stream, &script, frames).await;
    }
}

async fn converse(
    stream: TcpStream,
    script: &Script,
    frames: usize,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    socket.send(Message::text(script.status.clone())).await?;
    let mut subscribed = BTreeSet::new();
    let mut rest = script.rest.iter().take(frames);
    let mut pace = tokio::time::interval(FRAME_INTERVAL);
    loop {
        tokio::select! {
            asked = socket.next() => match asked {
                Some(asked) => {
                    if let Message::Text(asked) = asked? {
                        for answer in answers(&asked, script, &mut subscribed) {
                            socket.send(Message::text(answer)).await?;
                        }
                    }
                }
                None => return Ok(()),
            },
            _ = pace.tick(), if subscribed.contains("book") && subscribed.contains("trade") => {
                match rest.next() {
                    Some(frame) => socket.send(Message::text(frame.clone())).await?,
                    None => return Ok(()), // hangs up without a word
                }
            }
        }
    }
}

/// Answers a request as the venue does: once for each symbol.
fn answers(asked: &str, script: &Script, subscribed: &mut BTreeSet<String>) -> Vec<String> {
    let asked: Value = serde_json::from_str(asked).unwrap();
    let (method, params) = (&asked["method"], &asked["params"]);
    if method != "subscribe" {
        return vec![value!({"method": "pong", "req_id": asked["req_id"]}).to_string()];
    }
    let channel = params["channel"].as_str().unwrap();
    subscribed.insert(channel.to_owned());
    let answer = |symbol: Option<&Value>| {
        let mut result = value!({"channel": channel, "snapshot": true});
        if let Some(symbol) = symbol {
            result["symbol"] = symbol.clone();
        }
        if !params["depth"].is_null() {
            result["depth"] = params["depth"].clone();
        }
        value!({
            "method": "subscribe", "result": result, "success": true, "req_id": asked["req_id"],
            "time_in": "2026-03-02T13:59:45.122010Z", "time_out": "2026-03-02T13:59:45.122040Z",
        })
        .to_string()
    };
    match params["symbol"].as_array() {
        Some(symbols) => symbols.iter().map(|symbol| answer(Some(symbol))).collect(),
        None => vec![answer(None), script.instruments.clone()],
    }
}

/// Runs the program against the venue; gives how it ended and how often it connected.
async fn against_venue(arguments: &[&str]) -> (Output, u64) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicU64::new(0));
    let venue = tokio::spawn(serve(listener, Script::of_shipped(), Arc::clone(&connections)));
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_remora"));
    command.args(arguments).args(["--url", &url]).env_clear().kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = command.spawn().unwrap().wait_with_output();
    let output = tokio::time::timeout(Duration::from_secs(60), running).await;
    venue.abort();
    (output.unwrap().unwrap(), connections.load(Ordering::SeqCst))
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[tokio::test]
async fn paper_trading_quotes_survives_a_lost_connection_and_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let out = path(folder.path(), "out.json");
    let arguments =
        ["paper", "--profile", "recordings", "--headless", "--seconds", "14", "--json", &out];
    let (output, connections) = against_venue(&arguments).await;
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert!(connections >= 2, "connected {connections} times");
    let out = json(Path::new(&out));
    let of = |field: &str| out["totals"][field].as_u64().unwrap();
    assert!(of("quotes") > 0 && of("approvals") > 0, "{out}");
    assert_eq!(of("checksums_failed"), 0);
    // More than the first connection had to tell: the second one was listened to.
    let frames = out["frames_played"].as_u64().unwrap();
    assert!(frames > u64::try_from(FRAMES_OF_FIRST).unwrap() + 500, "{frames} frames");
    let pairs = out["pairs"].as_object().unwrap();
    assert_eq!(pairs.len(), 7);
}

#[tokio::test]
async fn what_is_recorded_can_be_played() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (path(folder.path(), "own.jsonl.gz"), path(folder.path(), "out.json"));
    let arguments =
        ["record", "--pairs", "ETH/USD", "SOL/USD", "--seconds", "4", "--out", data.as_str()];
    let (output, _) = against_venue(&arguments).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    succeed(["demo", "--data", &data, "--headless", "--json", &out]);
    let out = json(Path::new(&out));
    assert!(out["totals"]["checksums_passed"].as_u64().unwrap() > 0, "{out}");
    assert_eq!(out["totals"]["checksums_failed"], 0);
}

fn simulated(arguments: &[&str]) -> SimulatedExchange {
    let program = Path::new(env!("CARGO_BIN_EXE_remora"));
    SimulatedExchange::start(program, arguments, Stdio::null()).unwrap()
}

/// Trades on paper against the simulated exchange, with the program and profile that trade against the real one's feed.
fn check_paper(exchange: SimulatedExchange) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.json");
    let (out_text, url) = (out.display().to_string(), exchange.address("(public)").unwrap());
    let run = ["paper", "--venue", "kraken-spot", "--profile", "recordings", "--headless"];
    let end = ["--seconds", "10", "--json", &out_text, "--url", &url];
    let output = remora(run.iter().chain(&end));
    let said = text(&output.stderr);
    assert!(output.status.success() && !said.contains("panicked"), "{said}");
    let results = json(&out);
    let of = |field: &str| results["totals"][field].as_u64().unwrap();
    assert!(of("quotes") > 0 && of("checksums_passed") > 100, "{results}");
    assert_eq!(of("checksums_failed"), 0);
    assert!(exchange.stop().unwrap());
}

#[test]
fn paper_trading_market_makes_on_the_simulated_exchange_unchanged() {
    let exchange = simulated(&["--seed", "3"]);
    assert!(exchange.said()[0].contains("SYNTHETIC"), "{:?}", exchange.said());
    assert!(exchange.said().iter().any(|line| line.starts_with("Throw-away keys")));
    check_paper(exchange);
}

#[test]
fn paper_trading_market_makes_on_a_recording_that_the_simulated_exchange_plays() {
    let shipped = repository("demo/synthetic_kraken_spot.jsonl.gz").display().to_string();
    let exchange = simulated(&["--data", &shipped, "--pace", "4x", "--repeat"]);
    assert!(exchange.said()[0].contains("SYNTHETIC"), "{:?}", exchange.said());
    assert!(
        exchange.said().iter().any(|line| line.contains("Pairs            6: ")),
        "a spot pair is missing"
    );
    check_paper(exchange);
}

#[test]
fn impossible_wishes_are_refused_with_what_is_possible() {
    let check = |arguments: &[&str], wanted: &str| {
        let output = remora(["sim", "kraken-spot"].iter().chain(arguments));
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(wanted), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    };
    check(&["--tier", "gold"], "starter, intermediate, pro or unlimited");
    check(&["--data", "nowhere.jsonl"], "nowhere.jsonl");
    check(&["--pace", "2x"], "--data");
    check(&["--listen", "300.0.0.1:1"], "--listen");
    check(&["--config", "nowhere.toml"], "nowhere.toml");
    check(&["--pairs", "10000"], "0..=9999");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    check(&["--admin-listen", &taken.local_addr().unwrap().to_string()], "with --admin-listen");
}
