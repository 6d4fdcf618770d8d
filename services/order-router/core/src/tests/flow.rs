//! The life of an order from the venue's side: acknowledgements, fills, cancels, silence, comparisons.

use super::{Rig, accepted, cancel_rejected, cancelled, filled, good, open};
use remora_domain::{
    Body, CancelReason, ControlScope, ExecType, OrdStatus, OrderEventReason, OrderRequest, Qty,
    ServiceState, VenueReport,
};
use remora_testkit::{at_ms, balances, cancel, fill, halt, qty, request};

fn requote(order: &OrderRequest) -> Body {
    Body::OrderCancel(cancel(order, CancelReason::Requote))
}

#[test]
fn an_order_is_sent_only_after_its_intention_is_stored() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    let said = rig.approve(2_000, good(&order));
    assert!(said.submits.is_empty());
    assert_eq!(said.events[0].exec_type, ExecType::Sending);
    assert_eq!(said.events[0].leaves_qty, order.qty);
    assert_eq!(rig.stored(2_001, &order).submits, [order.cl_ord_id]);
}

#[test]
fn fills_are_booked_once_per_execution() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.work(2_000, &order);
    let part = filled(&order, fill("x-1", "100", "0.4", "0.01"), "0.4", 2_010);
    let said = rig.report(2_010, part.clone());
    assert_eq!(said.events[0].cum_qty, qty("0.4"));
    assert_eq!(said.events[0].leaves_qty, qty("0.6"));
    assert!(rig.report(2_011, part).is_silent());
    let said = rig.report(2_012, filled(&order, fill("x-2", "100", "0.6", "0.01"), "1", 2_012));
    assert_eq!(said.events[0].ord_status, OrdStatus::Filled);
    assert_eq!(said.events[0].leaves_qty, Qty::ZERO);
    assert_eq!(rig.driver.machine.live_orders(), 0);
    assert_eq!((rig.driver.machine.counters().fills, rig.anomalies()), (2, 0));
}

#[test]
fn a_fill_before_the_acknowledgement_makes_the_order_work() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.send(2_000, &order);
    let said = rig.report(2_001, filled(&order, fill("x-1", "100", "0.4", "0"), "0.4", 2_001));
    assert_eq!(said.events[0].ord_status, OrdStatus::Working);
    assert!(rig.report(2_002, accepted(&order, 2_000)).is_silent());
}

#[test]
fn a_late_fill_after_the_cancel_is_booked() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.work(2_000, &order);
    rig.decision_says(2_010, requote(&order));
    assert_eq!(rig.report(2_020, cancelled(&order, 2_015)).events.len(), 1);
    let late = filled(&order, fill("x-1", "100", "0.4", "0"), "0.4", 2_014);
    let said = rig.report(2_021, late);
    assert_eq!(said.events[0].exec_type, ExecType::Trade);
    assert_eq!(said.events[0].ord_status, OrdStatus::Cancelled);
    assert_eq!((said.events[0].cum_qty, said.events[0].leaves_qty), (qty("0.4"), Qty::ZERO));
    assert_eq!(rig.driver.machine.counters().fills_late, 1);
}

#[test]
fn fills_beyond_the_quantity_are_booked_and_a_fault() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.work(2_000, &order);
    let said = rig.report(2_010, filled(&order, fill("x-1", "100", "1.1", "0"), "1.1", 2_010));
    assert_eq!((said.faults, said.events.len()), (1, 1));
    assert_eq!(said.events[0].ord_status, OrdStatus::Filled);
    assert_eq!((said.events[0].cum_qty, said.events[0].leaves_qty), (qty("1.1"), Qty::ZERO));
    // Also when it was complete before.
    let said = rig.report(2_020, filled(&order, fill("x-2", "100", "0.2", "0"), "1.3", 2_020));
    assert_eq!((said.faults, said.events.len()), (1, 1));
    assert_eq!(said.events[0].cum_qty, qty("1.3"));
}

#[test]
fn a_cancel_leaves_at_once_and_only_once() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.work(2_000, &order);
    let said = rig.decision_says(2_010, requote(&order));
    assert_eq!(said.cancels, std::slice::from_ref(&order.cl_ord_id));
    assert_eq!(said.events[0].ord_status, OrdStatus::CancelPending);
    assert!(rig.decision_says(2_011, requote(&order)).is_silent());
    let said = rig.report(2_020, cancelled(&order, 2_015));
    assert_eq!(said.events[0].ord_status, OrdStatus::Cancelled);
    assert!(rig.decision_says(2_030, requote(&order)).is_silent());
}

