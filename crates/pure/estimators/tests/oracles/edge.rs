//! Sections 11 and 14: `event_study.json` and the Kelly cases of `sizing.json`.

use crate::shared::{assert_all_near, assert_near, cases, column, numbers, rows};
use nalgebra::DMatrix;
use remora_domain::{DurationNs, Timestamp};
use remora_estimators::{
    EdgePrior, EventRule, FollowerTouch, NO_DECAY, block_bootstrap, event_study, fractional_kelly,
    kelly, kelly_binary, kelly_joint, lower_bound_kelly, mean_inference, shrunk_kelly,
};
use serde_json::Value;

fn whole(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
#[expect(clippy::as_conversions, reason = "a test reads whole milliseconds")]
fn the_taker_event_study_agrees_with_the_oracle() {
    let Some((folder, cases)) = cases("event_study.json", "taker_event_study") else { return };
    for case in cases {
        let (inputs, expected) = (&case["inputs"], &case["expected"]);
        let series = rows(&folder, inputs["file"].as_str().unwrap());
        let at = |row: &[f64]| Timestamp::from_ns(row[0] as i64 * 1_000_000);
        let lead: Vec<(Timestamp, f64)> = series.iter().map(|row| (at(row), row[1])).collect();
        let touch = |row: &Vec<f64>| FollowerTouch { at: at(row), bid: row[2], ask: row[3] };
        let follower: Vec<FollowerTouch> = series.iter().map(touch).collect();
        let ms = |value: &Value| DurationNs::from_ms(value.as_i64().unwrap());
        let trigger = &inputs["trigger"];
        let rule = EventRule {
            window: ms(&trigger["w_ms"]),
            threshold_bps: trigger["thr_bps"].as_f64().unwrap(),
            cooldown: ms(&trigger["cooldown_ms"]),
            latency: ms(&inputs["latency_ms"]),
            hold: ms(&inputs["hold_ms"]),
            taker_fee_bps: inputs["taker_fee_bps"].as_f64().unwrap(),
            age_max: NO_DECAY,
        };
        let study = event_study(&lead, &follower, &rule).unwrap();
        assert_eq!(study.events.len() + study.dropped, whole(&expected["n_triggers"]));
        assert_eq!(study.events.len(), whole(&expected["n_trades"]));
        let nets: Vec<f64> = study.events.iter().map(|event| event.net_bps).collect();
        assert_all_near(&case, &nets[..5], &expected["first5"]);
        assert_near(&case, study.mean_net_bps().unwrap(), &expected["mean_net_bps"]);
        let fee = study.break_even_fee_bps().unwrap();
        assert_near(&case, fee, &expected["break_even_fee_bps"]);
        let results: Vec<(i64, f64)> = (0i64..).zip(nets.iter().copied()).collect();
        let inference = mean_inference(&results, 3).unwrap();
        assert_near(&case, inference.hac_se, &expected["nw_se_lag3"]);
        assert_near(&case, inference.mean / inference.hac_se, &expected["t"]);
        let gains = nets.iter().filter(|net| **net > 0.0).count();
        assert_near(&case, gains as f64 / nets.len() as f64, &expected["win_rate"]);
    }
}

#[test]
#[expect(clippy::as_conversions, reason = "a test reads whole days")]
fn inference_of_a_mean_and_the_block_bootstrap_agree_with_the_oracle() {
    let Some((folder, means)) = cases("event_study.json", "mean_inference") else { return };
    for case in means {
        let results: Vec<(i64, f64)> = rows(&folder, case["inputs"]["file"].as_str().unwrap())
            .iter()
            .map(|row| (row[0] as i64, row[1]))
            .collect();
        let got = mean_inference(&results, whole(&case["inputs"]["newey_west_lags"])).unwrap();
        let expected = &case["expected"];
        assert_near(&case, got.mean, &expected["mean"]);
        assert_near(&case, got.iid_se, &expected["iid_se"]);
        assert_near(&case, got.hac_se, &expected["hac_se"]);
        assert_near(&case, got.cluster_se, &expected["cluster_se"]);
        assert_near(&case, got.t, &expected["t_cluster"]);
        assert_eq!(got.clusters, whole(&expected["clusters"]));
    }
    for case in cases("event_study.json", "circular_block_bootstrap").unwrap().1 {
        let (inputs, expected) = (&case["inputs"], &case["expected"]);
        let seed = inputs["seed"].as_u64().unwrap();
        let (block, replicates) = (whole(&inputs["block"]), whole(&inputs["replicates"]));
        let values = column(&folder, &case, 1);
        let got = block_bootstrap(&values, block, replicates, seed).unwrap();
        assert_near(&case, got.low, &expected["p025"]);
        assert_near(&case, got.middle, &expected["p50"]);
        assert_near(&case, got.high, &expected["p975"]);
        assert_near(&case, got.share_at_or_below_zero, &expected["share_le_zero"]);
    }
}

#[test]
fn kelly_stakes_agree_with_the_oracle() {
    let Some((_, continuous)) = cases("sizing.json", "kelly_continuous") else { return };
    let input = |case: &Value, key: &str| case["inputs"][key].as_f64().unwrap();
    for case in continuous {
        let sigma = input(&case, "sigma");
        let f = kelly(input(&case, "mu"), sigma * sigma).unwrap();
        assert_near(&case, f, &case["expected"]["f"]);
    }
    for case in cases("sizing.json", "kelly_binary").unwrap().1 {
        let f = kelly_binary(input(&case, "p"), input(&case, "payoff_ratio")).unwrap();
        assert_near(&case, f, &case["expected"]["f"]);
    }
    for case in cases("sizing.json", "fractional_kelly").unwrap().1 {
        let got = fractional_kelly(input(&case, "fraction"), input(&case, "level")).unwrap();
        assert_near(&case, got.0, &case["expected"]["growth_ratio"]);
        assert_near(&case, got.1, &case["expected"]["p_ever_at_or_below_level"]);
    }
    let se = |case: &Value| (input(case, "var") / input(case, "n")).sqrt();
    for case in cases("sizing.json", "kelly_shrunk").unwrap().1 {
        let prior = EdgePrior {
            mean: input(&case, "prior_mean"),
            variance: input(&case, "prior_var_of_mu"),
        };
        let (mu, var) = (input(&case, "mu_hat"), input(&case, "var"));
        let got = shrunk_kelly(mu, var, se(&case), &prior).unwrap();
        assert_near(&case, got.weight, &case["expected"]["w"]);
        assert_near(&case, got.mean, &case["expected"]["mu_post"]);
        assert_near(&case, got.variance, &case["expected"]["var_post"]);
        assert_near(&case, got.kelly, &case["expected"]["f"]);
        assert_near(&case, kelly(mu, var).unwrap(), &case["expected"]["f_plugin"]);
    }
    for case in cases("sizing.json", "kelly_lcb").unwrap().1 {
        let (mu, var, z) = (input(&case, "mu_hat"), input(&case, "var"), input(&case, "z"));
        let f = lower_bound_kelly(mu, var, se(&case), z).unwrap();
        assert_near(&case, f, &case["expected"]["f"]);
    }
    for case in cases("sizing.json", "kelly_multi").unwrap().1 {
        let rows = case["inputs"]["Sigma"].as_array().unwrap();
        let values: Vec<f64> = rows.iter().flat_map(numbers).collect();
        let covariance = DMatrix::from_row_slice(rows.len(), rows.len(), &values);
        let stakes = kelly_joint(&numbers(&case["inputs"]["mu"]), &covariance).unwrap();
        assert_all_near(&case, &stakes, &case["expected"]["f"]);
    }
}
