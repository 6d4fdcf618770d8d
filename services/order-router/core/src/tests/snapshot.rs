//! A start from a snapshot: the router knows what the log had told an earlier one.

use super::{Rig, config, core, core_of, fee_tier, good, open};
use crate::{OrderRouterConfig, OrderRouterCore};
use remora_domain::{
    Body, CancelReason, DurationNs, Envelope, Header, OrderEventReason, OrderRequest, Qty, Side,
    VenueReport,
};
use remora_machine::{Machine as _, ServiceCore as _, ServiceInput};
use remora_testkit::{
    Producer, accepted, at_ms, balances, cancel, filled, instrument, qty, request, sending,
};
use std::sync::Arc;

/// Gives a log in which r-1 works and was filled in part, r-2 was approved, r-3 was filled and r-4 was cancelled before it
/// came. Decision asked for all of them.
fn log() -> Vec<Arc<Envelope>> {
    let (mut gate, mut decision) = (Producer::new("risk-gate", 1), Producer::new("decision", 1));
    let mut router = Producer::new("order-router-sim-spot", 77);
    let (first, third) = (request("r-1"), request("r-3"));
    let mut approval = |order: &OrderRequest| {
        let asked = decision.wrap(at_ms(1_000), Body::OrderRequest(order.clone()));
        let cause = Some(asked.header.message_id());
        let approval = gate.wrap(at_ms(1_001), Body::OrderApproval(good(order)));
        let header = Header { cause, ..approval.header.clone() };
        Arc::new(Envelope { header, body: approval.body.clone() })
    };
    let approvals = [approval(&first), approval(&request("r-2")), approval(&third)];
    let early = decision
        .wrap(at_ms(1_002), Body::OrderCancel(cancel(&request("r-4"), CancelReason::Requote)));
    let mut event = |ms, event| router.wrap(at_ms(ms), Body::OrderEvent(event));
    let events = [
        event(1_003, sending(&first)),
        event(1_004, accepted(&first)),
        event(1_005, filled(&first, "x-1", Qty::ZERO, qty("0.4"))),
        event(1_006, sending(&third)),
        event(1_007, filled(&third, "x-2", Qty::ZERO, third.qty)),
    ];
    approvals.into_iter().chain([early]).chain(events).collect()
}

fn tell(core: &mut OrderRouterCore, envelopes: &[Arc<Envelope>]) {
    for envelope in envelopes {
        let mut out = Vec::new();
        core.handle(at_ms(9_000), ServiceInput::Message(Arc::clone(envelope)), &mut out);
        assert!(out.is_empty(), "{out:?}");
    }
}

fn definition() -> Arc<Envelope> {
    Producer::new("ingestor", 1).wrap(at_ms(1), Body::Instrument(instrument("BTC", "USD")))
}

#[test]
fn a_snapshot_of_any_part_of_a_log_and_the_rest_of_it_are_the_whole_log() {
    let log = log();
    let mut whole = core(2);
    tell(&mut whole, &[definition()]);
    tell(&mut whole, &log);
    for end in 0..=log.len() {
        let (mut reads, mut takes_over) = (core(3), core(4));
        tell(&mut reads, &log[..end]);
        tell(&mut takes_over, &[definition()]);
        takes_over.restore(&reads.snapshot().unwrap()).unwrap();
        tell(&mut takes_over, &log[end..]);
        assert_eq!(takes_over.snapshot(), whole.snapshot(), "{end} entries");
    }
}

#[test]
fn a_router_that_took_over_a_snapshot_goes_on_with_every_order_of_it() {
    let silence = DurationNs::from_ms(5_000);
    let config = OrderRouterConfig { owner_silence_max: silence, ..config() };
    let mut before = core_of(config.clone(), 2);
    tell(&mut before, &[definition()]);
    tell(&mut before, &log());
    let mut rig = Rig::new();
    rig.driver.machine = core_of(config, 3);
    tell(&mut rig.driver.machine, &[definition()]);
    rig.driver.machine.restore(&before.snapshot().unwrap()).unwrap();
    let first = request("r-1");
    rig.report(10_000, VenueReport::Session { is_up: true });
    rig.input(10_000, ServiceInput::CaughtUp);
    let sign = if first.side == Side::Buy { "0.6" } else { "1.4" };
    rig.report(10_010, VenueReport::Balances(balances(&[("BTC", sign), ("USD", "1000")])));
    rig.report(10_010, fee_tier());
    let said = rig.open_orders(10_020, vec![open(&first, "0.4")]);
    assert_eq!(said.intents, [request("r-2").cl_ord_id], "approved and without an answer");
    for used in ["r-1", "r-3"] {
        assert!(rig.approve(10_030, good(&request(used))).is_silent(), "{used} was used");
    }
    let said = rig.approve(10_040, good(&request("r-4")));
    assert_eq!(said.events[0].reason, OrderEventReason::UserRequested, "cancelled before it came");
    let said = rig.advance(16_000);
    assert!(said.cancels.contains(&first.cl_ord_id), "nobody who asked for it lives: {said:?}");
}

#[test]
fn a_snapshot_of_other_settings_or_another_layout_is_refused() {
    let mut reads = core(2);
    tell(&mut reads, &log());
    let snapshot = reads.snapshot().unwrap();
    let check = |core: &mut OrderRouterCore, bytes: &[u8], word: &str| {
        let problem = core.restore(bytes).unwrap_err().problem;
        assert!(problem.contains(word), "{problem}");
    };
    let other = OrderRouterConfig { cl_ord_id_prefix: "s-".to_owned(), ..config() };
    check(&mut core_of(other, 3), &snapshot, "other settings");
    let mut router = core(3);
    let mut layout = snapshot.clone();
    layout[0] += 1;
    check(&mut router, &layout, "layout 2");
    check(&mut router, &[snapshot.as_slice(), &[0]].concat(), "1 bytes too many");
    check(&mut router, &snapshot[..snapshot.len() - 1], "");
    assert_eq!(router.snapshot(), core(3).snapshot(), "nothing was changed");
    router.handle(at_ms(9_000), ServiceInput::CaughtUp, &mut Vec::new());
    check(&mut router, &snapshot, "has been read already");
    assert!(router.follower().is_none());
}
