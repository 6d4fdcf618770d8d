//! The whole road: a recorded frame goes in, rows come out, and every process can be replayed.

use crate::common::{INGESTOR, Orders, Watcher, replay_all};
use flate2::read::GzDecoder;
use remora_bus::Stream;
use remora_deployment::{Deployment, Options};
use remora_domain::Body;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A recording of a real market: 31 s of seven pairs, with its own definitions.
const REAL: &str = "data/raw/kraken_spot_ws2_converted_20210417.jsonl.gz";

/// Is what a recording holds, counted without any code of the product.
struct Counted {
    frames: u64,
    /// Checksums of books by symbol.
    checksums: BTreeMap<String, u64>,
}

/// Plays the same recording in one process, as a person would, and gives its report.
fn one_process(options: &Options) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("run.json");
    let mut remora = Command::new(options.programs.join("remora"));
    remora.args(["demo", "--headless", "--profile"]).arg(&options.profile).arg("--json").arg(&json);
    if !options.recordings.is_empty() {
        remora.arg("--data").args(&options.recordings);
    }
    let ended = remora.current_dir(folder.path()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap()
}

/// Gives frames, and checksums passed and failed, of each pair that had a frame.
fn totals(pairs: &Value) -> BTreeMap<String, [u64; 3]> {
    let pairs = pairs.as_object().unwrap().iter();
    pairs
        .map(|(name, counters)| {
            let keys = ["frames", "checksums_passed", "checksums_failed"];
            (name.clone(), keys.map(|key| counters[key].as_u64().unwrap()))
        })
        .filter(|(_, [frames, ..])| *frames > 0)
        .collect()
}

fn count(path: &Path) -> Counted {
    let lines = BufReader::new(GzDecoder::new(File::open(path).unwrap())).lines();
    let mut counted = Counted { frames: 0, checksums: BTreeMap::new() };
    for line in lines {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if line["dir"] != "in" {
            continue;
        }
        counted.frames += 1;
        let frame = &line["frame"];
        if frame["channel"] == "book" {
            for data in frame["data"].as_array().unwrap() {
                assert!(data["checksum"].is_u64());
                let symbol = data["symbol"].as_str().unwrap().to_owned();
                *counted.checksums.entry(symbol).or_default() += 1;
            }
        }
    }
    counted
}

/// Gives the venue's symbol of an instrument.
fn symbol(name: &str) -> String {
    match name.strip_prefix("kraken-spot/").unwrap() {
        "BTC-USD-PERP" => "BTC/USD:USD".to_owned(),
        spot => spot.replace('-', "/"),
    }
}

/// Wants as many rows of order events for each pair as the log has.
fn check_rows_by_pair(deployment: &Deployment, watcher: &Watcher) {
    let mut in_log: BTreeMap<String, u64> = BTreeMap::new();
    for envelope in watcher.log(Stream::Orders) {
        if let Body::OrderEvent(event) = &envelope.body {
            *in_log.entry(event.instrument.to_string()).or_default() += 1;
        }
    }
    let sql = "SELECT venue||'/'||instrument, count(*) FROM order_events GROUP BY 1";
    let rows = deployment.query(sql).unwrap();
    let rows = rows.lines().map(|row| {
        let (pair, count) = row.split_once('|').unwrap();
        (pair.to_owned(), count.parse().unwrap())
    });
    assert_eq!(rows.collect::<BTreeMap<String, u64>>(), in_log, "rows and log by pair");
    assert!(!in_log.is_empty());
}

/// Plays a recording through separate processes and in one, and wants the same totals, every message in history once,
/// and every process to be replayed. Gives what was ordered.
fn check(options: Options, recording: &Path) -> Orders {
    let counted = count(recording);
    let alone = one_process(&options);
    let mut deployment = Deployment::start(options).unwrap();
    let watcher = Watcher::new(&mut deployment);
    let orders = watcher.wait_quiet(&deployment);
    assert!(orders.approvals > 10, "{orders:?}");
    check_rows_by_pair(&deployment, &watcher);

    // A recording that is over is no feed that is lost.
    let (is_ready, health) = deployment.readiness(INGESTOR).unwrap();
    assert!(is_ready && health.to_string().contains("recording finished"), "{health}");
    let details = deployment.details(INGESTOR).unwrap();
    assert_eq!(details["frames"], counted.frames);
    assert_eq!(alone["frames_played"], counted.frames);
    let together = totals(&details["instruments"]);
    assert_eq!(together, totals(&alone["pairs"]));
    let passed = together.iter().map(|(name, [_, passed, _])| (symbol(name), *passed));
    let passed: BTreeMap<String, u64> = passed.collect();
    assert!(together.values().all(|[_, _, failed]| *failed == 0), "{together:?}");
    assert_eq!(passed, counted.checksums);

    for name in deployment.names() {
        deployment.stop_service(&name).unwrap();
    }
    replay_all(&deployment, &[]);
    deployment.stop().unwrap();
    orders
}

#[test]
fn a_recording_becomes_rows_through_separate_processes_and_each_can_be_replayed() {
    let shipped = root().join("demo/synthetic_kraken_spot.jsonl.gz");
    let orders = check(Options::demo().unwrap(), &shipped);
    assert!(!orders.fills.is_empty(), "{orders:?}");
}

#[test]
fn a_recording_of_a_real_market_gives_the_totals_of_one_process() {
    let named = std::env::var("REMORA_SHARED").map(PathBuf::from);
    let recording = named.unwrap_or_else(|_| root().join("../shared")).join(REAL);
    if !recording.is_file() {
        eprintln!("skipped: no recording at {}; set REMORA_SHARED", recording.display());
        return;
    }
    let recording = std::path::absolute(recording).unwrap();
    let options = Options {
        profile: root().join("profiles/recordings.toml"),
        recordings: vec![recording.clone()],
        pace: "1x".to_owned(),
        ..Options::demo().unwrap()
    };
    // So short a market may fill nothing.
    check(options, &recording);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}
