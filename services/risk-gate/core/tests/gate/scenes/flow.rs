//! G20 to G26.

use super::{denied, gate};
use crate::harness::Gate;
use remora_domain::{
    Body, CancelReason, ControlAction, ControlScope, OrderEventReason, OrderRequest, Qty,
    RefusalReason as Why, Side,
};
use remora_risk_gate_core::Control;
use remora_testkit::{cancel, filled, key, px, qty, rejected, request, resume};

fn small(id: &str) -> OrderRequest {
    OrderRequest { qty: qty("0.1"), ..request(id) }
}

fn cancel_one(gate: &mut Gate, id: &str) {
    let body = Body::OrderCancel(cancel(&request(id), CancelReason::Requote));
    let said = gate.decision.wrap(gate.now, body);
    assert!(gate.say(said).is_empty());
}

pub(super) fn messages_in_the_window() {
    let mut gate = gate(|c| c.orders_per_window_max = 3);
    gate.approved(&small("a-1"));
    cancel_one(&mut gate, "a-1");
    gate.approved(&small("a-2"));
    denied(&mut gate, &small("a-3"), Control::G20, Why::OrderRateAboveMax);
    gate.wait_ms(1_000);
    gate.approved(&small("a-4"));
}

pub(super) fn cancels_in_the_window() {
    let mut gate = gate(|c| {
        c.orders_per_window_max = 100;
        c.cancels_per_window_max = 2;
    });
    cancel_one(&mut gate, "b-1");
    cancel_one(&mut gate, "b-2");
    gate.approved(&small("a-1"));
    cancel_one(&mut gate, "b-3");
    let no = denied(&mut gate, &small("a-2"), Control::G21, Why::CancelRateAboveMax);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("2 cancels", "3 cancels"));
    gate.wait_ms(1_000);
    gate.approved(&small("a-3"));
}

pub(super) fn open_orders() {
    let eth = |id| OrderRequest { instrument: key("ETH-USD"), ..small(id) };
    let mut all = gate(|c| c.open_orders_max = 2);
    all.approved(&small("a-1"));
    all.approved(&eth("a-2"));
    denied(&mut all, &small("a-3"), Control::G22, Why::OpenOrdersAboveMax);
    let mut pair = gate(|c| c.open_orders_pair_max = 1);
    pair.approved(&small("a-1"));
    pair.approved(&eth("a-2"));
    denied(&mut pair, &small("a-3"), Control::G22, Why::OpenOrdersAboveMax);
}

pub(super) fn orders_without_executions() {
    let mut gate = gate(|c| {
        c.unfilled_orders_max = 2;
        c.orders_per_fill_max = 1;
    });
    gate.approved(&small("a-1"));
    gate.approved(&small("a-2"));
    denied(&mut gate, &small("a-3"), Control::G23, Why::UnfilledRatioAboveMax);
    gate.event(filled(&small("a-1"), "x-1", Qty::ZERO, qty("0.1")));
    gate.approved(&small("a-4"));
    denied(&mut gate, &small("a-5"), Control::G23, Why::UnfilledRatioAboveMax);
}

pub(super) fn equal_orders_in_the_window() {
    let mut gate = gate(|c| c.duplicates_max = 2);
    gate.approved(&small("a-1"));
    gate.approved(&small("a-2"));
    denied(&mut gate, &small("a-3"), Control::G24, Why::DuplicateOrder);
    gate.approved(&OrderRequest { price: px("99.99"), ..small("a-4") });
    gate.wait_ms(1_000);
    gate.approved(&small("a-5"));
}

pub(super) fn repeated_executions_need_a_person() {
    let mut gate = gate(|c| {
        c.orders_per_window_max = 100;
        c.executions_per_window_max = 2;
    });
    gate.approved(&small("a-1"));
    let part = |exec, before| filled(&small("a-1"), exec, qty(before), qty("0.01"));
    gate.event(part("x-1", "0"));
    gate.event(part("x-2", "0.01"));
    gate.approved(&small("a-2"));
    // One more: the pair is halted by a recorded command, and stays so however long nothing happens.
    let third = gate.router.wrap(gate.now, Body::OrderEvent(part("x-3", "0.02")));
    let said = gate.say(third);
    let Body::ControlCommand(halt) = &said[0].body else { panic!("{said:?}") };
    let scope = ControlScope::Instrument(key("BTC-USD"));
    assert_eq!(
        (halt.action, &halt.scope, halt.actor.as_str()),
        (ControlAction::Halt, &scope, "risk-gate")
    );
    gate.wait_ms(3_600_000);
    gate.refresh();
    gate.router_lives();
    let fresh = |id| OrderRequest { deadline: remora_domain::Timestamp::MAX, ..small(id) };
    denied(&mut gate, &fresh("a-3"), Control::G25, Why::ExecutionsAboveMax);
    gate.approved(&OrderRequest { instrument: key("ETH-USD"), ..fresh("a-4") });
    gate.command(resume(scope));
    gate.approved(&fresh("a-5"));
}

pub(super) fn budget_of_the_venue() {
    let mut gate = gate(|c| {
        c.orders_per_window_max = 100;
        c.venue_budget_messages = 2;
    });
    gate.approved(&small("a-1"));
    gate.approved(&small("a-2"));
    let no = denied(&mut gate, &small("a-3"), Control::G26, Why::VenueBudgetSpent);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("2 messages", "3 messages"));
    gate.wait_ms(500);
    gate.approved(&small("a-4"));
    gate.wait_ms(1_000);
    // The venue itself says that it was too much.
    gate.event(rejected(&small("a-4"), OrderEventReason::RateLimited));
    let sell = |id| OrderRequest { side: Side::Sell, price: px("101"), ..small(id) };
    denied(&mut gate, &sell("a-5"), Control::G26, Why::VenueBudgetSpent);
    gate.wait_ms(500);
    gate.approved(&sell("a-6"));
}
