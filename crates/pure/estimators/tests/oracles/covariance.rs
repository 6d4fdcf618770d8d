//! Section 17: `correlation.json`.

use crate::shared::{assert_all_near, assert_near, cases, numbers, rows};
use nalgebra::DMatrix;
use remora_estimators::{
    EwmaCovariance, correlation_of, repair_correlation, shrink_to_constant_correlation,
    shrink_to_identity,
};
use serde_json::Value;
use std::path::Path;

fn returns(folder: &Path, case: &Value) -> DMatrix<f64> {
    let rows = rows(folder, case["inputs"]["file"].as_str().unwrap());
    DMatrix::from_row_iterator(rows.len(), rows[0].len(), rows.iter().flatten().copied())
}

fn assert_matrix(case: &Value, got: &DMatrix<f64>, expected: &Value) {
    for (row, expected) in got.row_iter().zip(expected.as_array().unwrap()) {
        assert_all_near(case, &row.iter().copied().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn the_live_covariance_agrees_with_the_oracle() {
    let Some((folder, cases)) = cases("correlation.json", "ewma_covariance") else { return };
    for case in cases {
        let mut live = EwmaCovariance::new(case["inputs"]["lam"].as_f64().unwrap()).unwrap();
        for row in rows(&folder, case["inputs"]["file"].as_str().unwrap()) {
            live.observe(&row).unwrap();
        }
        let got = live.covariance(10).unwrap();
        assert_matrix(&case, got, &case["expected"]["cov"]);
        assert_matrix(&case, &correlation_of(got).unwrap(), &case["expected"]["corr"]);
    }
}

#[test]
fn shrunk_covariances_agree_with_the_oracle() {
    let Some((folder, identity)) = cases("correlation.json", "ledoit_wolf_identity") else {
        return;
    };
    for case in identity {
        let got = shrink_to_identity(&returns(&folder, &case)).unwrap();
        assert_matrix(&case, &got.covariance, &case["expected"]["cov"]);
        assert_near(&case, got.shrinkage, &case["expected"]["shrinkage"]);
        assert_near(&case, got.target, &case["expected"]["mu"]);
    }
    for case in cases("correlation.json", "ledoit_wolf_constant_correlation").unwrap().1 {
        let got = shrink_to_constant_correlation(&returns(&folder, &case)).unwrap();
        assert_matrix(&case, &got.covariance, &case["expected"]["cov"]);
        assert_near(&case, got.shrinkage, &case["expected"]["shrinkage"]);
        assert_near(&case, got.target, &case["expected"]["mean_corr"]);
    }
}

#[test]
fn the_repaired_correlation_agrees_with_the_oracle() {
    let Some((_, cases)) = cases("correlation.json", "psd_clip") else { return };
    for case in cases {
        let cells: Vec<f64> =
            case["inputs"]["matrix"].as_array().unwrap().iter().flat_map(numbers).collect();
        let matrix = DMatrix::from_row_slice(3, 3, &cells);
        let got = repair_correlation(&matrix, case["inputs"]["eps"].as_f64().unwrap()).unwrap();
        assert_matrix(&case, &got, &case["expected"]["corr"]);
    }
}
