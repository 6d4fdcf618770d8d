//! What an approval holds, and what lets it go.

use crate::harness::{Gate, config};
use remora_domain::{
    ExecId, ExecType, Fill, Notional, OrdStatus, OrderEvent, OrderEventReason, OrderRequest, Qty,
    RefusalReason as Why,
};
use remora_machine::ServiceOutput;
use remora_testkit::{
    accepted, at_ms, cancelled, event, filled, instrument, key, notional, position, qty, rejected,
    request, router_refused, sending, submit_unknown,
};

fn ten(id: &str) -> OrderRequest {
    OrderRequest { qty: qty("10"), ..request(id) }
}

fn position_of(gate: &Gate) -> remora_domain::Position {
    gate.pair("BTC-USD").map_or(remora_domain::Position::ZERO, |pair| pair.position)
}

#[test]
fn a_silent_order_keeps_its_reservation() {
    let mut gate = Gate::ready(config());
    gate.approved(&ten("a-1"));
    gate.event(sending(&ten("a-1")));
    gate.event(submit_unknown(&ten("a-1")));
    gate.wait_ms(24 * 3_600_000);
    gate.router_lives();
    gate.refresh();
    assert_eq!(gate.open_buys(), "10");
    let late = OrderRequest { deadline: at_ms(i64::MAX / 2_000_000), ..request("a-2") };
    gate.refused(&late, Why::PairPositionAboveMax);
}

#[test]
fn an_approval_that_expired_unheard_keeps_its_reservation_until_the_router_says_so() {
    let mut gate = Gate::ready(config());
    gate.approved(&ten("a-1"));
    gate.wait_ms(60_000);
    assert_eq!(gate.open_buys(), "10");
    gate.event(router_refused(&ten("a-1"), OrderEventReason::ApprovalExpired));
    assert_eq!(gate.open_buys(), "0");
}

#[test]
fn every_terminal_event_releases() {
    for last in [
        rejected(&ten("a-1"), OrderEventReason::PostOnlyWouldCross),
        cancelled(&ten("a-1"), Qty::ZERO),
        event(&ten("a-1"), ExecType::Expired, OrdStatus::Expired, Qty::ZERO),
    ] {
        let mut gate = Gate::ready(config());
        gate.approved(&ten("a-1"));
        gate.event(sending(&ten("a-1")));
        gate.event(accepted(&ten("a-1")));
        assert_eq!(gate.open_buys(), "10");
        gate.event(last);
        assert_eq!(gate.open_buys(), "0");
    }
}

#[test]
fn a_cancel_under_way_or_refused_releases_nothing() {
    let mut gate = Gate::ready(config());
    gate.approved(&ten("a-1"));
    gate.event(accepted(&ten("a-1")));
    gate.event(event(&ten("a-1"), ExecType::CancelPending, OrdStatus::CancelPending, Qty::ZERO));
    gate.event(event(&ten("a-1"), ExecType::CancelRejected, OrdStatus::Working, Qty::ZERO));
    assert_eq!(gate.open_buys(), "10");
}

#[test]
fn an_order_the_router_gave_up_after_its_intention_is_released() {
    for reason in
        [OrderEventReason::ApprovalExpired, OrderEventReason::Halted, OrderEventReason::None]
    {
        let mut gate = Gate::ready(config());
        gate.approved(&ten("a-1"));
        gate.event(sending(&ten("a-1")));
        gate.event(router_refused(&ten("a-1"), reason));
        assert_eq!(gate.open_buys(), "0");
    }
}

#[test]
fn a_refusal_of_a_repeated_approval_does_not_release_the_order_under_way() {
    let mut gate = Gate::ready(config());
    gate.approved(&ten("a-1"));
    gate.event(sending(&ten("a-1")));
    gate.event(router_refused(&ten("a-1"), OrderEventReason::Reused));
    gate.event(router_refused(&ten("a-1"), OrderEventReason::BadSignature));
    assert_eq!(gate.open_buys(), "10");
    gate.event(accepted(&ten("a-1")));
    gate.event(router_refused(&ten("a-1"), OrderEventReason::ApprovalExpired));
    assert_eq!(gate.open_buys(), "10");
}

#[test]
fn an_order_sent_after_all_is_reserved_again() {
    let mut gate = Gate::ready(config());
    gate.approved(&ten("a-1"));
    gate.event(router_refused(&ten("a-1"), OrderEventReason::BadSignature));
    assert_eq!(gate.open_buys(), "0");
    gate.event(accepted(&ten("a-1")));
    assert_eq!(gate.open_buys(), "10");
}

#[test]
fn a_partly_filled_order_keeps_what_is_left() {
    let mut gate = Gate::ready(config());
    gate.approved(&ten("a-1"));
    gate.event(accepted(&ten("a-1")));
    gate.event(filled(&ten("a-1"), "x-1", Qty::ZERO, qty("4")));
    assert_eq!((gate.open_buys().as_str(), position_of(&gate)), ("6", position("4")));
    gate.event(filled(&ten("a-1"), "x-2", qty("4"), qty("6")));
    assert_eq!((gate.open_buys().as_str(), position_of(&gate)), ("0", position("10")));
}

