//! The whole road: a recorded frame goes in, rows come out, and every process can be replayed.

use crate::common::{INGESTOR, Watcher, replay_all};
use flate2::read::GzDecoder;
use remora_deployment::{Deployment, Options};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;

/// Plays the shipped recording in one process, as a newcomer would, and gives its report.
fn one_process(options: &Options) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("run.json");
    let mut remora = Command::new(options.programs.join("remora"));
    remora.args(["demo", "--headless", "--json"]).arg(&json);
    let ended = remora.current_dir(folder.path()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap()
}

/// Gives frames, and checksums passed and failed, of each pair.
fn totals(pairs: &Value) -> BTreeMap<String, [u64; 3]> {
    let pairs = pairs.as_object().unwrap().iter();
    pairs
        .map(|(name, counters)| {
            let keys = ["frames", "checksums_passed", "checksums_failed"];
            (name.clone(), keys.map(|key| counters[key].as_u64().unwrap()))
        })
        .collect()
}

/// Counts frames, and checksums of books by symbol, without any code of the product.
fn count(path: &Path) -> (u64, BTreeMap<String, u64>) {
    let lines = BufReader::new(GzDecoder::new(File::open(path).unwrap())).lines();
    let (mut frames, mut checksums) = (0, BTreeMap::new());
    for line in lines {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if line["dir"] != "in" {
            continue;
        }
        frames += 1;
        let frame = &line["frame"];
        if frame["channel"] == "book" {
            for data in frame["data"].as_array().unwrap() {
                assert!(data["checksum"].is_u64());
                *checksums.entry(data["symbol"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
    }
    (frames, checksums)
}

#[test]
fn a_recording_becomes_rows_through_separate_processes_and_each_can_be_replayed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let (frames, checksums) = count(&root.join("demo/synthetic_kraken_spot.jsonl.gz"));
    let options = Options::demo().unwrap();
    let alone = one_process(&options);
    let mut deployment = Deployment::start(options).unwrap();
    let watcher = Watcher::new(&mut deployment);
    let orders = watcher.wait_quiet(&deployment);
    assert!(orders.approvals > 10 && !orders.fills.is_empty(), "{orders:?}");

    let details = deployment.details(INGESTOR).unwrap();
    assert_eq!(details["frames"], frames);
    assert_eq!(alone["frames_played"], frames);
    let together = totals(&details["instruments"]);
    assert_eq!(together, totals(&alone["pairs"]));
    let symbol = |name: &str| match name.strip_prefix("kraken-spot/").unwrap() {
        "BTC-USD-PERP" => "BTC/USD:USD".to_owned(),
        spot => spot.replace('-', "/"),
    };
    let by_symbol: BTreeMap<String, u64> =
        together.iter().map(|(name, [_, passed, _])| (symbol(name), *passed)).collect();
    assert!(together.values().all(|[_, _, failed]| *failed == 0), "{together:?}");
    assert_eq!(by_symbol, checksums);

    for name in deployment.names() {
        deployment.stop_service(&name).unwrap();
    }
    replay_all(&deployment, &[]);
    deployment.stop().unwrap();
}
