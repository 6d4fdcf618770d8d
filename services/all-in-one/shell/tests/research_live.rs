//! `remora temporal analyze` and `remora edge validate` on the live feeds of `remora sim`: what was heard over real sockets, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "what tests of commands share is shared as a whole")]
mod common;

use common::{json, program, succeed, text};
use remora_test_servers::SimulatedExchange;
use std::path::Path;
use std::process::Stdio;

const REMORA: &str = env!("CARGO_BIN_EXE_remora");

#[test]
fn bars_of_a_live_feed_are_examined_and_too_short_a_time_is_said() {
    let exchange = SimulatedExchange::start(Path::new(REMORA), &["--seed", "6"], Stdio::null());
    let exchange = exchange.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("when.json");
    let url = exchange.address("(public)").unwrap();
    let asked = ["temporal", "analyze", "--url", &url, "--seconds", "30", "--bar-s", "5"];
    // Pairs that seldom trade are refused, which this is not about.
    let said =
        succeed(asked.iter().chain(&["--coverage-min", "0.5", "--json", out.to_str().unwrap()]));
    assert!(said.contains("not tested: history too short: 0.0 of 4 weeks"), "{said}");
    let results = json(&out);
    let (quality, refused) =
        (results["quality"].as_array().unwrap(), results["refused"].as_object().unwrap());
    // Every listed pair is examined or refused with its reason.
    assert_eq!(quality.len() + refused.len(), 13, "{refused:?}");
    for pair in quality {
        assert_eq!(pair[1]["bar_s"], 5, "{pair}");
        // Of 30 s at most six bars are whole.
        assert!((2..=6).contains(&pair[1]["bars"].as_u64().unwrap()), "{pair}");
    }
    assert!(!quality.is_empty(), "{refused:?}");
    let patterns = results["patterns"].as_array().unwrap();
    assert!(patterns.iter().all(|pattern| pattern["verdict"] == "not_tested"));
    assert!(exchange.stop().unwrap());
}

#[test]
fn spot_and_futures_are_heard_by_one_clock_and_half_a_minute_establishes_nothing() {
    let program = Path::new(REMORA);
    let spot = SimulatedExchange::start(program, &["--seed", "6"], Stdio::null()).unwrap();
    let futures = SimulatedExchange::start_futures(program, &["--seed", "6"], Stdio::null());
    let futures = futures.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("edge.json");
    let url = |exchange: &SimulatedExchange, part| exchange.address(part).unwrap();
    let (first, second) =
        (url(&spot, "(public)"), format!("kraken-futures={}", url(&futures, "WebSocket v1")));
    let asked = ["edge", "validate", "--url", &first, &second, "--seconds", "30"];
    let fees = ["--taker-fee-bps", "5", "--surrogates", "19", "--json", out.to_str().unwrap()];
    let said = succeed(asked.iter().chain(&fees));
    let results = json(&out);
    let relations = results["relations"].as_array().unwrap();
    let is_across = |relation: &&serde_json::Value| {
        let of = |key: &str| relation[key].as_str().unwrap().to_owned();
        of("first").starts_with("kraken-futures ") && of("second").starts_with("kraken-spot ")
    };
    // Contracts and spot pairs of one asset belong together, whatever their venues call it.
    assert!(relations.iter().any(|r| is_across(&r) && r["base"] == "BTC"), "{said}");
    let directions = results["directions"].as_array().unwrap();
    assert!(directions.iter().all(|direction| direction["outcome"] != "established"), "{said}");
    assert!(said.contains("not established"), "{said}");
    // Who lists futures may be a live venue as well.
    let shipped =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../demo/synthetic_kraken_spot.jsonl.gz");
    let asked = ["pairs", "analyze", "--data", shipped, "--futures", &second, "--capital", "1000"];
    let terms = ["--maker-fee-bps", "0", "--currency", "USD", "--json", out.to_str().unwrap()];
    succeed(asked.iter().chain(&terms));
    let results = json(&out);
    let cards = results["cards"].as_array().unwrap();
    let of_btc = |card: &&serde_json::Value| card["facts"]["base"] == "BTC";
    assert_eq!(cards.iter().find(of_btc).unwrap()["facts"]["has_future"], true);
    assert!(spot.stop().unwrap() && futures.stop().unwrap());
}

#[test]
fn feeds_that_cannot_be_listened_to_are_refused_with_the_reason() {
    let check = |arguments: &[&str], wanted: &str| {
        let output = program(arguments.iter()).output().unwrap();
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(wanted), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    };
    let edge = |more: &[&str], wanted: &str| {
        let words = ["edge", "validate", "--taker-fee-bps", "5"];
        check(&words.iter().chain(more).copied().collect::<Vec<_>>(), wanted);
    };
    edge(&["--url", "http://127.0.0.1:1", "--seconds", "10"], "want ws://HOST");
    edge(&["--url", "nowhere=ws://127.0.0.1:1", "--seconds", "10"], "no such venue");
    edge(&["--url", "ws://127.0.0.1:1"], "--seconds");
    edge(&["--url", "ws://127.0.0.1:1", "--seconds", "10", "--data", "x"], "cannot be used with");
    edge(&[], "--data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("ws://{}", taken.local_addr().unwrap());
    drop(taken);
    edge(&["--url", &address, "--seconds", "10"], "no frame arrived");
    let temporal = ["temporal", "analyze"];
    check(&[&temporal[..], &["--url", &address, "--seconds", "10"]].concat(), "no frame arrived");
    check(&[&temporal[..], &["--data", "x", "--bar-s", "5"]].concat(), "--url");
    check(&temporal, "--data");
}
