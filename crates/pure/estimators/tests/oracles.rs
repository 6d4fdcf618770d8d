//! Oracle values of `quant-methods.md`, read from the shared folder: `volatility.json` (`ewma_irregular`),
//! `intensity.json` (`exponential_mle`, `streaming_decayed_mle`), `prng.json` (through `remora-machine`).
//!
//! Not implemented, so not checked: candle, realised, regular EWMA and two-scale volatility; regression, binned and
//! censored intensity (no core of this issue uses them); `box_muller_cos` (nothing draws normal numbers).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use remora_domain::{DurationNs, Timestamp};
use remora_estimators::{EwmaVariance, FillIntensity};
use remora_machine::SplitMix64;
use serde_json::Value;
use std::path::PathBuf;

fn folder() -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "where the shared reference lies is the machine's"
    )]
    let given = std::env::var("REMORA_SHARED").ok().map(PathBuf::from);
    let shared = given.unwrap_or_else(|| {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared"))
    });
    let oracles = shared.join("spec/quant-oracles");
    if oracles.is_dir() {
        return Some(oracles);
    }
    eprintln!("skipped: no {}", oracles.display());
    None
}

fn cases(file: &str, id: &str) -> Option<(PathBuf, Vec<Value>)> {
    let folder = folder()?;
    let all: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap();
    let picked: Vec<Value> =
        all["cases"].as_array().unwrap().iter().filter(|case| case["id"] == id).cloned().collect();
    assert!(!picked.is_empty(), "no case {id} in {file}");
    Some((folder, picked))
}

fn column(folder: &std::path::Path, case: &Value, index: usize) -> Vec<f64> {
    let text = std::fs::read_to_string(folder.join(case["inputs"]["file"].as_str().unwrap()));
    let row = |line: &str| line.split(',').nth(index).unwrap().trim().parse().unwrap();
    text.unwrap().lines().skip(1).map(row).collect()
}

fn assert_near(case: &Value, got: f64, expected: &Value) {
    let (x, expected) = (got, expected.as_f64().unwrap());
    let (rel, abs) = (&case["tolerance"]["rel"], &case["tolerance"]["abs"]);
    let bound = abs.as_f64().unwrap() + rel.as_f64().unwrap() * expected.abs();
    assert!((x - expected).abs() <= bound, "{}: got {x}, want {expected}", case["id"]);
}

#[expect(clippy::as_conversions, reason = "a test reads seconds with few decimals")]
fn at(seconds: f64) -> Timestamp {
    Timestamp::from_ns((seconds * 1e9).round() as i64)
}

#[expect(clippy::as_conversions, reason = "a test reads seconds with few decimals")]
fn seconds(value: &Value) -> DurationNs {
    DurationNs::from_ns((value.as_f64().unwrap() * 1e9).round() as i64)
}

#[test]
fn irregular_ewma_variance_agrees() {
    let Some((folder, cases)) = cases("volatility.json", "ewma_irregular") else { return };
    for case in cases {
        let mut variance =
            EwmaVariance::new(seconds(&case["inputs"]["half_life_s"]), DurationNs::ZERO);
        let (times, prices) = (column(&folder, &case, 0), column(&folder, &case, 1));
        for (time, price) in times.into_iter().zip(prices) {
            variance.observe(at(time), price);
        }
        let got = variance.estimate(1.0).unwrap();
        assert_near(&case, got.value, &case["expected"]["variance_rate_per_s"]);
    }
}

#[test]
fn streaming_intensity_agrees() {
    let Some((folder, cases)) = cases("intensity.json", "streaming_decayed_mle") else { return };
    for case in cases {
        let inputs = &case["inputs"];
        let mut intensity =
            FillIntensity::new(seconds(&inputs["half_life_s"]), inputs["d0"].as_f64().unwrap());
        intensity.begin(at(inputs["start_time_s"].as_f64().unwrap()));
        let (times, distances) = (column(&folder, &case, 0), column(&folder, &case, 1));
        let last = at(*times.last().unwrap());
        for (time, distance) in times.into_iter().zip(distances) {
            intensity.observe(at(time), distance);
        }
        let got = intensity.estimate(last, 1.0).unwrap();
        assert_near(&case, got.k.value, &case["expected"]["k"]);
        assert_near(&case, got.a_per_s.value, &case["expected"]["A"]);
    }
}

#[test]
fn intensity_without_decay_is_the_exponential_maximum_likelihood() {
    let Some((folder, cases)) = cases("intensity.json", "exponential_mle") else { return };
    for case in cases {
        // Decay would pass the tolerance within half an hour, so all is observed in 10 ms and A, which is
        // inverse in the exposure, is brought back to the exposure of the case.
        let long = DurationNs::from_s(8_000_000_000);
        let mut intensity = FillIntensity::new(long, case["inputs"]["d0"].as_f64().unwrap());
        intensity.begin(Timestamp::EPOCH);
        let scale = 0.01 / case["inputs"]["exposure_s"].as_f64().unwrap();
        let end = at(0.01);
        for distance in column(&folder, &case, 0) {
            intensity.observe(end, distance);
        }
        let got = intensity.estimate(end, 1.0).unwrap();
        assert_near(&case, got.k.value, &case["expected"]["k"]);
        assert_near(&case, got.a_per_s.value * scale, &case["expected"]["A"]);
        assert_near(&case, got.k.se.unwrap(), &case["expected"]["se_k"]);
    }
}

#[test]
fn the_generator_agrees() {
    let Some((_, cases)) = cases("prng.json", "splitmix64") else { return };
    for case in cases {
        let seed = case["inputs"]["seed"].as_u64().unwrap();
        let mut numbers = SplitMix64::new(seed);
        for want in case["expected"]["u64"].as_array().unwrap() {
            assert_eq!(numbers.next_u64().to_string(), want.as_str().unwrap());
        }
        let mut units = SplitMix64::new(seed);
        for want in case["expected"]["uniform_53bit"].as_array().unwrap() {
            assert_near(&case, units.next_unit_est(), want);
        }
        let mut shuffle = SplitMix64::new(seed);
        let mut items: Vec<u64> = (0..10).collect();
        for i in (1..items.len()).rev() {
            let j = shuffle.next_below(u64::try_from(i).unwrap() + 1);
            items.swap(i, usize::try_from(j).unwrap());
        }
        let want: Vec<u64> = case["expected"]["fisher_yates_0_9"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap())
            .collect();
        assert_eq!(items, want);
    }
}
