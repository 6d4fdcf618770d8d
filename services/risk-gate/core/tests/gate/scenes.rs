//! Every control in both directions: allowed at its limit, denied one unit beyond; allowed and denied state.
//!
//! The table is what the tests run over. A control without a scene fails `every_control_has_a_scene`; a scene whose
//! refusal carries another control fails by itself.

mod data;
mod flow;
mod identity;
mod loss;
mod position;
mod price;
mod size;
mod state;

use crate::harness::{Gate, config};
use remora_domain::{OrderRefusal, OrderRequest, RefusalReason as Why};
use remora_risk_gate_core::{Control, RiskGateConfig};

/// Makes a ready gate under limits of its own.
pub(super) fn gate(limits: impl FnOnce(&mut RiskGateConfig)) -> Gate {
    let mut config = config();
    limits(&mut config);
    Gate::ready(config)
}

/// Wants a refusal of one control, with its limit and value told.
pub(super) fn denied(
    gate: &mut Gate,
    order: &OrderRequest,
    control: Control,
    why: Why,
) -> OrderRefusal {
    let no = gate.refused(order, why);
    assert_eq!(Control::of(no.reason), Some(control));
    assert!(!no.value.is_empty(), "{control} does not tell the value");
    no
}

macro_rules! scenes {
    ($($control:ident: $scene:path;)*) => {
        const SCENES: &[(Control, fn())] = &[$((Control::$control, $scene)),*];

        $(
            #[test]
            #[expect(non_snake_case, reason = "named by the id of the control")]
            fn $control() {
                $scene();
            }
        )*
    };
}

scenes! {
    G01: identity::account_and_strategy_are_ours;
    G02: identity::the_instrument_is_permitted;
    G03: identity::price_and_quantity_are_on_their_steps;
    G04: identity::a_request_is_answered_once_and_in_time;
    G05: size::quantity_in_smallest_orders;
    G06: size::value_of_one_order;
    G07: size::share_of_depth_and_volume;
    G08: price::distance_from_the_mid;
    G09: price::distance_from_the_last_trade;
    G10: price::own_orders_do_not_meet;
    G11: price::post_only_takes_nothing;
    G12: price::edge_after_the_fee;
    G13: position::of_a_pair;
    G14: position::of_a_base_asset;
    G15: position::gross;
    G16: position::net;
    G17: position::of_a_venue;
    G18: position::of_a_group;
    G19: position::funds_cover_what_is_open_and_unknown;
    G20: flow::messages_in_the_window;
    G21: flow::cancels_in_the_window;
    G22: flow::open_orders;
    G23: flow::orders_without_executions;
    G24: flow::equal_orders_in_the_window;
    G25: flow::repeated_executions_need_a_person;
    G26: flow::budget_of_the_venue;
    G27: loss::of_the_day;
    G28: loss::from_the_peak;
    G29: loss::streak_pauses_the_pair;
    G30: loss::fees_of_the_day;
    G31: data::age_of_the_book;
    G32: data::state_of_the_book;
    G33: data::clocks_agree;
    G34: data::venues_agree;
    G35: data::age_of_the_signal;
    G36: state::active_reduce_halt;
    G37: state::venue_is_open;
    G38: state::no_break_is_open;
    G39: state::dead_mans_switch_is_armed;
    G40: position::ramp_after_the_start;
    G41: state::limits_are_current;
}

#[test]
fn every_control_has_a_scene() {
    let scenes: Vec<Control> = SCENES.iter().map(|(control, _)| *control).collect();
    let without: Vec<&Control> = Control::ALL.iter().filter(|c| !scenes.contains(c)).collect();
    assert!(without.is_empty(), "without a scene: {without:?}");
}
