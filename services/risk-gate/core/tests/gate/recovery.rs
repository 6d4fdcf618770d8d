//! What a new run knows of the runs before it, and the contract of machines.

use crate::harness::{Gate, answer_of, config, core, states};
use remora_domain::{
    Body, CancelReason, ControlScope, Envelope, OrderRequest, Qty, RefusalReason as Why, Service,
    ServiceState, Subject, Timestamp,
};
use remora_machine::{Machine, ServiceCore as _, ServiceInput, ServiceOutput, TermInput};
use remora_testkit::{
    Producer, accepted, at_ms, book, cancel, cancelled, contract, control_state, filled, halt, key,
    position, qty, request, resume, router_ready, sending, venue,
};
use std::sync::Arc;

fn small(id: &str) -> OrderRequest {
    OrderRequest { qty: qty("0.1"), ..request(id) }
}

#[test]
fn the_epoch_is_one_more_than_any_before() {
    let gate = Gate::ready(config());
    assert_eq!(gate.driver.machine.status().epoch, 1);
    let mut second = gate.restarted(config(), 2);
    assert_eq!(second.driver.machine.next_deadline(), None);
    let said = second.caught_up();
    assert_eq!(states(&said)[0].epoch, 2);
    assert_eq!(states(&said)[0].state, ServiceState::Starting);
    second.refused(&small("b-1"), Why::RouterNotReady);
    let said = second.control_state(router_ready(2));
    assert_eq!(states(&said)[0].state, ServiceState::Active);
    second.approved(&small("b-2"));
}

#[test]
fn the_state_is_told_at_every_change_and_life_every_second_without_a_trace_in_the_log() {
    let mut gate = Gate::bare(config());
    assert_eq!(states(&gate.caught_up()).len(), 1);
    assert_eq!(gate.wait_ms(999).len(), 0);
    let said = gate.wait_ms(10_000 * 1_000 + 1);
    assert_eq!(said.len(), 10_001);
    let is_durable = |envelope: &Arc<Envelope>| Subject::of(envelope).kind.is_durable();
    assert_eq!(said.iter().filter(|envelope| is_durable(envelope)).count(), 0);
    let said = states(&gate.command(halt(ControlScope::Global)));
    assert_eq!((said[0].state, said[0].reason.as_str()), (ServiceState::Halted, "tester: a test"));
    assert_eq!(said[0].halted, [ControlScope::Global]);
    let said = states(&gate.command(resume(ControlScope::Global)));
    assert_eq!((said[0].halted.len(), said[0].reason.as_str()), (0, ""));
    assert!(gate.command(resume(ControlScope::Global)).is_empty());
}

#[test]
fn a_halt_outlives_a_restart_and_a_resume_lifts_its_own_scope() {
    let mut gate = Gate::ready(config());
    gate.command(halt(ControlScope::Global));
    gate.command(halt(ControlScope::Venue(venue())));
    gate.command(halt(ControlScope::Instrument(key("ETH-USD"))));
    gate.command(resume(ControlScope::Global));
    let mut next = gate.restarted(config(), 2);
    let said = states(&next.caught_up());
    let expected = [ControlScope::Venue(venue()), ControlScope::Instrument(key("ETH-USD"))];
    assert_eq!(said[0].halted, expected);
    next.control_state(router_ready(2));
    next.refused(&small("b-1"), Why::Halted);
    next.command(resume(ControlScope::Venue(venue())));
    next.approved(&small("b-2"));
    next.refused(&OrderRequest { instrument: key("ETH-USD"), ..small("b-3") }, Why::Halted);
}

