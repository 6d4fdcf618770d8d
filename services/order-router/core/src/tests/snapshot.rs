//! A start from a snapshot: the router knows what the log had told an earlier one.

use super::{Rig, config, core, core_of, fee_tier, good, open};
use crate::{OrderRouterConfig, OrderRouterCore, RouterInput, RouterOutput};
use remora_domain::{
    Body, CancelReason, DurationNs, Envelope, Header, OrderEventReason, OrderRequest, Qty, Side,
    VenueReport,
};
use remora_machine::{Machine as _, ServiceCore as _, ServiceInput, ServiceOutput};
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
fn a_follower_takes_in_what_the_router_beside_it_says() {
    let mut rig = Rig::new();
    let mut follower = rig.driver.machine.follower().unwrap();
    rig = Rig::ready_with(rig.driver);
    let order = request("r-1");
    let approval = rig.gate.wrap(at_ms(1_000), Body::OrderApproval(good(&order)));
    let (id, mut log) = (order.cl_ord_id.clone(), vec![Arc::clone(&approval)]);
    let mut hear = |ms, input| {
        for output in rig.driver.feed(at_ms(ms), input) {
            match output {
                ServiceOutput::Publish(said) => log.push(said),
                ServiceOutput::Local(RouterOutput::StoreIntent(intent)) => log.push(intent),
                ServiceOutput::Local(RouterOutput::Venue(_)) => {}
                ServiceOutput::Fault(text) => panic!("{text}"),
            }
        }
    };
    let local = |input| ServiceInput::Local(input);
    hear(1_000, ServiceInput::Message(approval));
    hear(1_001, local(RouterInput::Stored { cl_ord_id: id }));
    hear(1_002, local(RouterInput::Venue(super::accepted(&order, 1_002))));
    let fill = remora_testkit::fill("x-1", "100", "0.4", "0");
    hear(1_003, local(RouterInput::Venue(super::filled(&order, fill, "0.4", 1_003))));
    assert_eq!(log.len(), 4, "{log:?}");
    let mut next = core(2);
    for one in [&mut follower, &mut next] {
        tell(one, &log);
    }
    assert_eq!(follower.snapshot(), next.snapshot());
    assert!(follower.live_orders() == 1 && follower.verifier.is_used(&order.cl_ord_id));
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
