//! The whole road: a recorded frame goes in, rows come out, and every process can be replayed.

use crate::common::{INGESTOR, Watcher, replay_all};
use flate2::read::GzDecoder;
use remora_deployment::{Deployment, Options};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

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
    let mut deployment = Deployment::start(Options::demo().unwrap()).unwrap();
    let watcher = Watcher::new(&mut deployment);
    let orders = watcher.wait_quiet(&deployment);
    assert!(orders.approvals > 10 && !orders.fills.is_empty(), "{orders:?}");

    let details = deployment.details(INGESTOR).unwrap();
    assert_eq!(details["frames"], frames);
    let passed: BTreeMap<String, u64> = details["instruments"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, counters)| {
            assert_eq!(counters["checksums_failed"], 0, "{name}");
            (name.clone(), counters["checksums_passed"].as_u64().unwrap())
        })
        .collect();
    let symbol = |name: &str| match name.strip_prefix("kraken-spot/").unwrap() {
        "BTC-USD-PERP" => "BTC/USD:USD".to_owned(),
        spot => spot.replace('-', "/"),
    };
    let by_symbol: BTreeMap<String, u64> =
        passed.iter().map(|(name, passed)| (symbol(name), *passed)).collect();
    assert_eq!(by_symbol, checksums);

    for name in deployment.names() {
        deployment.stop_service(&name).unwrap();
    }
    replay_all(&deployment);
    deployment.stop().unwrap();
}