#[test]
fn a_cancel_of_an_unacknowledged_order_leaves_at_once_and_again_with_the_acknowledgement() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.send(2_000, &order);
    let said = rig.decision_says(2_001, requote(&order));
    assert_eq!(said.cancels, std::slice::from_ref(&order.cl_ord_id));
    assert!(said.events.is_empty());
    let said = rig.report(2_002, accepted(&order, 2_002));
    assert_eq!(said.cancels, [order.cl_ord_id]);
    let types: Vec<ExecType> = said.events.iter().map(|event| event.exec_type).collect();
    assert_eq!(types, [ExecType::New, ExecType::CancelPending]);
}

#[test]
fn a_cancel_before_the_intention_is_stored_means_the_order_is_never_sent() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.approve(2_000, good(&order));
    assert!(rig.decision_says(2_001, requote(&order)).is_silent());
    let said = rig.stored(2_002, &order);
    assert!(said.submits.is_empty());
    assert_eq!(said.events[0].exec_type, ExecType::RouterRefused);
}

#[test]
fn a_refused_cancel_is_repeated_when_the_venue_still_lists_the_order() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.work(2_000, &order);
    rig.decision_says(2_010, requote(&order));
    let said = rig.report(2_020, cancel_rejected(&order, OrderEventReason::RateLimited, 2_015));
    assert_eq!(said.events[0].exec_type, ExecType::CancelRejected);
    assert_eq!(said.events[0].ord_status, OrdStatus::Working);
    assert_eq!(rig.advance(4_020).queries, 1);
    let said = rig.open_orders(4_030, vec![open(&order, "0")]);
    assert_eq!(said.cancels, [order.cl_ord_id]);
}

#[test]
fn silence_after_a_send_is_unknown_until_the_venue_speaks() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.send(2_000, &order);
    let said = rig.advance(4_000);
    assert_eq!(said.events[0].ord_status, OrdStatus::SubmitUnknown);
    assert_eq!(said.events[0].leaves_qty, order.qty);
    assert_eq!(said.queries, 1);
    let said = rig.open_orders(4_100, vec![open(&order, "0")]);
    assert_eq!(said.events[0].ord_status, OrdStatus::Working);
    assert!(said.events[0].order_id.is_some());
}

#[test]
fn an_unknown_order_is_closed_only_by_the_second_answer_that_lacks_it() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.send(2_000, &order);
    assert_eq!(rig.advance(4_000).queries, 1);
    assert!(rig.open_orders(4_100, vec![]).events.is_empty());
    assert_eq!(rig.advance(6_100).queries, 1);
    let said = rig.open_orders(6_200, vec![]);
    assert_eq!(said.events[0].ord_status, OrdStatus::Cancelled);
    assert_eq!(said.events[0].reason, OrderEventReason::UnknownOrder);
}

#[test]
fn cancels_repeated_into_the_void_do_not_keep_an_order_open() {
    let (mut rig, order) = (Rig::ready(), request("r-1"));
    rig.work(1_000, &order);
    rig.report(1_500, VenueReport::Session { is_up: false });
    rig.report(1_600, VenueReport::Session { is_up: true });
    // As often as the grace of an absent order is long.
    let ends = (1_i64..=10).find_map(|round| {
        let ms = 2_000 * round;
        rig.decision_says(ms, requote(&order));
        rig.report(ms + 50, cancel_rejected(&order, OrderEventReason::UnknownOrder, ms + 50));
        rig.advance(ms + 1_000);
        let said = rig.open_orders(ms + 1_010, vec![]);
        said.events.last().map(|event| event.ord_status).filter(|status| status.is_terminal())
    });
    assert_eq!(ends, Some(OrdStatus::Cancelled));
}

#[test]
fn an_answer_to_a_question_asked_before_the_send_closes_nothing() {
    let mut rig = Rig::ready();
    assert_eq!(rig.advance(30_000).queries, 1);
    let order = request("r-1");
    rig.work(30_001, &order);
    let said = rig.open_orders(30_100, vec![]);
    assert!(said.events.is_empty());
    assert_eq!(rig.driver.machine.live_orders(), 1);
    assert!(rig.open_orders(30_200, vec![]).is_silent(), "nor does an answer nobody asked for");
}

/// A session that was slow for long answered every query it owed by the one list it had, and each took the order for absent.
#[test]
fn many_answers_from_one_old_list_close_nothing() {
    let mut rig = Rig::ready();
    let asked_at = rig.advance(30_000).asked_at.unwrap();
    rig.work(30_001, &request("r-1"));
    for ms in (40_000..80_000).step_by(1_000) {
        rig.advance(ms);
        let (orders, venue_time) = (vec![], at_ms(30_000));
        let old = VenueReport::OpenOrders { orders, unread: 0, asked_at, venue_time };
        assert_eq!(rig.report(ms, old).events, [], "at {ms} ms");
    }
    assert_eq!(rig.driver.machine.live_orders(), 1);
}

