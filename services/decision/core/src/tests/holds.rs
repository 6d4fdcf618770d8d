//! What keeps a pair from being quoted freely: only reducing is allowed, or its account differs from the venue's.

use crate::fixture::Scene;
use remora_domain::{
    Body, CancelReason, ControlScope, ControlState, DecisionReason, OrderRequest, Qty,
    ReconciliationBreak, Service, ServiceState, Side,
};
use remora_testkit::{
    asset, cancelled, control_state, filled, key, qty, reduce, resume, router_ready, strategy,
};

/// Both sides stand; gives bid and ask.
fn standing() -> (Scene, OrderRequest, OrderRequest) {
    let mut scene = Scene::quoting();
    let requests = scene.asked.clone();
    scene.accept(&requests);
    scene.pass(250);
    let [bid, ask] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((bid.side, ask.side), (Side::Buy, Side::Sell));
    (scene, bid.clone(), ask.clone())
}

/// Lets two seconds pass with a live book, ending what is taken back; gives what was asked for.
fn go_on(scene: &mut Scene) -> Vec<OrderRequest> {
    let mut asked = Vec::new();
    for _ in 0..20 {
        scene.pass(100);
        asked.extend(scene.requests());
        scene.book("99.95", "100.05");
        asked.extend(scene.requests());
    }
    asked
}

fn scopes() -> [ControlScope; 4] {
    let pair = key("BTC-USD");
    [
        ControlScope::Global,
        ControlScope::Venue(pair.venue.clone()),
        ControlScope::Instrument(pair),
        ControlScope::Strategy(strategy()),
    ]
}

#[test]
fn a_flat_pair_asks_for_nothing_where_only_reducing_is_allowed() {
    for scope in scopes() {
        let (mut scene, bid, ask) = standing();
        scene.tell(Body::ControlCommand(reduce(scope.clone())));
        assert_eq!(scene.reasons(), [DecisionReason::ReduceOnly], "{scope:?}");
        assert_eq!(scene.cancels().len(), 2);
        assert_eq!(scene.cancels()[0].reason, CancelReason::InventoryLimit);
        for request in [&bid, &ask] {
            scene.event(cancelled(request, Qty::ZERO));
        }
        assert_eq!(go_on(&mut scene), []);
        scene.tell(Body::ControlCommand(resume(scope)));
        assert_eq!(scene.requests().len() + go_on(&mut scene).len(), 2, "both sides again");
    }
}

#[test]
fn only_the_side_that_reduces_is_asked_for_and_never_more_than_there_is_to_reduce() {
    for by_command in [true, false] {
        let (mut scene, bid, ask) = standing();
        let bought = qty("0.06");
        scene.event(filled(&bid, "e-1", Qty::ZERO, bought));
        // What the fill led to stands before reducing is all that is allowed.
        let changed = scene.requests();
        scene.accept(&changed);
        assert!(ask.qty > bought, "what stands could turn the position");
        if by_command {
            scene.tell(Body::ControlCommand(reduce(ControlScope::Global)));
        } else {
            let gate = control_state(Service::RiskGate, ServiceState::Active, 1);
            let restricted = vec![ControlScope::Global];
            scene.tell(Body::ControlState(ControlState { restricted, ..gate }));
        }
        assert_eq!(scene.reasons(), [DecisionReason::ReduceOnly]);
        let mut asked = scene.requests();
        scene.event(cancelled(&bid, bought));
        asked.extend(scene.requests());
        for request in changed.iter().chain([&ask]) {
            scene.event(cancelled(request, Qty::ZERO));
            asked.extend(scene.requests());
        }
        asked.extend(go_on(&mut scene));
        assert!(!asked.is_empty(), "the ask is asked for");
        for request in asked {
            assert_eq!(request.side, Side::Sell, "{request:?}");
            assert!(request.qty <= bought, "{request:?}");
        }
    }
}

#[test]
fn an_open_break_of_the_pair_or_of_an_asset_of_it_ends_quoting_until_it_ends() {
    let found = |instrument: Option<&str>, name: Option<&str>| ReconciliationBreak {
        instrument: instrument.map(key),
        asset: name.map(asset),
        since: remora_testkit::at_ms(1),
        what: "a difference".to_owned(),
    };
    for (found, is_ours) in [
        (found(Some("BTC-USD"), None), true),
        (found(Some("ETH-USD"), None), false),
        (found(None, Some("BTC")), true),
        (found(None, Some("USD")), true),
        (found(None, Some("ETH")), false),
        (found(None, None), true),
    ] {
        let (mut scene, _, _) = standing();
        let state = ControlState { breaks: vec![found.clone()], ..router_ready(1) };
        scene.tell(Body::ControlState(state));
        let cancelled = if is_ours { 2 } else { 0 };
        assert_eq!(scene.cancels().len(), cancelled, "{found:?}");
        let reasons = scene.reasons();
        assert_eq!(reasons.contains(&DecisionReason::ReconciliationBreak), is_ours, "{reasons:?}");
    }
}
