//! `remora pairs` on the live feed of `remora sim`: scores, a universe and an explanation of what was heard over real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "what tests of commands share is shared as a whole")]
mod common;

use common::{json, program, text};
use remora_test_servers::SimulatedExchange;
use std::path::Path;
use std::process::{Child, Stdio};

/// Pairs of the exchange by itself, and those that were invented beside them.
const LISTED: usize = 13;
const INVENTED: usize = 5;

/// Starts one of the commands.
fn start(command: &[&str], url: &str, out: &Path) -> Child {
    let out = out.display().to_string();
    let common = ["--url", url, "--seconds", "25", "--capital", "10000", "--maker-fee-bps", "2"];
    let words = ["pairs"].iter().chain(command).chain(&common);
    let mut program = program(words.chain(&["--currency", "USD", "--json", &out]));
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn finish(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success() && !said.contains("panicked"), "{said}");
    text(&output.stdout)
}

#[test]
fn pairs_of_a_live_feed_are_scored_chosen_and_explained() {
    let arguments = ["--seed", "5", "--pairs", &INVENTED.to_string()];
    let remora = Path::new(env!("CARGO_BIN_EXE_remora"));
    let exchange = SimulatedExchange::start(remora, &arguments, Stdio::null()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let url = exchange.address("(public)").unwrap();
    let analyze = start(&["analyze"], &url, &file("analyze.json"));
    let filters = [
        "select",
        "--no-filter",
        "history_days_min",
        "--filter",
        "volume_min=1000",
        "--pairs-max",
        "4",
    ];
    let select = start(&filters, &url, &file("select.json"));
    let explain = start(&["explain", "BTC-USD"], &url, &file("explain.json"));
    let table = finish(analyze);
    let results = json(&file("analyze.json"));
    let (cards, refused) =
        (results["cards"].as_array().unwrap(), results["refused"].as_object().unwrap());
    // Every listed pair is scored or refused with its reason; nobody prices euros here.
    assert_eq!(cards.len() + refused.len(), LISTED + INVENTED, "{refused:?}");
    // Which pairs trade enough in so short a time to be scored differs from run to run.
    assert!(!cards.is_empty(), "{refused:?}");
    assert!(refused["BTC-EUR"].as_str().unwrap().contains("no rate of EUR in USD"));
    for card in cards {
        let parts = card["parts"].as_array().unwrap();
        let sum: f64 = parts.iter().map(|part| part["value"].as_f64().unwrap()).sum();
        let score = card["score_bps"].as_f64().unwrap();
        // Of a capital of 10,000 a basis point is 1.
        assert!((sum - score).abs() < 1e-6 * (1.0 + score.abs()), "{card}");
        assert_eq!(card["facts"]["evidence"], "recording");
        assert!(table.contains(card["facts"]["pair"].as_str().unwrap()), "{card}\n{table}");
    }
    let universe = finish(select);
    assert!(universe.contains("Universe 1: "), "{universe}");
    let places = json(&file("select.json"))["universe"]["places"].as_array().unwrap().clone();
    let in_count = places.iter().filter(|place| place["membership"] == "in").count();
    assert!((1..=4).contains(&in_count), "{places:?}");
    assert!(places.iter().all(|place| !place["reasons"].as_array().unwrap().is_empty()));
    let said = finish(explain);
    assert!(said.contains("score a day") && said.contains("maker fee"), "{said}");
    assert!(exchange.stop().unwrap());
}

#[test]
fn a_feed_that_cannot_be_listened_to_is_refused_with_the_reason() {
    let check = |arguments: &[&str], wanted: &str| {
        let common =
            ["pairs", "analyze", "--capital", "1", "--maker-fee-bps", "2", "--currency", "USD"];
        let output = program(common.iter().chain(arguments)).output().unwrap();
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(wanted), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    };
    check(&["--url", "http://127.0.0.1:1", "--seconds", "10"], "want ws://HOST");
    check(&["--url", "ws://127.0.0.1:1"], "--seconds");
    check(
        &["--url", "ws://127.0.0.1:1", "--seconds", "10", "--data", "x.csv"],
        "cannot be used with",
    );
    check(&["--url", "ws://127.0.0.1:1", "--seconds", "10", "--venue", "nowhere"], "no such venue");
    check(&[], "--data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("ws://{}", taken.local_addr().unwrap());
    drop(taken);
    check(&["--url", &address, "--seconds", "10"], "no frame arrived");
}
