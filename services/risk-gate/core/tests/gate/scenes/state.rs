//! G36 to G39 and G41.

use super::{denied, gate};
use remora_domain::{
    ControlScope, ControlState, DurationNs, OrderRequest, Qty, ReconciliationBreak,
    RefusalReason as Why, Side, SystemStatus,
};
use remora_risk_gate_core::Control;
use remora_testkit::{
    cancelled, halt, key, qty, reduce, request, resume, router_ready, strategy, venue,
};
use std::collections::BTreeSet;

fn sell(id: &str, size: &str) -> OrderRequest {
    OrderRequest {
        side: Side::Sell,
        qty: qty(size),
        price: remora_testkit::px("100.5"),
        ..request(id)
    }
}

pub(super) fn active_reduce_halt() {
    let scopes = [
        ControlScope::Global,
        ControlScope::Venue(venue()),
        ControlScope::Instrument(key("BTC-USD")),
        ControlScope::Strategy(strategy()),
    ];
    for scope in scopes {
        let mut gate = gate(|c| c.orders_per_window_max = 100);
        gate.hold(&request("h-1"), "h-1");
        gate.approved(&request("a-1"));
        gate.event(cancelled(&request("a-1"), Qty::ZERO));
        gate.command(reduce(scope.clone()));
        denied(&mut gate, &request("a-2"), Control::G36, Why::ReduceOnly);
        // One BTC is held: that much may go, one lot more would turn the position.
        denied(&mut gate, &sell("a-3", "1.0001"), Control::G36, Why::ReduceOnly);
        gate.approved(&sell("a-4", "0.6"));
        denied(&mut gate, &sell("a-5", "0.4001"), Control::G36, Why::ReduceOnly);
        gate.approved(&sell("a-6", "0.4"));
        gate.command(halt(scope.clone()));
        denied(&mut gate, &sell("a-7", "0.0010"), Control::G36, Why::Halted);
        gate.command(resume(scope));
        gate.approved(&request("a-8"));
    }
}

pub(super) fn venue_is_open() {
    let mut gate = gate(|_| {});
    gate.approved(&request("a-1"));
    gate.status(SystemStatus::Maintenance);
    denied(&mut gate, &request("a-2"), Control::G37, Why::VenueNotOpen);
}

pub(super) fn no_break_is_open() {
    let eth = |id| OrderRequest { instrument: key("ETH-USD"), ..request(id) };
    let btc = Some(remora_testkit::asset("BTC"));
    let usd = Some(remora_testkit::asset("USD"));
    for (instrument, asset, is_eth_held) in [
        (Some(key("BTC-USD")), None, false),
        (None, btc, false),
        (None, usd, true),
        (None, None, true),
    ] {
        let mut gate = gate(|_| {});
        let (since, what) = (gate.now, "BTC 1 too few".to_owned());
        let found = ReconciliationBreak { instrument, asset, since, what };
        gate.control_state(ControlState { breaks: vec![found], ..router_ready(1) });
        gate.wait_ms(5);
        let no = denied(&mut gate, &request("a-1"), Control::G38, Why::ReconciliationBreak);
        assert_eq!(no.value, "BTC 1 too few, open for 5 ms");
        match is_eth_held {
            true => drop(denied(&mut gate, &eth("a-2"), Control::G38, Why::ReconciliationBreak)),
            false => gate.approved(&eth("a-2")),
        }
        gate.control_state(router_ready(1));
        gate.approved(&request("a-3"));
    }
}

pub(super) fn dead_mans_switch_is_armed() {
    let mut gate = gate(|c| c.dead_man_venues = BTreeSet::from([venue()]));
    let no = denied(&mut gate, &request("a-1"), Control::G39, Why::DeadManNotArmed);
    assert_eq!(no.value, "the router of sim-spot does not tell");
    gate.control_state(ControlState { is_guarded: Some(false), ..router_ready(1) });
    denied(&mut gate, &request("a-2"), Control::G39, Why::DeadManNotArmed);
    gate.control_state(ControlState { is_guarded: Some(true), ..router_ready(1) });
    gate.approved(&request("a-3"));
}

pub(super) fn limits_are_current() {
    let mut gate = gate(|c| c.valid_until = remora_testkit::at_ms(2_000));
    gate.wait_ms(1_000);
    assert_eq!(gate.now, remora_testkit::at_ms(2_000));
    gate.approved(&request("a-1"));
    gate.now = gate.now.saturating_add(DurationNs::from_ns(1));
    let no = denied(&mut gate, &request("a-2"), Control::G41, Why::LimitsNotCurrent);
    assert_eq!(no.value, "1 ns late");
}
