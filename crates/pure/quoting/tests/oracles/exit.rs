//! `exit.json`: resting orders, the option to take, break-even.

use crate::{assert_near, cases, number};
use remora_domain::Side;
use remora_quoting::{
    ExitInputs, break_even, exit_far_from_end, exit_with_taker, maker_exit, takes_one_step_ahead,
};
use serde_json::Value;

/// Flags of taking are not compared where worth is this near to indifference, as the file says.
const INDIFFERENT: f64 = 2e-3;

fn inputs(case: &Value) -> ExitInputs {
    let at = |name, absent| number(&case["inputs"], name, absent);
    ExitInputs {
        sigma_est: at("sigma", f64::NAN),
        a_per_s_est: at("A", f64::NAN),
        k_est: at("k", f64::NAN),
        gamma_est: at("gamma", f64::NAN),
        maker_fee_est: at("maker_fee", 0.0),
        terminal_cost_est: at("terminal_penalty_per_unit", 0.0),
        drift_est: 0.0,
    }
}

fn lots(case: &Value) -> u32 {
    u32::try_from(case["inputs"]["Q"].as_u64().unwrap()).unwrap()
}

#[test]
fn resting_exits_agree_with_the_oracle() {
    for case in cases("exit.json", &["maker_only_finite"]) {
        let left = number(&case["inputs"], "time_left", f64::NAN);
        let plan = maker_exit(&inputs(&case), lots(&case), left).unwrap();
        for (q, got) in (1..).zip(&plan.offset_est) {
            assert_near(&case, *got, &case["expected"][q.to_string()]);
        }
        assert_eq!(plan.offset_est.len(), case["expected"].as_object().unwrap().len());
    }
    for case in cases("exit.json", &["maker_only_asymptotic"]) {
        let q = u32::try_from(case["inputs"]["q"].as_u64().unwrap()).unwrap();
        let got = exit_far_from_end(&inputs(&case), q).unwrap();
        assert_near(&case, got, &case["expected"]["ask_offset"]);
    }
}

#[test]
fn exits_with_the_option_to_take_agree_with_the_oracle() {
    for case in cases("exit.json", &["maker_with_taker_option"]) {
        let (expected, lots) = (&case["expected"], lots(&case));
        let left = number(&case["inputs"], "time_left", f64::NAN);
        let cost = number(&case["inputs"], "taker_cost_per_unit", f64::NAN);
        let plan = exit_with_taker(&inputs(&case), lots, left, cost).unwrap();
        let worth = |q: u32| expected["certainty_equivalent"][q.to_string()].as_f64().unwrap();
        let ahead = takes_one_step_ahead(&inputs(&case), lots, left, cost).unwrap();
        for (q, (got, (offset, taking))) in
            (1..).zip(plan.worth_est.iter().zip(plan.offset_est.iter().zip(plan.is_taking.iter())))
        {
            assert_near(&case, *got, &expected["certainty_equivalent"][q.to_string()]);
            let margin = worth(q) - worth(q - 1) + cost;
            let crosses = expected["cross_now"][q.to_string()].as_bool().unwrap();
            if crosses || margin > INDIFFERENT {
                assert_eq!(*taking, crosses, "{q} lots, margin {margin}");
            }
            if let Some(quote) = expected["maker_quote_if_waiting"].get(q.to_string()) {
                assert_near(&case, *offset, quote);
            }
            let early = ahead[usize::try_from(q).unwrap() - 1];
            assert_eq!(expected["one_step_lookahead_cross"][q.to_string()], early, "{q} lots");
        }
    }
}

#[test]
fn the_break_even_of_a_position_agrees_with_the_oracle() {
    for case in cases("exit.json", &["break_even_bps"]) {
        let at = |name| number(&case["inputs"], name, f64::NAN);
        let side = if case["inputs"]["side"] == 1 { Side::Buy } else { Side::Sell };
        let got = break_even(side, at("entry_fee_bps"), at("exit_fee_bps"), at("half_spread_bps"));
        assert_near(&case, got.unwrap(), &case["expected"]["required_mid_move_bps_taker_exit"]);
    }
}
