//! What an amend does to price, quantity and place (the table of `Exchange::amend`).

use super::{Rig, queue_lines};
use crate::{Amend, EndCause, MarketMode, NewOrder, OrderNo, OrderState, Refusal, SelfTrade, Size};
use remora_domain::Side::{Buy, Sell};
use remora_domain::{Lots, Ticks, Timestamp};

fn qty(qty: i64) -> Amend {
    Amend { qty: Some(Lots::new(qty)), ..Amend::default() }
}

fn limit(limit: i64) -> Amend {
    Amend { limit: Some(Ticks::new(limit)), ..Amend::default() }
}

fn display(display: i64) -> Amend {
    Amend { display: Some(Lots::new(display)), ..Amend::default() }
}

fn try_amend(rig: &mut Rig, order: u64, amend: Amend) -> Result<Vec<String>, Refusal> {
    rig.out.clear();
    let order = OrderNo::new(order);
    rig.exchange.amend(rig.now, rig.alice, order, amend, &mut rig.out)?;
    Ok(rig.log())
}

fn amend(rig: &mut Rig, order: u64, change: Amend) -> Vec<String> {
    try_amend(rig, order, change).expect("amended")
}

/// Makes a rig with two bids of alice's at 100: orders 1 and 2.
fn two_bids() -> Rig {
    let mut rig = Rig::new();
    rig.rest(&[(rig.alice, Buy, 5, 100), (rig.alice, Buy, 5, 100)]);
    rig
}

#[test]
fn quantity_down_keeps_the_place() {
    let mut rig = two_bids();
    rig.now = Timestamp::from_ns(7);
    assert_eq!(amend(&mut rig, 1, qty(3)), ["amended 1", "buy level 100 = 8"]);
    assert_eq!(rig.queue(Buy, 100), [(1, 3), (2, 5)]);
    let view = rig.exchange.order(OrderNo::new(1)).unwrap();
    assert_eq!((view.asked.size, view.amended), (Size::Base(Lots::new(3)), rig.now));
    assert_eq!(crate::age(view, Timestamp::from_ns(9)).as_ns(), 2);
}

#[test]
fn quantity_up_goes_to_the_back_of_the_level() {
    let mut rig = two_bids();
    assert_eq!(amend(&mut rig, 1, qty(6)), ["amended 1", "buy level 100 = 11"]);
    assert_eq!(rig.queue(Buy, 100), [(2, 5), (1, 6)]);
}

#[test]
fn a_new_limit_goes_to_the_back_of_its_level_also_when_it_is_the_same() {
    let mut rig = two_bids();
    assert_eq!(amend(&mut rig, 1, limit(100)), ["amended 1"], "the level did not change");
    assert_eq!(rig.queue(Buy, 100), [(2, 5), (1, 5)]);
    rig.rest(&[(rig.alice, Buy, 1, 99)]);
    let log = amend(&mut rig, 2, limit(99));
    assert_eq!(log, ["amended 2", "buy level 100 = 5", "buy level 99 = 6"]);
    assert_eq!(rig.queue(Buy, 99), [(3, 1), (2, 5)]);
}

#[test]
fn the_quantity_of_an_amend_includes_what_is_filled() {
    let mut rig = two_bids();
    rig.rest(&[(rig.bob, Sell, 2, 100)]);
    amend(&mut rig, 1, qty(4));
    assert_eq!(rig.queue(Buy, 100), [(1, 2), (2, 5)]);
    let log = amend(&mut rig, 1, qty(2));
    assert_eq!(log, ["amended 1", "ended 1 AmendedBelowFilled", "buy level 100 = 5"]);
    let view = rig.exchange.order(OrderNo::new(1)).unwrap();
    assert_eq!((view.cum_qty, view.asked.size), (Lots::new(2), Size::Base(Lots::new(2))));
    assert_eq!(view.state, OrderState::Ended(EndCause::AmendedBelowFilled));
    assert_eq!(try_amend(&mut rig, 2, qty(0)), Err(Refusal::QtyMin), "nothing is filled of it");
}

#[test]
fn a_new_limit_may_take_unless_the_amend_is_post_only() {
    let mut rig = two_bids();
    rig.rest(&[(rig.bob, Sell, 3, 105)]);
    let post_only = Amend { is_post_only: true, ..limit(105) };
    assert_eq!(try_amend(&mut rig, 1, post_only), Err(Refusal::PostOnly));
    assert_eq!(rig.queue(Buy, 100), [(1, 5), (2, 5)], "nothing happened");
    let log = amend(&mut rig, 1, limit(105));
    assert_eq!(
        log,
        [
            "amended 1",
            "buy level 100 = 5",
            "1 buy 3@105 of 3",
            "sell level 105 = 0",
            "buy level 105 = 2"
        ]
    );
}

