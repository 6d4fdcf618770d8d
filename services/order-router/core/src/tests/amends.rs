//! Orders that take the place of others at the venue.

use super::{Rig, accepted, cancelled, config, filled, good, open, order_id};
use crate::OrderRouterConfig;
use remora_domain::{
    Body, CancelReason, ControlScope, DurationNs, ExecType, OrdStatus, OrderEventReason,
    OrderRequest, VenueReport,
};
use remora_testkit::{at_ms, cancel, fill, halt, qty, request};

fn instead(id: &str, orig: &OrderRequest) -> OrderRequest {
    OrderRequest { orig_cl_ord_id: Some(orig.cl_ord_id.clone()), ..request(id) }
}

fn replaced(orig: &OrderRequest, by: &OrderRequest, size: &str, ms: i64) -> VenueReport {
    VenueReport::Replaced {
        orig_cl_ord_id: orig.cl_ord_id.clone(),
        cl_ord_id: by.cl_ord_id.clone(),
        order_id: order_id(orig),
        order_qty: qty(size),
        venue_time: at_ms(ms),
    }
}

/// Gives what was said of orders: which, what, where it stands.
fn told(said: &super::Said) -> Vec<(&str, ExecType, OrdStatus)> {
    let told = said.events.iter();
    told.map(|event| (event.cl_ord_id.as_str(), event.exec_type, event.ord_status)).collect()
}

#[test]
fn one_order_ends_as_the_other_takes_its_place() {
    let mut rig = Rig::ready();
    let old = request("r-1");
    rig.work(2_000, &old);
    let new = instead("r-2", &old);
    rig.send(2_100, &new);
    let said = rig.report(2_200, replaced(&old, &new, "0.7", 2_150));
    let want = [
        ("r-1", ExecType::Replaced, OrdStatus::Cancelled),
        ("r-2", ExecType::New, OrdStatus::Working),
    ];
    assert_eq!(told(&said), want);
    // What the other filled on the way came off.
    assert_eq!(said.events[1].leaves_qty, qty("0.7"));
    assert_eq!(said.events[1].orig_cl_ord_id, Some(old.cl_ord_id.clone()));
    assert_eq!(rig.driver.machine.live_orders(), 1);
    let whole = filled(&new, fill("x-1", "100", "0.7", "0"), "0.7", 2_300);
    assert_eq!(told(&rig.report(2_300, whole)), [("r-2", ExecType::Trade, OrdStatus::Filled)]);
}

#[test]
fn the_place_of_an_order_that_does_not_work_at_the_venue_is_not_asked_for() {
    let mut rig = Rig::ready();
    let old = request("r-1");
    rig.send(2_000, &old);
    for (ms, id) in [(2_010, "r-2"), (2_050, "r-3")] {
        let new = instead(id, &old);
        rig.approve(ms, good(&new));
        let said = rig.stored(ms + 1, &new);
        assert!(said.submits.is_empty());
        assert_eq!(said.events[0].exec_type, ExecType::RouterRefused);
        assert_eq!(said.events[0].reason, OrderEventReason::UnknownOrder);
        // Not acknowledged at first, then wanted back.
        rig.report(ms + 2, accepted(&old, ms));
        rig.decision_says(ms + 3, Body::OrderCancel(cancel(&old, CancelReason::Requote)));
    }
}

#[test]
fn a_cancel_that_crosses_the_change_takes_back_what_stands_in_the_end() {
    let mut rig = Rig::ready();
    let old = request("r-1");
    rig.work(2_000, &old);
    let new = instead("r-2", &old);
    rig.send(2_100, &new);
    rig.decision_says(2_110, Body::OrderCancel(cancel(&old, CancelReason::Halted)));
    let said = rig.report(2_200, replaced(&old, &new, "1", 2_150));
    assert_eq!(said.cancels, std::slice::from_ref(&new.cl_ord_id));
    rig.report(2_300, cancelled(&new, 2_250));
    assert_eq!(rig.driver.machine.live_orders(), 0);
}

#[test]
fn a_halt_takes_back_both_while_a_change_is_under_way() {
    let mut rig = Rig::ready();
    let old = request("r-1");
    rig.work(2_000, &old);
    rig.send(2_100, &instead("r-2", &old));
    let said = rig.decision_says(2_110, Body::ControlCommand(halt(ControlScope::Global)));
    assert_eq!(said.cancels.len(), 2, "{:?}", said.cancels);
}

