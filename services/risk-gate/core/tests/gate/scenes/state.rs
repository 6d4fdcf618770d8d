//! G36 to G39 and G41.

use super::{denied, gate};
use crate::harness::{DOCUMENT, Gate};
use remora_approval::Signer;
use remora_domain::{
    ControlAction, ControlCommand, ControlScope, ControlState, DurationNs, LimitsChange,
    OrderRequest, Qty, ReconciliationBreak, RefusalReason as Why, Side, SystemStatus,
};
use remora_risk_gate_core::{Control, LimitsError, LimitsOutcome, RiskGateSettings, SIGNATURE};
use remora_testkit::{
    account, book, cancelled, halt, key, qty, reduce, request, resume, router_ready, strategy, usd,
    venue,
};
use std::collections::{BTreeMap, BTreeSet};

fn sell(id: &str, size: &str) -> OrderRequest {
    OrderRequest {
        side: Side::Sell,
        qty: qty(size),
        price: remora_testkit::px("100.5"),
        ..request(id)
    }
}

pub(super) fn active_reduce_halt() {
    let scopes = [
        ControlScope::Global,
        ControlScope::Venue(venue()),
        ControlScope::Instrument(key("BTC-USD")),
        ControlScope::Strategy(strategy()),
    ];
    for scope in scopes {
        let mut gate = gate(|c| c.orders_per_window_max = 100);
        gate.hold(&request("h-1"), "h-1");
        gate.approved(&request("a-1"));
        gate.event(cancelled(&request("a-1"), Qty::ZERO));
        gate.command(reduce(scope.clone()));
        denied(&mut gate, &request("a-2"), Control::G36, Why::ReduceOnly);
        // One BTC is held: that much may go, one lot more would turn the position.
        denied(&mut gate, &sell("a-3", "1.0001"), Control::G36, Why::ReduceOnly);
        gate.approved(&sell("a-4", "0.6"));
        denied(&mut gate, &sell("a-5", "0.4001"), Control::G36, Why::ReduceOnly);
        gate.approved(&sell("a-6", "0.4"));
        gate.command(halt(scope.clone()));
        denied(&mut gate, &sell("a-7", "0.0010"), Control::G36, Why::Halted);
        gate.command(resume(scope));
        gate.approved(&request("a-8"));
    }
}

pub(super) fn venue_is_open() {
    let mut gate = gate(|_| {});
    gate.approved(&request("a-1"));
    gate.status(SystemStatus::Maintenance);
    denied(&mut gate, &request("a-2"), Control::G37, Why::VenueNotOpen);
}

pub(super) fn no_break_is_open() {
    let eth = |id| OrderRequest { instrument: key("ETH-USD"), ..request(id) };
    let btc = Some(remora_testkit::asset("BTC"));
    let usd = Some(remora_testkit::asset("USD"));
    for (instrument, asset, is_eth_held) in [
        (Some(key("BTC-USD")), None, false),
        (None, btc, false),
        (None, usd, true),
        (None, None, true),
    ] {
        let mut gate = gate(|_| {});
        let (since, what) = (gate.now, "BTC 1 too few".to_owned());
        let found = ReconciliationBreak { instrument, asset, since, what };
        gate.control_state(ControlState { breaks: vec![found], ..router_ready(1) });
        gate.wait_ms(5);
        let no = denied(&mut gate, &request("a-1"), Control::G38, Why::ReconciliationBreak);
        assert_eq!(no.value, "BTC 1 too few, open for 5 ms");
        match is_eth_held {
            true => drop(denied(&mut gate, &eth("a-2"), Control::G38, Why::ReconciliationBreak)),
            false => gate.approved(&eth("a-2")),
        }
        gate.control_state(router_ready(1));
        gate.approved(&request("a-3"));
    }
}

pub(super) fn dead_mans_switch_is_armed() {
    let mut gate = gate(|c| c.dead_man_venues = BTreeSet::from([venue()]));
    let no = denied(&mut gate, &request("a-1"), Control::G39, Why::DeadManNotArmed);
    assert_eq!(no.value, "the router of sim-spot does not tell");
    gate.control_state(ControlState { is_guarded: Some(false), ..router_ready(1) });
    denied(&mut gate, &request("a-2"), Control::G39, Why::DeadManNotArmed);
    gate.control_state(ControlState { is_guarded: Some(true), ..router_ready(1) });
    gate.approved(&request("a-3"));
}

