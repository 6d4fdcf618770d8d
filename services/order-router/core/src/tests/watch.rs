//! Silence of those who vouch for orders, the verified halt, cancels without an answer, the end of the service.

use super::{Rig, accepted, cancelled, config, core_of, filled, good, open};
use crate::OrderRouterConfig;
use remora_domain::{
    Body, CancelReason, ControlScope, DurationNs, ExecType, OrderEventReason, OrderRequest,
    Service, ServiceState, VenueReport,
};
use remora_machine::{ServiceCore, ServiceInput};
use remora_testkit::{
    Driver, Producer, approval, at_ms, balances, cancel, fill, halt, heartbeat, qty, request,
    resume,
};

/// A ready router that allows 5 s of silence, at 1,000 ms.
fn strict() -> Rig {
    Rig::ready_of(strict_config())
}

fn strict_config() -> OrderRouterConfig {
    OrderRouterConfig { owner_silence_max: DurationNs::from_ms(5_000), ..config() }
}

/// Has the gate approve what a decision service asked for.
fn approve_for(rig: &mut Rig, ms: i64, owner: &mut Producer, order: &OrderRequest) -> super::Said {
    let asked = owner.wrap(at_ms(ms), Body::OrderRequest(order.clone()));
    let yes = rig.gate.reply(at_ms(ms), &asked, Body::OrderApproval(good(order)));
    rig.input(ms, ServiceInput::Message(yes))
}

fn lives(rig: &mut Rig, ms: i64, who: &mut Producer, service: Service) -> super::Said {
    let beat = who.wrap(at_ms(ms), Body::Heartbeat(heartbeat(service)));
    rig.input(ms, ServiceInput::Message(beat))
}

#[test]
fn orders_are_taken_back_when_the_gate_falls_silent_and_flow_again_when_it_speaks() {
    let mut rig = strict();
    let order = request("r-1");
    rig.work(2_000, &order);
    // The approval was the last sign of life.
    assert!(rig.advance(7_000).cancels.is_empty());
    let said = rig.advance(7_001);
    assert_eq!(said.cancels, std::slice::from_ref(&order.cl_ord_id));
    assert_eq!(said.states[0].state, ServiceState::Starting);
    assert_eq!(said.states[0].reason, "no sign of life for 5000 ms: risk-gate");
    let mut gate = rig.gate.clone();
    let said = lives(&mut rig, 8_000, &mut gate, Service::RiskGate);
    assert_eq!((said.states[0].state, said.states[0].reason.as_str()), (ServiceState::Active, ""));
}

#[test]
fn an_approval_that_waited_out_the_silence_of_its_gate_is_not_used() {
    let mut rig = strict();
    rig.work(2_000, &request("r-1"));
    rig.advance(8_000);
    let late = rig.gate.wrap(at_ms(2_500), Body::OrderApproval(good(&request("r-2"))));
    let said = rig.input(8_001, ServiceInput::Message(late));
    assert_eq!(said.events[0].reason, OrderEventReason::Halted);
}

#[test]
fn only_the_orders_of_a_silent_owner_are_taken_back() {
    let mut rig = strict();
    let (mut one, mut two) = (Producer::new("decision-1", 1), Producer::new("decision-2", 1));
    for (ms, owner, id) in [(2_000, &mut one, "r-1"), (2_010, &mut two, "r-2")] {
        let order = request(id);
        approve_for(&mut rig, ms, owner, &order);
        rig.stored(ms + 1, &order);
        rig.report(ms + 2, accepted(&order, ms));
    }
    let mut gate = rig.gate.clone();
    let mut said = Vec::new();
    for ms in [4_000, 6_000, 7_500] {
        said.extend(lives(&mut rig, ms, &mut gate, Service::RiskGate).cancels);
        said.extend(lives(&mut rig, ms, &mut two, Service::Decision).cancels);
    }
    assert_eq!(said, [request("r-1").cl_ord_id]);
    // An approval of something that the silent one asked for earlier: it would be left alone at the venue.
    let refused = approve_for(&mut rig, 7_600, &mut one.clone(), &request("r-3"));
    assert!(refused.intents.is_empty());
    assert_eq!(refused.events[0].reason, OrderEventReason::Halted);
    assert_eq!(approve_for(&mut rig, 7_600, &mut two, &request("r-4")).intents.len(), 1);
}

#[test]
fn the_owner_of_an_order_is_known_after_a_restart_and_has_time_to_speak() {
    let mut rig = strict_bare();
    let mut owner = Producer::new("decision-1", 1);
    let order = request("r-1");
    let asked = owner.wrap(at_ms(100), Body::OrderRequest(order.clone()));
    let yes = rig.gate.reply(at_ms(101), &asked, Body::OrderApproval(good(&order)));
    rig.input(101, ServiceInput::Message(yes));
    let mut earlier = Producer::new("order-router-sim-spot", 77);
    let works = earlier.wrap(at_ms(102), Body::OrderEvent(remora_testkit::accepted(&order)));
    rig.input(102, ServiceInput::Message(works));
    rig.report(60_000, VenueReport::Session { is_up: true });
    assert!(rig.input(60_000, ServiceInput::CaughtUp).cancels.is_empty());
    rig.open_orders(60_010, vec![open(&order, "0")]);
    assert!(rig.advance(65_000).cancels.is_empty());
    assert_eq!(rig.advance(65_001).cancels, [order.cl_ord_id]);
}