#[test]
fn a_change_whose_answer_is_lost_is_learnt_from_what_the_venue_lists() {
    let mut rig = Rig::ready();
    let old = request("r-1");
    rig.work(2_000, &old);
    let new = instead("r-2", &old);
    rig.send(2_100, &new);
    let said = rig.advance(4_200);
    assert_eq!(told(&said), [("r-2", ExecType::SubmitUnknown, OrdStatus::SubmitUnknown)]);
    let mut listed = open(&new, "0");
    listed.order_qty = qty("0.6");
    let said = rig.open_orders(9_000, vec![listed]);
    assert_eq!(told(&said)[0], ("r-2", ExecType::New, OrdStatus::Working));
    assert_eq!(said.events[0].leaves_qty, qty("0.6"));
}

#[test]
fn a_change_that_the_venue_had_made_is_told_although_both_orders_had_been_given_up() {
    let mut rig = Rig::ready();
    let old = request("r-1");
    rig.work(2_000, &old);
    let new = instead("r-2", &old);
    rig.send(2_100, &new);
    // The answer is lost, the venue's order was taken back, and no list holds it.
    rig.advance(4_200);
    for ms in [20_000, 30_000] {
        rig.open_orders(ms, Vec::new());
    }
    assert_eq!(rig.driver.machine.live_orders(), 0);
    let said = rig.report(31_000, replaced(&old, &new, "1", 2_150));
    assert_eq!(told(&said), [("r-2", ExecType::New, OrdStatus::Cancelled)]);
    assert_eq!(said.events[0].order_id, Some(order_id(&old)));
    assert_eq!(said.cancels, std::slice::from_ref(&new.cl_ord_id), "it may still rest");
    let again = rig.report(31_100, replaced(&old, &new, "1", 2_150));
    assert_eq!(told(&again), []);
    assert_eq!(told(&rig.report(31_200, cancelled(&new, 31_150))), []);
}

#[test]
fn a_request_is_not_given_up_while_the_venue_may_still_carry_it_out() {
    let request_life = DurationNs::from_ms(8_000);
    let mut rig = Rig::ready_of(OrderRouterConfig { request_life, ..config() });
    let old = request("r-1");
    rig.work(2_000, &old);
    let new = instead("r-2", &old);
    rig.send(2_100, &new);
    rig.advance(4_200);
    // Two lists without the change, as it was not made when they were: it waits in a socket that is not read.
    for ms in [7_000, 9_900] {
        rig.open_orders(ms, vec![open(&old, "0")]);
    }
    assert_eq!(rig.driver.machine.live_orders(), 2);
    let said = rig.report(10_000, replaced(&old, &new, "1", 9_950));
    let want = [
        ("r-1", ExecType::Replaced, OrdStatus::Cancelled),
        ("r-2", ExecType::New, OrdStatus::Working),
    ];
    assert_eq!(told(&said), want);
}

#[test]
fn an_older_list_does_not_make_an_order_smaller_that_stands() {
    let mut rig = Rig::ready();
    let old = request("r-1");
    rig.work(2_000, &old);
    let new = instead("r-2", &old);
    rig.send(2_100, &new);
    rig.report(2_200, replaced(&old, &new, "1", 2_150));
    let mut listed = open(&new, "0");
    listed.order_qty = qty("0.6");
    rig.open_orders(9_000, vec![listed]);
    let whole = filled(&new, fill("x-1", "100", "1", "0"), "1", 9_100);
    let said = rig.report(9_100, whole);
    assert_eq!(told(&said), [("r-2", ExecType::Trade, OrdStatus::Filled)]);
    assert_eq!(said.faults, 0);
}

#[test]
fn an_order_that_filled_before_it_was_replaced_stays_filled() {
    let mut rig = Rig::ready();
    let old = request("r-1");
    rig.work(2_000, &old);
    let new = instead("r-2", &old);
    rig.send(2_100, &new);
    rig.report(2_150, filled(&old, fill("x-1", "100", "1", "0"), "1", 2_140));
    let said = rig.report(2_200, replaced(&old, &new, "1", 2_150));
    assert_eq!(told(&said), [("r-2", ExecType::New, OrdStatus::Working)]);
}
