//! Approvals that give no order: nothing is sent, and the reason is said once.

use super::{Rig, Said, good, time};
use remora_approval::Signer;
use remora_domain::{
    Body, CancelReason, ControlScope, ExecType, OrdStatus, OrderApproval, OrderEventReason,
    OrderRequest, Qty, Service, ServiceState,
};
use remora_testkit::{approval, cancel, control_state, halt, px, qty, reduce, request, resume};

/// The router says once why nothing is sent, and nothing is.
fn check_refused(said: &Said, reason: OrderEventReason) {
    assert!(said.submits.is_empty() && said.intents.is_empty(), "{said:?}");
    let [event] = said.events.as_slice() else { panic!("{said:?}") };
    assert_eq!(event.exec_type, ExecType::RouterRefused);
    assert_eq!(event.ord_status, OrdStatus::Rejected);
    assert_eq!((event.cum_qty, event.leaves_qty), (Qty::ZERO, Qty::ZERO));
    assert_eq!(event.reason, reason);
}

fn check(approval: OrderApproval, reason: OrderEventReason) {
    let mut rig = Rig::ready();
    let said = rig.approve(2_000, approval.clone());
    check_refused(&said, reason);
    assert!(rig.approve(2_001, approval).is_silent(), "a repeat is not answered again");
    assert_eq!(rig.driver.machine.counters().refused.get(&reason), Some(&1));
}

#[test]
fn an_unapproved_order_is_not_sent() {
    let unsigned = OrderApproval { signature: [0; 64], ..good(&request("r-1")) };
    check(unsigned, OrderEventReason::BadSignature);
    let fields = good(&request("r-1")).fields;
    check(Signer::from_bytes(&[9; 32]).sign(fields), OrderEventReason::BadSignature);
}

#[test]
fn a_request_alone_is_no_approval() {
    let mut rig = Rig::ready();
    assert!(rig.decision_says(2_000, Body::OrderRequest(request("r-1"))).is_silent());
}

#[test]
fn an_altered_order_is_not_sent() {
    let mut altered = good(&request("r-1"));
    altered.fields.request.qty = qty("2");
    check(altered, OrderEventReason::BadSignature);
    let mut altered = good(&request("r-1"));
    altered.fields.request.price = px("101");
    check(altered, OrderEventReason::BadSignature);
}

#[test]
fn an_expired_approval_is_not_sent() {
    check(approval(request("r-1"), 3, 1, time(1_999)), OrderEventReason::ApprovalExpired);
}

#[test]
fn an_approval_that_expires_while_its_intention_is_stored_is_not_sent() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    let said = rig.approve(2_000, approval(order.clone(), 3, 1, time(2_010)));
    assert_eq!(said.intents.len(), 1);
    check_refused(&rig.stored(2_011, &order), OrderEventReason::ApprovalExpired);
    assert!(rig.stored(2_012, &order).is_silent());
}

#[test]
fn an_approval_of_an_older_epoch_is_not_sent() {
    check(approval(request("r-1"), 2, 1, time(60_000)), OrderEventReason::OldEpoch);
}

#[test]
fn a_reused_approval_sends_nothing_and_leaves_the_live_order_alone() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.work(2_000, &order);
    assert!(rig.approve(2_010, good(&order)).is_silent());
    let counters = rig.driver.machine.counters();
    assert_eq!(counters.named_again.get(&OrderEventReason::Reused), Some(&1));
    assert_eq!(counters.submitted, 1);
    assert_eq!(rig.driver.machine.live_orders(), 1);
}

#[test]
fn an_altered_approval_that_names_a_live_order_leaves_it_alone() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.work(2_000, &order);
    let bigger = OrderRequest { qty: qty("5"), ..order.clone() };
    let altered = OrderApproval { signature: good(&order).signature, ..good(&bigger) };
    assert!(rig.approve(2_010, altered).is_silent());
    assert!(rig.approve(2_011, good(&bigger)).is_silent(), "not even with a good signature");
    let counters = rig.driver.machine.counters();
    assert_eq!(counters.named_again.get(&OrderEventReason::BadSignature), Some(&1));
    assert_eq!(counters.named_again.get(&OrderEventReason::Reused), Some(&1));
    assert_eq!(rig.driver.machine.live_orders(), 1);
}

