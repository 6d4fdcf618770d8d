//! Scripted scenes with one pair.

use crate::fixture::{Scene, needs, universe};
use remora_domain::{
    Body, BookState, CancelReason, ContractKind, ControlScope, DecisionReason, ExecType,
    FeedStatus, Heartbeat, Instrument, InstrumentStatus, InvalidBook, OrdStatus, OrderEvent,
    OrderEventReason, OrderRefusal, Qty, RefusalReason, Service, ServiceState, Side, SystemStatus,
    TimeInForce,
};
use remora_testkit::{
    Producer, accepted, approval, at_ms, balances, book_of, cancelled, control_state, fees, filled,
    halt, instrument, invalid_book, key, px, qty, rejected, resume, router_state, sending,
    venue_status,
};

/// Lets the core quote both sides and the venue accept.
fn standing() -> (Scene, Vec<remora_domain::OrderRequest>) {
    let mut scene = Scene::quoting();
    let requests = scene.asked.clone();
    assert_eq!(requests.len(), 2, "both sides are asked for while warming up");
    scene.accept(&requests);
    scene.pass(250);
    (scene, requests)
}

#[test]
fn two_post_only_quotes_stand_around_fair_value() {
    let (_, requests) = standing();
    let [bid, ask] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((bid.side, ask.side), (Side::Buy, Side::Sell));
    assert!(bid.price < px("100") && px("100") < ask.price);
    for request in [bid, ask] {
        assert!(request.is_post_only && request.tif == TimeInForce::Gtc);
        assert!(request.cl_ord_id.as_str().starts_with("rmra0000001"));
        assert!(request.qty > qty("0.09") && request.qty <= qty("0.1001"), "{}", request.qty);
    }
    assert!(bid.deadline > at_ms(1_500));
}

#[test]
fn nothing_is_asked_for_while_anything_needed_is_missing() {
    for (missing, reason) in [
        (0, DecisionReason::NoInstrument),
        (1, DecisionReason::VenueNotOpen),
        (2, DecisionReason::NoFees),
        (3, DecisionReason::NoBalance),
        (4, DecisionReason::Halted),
        (5, DecisionReason::VenueNotOpen),
    ] {
        let mut scene = Scene::new();
        let now = scene.now();
        scene.driver.caught_up(now);
        let mut reasons = Vec::new();
        for (n, body) in needs().into_iter().enumerate() {
            if n != missing {
                scene.tell(body);
                reasons.append(&mut scene.reasons());
            }
        }
        for _ in 0..20 {
            scene.pass(100);
            scene.book("99.95", "100.05");
            assert_eq!(scene.requests(), [], "without {reason}");
            reasons.append(&mut scene.reasons());
        }
        assert_eq!(reasons.last(), Some(&reason));
    }
}

#[test]
fn a_pair_outside_the_universe_is_not_decided_about() {
    let mut scene = Scene::new();
    let now = scene.now();
    scene.driver.caught_up(now);
    for body in needs().into_iter().take(6) {
        scene.tell(body);
    }
    scene.warm_up();
    assert!(scene.said.is_empty());
    scene.tell(Body::Universe(universe(at_ms(3_600_000), false)));
    assert!(scene.said.is_empty());
}

#[test]
fn an_expired_universe_takes_the_quotes_back() {
    let (mut scene, requests) = standing();
    let until = at_ms(scene.now_ms + 500);
    scene.tell(Body::Universe(universe(until, true)));
    scene.pass(400);
    scene.book("99.95", "100.05");
    assert_eq!(scene.cancels(), []);
    scene.pass(101);
    assert_eq!(scene.cancelled_ids().len(), requests.len());
    assert_eq!(scene.reasons(), [DecisionReason::NotInUniverse]);
    assert_eq!(scene.cancels()[0].reason, CancelReason::PairDeselected);
}

