//! Temporal patterns on the shared candles: what `data/oracles/candle_facts.json` knows about the hours of each pair, and the same days
//! with their hours turned at random. Skipped, and says so, where `REMORA_SHARED` is absent.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use flate2::read::GzDecoder;
use remora_domain::Timestamp;
use remora_estimators::{
    BucketFamily, PatternCriteria, PatternFinding, PatternVerdict, Scale, SeasonBuilder,
    SeasonTable, examine_pattern, judge_patterns, spearman,
};
use remora_machine::SplitMix64;
use serde_json::Value;
use std::io::Read;
use std::path::Path;

const SET: &str = "binance_spot_1m_2021/";
const DAY_S: i64 = 86_400;

/// Reads (second, |log return|) of consecutive one-minute candles.
fn moves(data: &Path, name: &str) -> Vec<(i64, f64)> {
    let file = std::fs::File::open(data.join("candles").join(format!("{name}.csv.gz"))).unwrap();
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let rows: Vec<(i64, f64)> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|row| (row[0].parse().unwrap(), row[4].parse().unwrap()))
        .collect();
    rows.windows(2)
        .filter(|pair| pair[1].0 - pair[0].0 == 60)
        .map(|pair| (pair[1].0, libm::log(pair[1].1 / pair[0].1).abs()))
        .collect()
}

fn table(moves: impl IntoIterator<Item = (i64, f64)>) -> SeasonTable {
    let mut builder = SeasonBuilder::new(BucketFamily::HourOfDay, Scale::Log, 30, 400).unwrap();
    for (second, size) in moves {
        builder.observe(Timestamp::from_ns(second * 1_000_000_000), size).unwrap();
    }
    builder.finish()
}

/// Turns the clock of every day by whole hours of its own: levels and the order within the day stay, the hours mean nothing.
fn turned(moves: &[(i64, f64)], random: &mut SplitMix64) -> SeasonTable {
    let mut turned: Vec<(i64, f64)> = Vec::new();
    for day in moves.chunk_by(|a, b| a.0 / DAY_S == b.0 / DAY_S) {
        let by = 3_600 * i64::try_from(random.next_below(24)).unwrap();
        let turn = |(second, size): &(i64, f64)| {
            let start = second / DAY_S * DAY_S;
            (start + (second - start + by) % DAY_S, *size)
        };
        turned.extend(day.iter().map(turn));
    }
    table(turned)
}

fn accepted(findings: &[PatternFinding]) -> usize {
    let verdicts = judge_patterns(findings, &PatternCriteria::STANDARD).unwrap();
    verdicts.iter().filter(|verdict| matches!(verdict, PatternVerdict::Pattern(_))).count()
}

#[test]
fn known_hours_of_recorded_pairs_are_found_and_turned_days_have_none_oracle() {
    let Some(data) = remora_testkit::shared("data") else { return };
    let facts = std::fs::read_to_string(data.join("oracles/candle_facts.json")).unwrap();
    let facts: Value = serde_json::from_str(&facts).unwrap();
    let (mut real, mut null) = (Vec::new(), Vec::new());
    let mut random = SplitMix64::new(7);
    for (name, fact) in facts["profiles"].as_object().unwrap() {
        let is_long = fact["complete_days"].as_i64().unwrap_or(0) >= 28;
        if !(name.starts_with(SET) && is_long) {
            continue;
        }
        let moves = moves(&data, name);
        let finding = examine_pattern(&table(moves.iter().copied()), 199, 1).unwrap();
        let known: Vec<f64> = fact["hour_multiplier_vs_own_day"]
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap())
            .collect();
        let differences: Vec<f64> =
            finding.permutation.buckets.iter().map(|bucket| bucket.unwrap().0).collect();
        let agreement = spearman(&differences, &known).unwrap();
        assert!(agreement > 0.8, "{name}: {agreement}");
        real.push(finding);
        null.push(examine_pattern(&turned(&moves, &mut random), 199, 1).unwrap());
    }
    let (found, of_nothing) = (accepted(&real), accepted(&null));
    eprintln!("{found} of {} pairs have hours, {of_nothing} after turning", real.len());
    assert!(!real.is_empty());
    // Six weeks of 2021 repeat from half to half in half of the pairs; the others differ by hour, but not twice alike.
    assert!(2 * found >= real.len(), "{found} of {}", real.len());
    assert_eq!(of_nothing, 0);
}
