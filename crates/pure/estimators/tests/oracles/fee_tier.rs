//! Section 20: `fee_tier.json`.

use crate::shared::{assert_all_near, assert_near, cases, numbers};
use remora_estimators::{FeeSchedule, FeeTier, push_value};
use serde_json::Value;

fn schedule(inputs: &Value) -> FeeSchedule {
    let tiers = numbers(&inputs["thresholds"]).into_iter().zip(numbers(&inputs["maker_bps"]));
    FeeSchedule::new(
        tiers.map(|(volume_min, maker_bps)| FeeTier { volume_min, maker_bps }).collect(),
    )
    .unwrap()
}

#[test]
fn tiers_and_plans_agree_with_the_oracle() {
    let Some((_, lookups)) = cases("fee_tier.json", "tier_lookup") else { return };
    for case in lookups {
        let volume = case["inputs"]["volume_30d"].as_f64().unwrap();
        let (number, tier) = schedule(&case["inputs"]).tier(volume).unwrap();
        assert_eq!(u64::try_from(number).unwrap(), case["expected"]["tier"].as_u64().unwrap());
        assert_near(&case, tier.maker_bps, &case["expected"]["maker_bps"]);
    }
    for case in cases("fee_tier.json", "plan_cost").unwrap().1 {
        let (inputs, expected) = (&case["inputs"], &case["expected"]);
        let plan = |key: &str| numbers(&inputs[key]);
        let loss = inputs["extra_loss_rate"].as_f64().unwrap();
        let (history, base, extra) = (plan("history_30d"), plan("base_daily"), plan("extra_daily"));
        let got = schedule(inputs).plan_cost(&history, &base, &extra, loss).unwrap();
        assert_near(&case, got.total, &expected["total_cost"]);
        assert_all_near(&case, &got.window_volumes[..3], &expected["window_volume_first3"]);
        assert_near(&case, *got.window_volumes.last().unwrap(), &expected["window_volume_last"]);
        assert_near(&case, *got.fees_bps.last().unwrap(), &expected["fee_bps_last"]);
        let lower = got.fees_bps.iter().filter(|fee| **fee < got.fees_bps[0]).count();
        let want = expected["days_below_start_fee"].as_u64().unwrap();
        assert_eq!(u64::try_from(lower).unwrap(), want);
    }
}

#[test]
fn the_value_of_volume_agrees_with_the_oracle() {
    let Some((_, prices)) = cases("fee_tier.json", "shadow_price") else { return };
    for case in prices {
        let list = |key: &str| numbers(&case["inputs"][key]);
        let (mean, sd, volume) = (list("projected_mean"), list("projected_sd"), list("base_daily"));
        let days: Vec<(f64, f64, f64)> =
            mean.into_iter().zip(sd).zip(volume).map(|((m, s), v)| (m, s, v)).collect();
        let got = schedule(&case["inputs"]).shadow_price(&days).unwrap();
        assert_near(&case, got, &case["expected"]["value_per_unit_volume"]);
        assert_near(&case, got * 1e4, &case["expected"]["bps"]);
    }
    for case in cases("fee_tier.json", "break_even_gap").unwrap().1 {
        let input = |key: &str| case["inputs"][key].as_f64().unwrap();
        let got = push_value(
            input("gap_volume"),
            input("days_held"),
            input("base_daily"),
            input("fee_drop"),
            input("loss_per_unit_volume"),
        )
        .unwrap();
        assert_near(&case, got, &case["expected"]["net_value"]);
    }
}