#[test]
fn a_book_that_may_not_be_used_takes_the_quotes_back_at_once() {
    for (top, reason) in [
        (invalid_book("BTC-USD", InvalidBook::Checksum), DecisionReason::BookInvalid),
        (book_of("BTC-USD", &[("99.9", "1")], &[]), DecisionReason::BookCrossed),
        (book_of("BTC-USD", &[("100", "1")], &[("100", "1")]), DecisionReason::BookCrossed),
    ] {
        let (mut scene, _) = standing();
        scene.top(top);
        assert_eq!(scene.cancels().len(), 2);
        assert_eq!(scene.cancels()[0].reason, CancelReason::MarketDataLost);
        assert_eq!(scene.reasons(), [reason]);
    }
}

fn feed_status(state: BookState) -> Body {
    Body::FeedStatus(FeedStatus {
        instrument: key("BTC-USD"),
        counters: Default::default(),
        state,
        last_frame_time: None,
    })
}

/// Is the ingestor's sign of life, which says nothing about any one book.
fn heartbeat() -> Body {
    Body::Heartbeat(Heartbeat {
        service: Service::Ingestor.name().to_owned(),
        version: "0".to_owned(),
        state: ServiceState::Active,
        data_age: None,
    })
}

#[test]
fn a_book_that_is_not_told_again_goes_stale_whatever_else_its_ingestor_says() {
    let (mut scene, _) = standing();
    let (mut cancelled, mut reasons, mut stale_ms) = (0, Vec::new(), None);
    let told_ms = scene.now_ms - 250;
    for _ in 0..120 {
        scene.pass(500);
        let seen = scene.cancels().len();
        cancelled += seen;
        reasons.append(&mut scene.reasons());
        if seen > 0 {
            stale_ms = stale_ms.or(Some(scene.now_ms - told_ms));
            break;
        }
        for body in [heartbeat(), feed_status(BookState::Live)] {
            scene.market(body);
            assert_eq!(scene.requests(), []);
        }
    }
    assert_eq!((cancelled, reasons), (2, vec![DecisionReason::BookStale]));
    assert!(stale_ms.is_some_and(|ms| (2_000..=2_500).contains(&ms)), "{stale_ms:?}");
}

#[test]
fn a_shard_that_lost_its_connection_leaves_the_quotes_of_another_alone() {
    let (mut scene, _) = standing();
    let mut other = Producer::new("ingestor-sim-spot-1", 1);
    let body = Body::MarketStatus(venue_status(SystemStatus::Disconnected));
    let message = other.wrap(scene.now(), body);
    scene.deliver(message);
    assert_eq!(scene.cancels(), []);
    scene.pass(100);
    scene.book("99.95", "100.05");
    assert_eq!((scene.cancels(), scene.reasons()), (vec![], vec![]));
}

#[test]
fn a_quiet_book_that_is_told_again_each_second_is_not_stale() {
    let (mut scene, _) = standing();
    for _ in 0..30 {
        scene.pass(1_000);
        assert_eq!(scene.cancels(), []);
        scene.book("99.95", "100.05");
        assert_eq!(scene.cancels(), []);
    }
}

#[test]
fn a_withdrawal_that_was_lost_is_learnt_from_the_state_of_the_feed() {
    let (mut scene, _) = standing();
    scene.market(feed_status(BookState::Invalid(InvalidBook::Disconnected)));
    assert_eq!(scene.cancels().len(), 2);
    assert_eq!(scene.reasons(), [DecisionReason::BookInvalid]);
    // A state brings no levels back.
    scene.market(feed_status(BookState::Live));
    assert_eq!(scene.requests(), []);
}

#[test]
fn a_quote_that_became_too_good_is_taken_back_and_replaced_only_after_that_is_confirmed() {
    let (mut scene, requests) = standing();
    scene.book("99.75", "99.85");
    assert_eq!(scene.cancelled_ids(), [requests[0].cl_ord_id.clone()]);
    assert_eq!(scene.cancels()[0].reason, CancelReason::Requote);
    scene.pass(250);
    scene.book("99.75", "99.85");
    assert!(scene.requests().iter().all(|request| request.side == Side::Sell));
    scene.event(cancelled(&requests[0], Qty::ZERO));
    let replaced = scene.requests();
    assert_eq!(replaced.len(), 1);
    assert_eq!(replaced[0].side, requests[0].side);
    assert!(replaced[0].price < px("99.85"));
}

