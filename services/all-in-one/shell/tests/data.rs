//! `remora data`: history of `remora sim` fetched page by page, interrupted and gone on with; and what good and bad files are said to hold.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "what tests of commands share is shared as a whole")]
mod common;

use common::{json, remora, repository, succeed, text};
use remora_test_servers::SimulatedExchange;
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// Trades that a page of the exchange holds at most.
const PAGE: usize = 1_000;
/// A run takes some fifty milliseconds, and the crowd trades each second or two.
const RUNS_MAX: usize = 1_000;

/// Gives the rows of a stored file, the header left out.
fn rows(path: &Path) -> Vec<(u64, i64)> {
    let text = fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let mut cells = line.split(',');
        (cells.next().unwrap().parse().unwrap(), cells.next().unwrap().parse().unwrap())
    };
    text.lines().skip(1).map(row).collect()
}

#[test]
fn history_is_fetched_in_turns_without_a_trade_twice_or_missing() {
    let program = Path::new(env!("CARGO_BIN_EXE_remora"));
    let exchange = SimulatedExchange::start(program, &["--seed", "4"], Stdio::null()).unwrap();
    let rest = exchange.address("REST").or_else(|_| exchange.address("http://")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap();
    let fetch = |more: &[&str]| {
        let run = ["data", "fetch", "--pairs", "BTC/USD", "--days", "1", "--store", store];
        let end = ["--rest-url", &rest, "--interval-ms", "50"];
        succeed(run.iter().chain(&end).chain(more))
    };
    let path = folder.path().join("kraken-spot/trades/BTC_USD.csv");
    let fetch_until = |is_enough: &dyn Fn() -> bool| {
        let fetched = (0..RUNS_MAX).any(|_| {
            fetch(&["--candles-s", "1"]);
            is_enough()
        });
        assert!(fetched, "the crowd does not trade");
    };
    fetch_until(&|| rows(&path).len() >= 5);
    let first = rows(&path);
    assert!(first.len() < PAGE);
    // A kill behind the rows and before the cursor: the rows are there, nobody knows them.
    let mut torn = fs::read_to_string(&path).unwrap();
    torn.push_str("999999999,1,buy,1,");
    fs::write(&path, torn).unwrap();
    fetch_until(&|| rows(&path).len() > first.len());
    let all = rows(&path);
    assert_eq!(all.get(..first.len()), Some(first.as_slice()));
    let is_next = |pair: &[(u64, i64)]| match pair {
        [a, b] => b.0 == a.0 + 1 && b.1 >= a.1,
        _ => false,
    };
    assert!(all.windows(2).all(is_next), "{all:?}");
    // Candles of what was fetched: one a second with trades, rising, the one that may go on left out.
    let candles =
        fs::read_to_string(folder.path().join("kraken-spot/candles_1s/BTC_USD.csv")).unwrap();
    let mut lines = candles.lines();
    assert_eq!(lines.next(), Some("t,o,h,l,c,v"));
    let times: Vec<i64> =
        lines.map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    let mut seconds: Vec<i64> = all.iter().map(|(_, ns)| ns / 1_000_000_000).collect();
    seconds.dedup();
    seconds.pop();
    assert_eq!(times, seconds);
    assert!(exchange.stop().unwrap());
}

#[test]
fn a_page_limit_stops_and_a_store_that_was_tampered_with_is_refused() {
    let program = Path::new(env!("CARGO_BIN_EXE_remora"));
    let exchange = SimulatedExchange::start(program, &["--seed", "4"], Stdio::null()).unwrap();
    let rest = exchange.address("REST").or_else(|_| exchange.address("http://")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap();
    let fetch = |pair: &str| {
        let run = ["data", "fetch", "--pairs", pair, "--days", "1", "--store", store];
        remora(run.iter().chain(&["--rest-url", &rest, "--pages-max", "1", "--interval-ms", "10"]))
    };
    let refused = fetch("NO/SUCH");
    assert!(text(&refused.stderr).contains("Unknown asset pair"), "{}", text(&refused.stderr));
    fs::write(folder.path().join("kraken-spot/trades/BTC_USD.cursor"), "1 99999 \n").unwrap();
    let refused = fetch("BTC/USD");
    assert!(text(&refused.stderr).contains("shorter than its cursor says"));
    fs::write(folder.path().join("kraken-spot/trades/BTC_USD.cursor"), "no cursor").unwrap();
    assert!(text(&fetch("BTC/USD").stderr).contains("not a cursor"));
    assert!(exchange.stop().unwrap());
}

#[test]
fn files_are_said_to_hold_what_they_hold() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("BAD_USD.csv");
    // A minute twice, one missing, one impossible.
    let mut rows = String::from("t,o,h,l,c,v\n");
    for i in (0..200).filter(|i| *i != 50) {
        let t = 1_704_067_200 + 60 * i;
        rows.push_str(&format!("{t},1,1,1,1,1\n"));
        if i == 20 {
            rows.push_str(&format!("{t},1,1,1,1,1\n"));
        }
    }
    fs::write(&bad, rows).unwrap();
    fs::write(folder.path().join("EMPTY_USD.csv"), "t,o,h,l,c,v\n").unwrap();
    // Another venue's recording beside it: each is played by its own session.
    let info = r#"{"t":1,"venue":"kraken_futures","ch":"ws","dir":"in","frame":{"event":"info","version":1}}"#;
    fs::write(folder.path().join("futures.jsonl"), format!("{info}\n")).unwrap();
    let (data, out) = (folder.path().to_str().unwrap(), folder.path().join("held.json"));
    let shipped = repository("demo/synthetic_kraken_spot.jsonl.gz").display().to_string();
    let said = succeed([
        "data",
        "inspect",
        data,
        &shipped,
        "--gap-s",
        "1",
        "--json",
        out.to_str().unwrap(),
    ]);
    assert!(said.contains("BAD_USD: 199 bars of 60 s") && said.contains("1 missing"), "{said}");
    assert!(said.contains("1 rows twice (first in line "), "{said}");
    let held = json(&out);
    assert!(held["refused"]["EMPTY_USD"].as_str().unwrap().contains("no two usable rows"));
    // People read dates; results keep the nanoseconds.
    let first: i64 = held["recordings"][&shipped]["first"].as_str().unwrap().parse().unwrap();
    let day = remora_research::utc(first / 1_000_000_000).to_string();
    assert!(said.contains(&format!("{shipped}: {day}:")) && said.contains(" UTC, "), "{said}");
    assert!(!said.contains(&first.to_string()), "{said}");
    let btc = &held["pairs"]["BTC-USD"];
    assert!(btc["checksums_passed"].as_u64().unwrap() > 1_000, "{btc}");
    assert_eq!((btc["checksums_failed"].as_u64(), btc["crossed"].as_u64()), (Some(0), Some(0)));
    assert_eq!(held["recordings"].as_object().unwrap().len(), 2);
    let recording = &held["recordings"][&shipped];
    assert!(recording["seconds"].as_f64().unwrap() > 60.0, "{recording}");
    let nothing =
        remora(["data", "inspect", folder.path().join("EMPTY_USD.csv").to_str().unwrap()]);
    assert!(!nothing.status.success() && text(&nothing.stderr).contains("no file could be read"));
}
