//! `glft.json`, the weighted mid of `fair_price.json`, and the order size of `sizing.json`.

use crate::{assert_near, cases, number, numbers};
use remora_quoting::{
    ErgodicQuotes, GlftInputs, Touch, best_size, closed_form, closed_form_with_drift, fair_value,
    gamma_for_limit, rates_of_sizes, weighted_mid,
};
use serde_json::Value;

pub(crate) fn model(case: &Value) -> GlftInputs {
    let inputs = &case["inputs"];
    let gamma_est = number(inputs, "gamma", 0.0);
    GlftInputs {
        sigma_est: number(inputs, "sigma", f64::NAN),
        a_per_s_est: number(inputs, "A", f64::NAN),
        k_est: number(inputs, "k", f64::NAN),
        gamma_est,
        xi_est: number(inputs, "xi", gamma_est),
        lot_est: number(inputs, "delta", 1.0),
        maker_fee_est: number(inputs, "fee", 0.0),
        adverse_move_est: number(inputs, "impact", 0.0),
    }
}

fn ergodic(case: &Value) -> ErgodicQuotes {
    let lots = u32::try_from(case["inputs"]["Q"].as_u64().unwrap()).unwrap();
    ErgodicQuotes::solve(&model(case), lots).unwrap()
}

fn check_side(case: &Value, got: Option<f64>, expected: &Value) {
    match got {
        Some(got) => assert_near(case, got, expected),
        None => assert!(expected.is_null(), "{}: no quote, want {expected}", case["id"]),
    }
}

fn check_ergodic(case: &Value, table: &Value) {
    check_quotes(case, &ergodic(case), table);
}

fn check_quotes(case: &Value, quotes: &ErgodicQuotes, table: &Value) {
    for (lots, expected) in table.as_object().unwrap() {
        let got = quotes.offsets(lots.parse().unwrap());
        check_side(case, got.bid_est, &expected["bid_offset"]);
        check_side(case, got.ask_est, &expected["ask_offset"]);
    }
}

fn check_closed_form(case: &Value, table: &Value) {
    let model = model(case);
    for (lots, expected) in table.as_object().unwrap() {
        let lots: f64 = lots.parse().unwrap();
        let got = closed_form(&model, lots * model.lot_est).unwrap();
        assert_near(case, got.bid_est, &expected["bid_offset"]);
        assert_near(case, got.ask_est, &expected["ask_offset"]);
    }
}

#[test]
fn ergodic_quotes_agree_with_the_oracle() {
    for case in cases("glft.json", &["asymptotic_eigenvector"]) {
        let expected = &case["expected"];
        check_ergodic(&case, &expected["quotes"]);
        let rate = ergodic(&case).certainty_rate_est();
        assert_near(&case, rate, &expected["certainty_equivalent_rate"]);
        let lambda = -rate * model(&case).k_est / model(&case).lot_est;
        assert_near(&case, lambda, &expected["smallest_eigenvalue"]);
    }
}

#[test]
fn closed_form_quotes_agree_with_the_oracle() {
    for case in cases("glft.json", &["closed_form"]) {
        check_closed_form(&case, &case["expected"]);
    }
}

#[test]
fn every_variant_agrees_with_the_oracle_in_both_forms() {
    let ids = [
        "variant_lot_size",
        "variant_xi_to_zero",
        "variant_adverse_impact",
        "variant_maker_fee",
        "variant_maker_rebate",
    ];
    for case in cases("glft.json", &ids) {
        let expected = &case["expected"];
        check_ergodic(&case, &expected["asymptotic"]);
        check_closed_form(&case, &expected["closed_form"]);
        let rate = ergodic(&case).certainty_rate_est();
        assert_near(&case, rate, &expected["certainty_equivalent_rate"]);
    }
}

#[test]
fn gamma_from_the_inventory_limit_agrees_with_the_oracle() {
    for case in cases("glft.json", &["gamma_from_inventory_limit"]) {
        let limit = case["inputs"]["limit_units"].as_f64().unwrap();
        assert_near(
            &case,
            gamma_for_limit(&model(&case), limit).unwrap(),
            &case["expected"]["gamma"],
        );
    }
}