pub(super) fn limits_are_current() {
    let mut gate = gate(|c| c.valid_until = remora_testkit::at_ms(2_000));
    gate.wait_ms(1_000);
    assert_eq!(gate.now, remora_testkit::at_ms(2_000));
    gate.approved(&request("a-1"));
    gate.now = gate.now.saturating_add(DurationNs::from_ns(1));
    let no = denied(&mut gate, &request("a-2"), Control::G41, Why::LimitsNotCurrent);
    assert_eq!(no.value, "1 ns late");
    limits_are_signed();
}

/// Where a key is wanted, limits and changes of them count with its signature only.
fn limits_are_signed() {
    let owner = Signer::from_bytes(&[3; 32]);
    let mut settings: RiskGateSettings = toml::from_str(DOCUMENT).unwrap();
    settings.ramp_ms = 0;
    let key = Some(owner.verifying_key());
    let checked = |settings: &RiskGateSettings| settings.validate(&account(), &usd(&[])).unwrap();
    assert!(checked(&settings).wanting(key).is_err());
    settings.limits_signature = settings.sign(&account(), &owner).map(|it| it.to_string());
    let mut gate = Gate::ready(checked(&settings).wanting(key).unwrap());
    let said = |gate: &Gate| {
        let lines = gate.driver.machine.explain(gate.now);
        lines.into_iter().find(|line| line.control == Control::G41).unwrap().value
    };
    assert_eq!(said(&gate), format!("version 1, signed by {}", owner.verifying_key().short()));
    let tight = OrderRequest { qty: qty("0.6"), ..request("a-3") };
    gate.book(book("BTC-USD", "99.5", "100.5"));
    gate.approved(&tight);
    let mut change = LimitsChange {
        version: 2,
        limits: BTreeMap::from([("order_notional_usd_max".to_owned(), "50".to_owned())]),
    };
    let of = |limits: &LimitsChange| ControlCommand {
        action: ControlAction::ChangeLimits,
        scope: ControlScope::Global,
        actor: "ann".to_owned(),
        reason: "a test".to_owned(),
        limits: Some(limits.clone()),
        account: None,
    };
    let other = Signer::from_bytes(&[4; 32]);
    let after = settings.changed(&change).unwrap();
    for signer in [None, Some(&other)] {
        if let Some(signature) = signer.and_then(|signer| after.sign(&account(), signer)) {
            change.limits.insert(SIGNATURE.to_owned(), signature.to_string());
        }
        gate.command(of(&change));
        let last = gate.driver.machine.status().limits_last;
        assert!(matches!(last, Some((2, Err(LimitsError::Unsound { .. })))), "{last:?}");
        // What the next start will do shows now, not only then.
        assert!(said(&gate).starts_with("version 1, ") && said(&gate).contains("next start"));
        let mut next = gate.restarted(checked(&settings).wanting(key).unwrap(), 2);
        next.caught_up();
        assert_eq!(said(&next), "limits of version 2 were recorded, not signed as wanted");
    }
    gate.approved(&OrderRequest { cl_ord_id: request("a-4").cl_ord_id, ..tight.clone() });
    let signature = after.sign(&account(), &owner).unwrap();
    change.limits.insert(SIGNATURE.to_owned(), signature.to_string());
    gate.command(of(&change));
    let last = gate.driver.machine.status().limits_last;
    assert_eq!(last, Some((2, Ok(LimitsOutcome::InForce))));
    assert!(said(&gate).starts_with("version 2, signed by ") && !said(&gate).contains(';'));
    gate.refused(
        &OrderRequest { cl_ord_id: request("a-5").cl_ord_id, ..tight },
        Why::NotionalAboveMax,
    );
    // The log holds all three; what is read back is held to the signature as well.
    let mut next = gate.restarted(checked(&settings).wanting(key).unwrap(), 2);
    next.caught_up();
    assert_eq!(next.driver.machine.status().limits_version, 2);
    assert!(said(&next).starts_with("version 2, signed by "));
    // Under another key that change counts no more. What it had tightened must not come back silently.
    let heir = Signer::from_bytes(&[5; 32]);
    settings.limits_signature = settings.sign(&account(), &heir).map(|it| it.to_string());
    let key = Some(heir.verifying_key());
    let mut foreign = gate.restarted(checked(&settings).wanting(key).unwrap(), 3);
    foreign.caught_up();
    assert_eq!(foreign.driver.machine.status().limits_version, 1);
    assert_eq!(said(&foreign), "limits of version 2 were recorded, not signed as wanted");
    let after = RiskGateSettings { version: 2, ..settings };
    let signature = after.sign(&account(), &heir).map(|it| it.to_string());
    let after = RiskGateSettings { limits_signature: signature, ..after };
    let mut stands = gate.restarted(checked(&after).wanting(key).unwrap(), 4);
    stands.caught_up();
    assert!(said(&stands).starts_with("version 2, signed by "));
}