#[test]
fn a_follower_takes_in_what_the_gate_beside_it_says() {
    let mut gate = Gate::bare(config());
    gate.market();
    gate.funds();
    let mut follower = gate.driver.machine.follower().unwrap();
    let read = gate.log.len();
    gate.caught_up();
    gate.control_state(router_ready(1));
    gate.approved(&small("a-1"));
    gate.approved(&small("a-2"));
    gate.event(sending(&small("a-1")));
    gate.event(filled(&small("a-1"), "x-1", Qty::ZERO, qty("0.1")));
    gate.refused(&OrderRequest { qty: qty("100"), ..small("a-3") }, Why::NotionalAboveMax);
    for envelope in &gate.log[read..] {
        let input = ServiceInput::Message(Arc::clone(envelope));
        let mut out = Vec::new();
        follower.handle(gate.now, input, &mut out);
        assert!(out.is_empty(), "{out:?}");
    }
    let next = gate.restarted(config(), 2);
    assert_eq!(follower.snapshot(), next.driver.machine.snapshot());
    assert_eq!(follower.exposure(), gate.driver.machine.exposure());
}

#[test]
fn reservations_and_positions_are_rebuilt() {
    let mut gate = Gate::ready(config());
    let big = OrderRequest { qty: qty("6"), ..request("a-1") };
    gate.approved(&big);
    gate.approved(&small("a-2"));
    gate.event(sending(&big));
    gate.event(accepted(&big));
    gate.event(filled(&big, "x-1", Qty::ZERO, qty("4")));
    gate.event(cancelled(&small("a-2"), Qty::ZERO));
    let before = gate.driver.machine.exposure();
    let mut next = gate.restarted(config(), 2);
    next.caught_up();
    assert_eq!(next.driver.machine.exposure(), before);
    assert_eq!(next.pair("BTC-USD").unwrap().position, position("4"));
    next.control_state(router_ready(2));
    next.refused(&big, Why::DuplicateClOrdId);
    next.refused(&small("a-2"), Why::DuplicateClOrdId);
}

#[test]
fn orders_and_cancels_before_the_restart_count_in_the_window() {
    let mut gate = Gate::ready(config());
    (1..=4).for_each(|n| gate.approved(&small(&format!("a-{n}"))));
    let said = gate
        .decision
        .wrap(gate.now, Body::OrderCancel(cancel(&small("a-1"), CancelReason::Requote)));
    gate.say(said);
    let mut next = gate.restarted(config(), 2);
    next.caught_up();
    next.control_state(router_ready(2));
    next.refused(&small("b-1"), Why::OrderRateAboveMax);
    next.wait_ms(1_000);
    next.approved(&small("b-2"));
}

#[test]
fn requests_without_an_answer_are_answered_once_after_recovery_in_their_order() {
    let mut gate = Gate::ready(config());
    gate.approved(&small("a-1"));
    gate.refused(&OrderRequest { qty: qty("0.00001"), ..request("a-2") }, Why::QtyBelowMin);
    let deadline = gate.now;
    for order in [small("a-4"), OrderRequest { deadline, ..small("a-3") }, small("a-1")] {
        let asked = gate.decision.wrap(gate.now, Body::OrderRequest(order));
        gate.log.push(asked);
    }
    gate.wait_ms(1);
    let mut next = gate.restarted(config(), 2);
    let said = next.caught_up();
    assert_eq!(states(&said[..1]).len(), 1, "the epoch is told before any answer");
    let answers: Vec<_> = said
        .iter()
        .filter_map(answer_of)
        .map(|answer| answer.unwrap_err())
        .map(|refusal| (refusal.cl_ord_id.to_string(), refusal.reason))
        .collect();
    let expected = [
        ("a-4".to_owned(), Why::RouterNotReady),
        ("a-3".to_owned(), Why::RequestExpired),
        ("a-1".to_owned(), Why::DuplicateClOrdId),
    ];
    assert_eq!(answers, expected);
    let mut third = next.restarted(config(), 3);
    let asked_again = third.caught_up();
    assert_eq!(asked_again.iter().filter_map(answer_of).count(), 0);
}

#[test]
fn a_request_of_another_account_is_not_refused_again_after_a_restart() {
    let mut gate = Gate::ready(config());
    let foreign = OrderRequest { account: "other".parse().unwrap(), ..small("a-1") };
    gate.refused(&foreign, Why::AccountUnknown);
    let said = gate.restarted(config(), 2).caught_up();
    assert_eq!(said.iter().filter_map(answer_of).count(), 0);
}