#[test]
fn the_weighted_mid_agrees_with_the_oracle() {
    for case in cases("fair_price.json", &["weighted_mid"]) {
        let inputs = &case["inputs"];
        let touch = Touch {
            bid_est: number(inputs, "bid", f64::NAN),
            bid_qty_est: number(inputs, "bid_sz", f64::NAN),
            ask_est: number(inputs, "ask", f64::NAN),
            ask_qty_est: number(inputs, "ask_sz", f64::NAN),
        };
        assert_near(&case, weighted_mid(&touch).unwrap(), &case["expected"]["weighted_mid"]);
        assert_near(&case, fair_value(&touch).unwrap(), &case["expected"]["weighted_mid"]);
        let none = Touch { bid_qty_est: 0.0, ask_qty_est: 0.0, ..touch };
        assert_near(&case, fair_value(&none).unwrap(), &case["expected"]["mid"]);
    }
}

#[test]
fn a_drift_agrees_with_the_oracle_in_both_forms() {
    for case in cases("glft.json", &["variant_drift"]) {
        let (model, drift) = (model(&case), number(&case["inputs"], "mu", f64::NAN));
        let lots = u32::try_from(case["inputs"]["Q"].as_u64().unwrap()).unwrap();
        let quotes = ErgodicQuotes::solve_with_drift(&model, lots, drift).unwrap();
        check_quotes(&case, &quotes, &case["expected"]["asymptotic"]);
        let rate = &case["expected"]["certainty_equivalent_rate"];
        assert_near(&case, quotes.certainty_rate_est(), rate);
        for (lots, expected) in case["expected"]["closed_form"].as_object().unwrap() {
            let q: f64 = lots.parse().unwrap();
            let got = closed_form_with_drift(&model, q, drift).unwrap();
            assert_near(&case, got.bid_est, &expected["bid_offset"]);
            assert_near(&case, got.ask_est, &expected["ask_offset"]);
        }
    }
}

#[test]
fn quotes_for_a_horizon_agree_with_the_oracle() {
    for case in cases("glft.json", &["exact_finite_horizon"]) {
        let lots = u32::try_from(case["inputs"]["Q"].as_u64().unwrap()).unwrap();
        let seconds = number(&case["inputs"], "T", f64::NAN);
        let quotes = ErgodicQuotes::for_horizon(&model(&case), lots, seconds).unwrap();
        check_quotes(&case, &quotes, &case["expected"]);
    }
}

#[test]
fn the_steady_state_agrees_with_the_oracle() {
    for case in cases("glft.json", &["stationary_inventory"]) {
        let (expected, got) = (&case["expected"], ergodic(&case).steady_state(&model(&case)));
        let got = got.unwrap();
        assert!(got.position_est.abs() < 1e-9);
        assert_near(&case, got.position_variance_est, &expected["inventory_var"]);
        let gaussian = &expected["inventory_var_gaussian_approx"];
        assert_near(&case, got.position_variance_closed_form_est, gaussian);
        assert_near(&case, got.fills_per_s_est, &expected["fills_per_s"]);
        assert_near(&case, got.volume_per_s_est, &expected["volume_units_per_s"]);
        assert_near(&case, got.capture_per_s_est, &expected["spread_capture_net_of_fee_per_s"]);
    }
}

#[test]
fn the_size_that_earns_most_agrees_with_the_oracle() {
    for case in cases("sizing.json", &["order_size_by_certainty_equivalent_rate"]) {
        let (inputs, expected) = (&case["inputs"], &case["expected"]);
        let at = |name| number(inputs, name, f64::NAN);
        let model = GlftInputs { a_per_s_est: at("A0"), ..model(&case) };
        let sizes = numbers(&inputs["sizes"]);
        let (mean, limit) = (at("mean_market_order_size"), at("inventory_limit_units"));
        let rates = rates_of_sizes(&model, mean, limit, &sizes).unwrap();
        let table = expected["size_A_rate"].as_array().unwrap();
        assert_eq!(rates.len(), table.len());
        for (got, row) in rates.iter().zip(table) {
            assert_near(&case, got.a_per_s_est, &row[1]);
            assert_near(&case, got.rate_est, &row[2]);
        }
        assert_near(&case, best_size(&rates).unwrap().size_est, &expected["best_size"]);
    }
}
