//! Who must live, how old a mark may be, whose epoch counts, and how the gate ends.

use crate::harness::{Gate, answer_of, config, states};
use remora_domain::{
    Body, ControlCommand, ControlScope, NamedAccount, OrderRequest, Qty, RefusalReason as Why,
    ServiceState, Side,
};
use remora_machine::{ServiceCore, ServiceInput};
use remora_risk_gate_core::RiskGateConfig;
use remora_testkit::{
    Producer, approval, balances, book, cancel_account, cancelled, halt, instrument, key,
    published, qty, request, router_ready, usd,
};

fn eth(id: &str) -> OrderRequest {
    OrderRequest { instrument: key("ETH-USD"), ..request(id) }
}

#[test]
fn a_router_may_be_silent_as_long_as_the_limit_and_no_longer() {
    let mut gate = Gate::ready(config());
    gate.wait_ms(5_000);
    gate.refresh();
    gate.approved(&request("a-1"));
    gate.wait_ns(1);
    let no = gate.refused(&request("a-2"), Why::RouterNotReady);
    assert_eq!(no.limit, "a sign of life within 5000 ms");
    assert_eq!(no.value, "order-router-sim-0 is silent");
    gate.router_lives();
    gate.approved(&request("a-3"));
}

#[test]
fn taking_another_account_back_halts_nothing_here() {
    let mut gate = Gate::ready(config());
    let other = NamedAccount { id: "other".parse().unwrap(), venue: None };
    for account in [Some(other), None] {
        gate.command(ControlCommand { account, ..cancel_account() });
    }
    gate.approved(&request("a-1"));
    gate.command(cancel_account());
    gate.refused(&request("a-2"), Why::Halted);
}

#[test]
fn the_word_of_a_router_in_the_log_is_never_that_of_a_ready_one() {
    let mut gate = Gate::ready(config());
    gate.wait_ms(60_000);
    let mut next = gate.restarted(config(), 2);
    let word = next.router.wrap(next.now, Body::ControlState(router_ready(2)));
    next.now = next.now.saturating_add(remora_domain::DurationNs::from_s(60));
    next.say(word);
    // Our epoch is above every epoch of the log, so a router must speak again before anything is approved.
    assert_eq!(states(&next.caught_up())[0].epoch, 3);
    next.refresh();
    let no = next.refused(&request("b-1"), Why::RouterNotReady);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("epoch 3", "epoch 2"));
    next.router_lives();
    next.refused(&request("b-2"), Why::RouterNotReady);
    next.control_state(router_ready(3));
    next.approved(&request("b-3"));
}

#[test]
fn a_new_epoch_is_above_that_of_any_approval_in_the_log() {
    let mut gate = Gate::bare(config());
    let old = approval(request("a-1"), 8, 1, gate.now);
    let old = Producer::new("risk-gate", 9).wrap(gate.now, Body::OrderApproval(old));
    gate.say(old);
    assert_eq!(states(&gate.caught_up())[0].epoch, 9);
}

#[test]
fn an_old_mark_of_another_pair_stops_orders_that_raise_the_total() {
    let mut gate = Gate::ready(config());
    gate.hold(&request("a-1"), "x-1");
    gate.wait_ms(60_000);
    gate.router_lives();
    gate.book(book("ETH-USD", "99", "101"));
    gate.approved(&eth("a-2"));
    gate.wait_ns(1);
    let no = gate.refused(&eth("a-3"), Why::BookStale);
    assert_eq!(no.limit, "marks up to 60000 ms old");
    assert_eq!(no.value, "sim-spot/BTC-USD: 60000 ms");
    gate.book(book("BTC-USD", "99", "101"));
    gate.approved(&eth("a-4"));
}

#[test]
fn a_new_epoch_is_above_any_that_a_router_has_seen() {
    let mut gate = Gate::bare(config());
    gate.market();
    gate.funds();
    gate.control_state(router_ready(5));
    let said = gate.caught_up();
    assert_eq!(states(&said)[0].epoch, 6);
    gate.control_state(router_ready(7));
    let no = gate.refused(&request("a-1"), Why::RouterNotReady);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("epoch 6", "epoch 7"));
    gate.control_state(router_ready(6));
    gate.approved(&request("a-2"));
}

#[test]
fn requests_of_the_log_are_answered_under_every_halt_of_the_log() {
    let mut gate = Gate::bare(config());
    gate.market();
    gate.funds();
    let asked = gate.decision.wrap(gate.now, Body::OrderRequest(request("a-1")));
    assert!(gate.say(asked).is_empty());
    assert!(gate.command(halt(ControlScope::Global)).is_empty());
    let said = gate.caught_up();
    let answers: Vec<_> = said.iter().filter_map(answer_of).collect();
    assert_eq!(answers[0].as_ref().unwrap_err().reason, Why::Halted);
}

#[test]
fn an_asset_is_spent_once_whether_as_base_or_as_quote() {
    // 0.01 ETH at 100 BTC with 20 bps of fee binds 1.002 BTC; one BTC sold binds 1 BTC.
    let cross = |id| OrderRequest { instrument: key("ETH-BTC"), qty: qty("0.01"), ..request(id) };
    let sell = |id| OrderRequest { side: Side::Sell, ..request(id) };
    for (btc, is_enough) in [("2.002", true), ("2.0019", false)] {
        for is_cross_first in [true, false] {
            let reporting = usd(&[("BTC", "100")]);
            let mut gate = Gate::ready(RiskGateConfig { reporting, ..config() });
            gate.define(instrument("ETH", "BTC"));
            gate.book(book("ETH-BTC", "99", "101"));
            gate.balances(balances(&[("BTC", btc), ("USD", "1000")]));
            let (first, second) = match is_cross_first {
                true => (cross("a-1"), sell("a-2")),
                false => (sell("a-1"), cross("a-2")),
            };
            gate.approved(&first);
            match is_enough {
                true => gate.approved(&second),
                false => drop(gate.refused(&second, Why::BalanceInsufficient)),
            }
        }
    }
}

#[test]
fn a_gate_that_stops_approves_nothing_and_waits_for_what_is_open() {
    let mut gate = Gate::ready(config());
    let order = request("a-1");
    gate.approved(&order);
    let said = published(gate.driver.feed(gate.now, ServiceInput::Stopping));
    let told = states(&said);
    assert_eq!(
        (told[0].state, told[0].reason.as_str()),
        (ServiceState::Halted, "the gate is stopping")
    );
    assert!(published(gate.driver.feed(gate.now, ServiceInput::Stopping)).is_empty());
    assert_eq!(gate.refused(&request("a-2"), Why::Halted).value, "the gate is stopping");
    assert!(!gate.driver.machine.has_stopped());
    let mut waiting = Gate::ready(config());
    waiting.approved(&order);
    waiting.driver.feed(waiting.now, ServiceInput::Stopping);
    gate.event(cancelled(&order, Qty::ZERO));
    assert!(gate.driver.machine.has_stopped());
    waiting.wait_ms(9_999);
    assert!(!waiting.driver.machine.has_stopped());
    waiting.wait_ms(1);
    assert!(waiting.driver.machine.has_stopped(), "it waits with a bound");
}
