//! Section 13: `impact.json`.

use crate::shared::{assert_near, cases};
use remora_estimators::{ImpactModel, WorkedOrder, square_root_impact, walk_book};
use serde_json::Value;

fn levels(value: &Value) -> Vec<(f64, f64)> {
    let pair = |pair: &Value| (pair[0].as_f64().unwrap(), pair[1].as_f64().unwrap());
    value.as_array().unwrap().iter().map(pair).collect()
}

#[test]
fn walks_and_laws_of_impact_agree_with_the_oracle() {
    let Some((_, walks)) = cases("impact.json", "walk_the_book_buy") else { return };
    for case in walks {
        let (inputs, expected) = (&case["inputs"], &case["expected"]);
        let number = |name: &str| inputs[name].as_f64().unwrap();
        let got = walk_book(&levels(&inputs["asks"]), number("qty"), number("mid")).unwrap();
        assert_near(&case, got.vwap, &expected["vwap"]);
        assert_near(&case, got.filled, &expected["filled"]);
        assert_near(&case, got.worst, &expected["worst"]);
        assert_near(&case, got.slippage_bps, &expected["slippage_bps_vs_mid"]);
    }
    for case in cases("impact.json", "square_root_impact").unwrap().1 {
        let number = |name: &str| case["inputs"][name].as_f64().unwrap();
        let (factor, sigma) = (number("Y"), number("daily_sigma"));
        let got = square_root_impact(factor, sigma, number("Q"), number("daily_volume"));
        assert_near(&case, got.unwrap(), &case["expected"]["impact_fraction"]);
    }
    for case in cases("impact.json", "almgren_2005").unwrap().1 {
        let (expected, number) =
            (&case["expected"], |name: &str| case["inputs"][name].as_f64().unwrap());
        let model = ImpactModel { permanent: number("gamma"), temporary: number("eta") };
        let (sigma, outstanding) = (number("daily_sigma"), number("shares_outstanding"));
        let got = model.cost(number("shares"), number("T_days"), number("adv"), sigma, outstanding);
        let got = got.unwrap();
        assert_near(&case, got.permanent_bps, &expected["permanent_bps"]);
        assert_near(&case, got.temporary_bps, &expected["temporary_bps"]);
        assert_near(&case, got.cost_bps, &expected["cost_bps"]);
    }
}

#[test]
fn implementation_shortfall_agrees_with_the_oracle() {
    let Some((_, cases)) = cases("impact.json", "implementation_shortfall") else { return };
    for case in cases {
        let number = |name: &str| case["inputs"][name].as_f64().unwrap();
        let fills = levels(&case["inputs"]["fills_px_qty"]);
        let order = WorkedOrder {
            side: number("side"),
            qty: number("total_qty"),
            decision_px: number("decision_px"),
            arrival_px: number("arrival_px"),
            end_px: number("end_px"),
            fills: &fills,
            fees: number("fees"),
        };
        let got = order.shortfall().unwrap();
        for (got, name) in [
            (got.delay, "delay"),
            (got.execution, "execution"),
            (got.opportunity, "opportunity"),
            (got.fees, "fees"),
            (got.total, "total"),
            (got.total_bps, "total_bps"),
        ] {
            assert_near(&case, got, &case["expected"][name]);
        }
    }
}
