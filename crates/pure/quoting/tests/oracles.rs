//! Oracle values of `quant-methods.md`, read from the shared folder: `glft.json` and `fair_price.json`.
//!
//! Not implemented, so not checked: `exact_finite_horizon` (production quotes are time-free),
//! `stationary_inventory` (planning and ranking of a later issue), `variant_drift` (no drift signal exists yet; the
//! matrix is folded on its symmetry), `depth_imbalance` and the micro-price tables (the weighted mid is used).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use remora_quoting::{
    ErgodicQuotes, GlftInputs, Touch, closed_form, fair_value, gamma_for_limit, weighted_mid,
};
use serde_json::Value;
use std::path::PathBuf;

fn cases(file: &str, ids: &[&str]) -> Vec<Value> {
    #[expect(
        clippy::disallowed_methods,
        reason = "where the shared reference lies is the machine's"
    )]
    let given = std::env::var("REMORA_SHARED").ok().map(PathBuf::from);
    let shared = given.unwrap_or_else(|| {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared"))
    });
    let path = shared.join("spec/quant-oracles").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no {}", path.display());
        return Vec::new();
    };
    let all: Value = serde_json::from_str(&text).unwrap();
    let is_wanted = |case: &&Value| ids.contains(&case["id"].as_str().unwrap());
    let picked: Vec<Value> =
        all["cases"].as_array().unwrap().iter().filter(is_wanted).cloned().collect();
    assert!(!picked.is_empty(), "none of {ids:?} in {file}");
    picked
}

fn assert_near(case: &Value, got: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    let (rel, abs) = (&case["tolerance"]["rel"], &case["tolerance"]["abs"]);
    let bound = abs.as_f64().unwrap() + rel.as_f64().unwrap() * expected.abs();
    assert!((got - expected).abs() <= bound, "{}: got {got}, want {expected}", case["id"]);
}

fn number(inputs: &Value, name: &str, absent: f64) -> f64 {
    inputs[name].as_f64().unwrap_or(absent)
}

fn model(case: &Value) -> GlftInputs {
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
    let quotes = ergodic(case);
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
fn ergodic_quotes_agree() {
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
fn closed_form_quotes_agree() {
    for case in cases("glft.json", &["closed_form"]) {
        check_closed_form(&case, &case["expected"]);
    }
}

#[test]
fn every_variant_agrees_in_both_forms() {
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
fn gamma_from_the_inventory_limit_agrees() {
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
fn the_weighted_mid_agrees() {
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
