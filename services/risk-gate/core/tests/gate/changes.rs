//! Changes of the limits at run time: authorised elsewhere, validated and recorded here.

use crate::harness::{DOCUMENT, Gate};
use remora_domain::{
    Body, ControlAction, ControlCommand, ControlScope, LimitsChange, OrderRequest,
    RefusalReason as Why, Timestamp,
};
use remora_risk_gate_core::{LimitsError, LimitsOutcome, RiskGateConfig, RiskGateSettings};
use remora_testkit::{account, book, qty, request, usd};

/// Gives the limits of `sound.toml`: 100 USD an order, version 1.
fn sound(needs_two: bool) -> RiskGateConfig {
    let mut settings: RiskGateSettings = toml::from_str(DOCUMENT).unwrap();
    settings.raising_needs_two = needs_two;
    settings.ramp_ms = 0;
    settings.validate(&account(), &usd(&[])).unwrap()
}

fn gate(needs_two: bool) -> Gate {
    let mut gate = Gate::ready(sound(needs_two));
    gate.book(book("BTC-USD", "99.5", "100.5"));
    gate
}

fn change(version: u64, limits: &[(&str, &str)]) -> LimitsChange {
    let limits = limits.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    LimitsChange { version, limits: limits.collect() }
}

fn command(action: ControlAction, actor: &str, limits: LimitsChange) -> ControlCommand {
    ControlCommand {
        action,
        scope: ControlScope::Global,
        actor: actor.to_owned(),
        reason: "a test".to_owned(),
        limits: Some(limits),
        account: None,
    }
}

fn ask_for(gate: &mut Gate, version: u64, limits: &[(&str, &str)]) {
    let change = change(version, limits);
    gate.command(command(ControlAction::ChangeLimits, "ann (token desk)", change));
}

fn confirm(gate: &mut Gate, actor: &str, version: u64) {
    gate.command(command(ControlAction::ConfirmLimits, actor, change(version, &[])));
}

fn of(id: &str, size: &str) -> OrderRequest {
    OrderRequest { qty: qty(size), deadline: Timestamp::MAX, ..request(id) }
}

type Last = Option<(u64, Result<LimitsOutcome, LimitsError>)>;

fn last(gate: &Gate) -> Last {
    gate.driver.machine.status().limits_last
}

#[test]
fn a_change_is_in_force_from_the_next_order_on_and_after_a_restart() {
    let mut gate = gate(false);
    gate.refused(&of("a-1", "1.0001"), Why::NotionalAboveMax);
    ask_for(&mut gate, 2, &[("order_notional_usd_max", "200")]);
    assert_eq!(last(&gate), Some((2, Ok(LimitsOutcome::InForce))));
    gate.approved(&of("a-2", "1.0001"));
    let mut next = gate.restarted(sound(false), 2);
    next.caught_up();
    assert_eq!(next.driver.machine.status().limits_version, 2);
}

#[test]
fn a_raise_waits_for_a_second_person_where_the_limits_say_so() {
    let mut gate = gate(true);
    ask_for(&mut gate, 2, &[("order_notional_usd_max", "200")]);
    assert_eq!(last(&gate), Some((2, Ok(LimitsOutcome::NeedsSecond))));
    gate.refused(&of("a-1", "1.0001"), Why::NotionalAboveMax);
    // The same token under another name is the same person.
    confirm(&mut gate, "bob (token desk)", 2);
    assert!(matches!(last(&gate), Some((2, Err(LimitsError::SamePerson { .. })))));
    confirm(&mut gate, "bob (token night)", 3);
    assert!(matches!(last(&gate), Some((3, Err(LimitsError::NothingWaits { version: 3 })))));
    gate.refused(&of("a-2", "1.0001"), Why::NotionalAboveMax);
    confirm(&mut gate, "bob (token night)", 2);
    assert_eq!(last(&gate), Some((2, Ok(LimitsOutcome::InForce))));
    gate.approved(&of("a-3", "1.0001"));
}