#[test]
fn an_order_held_for_closed_that_turns_up_again_is_taken_back() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.send(2_000, &order);
    rig.advance(4_000);
    rig.open_orders(4_100, vec![]);
    rig.advance(6_100);
    rig.open_orders(6_200, vec![]);
    let said = rig.report(6_300, accepted(&order, 6_300));
    assert_eq!(said.cancels, [order.cl_ord_id]);
    assert!(said.events.is_empty());
}

#[test]
fn strangers_are_left_alone_and_orphans_are_cancelled() {
    let mut rig = Rig::ready();
    assert_eq!(rig.advance(30_000).account_queries, 1);
    let mut nameless = open(&request("r-7"), "0");
    nameless.cl_ord_id = None;
    let orders = vec![open(&request("x-1"), "0"), nameless, open(&request("r-9"), "0")];
    let said = rig.open_orders(30_100, orders);
    assert_eq!(said.cancels, [request("r-9").cl_ord_id]);
    let types: Vec<ExecType> = said.events.iter().map(|event| event.exec_type).collect();
    assert_eq!(types, [ExecType::New, ExecType::CancelPending]);
    assert_eq!(rig.driver.machine.counters().foreign_open, 2);
    assert_eq!(rig.driver.machine.counters().orphans_cancelled, 1);
}

#[test]
fn a_contradiction_is_counted_and_settled_by_asking() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.work(2_000, &order);
    let cl_ord_id = order.cl_ord_id.clone();
    let reason = OrderEventReason::VenueOther;
    let said =
        rig.report(2_010, VenueReport::Rejected { cl_ord_id, reason, venue_time: at_ms(2_010) });
    assert!(said.is_silent());
    assert_eq!(rig.anomalies(), 1);
    assert_eq!(rig.advance(4_010).queries, 1);
}

#[test]
fn a_halt_cancels_what_is_in_its_scope_and_keeps_reading() {
    let mut rig = Rig::ready();
    let (first, second) = (request("r-1"), request("r-2"));
    let other = OrderRequest { instrument: remora_testkit::key("ETH-USD"), ..request("r-3") };
    rig.work(2_000, &first);
    rig.send(2_002, &second);
    rig.work(2_004, &other);
    let scope = ControlScope::Instrument(first.instrument.clone());
    let said = rig.gate_says(2_010, Body::ControlCommand(halt(scope)));
    assert_eq!(said.cancels, [first.cl_ord_id.clone(), second.cl_ord_id.clone()]);
    assert_eq!(said.states[0].state, ServiceState::Active, "only one pair is halted");
    assert_eq!(said.states[0].halted.len(), 1);
    assert_eq!(said.states[0].reason, "tester: a test");
    let said = rig.report(2_011, accepted(&second, 2_011));
    assert_eq!(said.cancels, [second.cl_ord_id]);
    let said = rig.report(2_012, filled(&first, fill("x-1", "100", "1", "0"), "1", 2_011));
    assert_eq!(said.events[0].ord_status, OrdStatus::Filled);
    let said = rig.gate_says(2_020, Body::ControlCommand(halt(ControlScope::Global)));
    assert_eq!(said.cancels, [other.cl_ord_id]);
    assert_eq!(said.states[0].state, ServiceState::Halted);
}

#[test]
fn balances_are_published_when_they_change() {
    let mut rig = Rig::ready();
    let now = balances(&[("BTC", "2"), ("USD", "900")]);
    let said = rig.report(2_000, VenueReport::Balances(now.clone()));
    assert_eq!(said.others, [Body::Balances(now.clone())]);
    assert!(rig.report(2_001, VenueReport::Balances(now)).is_silent());
}

#[test]
fn while_the_session_is_down_approvals_wait_and_expire() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.work(2_000, &order);
    let said = rig.report(2_010, VenueReport::Session { is_up: false });
    assert_eq!(said.states[0].state, ServiceState::Starting);
    assert!(rig.decision_says(2_020, requote(&order)).is_silent());
    let brief = remora_testkit::approval(request("r-2"), 3, 1, at_ms(2_500));
    assert!(rig.approve(2_030, brief).is_silent());
    assert!(rig.approve(2_031, good(&request("r-3"))).is_silent());
    let said = rig.advance(2_600);
    assert_eq!(said.events[0].reason, OrderEventReason::ApprovalExpired);
    assert_eq!(rig.report(3_000, VenueReport::Session { is_up: true }).queries, 1);
    let said = rig.open_orders(3_100, vec![open(&order, "0")]);
    assert_eq!(said.cancels, [order.cl_ord_id], "the cancel left as soon as it could");
    rig.report(3_100, VenueReport::Balances(balances(&[("USD", "1")])));
    let said = rig.report(3_100, super::fee_tier());
    assert_eq!(said.states[0].state, ServiceState::Active);
    assert_eq!(said.intents, [request("r-3").cl_ord_id]);
}