/// Moves the market away from the ask, which the core asks to be changed.
fn falling() -> (Scene, remora_domain::OrderRequest, remora_domain::OrderRequest) {
    let (mut scene, requests) = standing();
    // The jump raises the volatility, and with it the ask's distance; both come down.
    let change = (0..600).find_map(|_| {
        scene.pass(100);
        scene.book("99.90", "100.00");
        scene.requests().into_iter().find(|request| request.side == Side::Sell)
    });
    (scene, requests[1].clone(), change.expect("the ask is changed"))
}

#[test]
fn a_quote_that_the_market_left_behind_is_changed_and_leaves_no_gap() {
    let (mut scene, ask, change) = falling();
    assert_eq!((change.side, &change.orig_cl_ord_id), (Side::Sell, &Some(ask.cl_ord_id.clone())));
    assert!(change.price < ask.price && change.price > px("99.95"));
    assert!(!scene.cancelled_ids().contains(&ask.cl_ord_id));
    // While it is under way nothing else is asked for on its side, and the old one stays.
    scene.event(sending(&change));
    scene.pass(300);
    scene.book("99.90", "100.00");
    assert!(scene.requests().is_empty() && !scene.cancelled_ids().contains(&ask.cl_ord_id));
    let replaced = OrderEvent { exec_type: ExecType::Replaced, ..cancelled(&ask, Qty::ZERO) };
    scene.event(replaced);
    scene.event(accepted(&change));
    scene.pass(300);
    scene.book("99.90", "100.00");
    assert!(scene.requests().iter().all(|request| request.side == Side::Buy));
    assert!(!scene.cancelled_ids().contains(&change.cl_ord_id));
}

#[test]
fn a_change_that_the_gate_refuses_becomes_a_cancel_and_pauses_no_side() {
    let (mut scene, ask, change) = falling();
    scene.tell(Body::OrderRefusal(OrderRefusal {
        cl_ord_id: change.cl_ord_id,
        account: change.account,
        instrument: change.instrument,
        reason: RefusalReason::PairPositionAboveMax,
        limit: "100 USD".to_owned(),
        value: "150 USD".to_owned(),
    }));
    let mut cancelled_ids = scene.cancelled_ids();
    scene.pass(300);
    cancelled_ids.append(&mut scene.cancelled_ids());
    assert!(cancelled_ids.contains(&ask.cl_ord_id));
    scene.event(cancelled(&ask, Qty::ZERO));
    let anew = scene.requests();
    let anew = anew.iter().find(|request| request.side == Side::Sell).unwrap();
    assert_eq!(anew.orig_cl_ord_id, None);
}

#[test]
fn a_change_that_the_router_does_not_make_becomes_a_cancel() {
    for reason in [OrderEventReason::UnknownOrder, OrderEventReason::VenueOther] {
        let (mut scene, ask, change) = falling();
        scene.event(sending(&change));
        scene.event(remora_testkit::router_refused(&change, reason));
        let mut cancelled_ids = scene.cancelled_ids();
        scene.pass(300);
        cancelled_ids.append(&mut scene.cancelled_ids());
        assert!(cancelled_ids.contains(&ask.cl_ord_id), "{reason:?}");
    }
}

#[test]
fn a_halt_takes_back_a_quote_and_the_change_of_it() {
    let (mut scene, ask, change) = falling();
    scene.event(sending(&change));
    scene.tell(Body::ControlCommand(halt(ControlScope::Global)));
    let cancelled = scene.cancelled_ids();
    assert!(cancelled.contains(&ask.cl_ord_id) && cancelled.contains(&change.cl_ord_id));
}

#[test]
fn a_quote_that_becomes_too_good_while_it_is_changed_is_taken_back() {
    let (mut scene, ask, change) = falling();
    scene.event(sending(&change));
    scene.pass(1_000);
    scene.book("101.00", "101.10");
    assert!(scene.cancelled_ids().contains(&ask.cl_ord_id));
}

