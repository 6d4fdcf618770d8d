//! A gate acts in its terms only: it follows before, between and after.

use crate::harness::{Gate, answer_of, config, core, states};
use remora_domain::{
    Body, ControlScope, DurationNs, OrderRequest, Service, ServiceState, Timestamp,
};
use remora_machine::{
    Machine as _, ServiceCore as _, ServiceInput, ServiceOutput, TermInput, TermOutput,
};
use remora_testkit::{
    Driver, Producer, at_ms, control_state, halt, qty, request, router_ready, sending,
};

fn small(id: &str) -> OrderRequest {
    OrderRequest { qty: qty("0.1"), ..request(id) }
}

fn in_ms(gate: &Gate, ms: i64) -> Timestamp {
    gate.now.saturating_add(DurationNs::from_ms(ms))
}

/// A gate that follows with everything it needs, and the epoch it asks for.
fn follower() -> (Gate, u64) {
    let mut gate = Gate::bare(config());
    gate.driver = Driver::new(core(config(), 2));
    gate.market();
    gate.funds();
    let epoch = gate.follows();
    (gate, epoch)
}

/// Asks for an order and gives everything that is said.
fn asked(gate: &mut Gate, order: OrderRequest) -> usize {
    let asked = gate.decision.wrap(gate.now, Body::OrderRequest(order));
    gate.say(asked).len()
}

#[test]
fn a_follower_says_nothing_and_answers_what_is_left_when_its_term_begins() {
    let (mut gate, epoch) = follower();
    assert_eq!(asked(&mut gate, small("a-1")), 0);
    assert!(gate.command(halt(ControlScope::Global)).is_empty());
    assert!(gate.wait_ms(10_000).is_empty());
    assert_eq!(gate.driver.machine.status().leads_until, None);
    let until = in_ms(&gate, 2_500);
    let said = gate.leads(epoch, until);
    let told = states(&said[..1]);
    assert_eq!((told[0].epoch, told[0].state), (1, ServiceState::Halted), "heard as a follower");
    assert_eq!(said.iter().filter_map(answer_of).count(), 1);
    assert_eq!(gate.driver.machine.status().leads_until, Some(until));
}

#[test]
fn a_follower_knows_what_the_leader_answered_and_reserves_it() {
    let (mut gate, _) = follower();
    let mut leader = Gate::ready(config());
    let order = small("a-1");
    let before = leader.log.len();
    leader.approved(&order);
    leader.event(sending(&order));
    for envelope in leader.log[before..].iter().cloned() {
        assert!(gate.say(envelope).is_empty());
    }
    assert_eq!(gate.open_buys(), leader.open_buys());
    let said = gate.leads(2, Timestamp::MAX);
    assert_eq!(said.iter().filter_map(answer_of).count(), 0, "answered already");
}

#[test]
fn an_answer_that_comes_before_its_request_is_still_its_answer() {
    let (mut gate, epoch) = follower();
    let mut leader = Gate::ready(config());
    let before = leader.log.len();
    leader.approved(&small("a-1"));
    let mut both = leader.log[before..].to_vec();
    both.reverse();
    for envelope in both {
        assert!(gate.say(envelope).is_empty());
    }
    let said = gate.leads(epoch + 1, Timestamp::MAX);
    assert_eq!(said.iter().filter_map(answer_of).count(), 0);
}

#[test]
fn from_the_end_of_its_term_on_a_gate_is_silent_until_it_is_renewed() {
    let (mut gate, epoch) = follower();
    let until = in_ms(&gate, 2_500);
    gate.leads(epoch, until);
    gate.control_state(router_ready(epoch));
    gate.wait_ms(2_499);
    gate.refresh();
    gate.router_lives();
    gate.approved(&small("a-1"));
    gate.wait_ms(1);
    assert_eq!(asked(&mut gate, small("a-2")), 0, "at its end, without having been told");
    assert!(
        gate.control_state(control_state(Service::OrderRouter, ServiceState::Halted, 1)).is_empty()
    );
    assert!(gate.wait_ms(5_000).is_empty());
    gate.control_state(router_ready(epoch));
    gate.refresh();
    let until = in_ms(&gate, 2_500);
    let said = gate.leads(epoch, until);
    assert_eq!(said.iter().filter_map(answer_of).count(), 1, "kept meanwhile");
    assert!(said.iter().any(|it| matches!(it.body, Body::Heartbeat(_))));
}

