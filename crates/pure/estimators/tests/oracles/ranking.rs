//! Section 16: `ranking.json`.

use crate::shared::{assert_near, cases, numbers};
use remora_estimators::{
    Measured, PairModel, der_simonian_laird, model_score, order_by_lower_bound, realised_score,
    shrink,
};

#[test]
fn shrunk_edges_agree_with_the_oracle() {
    let Some((_, cases)) = cases("ranking.json", "empirical_bayes_edges") else { return };
    for case in cases {
        let (inputs, expected) = (&case["inputs"], &case["expected"]);
        let group: Vec<Measured> = numbers(&inputs["net_edge_bps"])
            .into_iter()
            .zip(numbers(&inputs["se"]))
            .map(|(value, se)| Measured { value, se })
            .collect();
        let (tau2, q) = der_simonian_laird(&group).unwrap();
        assert_near(&case, tau2, &expected["tau2_dersimonian_laird"]);
        assert_near(&case, q, &expected["Q"]);
        let got = shrink(&group).unwrap();
        assert_near(&case, got.between_variance, &expected["tau2_paule_mandel"]);
        assert_near(&case, got.grand_mean, &expected["grand_mean"]);
        let z = inputs["z"].as_f64().unwrap();
        for (i, member) in got.members.iter().enumerate() {
            assert_near(&case, member.own_weight, &expected["shrink_factor"][i]);
            assert_near(&case, member.mean, &expected["posterior_mean"][i]);
            assert_near(&case, member.sd, &expected["posterior_sd"][i]);
            assert_near(&case, member.lower(z), &expected["lcb"][i]);
        }
        let order: Vec<u64> = order_by_lower_bound(&got.members, z)
            .into_iter()
            .map(|place| u64::try_from(place).unwrap())
            .collect();
        assert_eq!(serde_json::json!(order), expected["order_by_lcb"]);
    }
}

#[test]
fn scores_agree_with_the_oracle() {
    let Some((_, models)) = cases("ranking.json", "model_score") else { return };
    for case in models {
        let input = |key: &str| case["inputs"][key].as_f64().unwrap();
        let limit = case["inputs"]["inventory_limit_lots"].as_u64().unwrap();
        let got = model_score(&PairModel {
            price: input("px"),
            sigma: input("sigma"),
            a_per_s: input("A"),
            k: input("k"),
            half_spread: input("half_spread"),
            adverse_bps: input("adverse_bps"),
            maker_fee_bps: input("maker_bps"),
            lot: input("lot"),
            gamma: input("gamma"),
            limit_lots: u32::try_from(limit).unwrap(),
        })
        .unwrap();
        let expected = &case["expected"];
        assert_near(&case, got.fee, &expected["fee_price_units"]);
        assert_near(&case, got.adverse, &expected["impact_price_units"]);
        assert_near(&case, got.edge_at_touch_bps, &expected["net_edge_bps_at_touch"]);
        assert_near(&case, got.rate_per_s, &expected["certainty_equivalent_quote_ccy_per_s"]);
    }
    for case in cases("ranking.json", "empirical_score").unwrap().1 {
        let input = |key: &str| case["inputs"][key].as_f64().unwrap();
        let got = realised_score(
            input("net_edge_bps"),
            input("fills_per_s"),
            input("order_notional"),
            input("inventory_pnl_sd_per_sqrt_s"),
        )
        .unwrap();
        assert_near(&case, got.0, &case["expected"]["edge_per_s"]);
        assert_near(&case, got.1, &case["expected"]["sharpe_per_sqrt_s"]);
    }
}
