//! Section 15: `seasonality.json`.

use crate::shared::{assert_all_near, assert_near, cases, numbers};
use remora_estimators::{
    BucketFamily, Dependence, Scale, SeasonTable, Surrogate, adjusted_p_values, exact_permutation,
    kruskal_wallis,
};
use serde_json::Value;
use std::path::Path;

fn table(folder: &Path, inputs: &Value) -> SeasonTable {
    let text = std::fs::read_to_string(folder.join(inputs["file"].as_str().unwrap())).unwrap();
    let mut table = SeasonTable::new(BucketFamily::HourOfDay, Scale::Log);
    let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    for row in rows.filter(|row| row[0] == inputs["pair"]) {
        let value = row[3].parse().unwrap();
        table.add(row[1].parse().unwrap(), row[2].parse().unwrap(), value).unwrap();
    }
    table
}

fn assert_p_value(case: &Value, got: f64, expected: &Value) {
    let (expected, tolerance) = (expected.as_f64().unwrap(), &case["tolerance"]);
    let rel = tolerance.get("p_value_rel").unwrap_or(&tolerance["rel"]).as_f64().unwrap();
    assert!((got / expected - 1.0).abs() <= rel, "{}: {got} {expected}", case["id"]);
}

#[test]
fn hours_of_the_day_agree_with_the_oracle() {
    let Some((folder, cases)) = cases("seasonality.json", "hour_of_day") else { return };
    for case in cases {
        let (table, expected) = (table(&folder, &case["inputs"]), &case["expected"]);
        let ranks = table.rank_test().unwrap();
        assert_near(&case, ranks.h, &expected["kruskal_H"]);
        assert_p_value(&case, ranks.p_value, &expected["p_value"]);
        assert_near(&case, ranks.effect, &expected["effect"]);
        let harmonics = case["inputs"]["fff_harmonics"].as_u64().unwrap();
        let fit = table.fourier(usize::try_from(harmonics).unwrap()).unwrap();
        assert_all_near(&case, &fit.coefficients, &expected["fff_coef"]);
        assert_near(&case, fit.r2, &expected["fff_r2"]);
        assert_near(&case, fit.f.unwrap(), &expected["fff_F"]);
        let profile = table.robust_profile().unwrap();
        assert_all_near(&case, &profile, &expected["robust_profile_median_over_median"]);
        let repeats = table.persistence(19, 1).unwrap();
        assert_near(&case, repeats.halves, &expected["oos_spearman"]);
    }
}

#[test]
fn permutation_within_days_agrees_with_the_oracle() {
    let Some((folder, cases)) = cases("seasonality.json", "within_day_permutation") else { return };
    for case in cases {
        let (inputs, expected) = (&case["inputs"], &case["expected"]);
        let whole = |key: &str| inputs[key].as_u64().unwrap();
        let permutations = usize::try_from(whole("permutations")).unwrap();
        let table = table(&folder, inputs);
        let test = table.permutation_test(Surrogate::Shuffle, permutations, whole("seed")).unwrap();
        let bucket = usize::try_from(whole("bucket_hour")).unwrap();
        let (statistic, p_value) = test.buckets[bucket].unwrap();
        assert_near(&case, statistic, &expected["statistic"]);
        assert_near(&case, p_value, &expected["p_value"]);
    }
}

#[test]
fn adjusted_p_values_agree_with_the_oracle() {
    for id in ["bh_across_pairs", "benjamini_hochberg"] {
        let Some((_, cases)) = cases("seasonality.json", id) else { return };
        for case in cases {
            let (p, expected) = (numbers(&case["inputs"]["p_values"]), &case["expected"]);
            let q = case["inputs"]["q"].as_f64().unwrap();
            let rejected = |dependence| -> Value {
                let adjusted = adjusted_p_values(&p, dependence).unwrap();
                adjusted.iter().map(|p| *p <= q).collect::<Vec<bool>>().into()
            };
            let adjusted = adjusted_p_values(&p, Dependence::Positive).unwrap();
            assert_all_near(&case, &adjusted, &expected["adjusted"]);
            assert_eq!(rejected(Dependence::Positive), expected["rejected"]);
            if let Some(by) = expected.get("rejected_by") {
                assert_eq!(&rejected(Dependence::Any), by);
            }
        }
    }
}

#[test]
fn rank_tests_of_small_samples_agree_with_the_oracle() {
    let Some((_, cases)) = cases("seasonality.json", "kruskal_wallis") else { return };
    for case in cases {
        let groups: Vec<Vec<f64>> =
            case["inputs"]["groups"].as_array().unwrap().iter().map(numbers).collect();
        let got = kruskal_wallis(&groups).unwrap();
        assert_near(&case, got.h, &case["expected"]["H"]);
        assert_p_value(&case, got.p_value, &case["expected"]["p_value"]);
    }
}

#[test]
fn the_exact_permutation_agrees_with_the_oracle() {
    let Some((_, cases)) = cases("seasonality.json", "exact_permutation") else { return };
    for case in cases {
        let sample = |key: &str| numbers(&case["inputs"][key]);
        let got = exact_permutation(&sample("a"), &sample("b")).unwrap();
        assert_near(&case, got.difference, &case["expected"]["statistic"]);
        assert_eq!(u64::from(got.as_extreme), case["expected"]["count"].as_u64().unwrap());
        assert_eq!(u64::from(got.assignments), case["expected"]["total"].as_u64().unwrap());
        assert_near(&case, got.p_value, &case["expected"]["p_value"]);
    }
}