#[test]
fn nothing_is_sent_under_an_id_after_its_terminal_refusal() {
    let mut rig = Rig::ready();
    let forged = OrderApproval { signature: [1; 64], ..good(&request("r-1")) };
    check_refused(&rig.approve(2_000, forged), OrderEventReason::BadSignature);
    assert!(rig.approve(2_001, good(&request("r-1"))).is_silent());
    assert_eq!(rig.driver.machine.counters().submitted, 0);
}

#[test]
fn an_approval_for_another_account_or_venue_is_not_answered() {
    let mut rig = Rig::ready();
    let mut other = request("r-1");
    other.account = remora_domain::AccountId::new("other").unwrap();
    assert!(rig.approve(2_000, good(&other)).is_silent());
    let mut other = request("r-1");
    other.instrument.venue = remora_domain::VenueId::new("elsewhere").unwrap();
    assert!(rig.approve(2_001, good(&other)).is_silent());
    assert_eq!(rig.driver.machine.counters().not_ours, 2);
}

#[test]
fn nothing_is_sent_while_halted_and_orders_flow_again_after_the_resumption() {
    let mut rig = Rig::ready();
    let command = Body::ControlCommand(halt(ControlScope::Global));
    assert_eq!(rig.gate_says(2_000, command).states.len(), 1);
    check_refused(&rig.approve(2_001, good(&request("r-1"))), OrderEventReason::Halted);
    rig.gate_says(2_002, Body::ControlCommand(resume(ControlScope::Global)));
    rig.send(2_003, &request("r-2"));
}

#[test]
fn a_restriction_to_reducing_ends_a_halt_and_a_strategy_is_the_gates_to_hold() {
    let mut rig = Rig::ready();
    rig.gate_says(2_000, Body::ControlCommand(halt(ControlScope::Global)));
    rig.gate_says(2_001, Body::ControlCommand(reduce(ControlScope::Global)));
    rig.send(2_002, &request("r-1"));
    let scope = ControlScope::Strategy(remora_testkit::strategy());
    assert!(rig.gate_says(2_003, Body::ControlCommand(halt(scope))).is_silent());
    rig.send(2_004, &request("r-2"));
}

#[test]
fn a_halt_between_intention_and_send_wins() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.approve(2_000, good(&order));
    let scope = ControlScope::Instrument(order.instrument.clone());
    rig.gate_says(2_001, Body::ControlCommand(halt(scope)));
    check_refused(&rig.stored(2_002, &order), OrderEventReason::Halted);
}

#[test]
fn a_newer_gate_between_intention_and_send_wins() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    assert_eq!(rig.approve(2_000, good(&order)).intents.len(), 1);
    let state = control_state(Service::RiskGate, ServiceState::Active, 4);
    rig.gate_says(2_001, Body::ControlState(state));
    check_refused(&rig.stored(2_002, &order), OrderEventReason::ApprovalExpired);
}

#[test]
fn a_halt_of_another_venue_or_pair_stops_nothing_here() {
    let mut rig = Rig::ready();
    let venue = remora_domain::VenueId::new("elsewhere").unwrap();
    let said = rig.gate_says(2_000, Body::ControlCommand(halt(ControlScope::Venue(venue))));
    assert!(said.is_silent());
    let scope = ControlScope::Instrument(remora_testkit::key("ETH-USD"));
    rig.gate_says(2_001, Body::ControlCommand(halt(scope)));
    rig.send(2_002, &request("r-1"));
}

#[test]
fn an_order_cancelled_before_its_approval_came_is_never_sent() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    let early = cancel(&order, CancelReason::Requote);
    assert!(rig.decision_says(2_000, Body::OrderCancel(early)).is_silent());
    check_refused(&rig.approve(2_001, good(&order)), OrderEventReason::UserRequested);
}

#[test]
fn an_intention_that_is_not_on_record_is_not_sent() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.approve(2_000, good(&order));
    let cl_ord_id = order.cl_ord_id.clone();
    let failed = crate::RouterInput::StoreFailed { cl_ord_id };
    let said = rig.input(2_001, remora_machine::ServiceInput::Local(failed));
    check_refused(&said, OrderEventReason::None);
    assert!(rig.stored(2_002, &order).is_silent(), "a late success changes nothing");
}