#[test]
fn a_quote_that_the_venue_has_not_acknowledged_is_not_changed() {
    let mut scene = Scene::quoting();
    let requests = scene.asked.clone();
    requests.iter().for_each(|request| scene.event(sending(request)));
    let mut cancelled = Vec::new();
    for _ in 0..100 {
        scene.pass(100);
        scene.book("99.90", "100.00");
        cancelled.append(&mut scene.cancelled_ids());
        assert!(scene.requests().iter().all(|request| request.orig_cl_ord_id.is_none()));
    }
    assert!(cancelled.contains(&requests[1].cl_ord_id));
}

#[test]
fn a_market_that_moves_a_little_leaves_the_quotes_alone() {
    let (mut scene, _) = standing();
    scene.pass(300);
    scene.top(book_of("BTC-USD", &[("99.95", "11")], &[("100.05", "10")]));
    assert_eq!((scene.requests().len(), scene.cancels().len()), (0, 0));
}

#[test]
fn a_cancel_without_effect_is_repeated_after_its_interval() {
    let (mut scene, _) = standing();
    scene.top(invalid_book("BTC-USD", InvalidBook::Checksum));
    let first = scene.cancelled_ids();
    scene.pass(999);
    assert_eq!(scene.cancels(), []);
    scene.pass(1);
    assert_eq!(scene.cancelled_ids(), first);
}

#[test]
fn a_fill_moves_inventory_and_the_filled_side_is_asked_for_again() {
    let (mut scene, requests) = standing();
    scene.event(filled(&requests[0], "x-1", Qty::ZERO, requests[0].qty));
    let again = scene.requests();
    let [bid] = again.iter().filter(|r| r.side == Side::Buy).collect::<Vec<_>>()[..] else {
        panic!("{again:?}");
    };
    assert!(bid.price <= requests[0].price, "a long position lowers the bid");
}

#[test]
fn a_request_the_gate_refuses_pauses_that_side_only_and_longer_each_time() {
    let mut scene = Scene::quoting();
    let mut asked = scene.asked.clone();
    let mut gaps = Vec::new();
    for _ in 0..3 {
        let bid = asked.iter().find(|r| r.side == Side::Buy).unwrap().clone();
        let refused_at = scene.now_ms;
        scene.tell(Body::OrderRefusal(OrderRefusal {
            cl_ord_id: bid.cl_ord_id,
            account: bid.account,
            instrument: bid.instrument,
            reason: RefusalReason::PriceOutsideCollar,
            limit: "50 bps".to_owned(),
            value: "60 bps".to_owned(),
        }));
        assert!(scene.requests().is_empty());
        asked = Vec::new();
        while !asked.iter().any(|r| r.side == Side::Buy) {
            assert!(scene.now_ms < 20_000, "never asked again");
            scene.pass(100);
            asked = scene.requests();
            scene.book("99.95", "100.05");
            asked.append(&mut scene.requests());
        }
        gaps.push(scene.now_ms - refused_at);
    }
    assert_eq!(gaps, [500, 1_000, 2_000]);
}

#[test]
fn a_refusal_pause_is_the_reason_on_record() {
    let (mut scene, requests) = standing();
    scene.event(cancelled(&requests[0], Qty::ZERO));
    let again = scene.requests();
    scene.event(rejected(&again[0], OrderEventReason::PostOnlyWouldCross));
    assert_eq!(scene.reasons(), [DecisionReason::RefusalPause]);
    assert_eq!(scene.requests(), []);
}

#[test]
fn a_halt_of_any_scope_that_covers_the_pair_takes_everything_back() {
    let scopes = [
        ControlScope::Global,
        ControlScope::Venue(key("BTC-USD").venue),
        ControlScope::Instrument(key("BTC-USD")),
        ControlScope::Strategy(remora_testkit::strategy()),
    ];
    for scope in scopes {
        let (mut scene, requests) = standing();
        scene.tell(Body::ControlCommand(halt(scope.clone())));
        assert_eq!(scene.cancels().len(), 2);
        assert_eq!(scene.cancels()[0].reason, CancelReason::Halted);
        for request in &requests {
            scene.event(cancelled(request, Qty::ZERO));
            assert_eq!(scene.requests(), []);
        }
        scene.pass(300);
        scene.tell(Body::ControlCommand(resume(scope)));
        assert_eq!(scene.requests().len(), 2);
    }
    let (mut scene, _) = standing();
    scene.tell(Body::ControlCommand(halt(ControlScope::Instrument(key("ETH-USD")))));
    assert_eq!(scene.cancels(), []);
    let other = "other".parse().unwrap();
    scene.tell(Body::ControlCommand(halt(ControlScope::Strategy(other))));
    assert_eq!(scene.cancels(), []);
}

