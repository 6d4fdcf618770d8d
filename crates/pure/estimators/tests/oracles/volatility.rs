//! Section 3: `volatility.json`.

use crate::shared::{assert_near, at, cases, column, numbers, rows, seconds};
use remora_domain::DurationNs;
use remora_estimators::{
    Candle, EwmaVariance, bipower_variance, close_to_close, garman_klass, jump_test,
    median_realised_variance, parkinson, realised_variance, rogers_satchell, smoothed_variance,
    sparse_variance, subsampled_variance, two_scale_variance, yang_zhang,
};

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
fn candle_variances_agree_with_the_oracle() {
    let Some((folder, cases)) = cases("volatility.json", "candles") else { return };
    for case in cases {
        let candles: Vec<Candle> = rows(&folder, case["inputs"]["file"].as_str().unwrap())
            .iter()
            .map(|row| Candle { open: row[1], high: row[2], low: row[3], close: row[4] })
            .collect();
        let expected = &case["expected"];
        assert_near(&case, parkinson(&candles).unwrap(), &expected["parkinson"]);
        assert_near(&case, garman_klass(&candles).unwrap(), &expected["garman_klass"]);
        assert_near(&case, rogers_satchell(&candles).unwrap(), &expected["rogers_satchell"]);
        assert_near(&case, close_to_close(&candles).unwrap(), &expected["close_to_close"]);
        let variance = yang_zhang(&candles).unwrap();
        assert_near(&case, variance, &expected["yang_zhang"]);
        let annual = (variance * 96.0 * 365.0).sqrt();
        assert_near(&case, annual, &expected["annualised_vol_yz_365d"]);
    }
}

#[test]
fn realised_variances_and_the_jump_test_agree_with_the_oracle() {
    let Some((folder, found)) = cases("volatility.json", "realised") else { return };
    for case in found {
        let returns = column(&folder, &case, 1);
        let expected = &case["expected"];
        let bipower = bipower_variance(&returns).unwrap();
        assert_near(&case, realised_variance(&returns).unwrap(), &expected["rv"]);
        assert_near(&case, bipower, &expected["bipower_n_over_n_minus_1"]);
        let n = f64::from(u32::try_from(returns.len()).unwrap());
        assert_near(&case, bipower * (n - 1.0) / n, &expected["bipower_uncorrected"]);
        assert_near(&case, median_realised_variance(&returns).unwrap(), &expected["medrv"]);
        let test = jump_test(&returns).unwrap();
        assert_near(&case, test.quarticity, &expected["tripower_quarticity"]);
        assert_near(&case, test.z, &expected["jump_ratio_z"]);
    }
    for case in cases("volatility.json", "ewma_regular").unwrap().1 {
        let lambda = case["inputs"]["lam"].as_f64().unwrap();
        let got = smoothed_variance(&column(&folder, &case, 1), lambda).unwrap();
        assert_near(&case, got, &case["expected"]["variance"]);
    }
}

#[test]
fn the_variance_at_two_scales_agrees_with_the_oracle() {
    let Some((folder, cases)) = cases("volatility.json", "two_scale_rv") else { return };
    for case in cases {
        let prices: Vec<f64> = column(&folder, &case, 1).iter().map(|p| libm::log(*p)).collect();
        let expected = &case["expected"];
        let k = usize::try_from(case["inputs"]["K"].as_u64().unwrap()).unwrap();
        let got = two_scale_variance(&prices, k).unwrap();
        assert_near(&case, got.variance, &expected["tsrv"]);
        assert_near(&case, got.variance_small_sample, &expected["tsrv_small_sample"]);
        assert_near(&case, got.noise_variance, &expected["noise_var"]);
        assert_near(&case, subsampled_variance(&prices, 1).unwrap(), &expected["rv_all"]);
        let signature = numbers(&expected["signature_k_1_5_20_60"]);
        for (k, want) in [1, 5, 20, 60].into_iter().zip(signature) {
            assert_near(&case, sparse_variance(&prices, k).unwrap(), &want.into());
        }
    }
}
