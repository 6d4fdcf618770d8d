//! Silence of gate and router, balances that hold our own orders, the end of the service.

use crate::fixture::Scene;
use remora_domain::{
    Amount, Balances, Body, CancelReason, DecisionReason, OrderRequest, Qty, Service, Side,
};
use remora_machine::{ServiceCore, ServiceInput};
use remora_testkit::{
    Producer, account, amount, asset, balances, cancelled, heartbeat, published, router_ready,
    venue,
};

fn standing() -> (Scene, Vec<OrderRequest>) {
    let mut scene = Scene::quoting();
    let requests = scene.asked.clone();
    scene.accept(&requests);
    scene.pass(250);
    (scene, requests)
}

/// Lets time pass with a live book; gives the cancels on the way.
fn pass_with_books(scene: &mut Scene, ms: i64) -> Vec<CancelReason> {
    let mut reasons = Vec::new();
    for _ in 0..ms / 500 {
        scene.pass(500);
        reasons.extend(scene.cancels().iter().map(|cancel| cancel.reason));
        scene.book("99.95", "100.05");
        reasons.extend(scene.cancels().iter().map(|cancel| cancel.reason));
    }
    reasons
}

#[test]
fn a_router_that_gives_no_sign_of_life_ends_quoting_there_until_it_speaks() {
    let (mut scene, requests) = standing();
    let mut router = Producer::new("order-router-sim-spot", 1);
    let ready = router.wrap(scene.now(), Body::ControlState(router_ready(1)));
    scene.deliver(ready);
    // The gate is heard, the router is not; the universe of the fixture lasts an hour.
    for _ in 0..6 {
        assert_eq!(pass_with_books(&mut scene, 10_000), []);
        scene.tell(Body::Heartbeat(heartbeat(Service::RiskGate)));
        assert_eq!(scene.cancels(), []);
    }
    scene.pass(1);
    assert_eq!(scene.cancels().len(), 2);
    assert_eq!(scene.cancels()[0].reason, CancelReason::Halted);
    assert_eq!(scene.reasons(), [DecisionReason::RouterSilent]);
    for request in &requests {
        scene.event(cancelled(request, Qty::ZERO));
        assert_eq!(scene.requests(), []);
    }
    scene.book("99.95", "100.05");
    let beat = router.wrap(scene.now(), Body::Heartbeat(heartbeat(Service::OrderRouter)));
    scene.deliver(beat);
    assert_eq!(scene.requests().len(), 2, "the first sign of life is enough");
}

#[test]
fn a_gate_that_gives_no_sign_of_life_ends_all_quoting() {
    let (mut scene, _) = standing();
    let mut router = Producer::new("order-router-sim-spot", 1);
    let ready = router.wrap(scene.now(), Body::ControlState(router_ready(1)));
    scene.deliver(ready);
    // The router is heard, the gate is not.
    for _ in 0..5 {
        assert_eq!(pass_with_books(&mut scene, 10_000), []);
        let beat = router.wrap(scene.now(), Body::Heartbeat(heartbeat(Service::OrderRouter)));
        scene.deliver(beat);
        assert_eq!(scene.cancels(), []);
    }
    assert_eq!(pass_with_books(&mut scene, 8_000), []);
    let mut reasons = Vec::new();
    for _ in 0..4 {
        scene.pass(500);
        reasons.extend(scene.reasons());
        scene.book("99.95", "100.05");
        reasons.extend(scene.reasons());
    }
    assert!(reasons.contains(&DecisionReason::GateSilent), "{reasons:?}");
    assert!(!reasons.contains(&DecisionReason::RouterSilent), "{reasons:?}");
}

#[test]
fn what_the_venue_held_for_our_own_orders_does_not_bind_funds_after_their_end() {
    let (mut scene, requests) = standing();
    let ask = requests.iter().find(|r| r.side == Side::Sell).unwrap().clone();
    let bid = requests.iter().find(|r| r.side == Side::Buy).unwrap().clone();
    // Just enough of the base for one ask, all of it held for the one that stands.
    let mut told = balances(&[("BTC", &ask.qty.to_string()), ("USD", "1000")]);
    let held = |told: &mut Balances, held: Amount| {
        let entry = told.entries.iter_mut().find(|entry| entry.asset == asset("BTC")).unwrap();
        entry.held = held;
    };
    held(&mut told, ask.qty.as_amount());
    assert_eq!((&told.account, &told.venue), (&account(), &venue()));
    scene.tell(Body::Balances(told.clone()));
    assert_eq!(scene.cancels(), []);
    scene.event(cancelled(&ask, Qty::ZERO));
    let again = scene.requests();
    assert_eq!((again.len(), again[0].side), (1, Side::Sell));
    // An order of somebody else that holds it does.
    scene.event(cancelled(&again[0], Qty::ZERO));
    held(&mut told, amount(&bid.qty.to_string()));
    scene.pass(300);
    scene.tell(Body::Balances(told));
    let asks = scene.requests();
    assert!(asks.iter().all(|request| request.side == Side::Buy), "{asks:?}");
}

#[test]
fn a_service_that_stops_takes_everything_back_and_leaves_when_it_is_gone() {
    let (mut scene, requests) = standing();
    let now = scene.now();
    scene.said = published(scene.driver.feed(now, ServiceInput::Stopping));
    assert_eq!(scene.cancels().len(), 2);
    assert_eq!(scene.cancels()[0].reason, CancelReason::Shutdown);
    assert_eq!(scene.reasons(), [DecisionReason::Stopping]);
    assert!(published(scene.driver.feed(now, ServiceInput::Stopping)).is_empty());
    for request in &requests {
        assert!(!scene.driver.machine.has_stopped());
        scene.event(cancelled(request, Qty::ZERO));
        assert_eq!(scene.requests(), []);
    }
    assert!(scene.driver.machine.has_stopped());
    let (mut scene, _) = standing();
    let now = scene.now();
    scene.driver.feed(now, ServiceInput::Stopping);
    scene.pass(10_000);
    assert!(scene.driver.machine.has_stopped(), "it waits with a bound");
}