#[test]
fn where_the_whole_account_is_cancelled_nothing_is_asked_for() {
    let (mut scene, _) = standing();
    let other = remora_domain::NamedAccount { id: "other".parse().unwrap(), venue: None };
    for account in [Some(other), None] {
        let command = remora_domain::ControlCommand { account, ..remora_testkit::cancel_account() };
        scene.tell(Body::ControlCommand(command));
        assert_eq!(scene.cancels(), [], "another account is nothing to this one");
    }
    scene.tell(Body::ControlCommand(remora_testkit::cancel_account()));
    assert_eq!(scene.cancels().len(), 2);
    scene.pass(300);
    assert_eq!(scene.requests(), []);
}

#[test]
fn a_change_of_limits_lifts_no_halt() {
    let (mut scene, _) = standing();
    scene.tell(Body::ControlCommand(halt(ControlScope::Global)));
    let action = remora_domain::ControlAction::ChangeLimits;
    let change = remora_domain::ControlCommand { action, ..halt(ControlScope::Global) };
    scene.tell(Body::ControlCommand(change));
    scene.pass(300);
    assert_eq!(scene.requests(), []);
}

#[test]
fn a_gate_or_router_that_is_not_active_takes_everything_back() {
    let states = [
        control_state(Service::RiskGate, ServiceState::Halted, 1),
        control_state(Service::RiskGate, ServiceState::Starting, 2),
        router_state(ServiceState::Halted, 1),
        control_state(Service::RiskGate, ServiceState::Active, 2),
    ];
    for state in states {
        let (mut scene, _) = standing();
        scene.tell(Body::ControlState(state.clone()));
        assert_eq!(scene.cancels().len(), 2, "{state:?}");
    }
}

#[test]
fn a_gate_of_an_older_epoch_has_nothing_to_say() {
    let (mut scene, _) = standing();
    scene.tell(Body::ControlState(control_state(Service::RiskGate, ServiceState::Halted, 0)));
    assert_eq!(scene.cancels(), []);
}

#[test]
fn an_order_is_taken_back_once_its_approval_is_known_not_before() {
    let mut scene = Scene::quoting();
    let asked = scene.asked.clone();
    scene.tell(Body::ControlCommand(halt(ControlScope::Global)));
    assert_eq!(scene.cancels(), []);
    let expires = at_ms(scene.now_ms + 500);
    scene.tell(Body::OrderApproval(approval(asked[0].clone(), 1, 1, expires)));
    assert_eq!(scene.cancelled_ids(), [asked[0].cl_ord_id.clone()]);
    scene.event(sending(&asked[0]));
    assert_eq!(scene.cancels(), []);
}

#[test]
fn without_base_only_the_bid_is_quoted_and_without_quote_only_the_ask() {
    for (held, reason, side) in [
        (("USD", "1000"), DecisionReason::QuotingBidOnly, Side::Buy),
        (("BTC", "10"), DecisionReason::QuotingAskOnly, Side::Sell),
    ] {
        let (mut scene, requests) = standing();
        scene.tell(Body::Balances(balances(&[held])));
        let other = requests.iter().find(|r| r.side != side).unwrap();
        assert_eq!(scene.cancelled_ids(), std::slice::from_ref(&other.cl_ord_id));
        assert_eq!(scene.cancels()[0].reason, CancelReason::InventoryLimit);
        assert_eq!(scene.reasons(), [reason]);
    }
}

