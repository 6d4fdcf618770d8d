//! Section 19: `performance.json`.

use crate::shared::{assert_all_near, assert_near, cases, rows};
use remora_estimators::{
    SharpeRatio, autocorrelations, drawdowns, sharpe_horizon, sortino, tail_losses,
};
use serde_json::Value;

#[test]
fn the_measures_of_a_year_agree_with_the_oracle() {
    let Some((folder, cases)) = cases("performance.json", "summary") else { return };
    for case in cases {
        let file = case["inputs"]["file"].as_str().unwrap();
        let returns: Vec<f64> = rows(&folder, file).into_iter().map(|row| row[0]).collect();
        let expected = &case["expected"];
        let near = |got: f64, name: &str| assert_near(&case, got, &expected[name]);
        let ratio = SharpeRatio::of(&returns).unwrap();
        near(ratio.value, "sharpe_per_period");
        near(ratio.value * case["inputs"]["ppy"].as_f64().unwrap().sqrt(), "sharpe_annual");
        near(ratio.skew, "skew");
        near(ratio.kurtosis, "kurtosis_non_excess");
        near(ratio.probability_above(0.0).unwrap(), "psr_0");
        near(ratio.track_record_min(0.0, 0.95).unwrap(), "min_trl_95");
        near(sortino(&returns).unwrap(), "sortino");
        let (share, sum) = drawdowns(&returns);
        near(share, "max_drawdown_pct");
        near(sum, "max_drawdown_additive");
        near(sharpe_horizon(&returns, 7).unwrap(), "lo_eta_7");
        assert_all_near(&case, &autocorrelations(&returns, 3), &expected["autocorr_1_3"]);
        let (at_risk, shortfall) = tail_losses(&returns, 0.95).unwrap();
        near(at_risk, "var95");
        near(shortfall, "es95");
    }
}

fn ratio(inputs: &Value) -> SharpeRatio {
    let number = |name: &str| inputs[name].as_f64().unwrap();
    SharpeRatio {
        value: number("sr_per_period"),
        n: usize::try_from(inputs["n"].as_u64().unwrap()).unwrap(),
        skew: number("skew"),
        kurtosis: number("kurt"),
    }
}

#[test]
fn probabilistic_and_deflated_sharpe_ratios_agree_with_the_oracle() {
    let Some((_, probabilistic)) = cases("performance.json", "psr") else { return };
    for case in probabilistic {
        let benchmark = case["inputs"]["sr_benchmark"].as_f64().unwrap();
        let got = ratio(&case["inputs"]).probability_above(benchmark).unwrap();
        assert_near(&case, got, &case["expected"]["psr"]);
    }
    for case in cases("performance.json", "dsr").unwrap().1 {
        let inputs = &case["inputs"];
        let trials = usize::try_from(inputs["n_trials"].as_u64().unwrap()).unwrap();
        let variance = inputs["var_trial_sr"].as_f64().unwrap();
        let (got, best) = ratio(inputs).deflated(trials, variance).unwrap();
        assert_near(&case, got, &case["expected"]["dsr"]);
        assert_near(&case, best, &case["expected"]["sr0"]);
    }
}
