//! Reads cases and columns of the oracle files and compares with their tolerance.

use remora_domain::{DurationNs, Timestamp};
use serde_json::Value;
use std::path::{Path, PathBuf};

pub(crate) fn cases(file: &str, id: &str) -> Option<(PathBuf, Vec<Value>)> {
    let folder = remora_testkit::shared("spec/quant-oracles")?;
    let all: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap();
    let picked: Vec<Value> =
        all["cases"].as_array().unwrap().iter().filter(|case| case["id"] == id).cloned().collect();
    assert!(!picked.is_empty(), "no case {id} in {file}");
    Some((folder, picked))
}

/// Reads one column of the file a case names.
pub(crate) fn column(folder: &Path, case: &Value, index: usize) -> Vec<f64> {
    let text = std::fs::read_to_string(folder.join(case["inputs"]["file"].as_str().unwrap()));
    let row = |line: &str| line.split(',').nth(index).unwrap().trim().parse().unwrap();
    text.unwrap().lines().skip(1).map(row).collect()
}

pub(crate) fn assert_near(case: &Value, got: f64, expected: &Value) {
    let (x, expected) = (got, expected.as_f64().unwrap());
    let (rel, abs) = (&case["tolerance"]["rel"], &case["tolerance"]["abs"]);
    let bound = abs.as_f64().unwrap() + rel.as_f64().unwrap() * expected.abs();
    assert!((x - expected).abs() <= bound, "{}: got {x}, want {expected}", case["id"]);
}

#[expect(clippy::as_conversions, reason = "a test reads seconds with few decimals")]
pub(crate) fn at(seconds: f64) -> Timestamp {
    Timestamp::from_ns((seconds * 1e9).round() as i64)
}

#[expect(clippy::as_conversions, reason = "a test reads seconds with few decimals")]
pub(crate) fn seconds(value: &Value) -> DurationNs {
    DurationNs::from_ns((value.as_f64().unwrap() * 1e9).round() as i64)
}

/// Reads a whole file of rows of numbers, without its header.
pub(crate) fn rows(folder: &Path, file: &str) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let row = |line: &str| line.split(',').map(|cell| cell.trim().parse().unwrap()).collect();
    text.lines().skip(1).map(row).collect()
}

/// Reads a list of numbers.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Compares a list of numbers with the expected list.
pub(crate) fn assert_all_near(case: &Value, got: &[f64], expected: &Value) {
    let expected = expected.as_array().unwrap();
    assert_eq!(got.len(), expected.len(), "{}", case["id"]);
    for (got, expected) in got.iter().zip(expected) {
        assert_near(case, *got, expected);
    }
}