#[test]
fn at_the_inventory_limit_only_the_reducing_side_is_quoted() {
    let mut scene = Scene::quoting();
    scene.pass(300);
    let mut bought = 0;
    for n in 0..40 {
        scene.book("99.95", "100.05");
        let requests: Vec<_> = scene.asked.drain(..).collect();
        scene.accept(&requests);
        for bid in requests.iter().filter(|r| r.side == Side::Buy) {
            scene.event(filled(bid, &format!("x-{n}"), Qty::ZERO, bid.qty));
            bought += 1;
        }
        scene.pass(300);
    }
    let position = scene.driver.machine.orders.position(&key("BTC-USD"));
    assert!(bought >= 4, "{bought}");
    assert!(position.to_est() * 100.0 <= 50.1, "{position}");
    let open: Vec<Side> = scene.driver.machine.orders.all().map(|(_, order)| order.side).collect();
    assert_eq!(open, [Side::Sell]);
}

#[test]
fn an_instrument_that_may_not_be_traded_is_not_quoted() {
    let closed = Instrument { status: InstrumentStatus::CancelOnly, ..instrument("BTC", "USD") };
    let future = Instrument { kind: ContractKind::LinearPerpetual, ..instrument("BTC", "USD") };
    let vague = Instrument { cost_min: None, ..instrument("BTC", "USD") };
    let dear = Instrument { qty_min: qty("3"), ..instrument("BTC", "USD") };
    for (changed, reason) in [
        (closed, DecisionReason::NotTradable),
        (future, DecisionReason::NotTradable),
        (vague, DecisionReason::CostMinUnknown),
        (dear, DecisionReason::SizeBelowMin),
    ] {
        let (mut scene, _) = standing();
        scene.tell(Body::Instrument(changed));
        assert_eq!(scene.cancels().len(), 2);
        assert_eq!(scene.reasons(), [reason]);
    }
}

#[test]
fn a_venue_that_takes_no_orders_is_not_quoted_but_post_only_is_enough() {
    let (mut scene, _) = standing();
    scene.market(Body::MarketStatus(venue_status(SystemStatus::PostOnly)));
    assert_eq!(scene.cancels(), []);
    scene.market(Body::MarketStatus(venue_status(SystemStatus::Maintenance)));
    assert_eq!(scene.cancels().len(), 2);
    assert_eq!(scene.reasons(), [DecisionReason::VenueNotOpen]);
}

#[test]
fn a_higher_fee_moves_the_quotes_out() {
    let (mut scene, requests) = standing();
    scene.tell(Body::AccountFees(fees("20", "30")));
    for request in &requests {
        scene.event(cancelled(request, Qty::ZERO));
    }
    scene.pass(300);
    scene.book("99.95", "100.05");
    let mut open: Vec<_> =
        scene.driver.machine.orders.all().map(|(_, o)| (o.side, o.price)).collect();
    open.sort();
    let [(_, bid), (_, ask)] = open.as_slice() else { panic!("{open:?}") };
    assert!(*bid <= px("99.80") && *ask >= px("100.20"), "{bid} {ask}");
}

#[test]
fn records_with_the_same_reason_are_spaced_and_the_last_is_not_lost() {
    let (mut scene, _) = standing();
    scene.pass(1_000);
    scene.book("99.95", "100.05");
    let mut count = 0;
    for n in 0..10 {
        scene.book("99.55", if n % 2 == 0 { "99.65" } else { "99.67" });
        count += scene.reasons().len();
        scene.pass(20);
    }
    assert!(count <= 1, "{count}");
    scene.pass(600);
    scene.market(Body::MarketStatus(venue_status(SystemStatus::Online)));
    scene.pass(500);
    assert_eq!(scene.reasons(), [DecisionReason::QuotingBoth]);
}

#[test]
fn an_unanswered_request_blocks_its_side_for_ever() {
    let mut scene = Scene::quoting();
    for _ in 0..100 {
        scene.pass(100);
        scene.book("99.95", "100.05");
    }
    assert_eq!(scene.asked.len(), 2);
}

#[test]
fn an_order_of_unknown_fate_blocks_its_side() {
    let (mut scene, requests) = standing();
    let unknown = remora_testkit::event(
        &requests[0],
        remora_domain::ExecType::SubmitUnknown,
        OrdStatus::SubmitUnknown,
        Qty::ZERO,
    );
    scene.event(unknown);
    for _ in 0..20 {
        scene.pass(100);
        scene.book("99.95", "100.05");
        assert_eq!(scene.requests(), []);
    }
}
