//! What is wrong with a recording is told with its file and line, and a second gate is refused.

use crate::common::INGESTOR;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use remora_deployment::{Deployment, Options, wait_for};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);

/// Copies the start of the shipped recording with one book update whose checksum is another's; gives its line.
fn spoilt(into: &Path) -> usize {
    let shipped =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../demo/synthetic_kraken_spot.jsonl.gz");
    let mut text = String::new();
    GzDecoder::new(File::open(shipped).unwrap()).read_to_string(&mut text).unwrap();
    let mut lines: Vec<String> = text.lines().take(2_000).map(str::to_owned).collect();
    let is_update =
        |line: &String| line.contains("\"channel\":\"book\"") && line.contains("\"update\"");
    let index = lines.iter().position(is_update).unwrap();
    let (before, after) = lines[index].split_once("\"checksum\":").unwrap();
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap();
    lines[index] = format!("{before}\"checksum\":7{}", &after[end..]);
    let mut file = GzEncoder::new(File::create(into).unwrap(), Compression::fast());
    file.write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    file.finish().unwrap();
    index + 1
}

#[test]
fn a_bad_frame_is_told_with_its_file_and_line_and_a_second_gate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("spoilt.jsonl.gz");
    let line = spoilt(&recording);
    let options = Options { recordings: vec![recording], ..Options::demo().unwrap() };
    let mut deployment = Deployment::start(options).unwrap();
    wait_for("the line is told", WITHIN, || {
        let details = deployment.details(INGESTOR)?;
        let problems = details["problems"].as_array().cloned().unwrap_or_default();
        let is_it = |problem: &serde_json::Value| {
            problem["file"] == "spoilt.jsonl.gz" && problem["line"] == line
        };
        Ok(problems.iter().any(is_it).then_some(()))
    })
    .unwrap();
    let log = deployment.log(INGESTOR).unwrap();
    assert!(log.contains(&format!("line={line}")), "{log}");

    // The gate that is there goes on; the one that comes ends by itself and says why.
    let secrets = deployment.folder().join("secrets");
    let mut second = Command::new(deployment.options().programs.join("remora-risk-gate"));
    second.arg("--config").arg(&deployment.options().profile);
    second.arg("--key-file").arg(secrets.join("gate.key"));
    second.env("REMORA_BUS__URL", deployment.nats().url());
    second.env("REMORA_BUS__PASSWORD_FILE", secrets.join("risk-gate.password"));
    let refused = second.output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("another one is alive"), "{said}");
    deployment.check_running().unwrap();
    deployment.stop().unwrap();
}