fn strict_bare() -> Rig {
    let mut rig = strict();
    rig.driver = Driver::new(core_of(strict_config(), 2));
    rig
}

#[test]
fn an_idle_router_tells_that_it_lives_and_nothing_that_a_log_keeps() {
    let mut rig = Rig::ready();
    let mut beats = 0;
    for second in 1..=25 {
        let said = rig.advance(1_000 + second * 1_000);
        assert!(said.states.is_empty() && said.events.is_empty() && said.others.is_empty());
        beats += said.beats;
    }
    assert_eq!(beats, 25);
}

#[test]
fn whether_orders_end_without_us_is_told_at_each_change_and_forgotten_with_the_session() {
    let mut rig = Rig::ready();
    for (ms, is_guarded) in [(2_000, true), (2_010, false), (2_020, true)] {
        let said = rig.report(ms, VenueReport::Guard { is_guarded });
        assert_eq!(said.states[0].is_guarded, Some(is_guarded));
    }
    assert!(rig.report(2_030, VenueReport::Guard { is_guarded: true }).is_silent(), "no news");
    let said = rig.report(3_000, VenueReport::Session { is_up: false });
    assert_eq!(said.states[0].is_guarded, None);
    let said = rig.report(3_010, VenueReport::Guard { is_guarded: true });
    assert!(said.is_silent(), "nothing is known of a session that is down");
    assert_eq!(rig.anomalies(), 1);
}

#[test]
fn what_guards_orders_is_known_however_long_the_log_takes_to_read() {
    let mut rig = Rig::new();
    rig.report(0, VenueReport::Session { is_up: true });
    assert!(rig.report(0, VenueReport::Guard { is_guarded: true }).is_silent());
    let said = rig.input(10, ServiceInput::CaughtUp);
    assert_eq!(said.states[0].is_guarded, Some(true));
}

#[test]
fn a_halt_is_verified_with_the_venue_until_it_lists_none_of_ours() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.work(2_000, &order);
    let said = rig.gate_says(2_010, Body::ControlCommand(halt(ControlScope::Global)));
    assert_eq!((said.queries, said.states[0].orders_open), (1, None));
    let said = rig.open_orders(2_020, vec![open(&order, "0"), open(&request("x-1"), "0")]);
    assert_eq!(said.states[0].orders_open, Some(1));
    let said = rig.report(2_030, cancelled(&order, 2_025));
    assert!(said.states.is_empty(), "the venue's word on one order is not its list");
    assert_eq!(rig.advance(4_020).queries, 1);
    let said = rig.open_orders(4_030, vec![open(&request("x-1"), "0")]);
    assert_eq!((said.states[0].state, said.states[0].orders_open), (ServiceState::Halted, Some(0)));
    assert_eq!(rig.advance(20_000).queries, 0, "what is verified is not asked again");
    let said = rig.gate_says(20_010, Body::ControlCommand(resume(ControlScope::Global)));
    assert_eq!((said.states[0].state, said.states[0].orders_open), (ServiceState::Active, None));
}

#[test]
fn an_order_that_ended_here_and_is_still_listed_keeps_a_halt_unverified() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.work(2_000, &order);
    rig.report(2_005, cancelled(&order, 2_004));
    rig.gate_says(2_010, Body::ControlCommand(halt(ControlScope::Global)));
    let said = rig.open_orders(2_020, vec![open(&order, "0")]);
    assert_eq!((said.states[0].orders_open, said.cancels.len()), (Some(1), 1));
}

#[test]
fn a_cancel_without_an_answer_is_sent_again_and_the_venue_is_asked() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.work(2_000, &order);
    let requote = Body::OrderCancel(cancel(&order, CancelReason::Requote));
    assert_eq!(rig.decision_says(2_010, requote.clone()).cancels.len(), 1);
    assert!(rig.advance(4_009).cancels.is_empty());
    let said = rig.advance(4_010);
    assert_eq!((said.cancels.len(), said.queries), (1, 1));
    assert!(rig.advance(8_009).cancels.is_empty(), "with growing patience");
    assert_eq!(rig.decision_says(8_009, requote).cancels.len(), 1, "asked again, sent again");
    let said = rig.report(8_020, cancelled(&order, 8_015));
    assert_eq!(said.events[0].exec_type, ExecType::Cancelled);
    assert!(rig.advance(29_000).cancels.is_empty());
}

