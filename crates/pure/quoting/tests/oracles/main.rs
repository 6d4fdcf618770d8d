//! Oracle values of `quant-methods.md`, read from the shared folder: fair value, quotes, exits, sizes.
//!
//! `depth_imbalance` and the micro-price of `fair_price.json` are checked where they are computed, in the estimators.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod baseline;
mod exit;
mod glft;
mod joint;

use serde_json::Value;

/// Reads a file of the oracles; `None` where their folder is absent.
pub(crate) fn text(file: &str) -> Option<String> {
    let path = remora_testkit::shared(&format!("spec/quant-oracles/{file}"))?;
    Some(std::fs::read_to_string(path).unwrap())
}

/// Gives the cases with these names; none where the folder is absent.
pub(crate) fn cases(file: &str, ids: &[&str]) -> Vec<Value> {
    let Some(text) = text(file) else { return Vec::new() };
    let all: Value = serde_json::from_str(&text).unwrap();
    let is_wanted = |case: &&Value| ids.contains(&case["id"].as_str().unwrap());
    let picked: Vec<Value> =
        all["cases"].as_array().unwrap().iter().filter(is_wanted).cloned().collect();
    assert!(!picked.is_empty(), "none of {ids:?} in {file}");
    picked
}

pub(crate) fn assert_near(case: &Value, got: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    let (rel, abs) = (&case["tolerance"]["rel"], &case["tolerance"]["abs"]);
    let bound = abs.as_f64().unwrap() + rel.as_f64().unwrap() * expected.abs();
    assert!((got - expected).abs() <= bound, "{}: got {got}, want {expected}", case["id"]);
}

pub(crate) fn number(inputs: &Value, name: &str, absent: f64) -> f64 {
    inputs[name].as_f64().unwrap_or(absent)
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}
