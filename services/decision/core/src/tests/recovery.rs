//! Restarts: the log rebuilds what was asked, heard and owned.

use crate::fixture::{Scene, needs};
use remora_domain::{Body, CancelReason, DecisionReason, Qty, Side};
use remora_testkit::{
    accepted, approval, at_ms, filled, instrument, key, position, published, px, qty, request,
};

fn told(bodies: Vec<Body>) -> Scene {
    let mut scene = Scene::new();
    for body in bodies {
        scene.tell(body);
        assert!(scene.said.is_empty(), "spoke before recovery ended");
    }
    scene
}

#[test]
fn orders_of_an_earlier_session_are_taken_back_when_nothing_is_known_of_the_market() {
    let old = request("rmra00000070000003");
    let mut scene = told(vec![Body::OrderRequest(old.clone()), Body::OrderEvent(accepted(&old))]);
    let now = scene.now();
    scene.said = published(scene.driver.caught_up(now));
    assert_eq!(scene.cancelled_ids(), [old.cl_ord_id]);
    assert_eq!(scene.cancels()[0].reason, CancelReason::MarketDataLost);
    assert_eq!(scene.reasons(), [DecisionReason::NoInstrument]);
}

#[test]
fn an_order_of_an_earlier_session_that_fits_is_kept() {
    let scene = Scene::quoting();
    let ask = scene.asked.iter().find(|r| r.side == Side::Sell).unwrap().clone();

    let mut bodies = needs();
    let old =
        remora_domain::OrderRequest { cl_ord_id: request("rmra00000070000009").cl_ord_id, ..ask };
    bodies.push(Body::OrderRequest(old.clone()));
    bodies.push(Body::OrderApproval(approval(old.clone(), 1, 1, at_ms(9_000))));
    let mut scene = told(bodies);
    // Before it ends its recovery the core has heard the market; a live feed does not wait.
    for _ in 0..10 {
        scene.pass(100);
        scene.book("99.95", "100.05");
        assert!(scene.said.is_empty());
    }
    let now = scene.now();
    scene.said = published(scene.driver.caught_up(now));
    assert_eq!(scene.cancels(), []);
    let sides: Vec<Side> = scene.requests().iter().map(|r| r.side).collect();
    assert_eq!(sides, [Side::Buy]);
}

#[test]
fn inventory_is_rebuilt_from_the_fills_of_the_log() {
    let old = request("rmra00000070000003");
    let scene = told(vec![
        Body::OrderRequest(old.clone()),
        Body::OrderEvent(filled(&old, "x-1", Qty::ZERO, qty("0.3"))),
        Body::OrderEvent(filled(&old, "x-1", Qty::ZERO, qty("0.3"))),
        Body::OrderEvent(filled(&old, "x-2", qty("0.3"), qty("0.7"))),
        Body::Instrument(instrument("BTC", "USD")),
    ]);
    assert_eq!(scene.driver.machine.orders.position(&key("BTC-USD")), position("1"));
    assert_eq!(scene.driver.machine.orders.all().count(), 0);
}

#[test]
fn orders_of_the_log_are_ours_whatever_their_ids_look_like() {
    let old = request("r00000007-3");
    let scene = told(vec![
        Body::Instrument(instrument("BTC", "USD")),
        Body::OrderRequest(old.clone()),
        Body::OrderApproval(approval(old.clone(), 1, 1, at_ms(9_000))),
        Body::OrderEvent(filled(&old, "x-1", Qty::ZERO, qty("0.3"))),
        Body::OrderEvent(filled(&old, "x-2", qty("0.3"), qty("0.7"))),
        Body::OrderEvent(filled(&request("r00000007-4"), "x-3", Qty::ZERO, qty("1"))),
    ]);
    let orders = &scene.driver.machine.orders;
    assert_eq!((orders.position(&key("BTC-USD")), orders.all().count()), (position("1"), 0));
}

#[test]
fn funds_that_our_own_orders_hold_are_counted_once_after_a_restart() {
    let asset = remora_testkit::asset("BTC");
    let old = request("rmra00000070000003");
    let ask = remora_domain::OrderRequest { side: Side::Sell, ..old };
    let mut told_balances = remora_testkit::balances(&[("BTC", "5")]);
    told_balances.entries[0].held = ask.qty.as_amount();
    let mut scene = told(vec![
        Body::Instrument(instrument("BTC", "USD")),
        Body::Balances(told_balances),
        Body::OrderRequest(ask.clone()),
        Body::OrderEvent(accepted(&ask)),
    ]);
    let now = scene.now();
    scene.driver.caught_up(now);
    let machine = &scene.driver.machine;
    let bound = machine.facts.own_bound(&remora_testkit::venue(), &asset);
    assert_eq!(bound, ask.qty.as_amount());
}

#[test]
fn ids_of_a_session_with_the_same_low_bits_are_not_used_again() {
    let mut bodies = needs();
    let old = remora_domain::OrderRequest { price: px("90"), ..request("rmra00000010000005") };
    bodies.push(Body::OrderRequest(old.clone()));
    bodies.push(Body::OrderEvent(remora_testkit::cancelled(&old, Qty::ZERO)));
    let mut scene = told(bodies);
    let now = scene.now();
    scene.said = published(scene.driver.caught_up(now));
    scene.warm_up();
    for _ in 0..10 {
        scene.pass(100);
        scene.book("99.95", "100.05");
    }
    let ids: Vec<String> = scene
        .driver
        .machine
        .orders
        .of_pair(&key("BTC-USD"))
        .map(|(id, _)| id.to_string())
        .collect();
    assert_eq!(ids, ["rmra00000010000006", "rmra00000010000007"]);
}