#[test]
fn a_newer_gate_silences_this_one() {
    let mut gate = Gate::ready(config());
    let mut other = Producer::new("risk-gate-1", 9);
    let state =
        |epoch| Body::ControlState(control_state(Service::RiskGate, ServiceState::Starting, epoch));
    let older = other.wrap(gate.now, state(0));
    gate.say(older);
    gate.approved(&small("a-1"));
    let newer = other.wrap(gate.now, state(2));
    gate.say(newer);
    assert!(gate.driver.machine.status().is_superseded);
    let asked = gate.decision.wrap(gate.now, Body::OrderRequest(small("a-2")));
    assert!(gate.say(asked).is_empty());
    assert!(gate.wait_ms(5_000).is_empty());
}

#[test]
fn an_approval_of_another_run_seen_late_is_reserved() {
    let mut gate = Gate::ready(config());
    let mut old = Producer::new("risk-gate-0", 0);
    let approval = remora_testkit::approval(
        OrderRequest { qty: qty("10"), ..request("z-1") },
        0,
        1,
        at_ms(2_000),
    );
    let said = old.wrap(gate.now, Body::OrderApproval(approval));
    assert!(gate.say(said).is_empty());
    gate.refused(&small("a-1"), Why::PairPositionAboveMax);
}

#[test]
fn a_session_that_was_used_before_is_a_fault() {
    let mut gate = Gate::ready(config());
    gate.approved(&small("a-1"));
    let own = gate.log.iter().find(|e| e.header.producer.as_str() == "risk-gate-0").unwrap();
    let mut again = Gate::bare(config());
    let out = again.say_raw(Arc::clone(own));
    assert!(matches!(out.as_slice(), [ServiceOutput::Fault(_)]), "{out:?}");
    // While running, its own messages come back from the bus and change nothing.
    let own = Arc::clone(own);
    assert!(gate.say(own).is_empty());
}

#[test]
fn recovery_ends_once() {
    let mut gate = Gate::ready(config());
    let out = gate.driver.feed(gate.now, ServiceInput::CaughtUp);
    assert!(matches!(out.as_slice(), [ServiceOutput::Fault(_)]), "{out:?}");
}

/// Makes a log that touches every input, with recovery ending in its middle.
fn full_log() -> Vec<(Timestamp, ServiceInput<TermInput>)> {
    let mut first = Gate::ready(config());
    first.command(halt(ControlScope::Instrument(key("ETH-USD"))));
    let held = OrderRequest { qty: qty("2"), ..request("a-1") };
    first.approved(&held);
    first.event(sending(&held));
    first.event(filled(&held, "x-1", Qty::ZERO, qty("1")));
    let asked = first.decision.wrap(first.now, Body::OrderRequest(small("a-2")));
    first.log.push(asked);
    let mut second = first.restarted(config(), 2);
    second.caught_up();
    second.control_state(router_ready(2));
    second.wait_ms(2_500);
    second.book(book("BTC-USD", "99", "101"));
    second.approved(&small("a-3"));
    second.refused(&small("a-3"), Why::DuplicateClOrdId);
    second.event(sending(&small("a-3")));
    second.command(halt(ControlScope::Global));
    second.refused(&small("a-4"), Why::Halted);
    second.command(resume(ControlScope::Global));
    second.event(cancelled(&held, qty("1")));
    second.approved(&small("a-5"));

    let is_of_this_run = |e: &Envelope| e.header.session.get() == 2;
    let history = first.log.iter().map(|e| (first.now, ServiceInput::Message(Arc::clone(e))));
    let news = second.log[first.log.len()..].iter().filter(|e| !is_of_this_run(e));
    let news = news.map(|e| (e.header.publish_time, ServiceInput::Message(Arc::clone(e))));
    let leads = TermInput::Leads { epoch: 2, until: Timestamp::MAX };
    let begins = [ServiceInput::CaughtUp, ServiceInput::Local(leads)].map(|it| (first.now, it));
    history.chain(begins).chain(news).collect()
}

#[test]
fn the_contract_of_machines_is_kept() {
    contract::check(|| core(config(), 2), &full_log());
}
