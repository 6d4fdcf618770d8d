//! G27 to G30. One BTC is held, bought at 100.

use super::{denied, gate};
use crate::harness::{Gate, states};
use remora_domain::{
    Body, ControlAction, ControlScope, Envelope, Fill, OrderRequest, Qty, RefusalReason as Why,
    ServiceState, Side,
};
use remora_risk_gate_core::{Control, RiskGateConfig};
use remora_testkit::{amount, book, cancelled, filled, key, notional, px, qty, request, resume};
use std::sync::Arc;

fn eth(id: &str) -> OrderRequest {
    OrderRequest { instrument: key("ETH-USD"), ..request(id) }
}

fn sell(id: &str, price: &str) -> OrderRequest {
    OrderRequest { side: Side::Sell, price: px(price), ..request(id) }
}

fn holding(limits: impl FnOnce(&mut RiskGateConfig)) -> Gate {
    let mut gate = gate(limits);
    gate.hold(&request("h-1"), "h-1");
    gate
}

/// Moves the mid of BTC-USD; gives what the gate said.
fn mid(gate: &mut Gate, bid: &str, ask: &str) -> Vec<Arc<Envelope>> {
    let btc = book("BTC-USD", bid, ask);
    gate.ticker(&key("BTC-USD"), btc.mid().unwrap());
    let said = gate.ingestor.market(gate.now, Body::Book(btc));
    gate.say(said)
}

fn is_halt(said: &[Arc<Envelope>], control: &str) -> bool {
    said.iter().any(|envelope| {
        matches!(&envelope.body, Body::ControlCommand(command)
            if command.action == ControlAction::Halt
                && command.scope == ControlScope::Global
                && command.reason.starts_with(control))
    })
}

pub(super) fn of_the_day() {
    let mut gate = holding(|c| {
        c.loss_day_reduce = notional("5");
        c.loss_day_max = notional("10");
    });
    mid(&mut gate, "94", "96");
    gate.approved(&eth("a-1"));
    // Beyond the smaller limit only what reduces passes, and nothing is halted.
    assert!(!is_halt(&mid(&mut gate, "93.99", "95.99"), "G27"));
    let no = denied(&mut gate, &eth("a-2"), Control::G27, Why::DayLossAboveMax);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("5 USD", "5.01 USD"));
    gate.approved(&sell("a-3", "95.5"));
    // At the larger one still nothing is halted, one cent beyond everything is.
    assert!(!is_halt(&mid(&mut gate, "89", "91"), "G27"));
    gate.event(cancelled(&sell("a-3", "95.5"), Qty::ZERO));
    gate.approved(&sell("a-4", "90.5"));
    let said = mid(&mut gate, "88.99", "90.99");
    assert!(is_halt(&said, "G27 loss of the day of 10.01 USD above 10 USD"), "{said:?}");
    assert_eq!(states(&said)[0].state, ServiceState::Halted);
    denied(&mut gate, &sell("a-5", "90.5"), Control::G27, Why::DayLossAboveMax);
    // A gain does not lift it; a person does, and the count starts anew.
    mid(&mut gate, "99", "101");
    denied(&mut gate, &eth("a-6"), Control::G27, Why::DayLossAboveMax);
    mid(&mut gate, "88.99", "90.99");
    gate.command(resume(ControlScope::Global));
    gate.approved(&eth("a-7"));
    assert!(!is_halt(&mid(&mut gate, "84", "86"), "G27"));
}

pub(super) fn from_the_peak() {
    let mut gate = holding(|c| c.drawdown_max = notional("10"));
    mid(&mut gate, "104", "106");
    assert!(!is_halt(&mid(&mut gate, "94", "96"), "G28"));
    gate.approved(&eth("a-1"));
    let said = mid(&mut gate, "93.99", "95.99");
    assert!(is_halt(&said, "G28 drawdown of 10.01 USD above 10 USD"), "{said:?}");
    denied(&mut gate, &eth("a-2"), Control::G28, Why::DrawdownAboveMax);
}

#[test]
fn a_halt_for_a_loss_and_the_peak_outlive_a_restart() {
    let limits = |c: &mut RiskGateConfig| c.drawdown_max = notional("10");
    let mut gate = holding(limits);
    mid(&mut gate, "104", "106");
    // The peak is told with the next minute.
    gate.wait_ms(60_000);
    mid(&mut gate, "94", "96");
    let mut config = crate::harness::config();
    limits(&mut config);
    let mut next = gate.restarted(config.clone(), 2);
    next.caught_up();
    assert!(is_halt(&mid(&mut next, "93.99", "95.99"), "G28"), "the peak was forgotten");
    let mut third = next.restarted(config, 3);
    assert_eq!(states(&third.caught_up())[0].state, ServiceState::Halted);
}

#[test]
fn an_old_mark_counts_worse_than_it_was_told() {
    let mut gate = holding(|c| {
        c.loss_day_max = notional("10");
        c.stale_mark_haircut = remora_testkit::bps("1000.1");
    });
    gate.wait_ms(59_000);
    gate.book(book("ETH-USD", "99", "101"));
    gate.router_lives();
    gate.approved(&eth("a-1"));
    // 60 seconds after its last mid BTC counts at 100 less 1000.1 bps: 10.001 lost.
    assert!(is_halt(&gate.wait_ms(2_000), "G27"));
}

/// Buys and sells one BTC, losing 0.5.
fn lose(gate: &mut Gate, n: u32) {
    let buy = request(&format!("b-{n}"));
    gate.approved(&buy);
    gate.event(filled(&buy, &format!("xb-{n}"), Qty::ZERO, qty("1")));
    let sell = sell(&format!("s-{n}"), "99.5");
    gate.approved(&sell);
    gate.event(filled(&sell, &format!("xs-{n}"), Qty::ZERO, qty("1")));
    gate.wait_ms(1_000);
    gate.refresh();
    gate.router_lives();
}

pub(super) fn streak_pauses_the_pair() {
    let mut gate = gate(|c| c.loss_streak_max = 1);
    lose(&mut gate, 1);
    lose(&mut gate, 2);
    let no = denied(&mut gate, &request("a-1"), Control::G29, Why::LossStreak);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("1 losses in a row", "2 losses in a row"));
    gate.approved(&eth("a-2"));
    // The pause ends by itself.
    gate.wait_ms(58_999);
    gate.refresh();
    gate.router_lives();
    denied(&mut gate, &request("a-3"), Control::G29, Why::LossStreak);
    gate.wait_ms(1);
    gate.approved(&request("a-4"));
}

pub(super) fn fees_of_the_day() {
    for (fee, is_enough) in [("1", true), ("1.0001", false)] {
        let mut gate = gate(|c| c.fees_day_max = notional("1"));
        let order = request("h-1");
        gate.approved(&order);
        let mut event = filled(&order, "x-1", Qty::ZERO, qty("1"));
        event.fill = event.fill.map(|mut fill: Fill| {
            fill.fee.amount = amount(fee);
            fill
        });
        gate.event(event);
        match is_enough {
            true => gate.approved(&eth("a-1")),
            false => {
                let no = denied(&mut gate, &eth("a-1"), Control::G30, Why::FeesAboveMax);
                assert_eq!((no.limit.as_str(), no.value.as_str()), ("1 USD", "1.0001 USD"));
                gate.approved(&sell("a-2", "100.5"));
            }
        }
    }
}