#[test]
fn a_renewal_is_no_news_and_a_nearer_end_is_an_end() {
    let (mut gate, epoch) = follower();
    let until = in_ms(&gate, 2_500);
    gate.leads(epoch, until);
    gate.control_state(router_ready(epoch));
    let later = in_ms(&gate, 2_600);
    assert!(gate.leads(epoch, later).is_empty());
    assert_eq!(asked(&mut gate, small("a-1")), 1);
    let now = gate.now;
    assert!(gate.leads(epoch, now).is_empty());
    assert_eq!(asked(&mut gate, small("a-2")), 0);
}

#[test]
fn an_epoch_that_somebody_acted_under_is_claimed_anew() {
    let mut gate = Gate::bare(config());
    let mut other = Producer::new("risk-gate-0", 9);
    let state = control_state(Service::RiskGate, ServiceState::Active, 6);
    let told = other.wrap(gate.now, Body::ControlState(state));
    gate.say(told);
    assert_eq!(gate.follows(), 7);
    gate.control_state(router_ready(9));
    let leads = |epoch| TermInput::Leads { epoch, until: Timestamp::MAX };
    let said = gate.term(leads(7));
    let claimed = |said: &[ServiceOutput<TermOutput>]| match said {
        [ServiceOutput::Local(TermOutput::Claim { epoch })] => *epoch,
        other => panic!("{other:?}"),
    };
    assert_eq!(claimed(&said), 10, "the router has heard of a gate that we have not");
    let said = gate.leads(10, Timestamp::MAX);
    assert_eq!(states(&said)[0].epoch, 10);
    // A router that knows of a newer epoch refuses whatever is signed under ours.
    gate.control_state(router_ready(12));
    assert_eq!(claimed(&gate.term(leads(10))), 13);
    assert_eq!(asked(&mut gate, small("a-1")), 0);
    let said = gate.leads(13, Timestamp::MAX);
    assert_eq!(states(&said)[0].epoch, 13);
}

#[test]
fn a_deposed_gate_never_speaks_again() {
    let (mut gate, epoch) = follower();
    gate.leads(epoch, Timestamp::MAX);
    gate.control_state(router_ready(epoch));
    assert!(gate.term(TermInput::Deposed).is_empty());
    assert!(gate.driver.machine.is_superseded());
    assert_eq!(asked(&mut gate, small("a-1")), 0);
    assert!(gate.leads(epoch + 5, Timestamp::MAX).is_empty());
    assert!(gate.wait_ms(10_000).is_empty());
    assert_eq!(gate.driver.machine.next_deadline(), None);
    let said = gate.driver.feed(gate.now, ServiceInput::Stopping);
    assert!(said.is_empty() && gate.driver.machine.has_stopped());
}

#[test]
fn a_standby_that_is_asked_to_stop_ends_at_once_and_never_leads() {
    let (mut gate, epoch) = follower();
    let said = gate.driver.feed(gate.now, ServiceInput::Stopping);
    assert!(said.is_empty() && gate.driver.machine.has_stopped());
    assert!(gate.leads(epoch, Timestamp::MAX).is_empty());
}

#[test]
fn a_term_before_the_log_was_read_is_a_fault() {
    let mut gate = Gate::bare(config());
    let said = gate.term(TermInput::Leads { epoch: 1, until: at_ms(60_000) });
    assert!(matches!(said.as_slice(), [ServiceOutput::Fault(_)]), "{said:?}");
}

#[test]
fn a_follower_that_takes_over_has_the_leaders_exposure() {
    let (mut gate, epoch) = follower();
    let mut leader = Gate::ready(config());
    leader.approved(&small("a-1"));
    for envelope in leader.log.clone() {
        gate.say(envelope);
    }
    gate.leads(epoch + 1, Timestamp::MAX);
    assert_eq!(gate.driver.machine.exposure(), leader.driver.machine.exposure());
}