#[test]
fn an_amended_order_that_meets_its_own_trader_obeys_its_own_choice() {
    let mut rig = Rig::new();
    let order =
        NewOrder { self_trade: SelfTrade::CancelOldest, ..rig.limit(rig.alice, Buy, 5, 100) };
    rig.place(order);
    rig.rest(&[(rig.alice, Sell, 3, 105)]);
    let log = amend(&mut rig, 1, limit(105));
    assert_eq!(log[2..], ["ended 2 SelfTrade", "sell level 105 = 0", "buy level 105 = 5"]);
}

#[test]
fn a_shown_quantity_goes_down_at_once_and_up_with_the_next_refill() {
    let mut rig = Rig::new();
    let iceberg = NewOrder { display: Some(Lots::new(4)), ..rig.limit(rig.alice, Buy, 10, 100) };
    rig.place(iceberg);
    rig.rest(&[(rig.bob, Buy, 1, 100)]);
    assert_eq!(amend(&mut rig, 1, display(2)), ["amended 1", "buy level 100 = 3"]);
    assert_eq!(rig.queue(Buy, 100), [(1, 2), (3 - 1, 1)]);
    assert_eq!(amend(&mut rig, 1, display(5)), ["amended 1"]);
    assert_eq!(rig.queue(Buy, 100), [(1, 2), (2, 1)]);
    rig.rest(&[(rig.crowd, Sell, 2, 100)]);
    assert_eq!(rig.queue(Buy, 100), [(2, 1), (1, 5)]);
    assert!(matches!(try_amend(&mut rig, 2, display(1)), Err(Refusal::Unknown)), "bob's");
    let plain = rig.rest(&[(rig.alice, Buy, 5, 90)])[0].get();
    assert!(matches!(try_amend(&mut rig, plain, display(1)), Err(Refusal::Fields(_))));
    assert!(matches!(try_amend(&mut rig, 1, display(11)), Err(Refusal::Fields(_))));
}

#[test]
fn quantity_down_below_the_slice_shrinks_the_slice() {
    let mut rig = Rig::new();
    let iceberg = NewOrder { display: Some(Lots::new(4)), ..rig.limit(rig.alice, Buy, 10, 100) };
    rig.place(iceberg);
    amend(&mut rig, 1, qty(6));
    assert_eq!(rig.queue(Buy, 100), [(1, 4)]);
    rig.out.clear();
    rig.exchange.amend(rig.now, rig.alice, OrderNo::new(1), qty(3), &mut rig.out).unwrap();
    assert_eq!(queue_lines(&rig.out), ["buy 100 modify 1 3"]);
    assert_eq!(rig.exchange.order(OrderNo::new(1)).unwrap().asked.display, Some(Lots::new(3)));
}

#[test]
fn an_amend_is_checked_like_a_new_order() {
    let mut rig = Rig::with(0, 0, |spec| {
        (spec.tick, spec.lot) = (Ticks::new(5), Lots::new(2));
        (spec.qty_min, spec.cost_min) = (Lots::new(4), 300);
    });
    rig.rest(&[(rig.alice, Buy, 6, 100)]);
    let mut refusal = |change| try_amend(&mut rig, 1, change).unwrap_err();
    assert_eq!(refusal(limit(101)), Refusal::Tick);
    assert_eq!(refusal(limit(0)), Refusal::Tick);
    assert_eq!(refusal(qty(5)), Refusal::Lot);
    assert_eq!(refusal(qty(2)), Refusal::QtyMin);
    assert_eq!(refusal(limit(45)), Refusal::CostMin);
    assert_eq!(refusal(qty(i64::MAX)), Refusal::Range);
}

#[test]
fn amends_obey_the_markets_mode() {
    let mut rig = two_bids();
    rig.rest(&[(rig.bob, Sell, 3, 105)]);
    let mut check = |mode, change, expected: Result<(), Refusal>| {
        rig.exchange.set_mode(rig.market, mode, &mut Vec::new());
        assert_eq!(try_amend(&mut rig, 1, change).map(drop), expected, "{mode:?}");
    };
    for mode in [MarketMode::CancelOnly, MarketMode::Closed] {
        check(mode, qty(4), Err(Refusal::Mode(mode)));
    }
    check(MarketMode::PostOnly, limit(105), Err(Refusal::Mode(MarketMode::PostOnly)));
    check(MarketMode::PostOnly, limit(104), Ok(()));
    check(MarketMode::LimitOnly, limit(105), Ok(()));
}
