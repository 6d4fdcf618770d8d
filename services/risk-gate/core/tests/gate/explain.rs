//! What the gate says about its controls, and what it would answer.

use crate::harness::{Gate, config};
use remora_domain::{OrderRequest, RefusalReason as Why};
use remora_risk_gate_core::{Control, ControlLine, RiskGateConfig};
use remora_testkit::{key, notional, px, qty, request};

fn line(gate: &Gate, control: Control) -> ControlLine {
    let lines = gate.driver.machine.explain(gate.now);
    assert_eq!(lines.len(), Control::ALL.len());
    lines.into_iter().find(|line| line.control == control).unwrap()
}

#[test]
fn every_control_is_explained_whether_or_not_anything_is_known() {
    for gate in [Gate::bare(config()), Gate::ready(config())] {
        let lines = gate.driver.machine.explain(gate.now);
        let controls: Vec<Control> = lines.iter().map(|line| line.control).collect();
        assert_eq!(controls, Control::ALL);
        assert!(lines.iter().all(|line| !line.value.is_empty()), "{lines:#?}");
    }
}

#[test]
fn values_limits_and_headroom_follow_what_happens() {
    let mut gate = Gate::ready(config());
    assert_eq!(line(&gate, Control::G15).value, "0 USD");
    gate.approved(&request("a-1"));
    let gross = line(&gate, Control::G15);
    assert_eq!(
        (gross.value.as_str(), gross.limit.as_str(), gross.headroom.as_deref()),
        ("100 USD", "1500 USD", Some("1400 USD"))
    );
    let rate = line(&gate, Control::G20);
    assert_eq!((rate.value.as_str(), rate.limit.as_str()), ("1 messages", "5 messages"));
    // Of an order control the last order is told, as if it were asked for again.
    let size = line(&gate, Control::G06);
    assert_eq!(
        (size.subject.as_str(), size.value.as_str(), size.headroom.as_deref()),
        ("order a-1", "100 USD", Some("900 USD"))
    );
}

#[test]
fn of_pairs_the_one_with_the_least_left_is_told() {
    let mut gate = Gate::ready(config());
    gate.approved(&request("a-1"));
    gate.approved(&OrderRequest { instrument: key("ETH-USD"), qty: qty("2"), ..request("a-2") });
    let pair = line(&gate, Control::G13);
    assert_eq!(
        (pair.subject.as_str(), pair.headroom.as_deref()),
        ("sim-spot/ETH-USD", Some("800 USD"))
    );
}

#[test]
fn a_refusal_is_counted_and_remembered_with_its_time() {
    let mut gate = Gate::ready(config());
    assert_eq!(line(&gate, Control::G08).last, None);
    gate.refused(&OrderRequest { price: px("98.99"), ..request("a-1") }, Why::PriceOutsideCollar);
    let collar = line(&gate, Control::G08);
    let last = collar.last.unwrap();
    assert_eq!((collar.denials, last.at), (1, gate.now));
    assert_eq!(last.denial.value, "1.01 USD away");
    assert_eq!(collar.refuses, Some(Why::PriceOutsideCollar));
}

#[test]
fn asking_what_would_be_answered_changes_nothing() {
    let limits = RiskGateConfig { order_notional_max: notional("100"), ..config() };
    let mut gate = Gate::ready(limits);
    let core = &gate.driver.machine;
    let fine = core.consider(gate.now, &request("c-1"));
    assert_eq!(fine.denial, None);
    assert_eq!(fine.lines.iter().filter(|line| line.refuses.is_some()).count(), 0);
    let large = OrderRequest { qty: qty("1.0001"), ..request("c-1") };
    let no = core.consider(gate.now, &large);
    let denial = no.denial.unwrap();
    assert_eq!((denial.control(), denial.value.as_str()), (Some(Control::G06), "100.01 USD"));
    let refusing: Vec<Control> =
        no.lines.iter().filter(|line| line.refuses.is_some()).map(|line| line.control).collect();
    assert_eq!(refusing, [Control::G06]);
    assert!(core.exposure().pairs.is_empty() && core.status().refusals.is_empty());
    // The id is still free.
    gate.approved(&request("c-1"));
}