#[test]
fn a_change_nobody_confirms_in_ten_minutes_is_forgotten() {
    let mut gate = gate(true);
    ask_for(&mut gate, 2, &[("edge_bps_min", "-21")]);
    assert_eq!(last(&gate), Some((2, Ok(LimitsOutcome::NeedsSecond))));
    gate.wait_ms(600_001);
    confirm(&mut gate, "bob (token night)", 2);
    assert!(matches!(last(&gate), Some((2, Err(LimitsError::NothingWaits { .. })))));
}

#[test]
fn tightening_needs_nobody_else() {
    let mut gate = gate(true);
    ask_for(&mut gate, 2, &[("order_notional_usd_max", "50"), ("edge_bps_min", "-19")]);
    assert_eq!(last(&gate), Some((2, Ok(LimitsOutcome::InForce))));
    gate.refused(&of("a-1", "0.6"), Why::NotionalAboveMax);
}

#[test]
fn whatever_is_not_a_smaller_number_counts_as_a_raise() {
    for (key, value) in [
        ("strategies", r#"["glft", "other"]"#),
        ("asset_position_usd_max_overrides.ETH", "1"),
        ("raising_needs_two", "false"),
        ("valid_until", "2028-12-31"),
        ("order_window_ms", "999"),
    ] {
        let gate = gate(true);
        let mut limits = vec![(key, value)];
        if key == "order_window_ms" {
            limits.push(("duplicate_window_ms", "500"));
        }
        let outcome = gate.driver.machine.consider_limits(&change(2, &limits));
        assert_eq!(outcome, Ok(LimitsOutcome::NeedsSecond), "{key}");
    }
}

#[test]
fn a_change_is_refused_as_a_whole_with_the_reason() {
    let gate = gate(false);
    let refused = |version, limits: &[(&str, &str)]| {
        gate.driver.machine.consider_limits(&change(version, limits)).unwrap_err().to_string()
    };
    assert_eq!(
        refused(3, &[("order_notional_usd_max", "50")]),
        "limits of version 3 were asked for, want version 2: one more than the one in force"
    );
    assert_eq!(
        refused(2, &[("order_notional_usd_mx", "50")]),
        "order_notional_usd_mx: no such limit; did you mean order_notional_usd_max?"
    );
    assert_eq!(
        refused(2, &[("groups.majrs.position_usd_max", "50")]),
        "groups.majrs.position_usd_max: no such limit; did you mean majors?"
    );
    assert!(
        refused(2, &[("order_notional_usd_max", "501"), ("ramp_start_bps", "10000")])
            .contains("at most pair_position_usd_max = 500 USD (501 > 500)")
    );
    assert!(refused(2, &[("open_orders_max", "many")]).contains("open_orders_max"));
    assert!(refused(2, &[("router_silence_ms_max", "3000")]).contains("next start"));
    assert_eq!(refused(2, &[]), "the command names no limits");
}

#[test]
fn a_profile_older_than_the_recorded_limits_stops_every_order() {
    let mut gate = gate(false);
    ask_for(&mut gate, 2, &[("order_notional_usd_max", "90")]);
    ask_for(&mut gate, 3, &[("order_notional_usd_max", "80")]);
    // The log of another deployment's limits: version 3 without 2.
    gate.log.retain(|envelope| {
        let Body::ControlCommand(command) = &envelope.body else { return true };
        command.limits.as_ref().is_none_or(|limits| limits.version != 2)
    });
    let mut next = gate.restarted(sound(false), 2);
    next.caught_up();
    assert!(next.driver.machine.status().limits_version == 1);
    let denial = next.driver.machine.verdict(next.now, &of("a-1", "0.1")).unwrap();
    assert_eq!(denial.reason, Why::LimitsNotCurrent);
    assert_eq!(denial.value, "limits of version 3 were asked for, these are 1");
}