#[test]
fn an_order_whose_cancel_was_under_way_before_a_restart_is_taken_back() {
    let mut rig = Rig::new();
    let order = request("r-1");
    let mut earlier = Producer::new("order-router-sim-spot", 77);
    let mut pending = remora_testkit::accepted(&order);
    let works = earlier.wrap(at_ms(100), Body::OrderEvent(pending.clone()));
    rig.input(100, ServiceInput::Message(works));
    pending.ord_status = remora_domain::OrdStatus::CancelPending;
    pending.exec_type = ExecType::CancelPending;
    let asked = earlier.wrap(at_ms(101), Body::OrderEvent(pending));
    rig.input(101, ServiceInput::Message(asked));
    rig.report(10_000, VenueReport::Session { is_up: true });
    rig.input(10_000, ServiceInput::CaughtUp);
    assert_eq!(rig.open_orders(10_010, vec![open(&order, "0")]).cancels, [order.cl_ord_id]);
}

#[test]
fn an_orphan_is_taken_on_and_what_it_fills_until_its_end_is_booked() {
    let mut rig = Rig::ready();
    let orphan = request("r-9");
    rig.advance(30_000);
    let said = rig.open_orders(30_100, vec![open(&orphan, "0.2")]);
    assert_eq!(said.cancels, std::slice::from_ref(&orphan.cl_ord_id));
    assert_eq!(said.events[0].cum_qty, qty("0.2"));
    let said = rig.report(30_110, filled(&orphan, fill("x-1", "100", "0.3", "0"), "0.5", 30_105));
    assert_eq!((said.events[0].exec_type, said.faults), (ExecType::Trade, 0));
    assert_eq!(said.events[0].cum_qty, qty("0.5"));
    let said = rig.report(30_120, cancelled(&orphan, 30_115));
    assert_eq!(said.events[0].leaves_qty, qty("0"));
}

#[test]
fn an_execution_of_ours_that_belongs_to_no_order_is_a_fault_and_one_of_strangers_is_not() {
    let mut rig = Rig::ready();
    let said = rig.report(2_000, filled(&request("r-9"), fill("x-1", "100", "1", "0"), "1", 2_000));
    assert_eq!((said.faults, said.events.len()), (1, 0));
    let said = rig.report(2_010, filled(&request("x-9"), fill("x-2", "100", "1", "0"), "1", 2_010));
    assert_eq!((said.faults, said.events.len()), (0, 0));
}

#[test]
fn an_execution_that_came_before_its_order_was_known_is_booked_once_the_venue_lists_it() {
    let mut rig = Rig::ready();
    let order = request("r-9");
    let early = || filled(&order, fill("x-1", "100", "0.3", "0"), "0.5", 2_000);
    rig.report(2_000, early());
    assert_eq!(rig.report(2_001, early()).events.len(), 0);
    // 0.2 were filled before and never reported to us; 0.3 are the execution above.
    let said = rig.open_orders(2_010, vec![open(&order, "0.5")]);
    let told: Vec<_> = said.events.iter().map(|e| (e.exec_type, e.cum_qty)).collect();
    assert_eq!(told[..2], [(ExecType::New, qty("0.2")), (ExecType::Trade, qty("0.5"))]);
    assert_eq!((said.cancels, said.faults), (vec![order.cl_ord_id.clone()], 0));
    assert_eq!(rig.report(2_020, early()).events.len(), 0, "booked once");
}

#[test]
fn a_router_that_starts_takes_back_what_its_last_run_said_until_the_venue_was_asked() {
    let mut rig = Rig::new();
    let said = rig.input(0, ServiceInput::CaughtUp);
    assert_eq!(said.states.iter().map(|s| s.state).collect::<Vec<_>>(), [ServiceState::Starting]);
}

#[test]
fn a_router_that_stops_sends_nothing_and_leaves_when_the_venue_lists_none() {
    let mut rig = Rig::ready();
    let (order, intended) = (request("r-1"), request("r-2"));
    rig.work(2_000, &order);
    rig.approve(2_005, good(&intended));
    let said = rig.input(2_010, ServiceInput::Stopping);
    assert_eq!(said.cancels, std::slice::from_ref(&order.cl_ord_id));
    assert_eq!((said.states[0].state, said.queries), (ServiceState::Halted, 1));
    assert_eq!(said.states[0].reason, "the router is stopping");
    let said = rig.stored(2_011, &intended);
    assert_eq!((said.submits.len(), said.events[0].reason), (0, OrderEventReason::Halted));
    let said = rig.approve(2_012, approval(request("r-3"), 3, 9, at_ms(60_000)));
    assert_eq!(said.events[0].reason, OrderEventReason::Halted);
    rig.open_orders(2_020, vec![open(&order, "0")]);
    assert!(!rig.driver.machine.has_stopped());
    rig.report(2_030, cancelled(&order, 2_025));
    rig.advance(4_020);
    assert_eq!(rig.open_orders(4_030, vec![]).states[0].orders_open, Some(0));
    assert!(rig.driver.machine.has_stopped());
}

#[test]
fn a_router_that_stops_waits_for_a_mute_venue_only_so_long() {
    let mut rig = Rig::ready();
    rig.work(2_000, &request("r-1"));
    rig.input(2_010, ServiceInput::Stopping);
    rig.report(2_020, VenueReport::Balances(balances(&[("USD", "1")])));
    rig.advance(12_009);
    assert!(!rig.driver.machine.has_stopped());
    rig.advance(12_010);
    assert!(rig.driver.machine.has_stopped());
}