#[test]
fn an_execution_told_twice_is_booked_once() {
    let mut gate = Gate::ready(config());
    gate.approved(&ten("a-1"));
    gate.event(filled(&ten("a-1"), "x-1", Qty::ZERO, qty("4")));
    gate.event(filled(&ten("a-1"), "x-1", Qty::ZERO, qty("4")));
    assert_eq!((gate.open_buys().as_str(), position_of(&gate)), ("6", position("4")));
}

#[test]
fn an_order_that_ended_before_its_fills_were_heard_keeps_what_it_filled() {
    let mut gate = Gate::ready(config());
    gate.approved(&ten("a-1"));
    gate.event(cancelled(&ten("a-1"), qty("7")));
    assert_eq!((gate.open_buys().as_str(), position_of(&gate)), ("7", position("0")));
    gate.event(filled(&ten("a-1"), "x-1", Qty::ZERO, qty("3")));
    assert_eq!((gate.open_buys().as_str(), position_of(&gate)), ("4", position("3")));
    gate.event(filled(&ten("a-1"), "x-2", qty("3"), qty("4")));
    assert_eq!((gate.open_buys().as_str(), position_of(&gate)), ("0", position("7")));
}

#[test]
fn a_later_fill_told_first_takes_only_its_own_quantity() {
    let mut gate = Gate::ready(config());
    gate.approved(&ten("a-1"));
    gate.event(filled(&ten("a-1"), "x-2", qty("4"), qty("6")));
    assert_eq!((gate.open_buys().as_str(), position_of(&gate)), ("4", position("6")));
    gate.event(filled(&ten("a-1"), "x-1", Qty::ZERO, qty("4")));
    assert_eq!((gate.open_buys().as_str(), position_of(&gate)), ("0", position("10")));
}

#[test]
fn a_fill_after_the_end_is_booked_and_opens_nothing() {
    let mut gate = Gate::ready(config());
    gate.approved(&ten("a-1"));
    gate.event(cancelled(&ten("a-1"), Qty::ZERO));
    gate.event(filled(&ten("a-1"), "x-1", Qty::ZERO, qty("4")));
    assert_eq!((gate.open_buys().as_str(), position_of(&gate)), ("0", position("4")));
    gate.event(accepted(&ten("a-1")));
    assert_eq!(gate.open_buys(), "0");
}

#[test]
fn an_order_nobody_here_approved_counts() {
    let mut gate = Gate::ready(config());
    gate.event(accepted(&ten("z-1")));
    assert_eq!(gate.open_buys(), "10");
    gate.refused(&request("a-1"), Why::PairPositionAboveMax);
    gate.event(filled(&ten("z-1"), "x-1", Qty::ZERO, qty("10")));
    assert_eq!((gate.open_buys().as_str(), position_of(&gate)), ("0", position("10")));
}

#[test]
fn fills_before_the_definition_of_their_instrument_are_booked_with_it() {
    let mut gate = Gate::bare(config());
    gate.funds();
    let xrp = OrderRequest { instrument: key("XRP-USD"), ..ten("z-1") };
    gate.market();
    gate.event(filled(&xrp, "x-1", Qty::ZERO, qty("4")));
    gate.caught_up();
    gate.control_state(remora_testkit::router_ready(1));
    let no = gate.refused(&request("a-1"), Why::InstrumentUnknown);
    assert!(no.value.contains("XRP-USD"), "{no:?}");
    gate.define(instrument("XRP", "USD"));
    gate.book(remora_testkit::book("XRP-USD", "99", "101"));
    let pair = gate.pair("XRP-USD").unwrap();
    assert_eq!((pair.position, pair.open_buys), (position("4"), Some(qty("6"))));
    assert_eq!(pair.worst, Some(notional("1000")));
    gate.approved(&request("a-2"));
}

#[test]
fn an_execution_number_with_other_economics_is_a_fault_and_stops_the_pair() {
    let mut gate = Gate::ready(config());
    gate.approved(&ten("a-1"));
    let first = filled(&ten("a-1"), "x-1", Qty::ZERO, qty("4"));
    gate.event(first.clone());
    let other = Fill { last_qty: qty("5"), ..first.fill.clone().unwrap() };
    assert_eq!(other.exec_id, ExecId::new("x-1").unwrap());
    let body = remora_domain::Body::OrderEvent(OrderEvent { fill: Some(other), ..first });
    let said = gate.router.wrap(gate.now, body);
    let out = gate.say_raw(said);
    assert!(matches!(out.as_slice(), [ServiceOutput::Fault(_)]), "{out:?}");
    gate.refused(&request("a-2"), Why::ReconciliationBreak);
    assert_eq!(gate.driver.machine.exposure().total, None);
}

#[test]
fn status_and_exposure_tell_what_is_held() {
    let mut gate = Gate::ready(config());
    gate.approved(&ten("a-1"));
    gate.refused(&request("a-2"), Why::PairPositionAboveMax);
    let status = gate.driver.machine.status();
    assert_eq!((status.approvals, status.epoch), (1, 1));
    assert_eq!(status.refusals.get(&Why::PairPositionAboveMax), Some(&1));
    let exposure = gate.driver.machine.exposure();
    assert_eq!((exposure.total, exposure.limit), (Some(notional("1000")), notional("1500")));
    assert_eq!(exposure.pairs[0].orders, 1);
    gate.event(cancelled(&ten("a-1"), Qty::ZERO));
    let exposure = gate.driver.machine.exposure();
    assert_eq!((exposure.total, exposure.pairs.len()), (Some(Notional::ZERO), 0));
}
