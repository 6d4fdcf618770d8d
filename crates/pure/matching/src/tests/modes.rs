//! What is refused at the door, and what a market's mode allows.

use super::{NO_FEES, Rig, spec};
use crate::{
    Condition, Exchange, Funding, Lifetime, MarketIx, MarketMode, MarketSpec, NewOrder, Pricing,
    Reference, Refusal, Size, TraderIx, Trigger,
};
use remora_domain::Side::{Buy, Sell};
use remora_domain::{Lots, Ticks};

fn check(rig: &Rig, expected: Result<(), Refusal>, order: NewOrder) {
    assert_eq!(rig.exchange.check(&order), expected, "{order:?}");
}

fn is_contradiction(rig: &Rig, order: NewOrder) {
    let refusal = rig.exchange.check(&order);
    assert!(matches!(refusal, Err(Refusal::Fields(_))), "{refusal:?} for {order:?}");
}

#[test]
fn steps_minimums_and_ranges_are_checked() {
    let rig = Rig::with(0, 0, |spec: &mut MarketSpec| {
        (spec.tick, spec.lot) = (Ticks::new(5), Lots::new(2));
        (spec.qty_min, spec.cost_min) = (Lots::new(4), 300);
    });
    let limit = |qty, price| rig.limit(rig.alice, Buy, qty, price);
    check(&rig, Ok(()), limit(6, 50));
    check(&rig, Err(Refusal::Tick), limit(6, 51));
    check(&rig, Err(Refusal::Tick), limit(6, 0));
    check(&rig, Err(Refusal::Tick), limit(6, -5));
    check(&rig, Err(Refusal::Lot), limit(7, 50));
    check(&rig, Err(Refusal::QtyMin), limit(2, 500));
    check(&rig, Err(Refusal::QtyMin), limit(-6, 500));
    check(&rig, Err(Refusal::CostMin), limit(4, 70));
    check(&rig, Err(Refusal::Range), limit(6, i64::MAX));
    check(&rig, Err(Refusal::Range), limit(i64::MAX, 50));
    let quote =
        |amount| NewOrder { size: Size::Quote(amount), ..rig.market_order(rig.alice, Buy, 0) };
    check(&rig, Ok(()), quote(300));
    check(&rig, Err(Refusal::CostMin), quote(299));
    check(&rig, Err(Refusal::CostMin), quote(-1));
    check(&rig, Err(Refusal::Range), quote(i128::MAX));
    // With nobody there a market order has no cost to compare.
    check(&rig, Ok(()), rig.market_order(rig.alice, Buy, 4));
}

#[test]
fn contradictions_are_named() {
    let mut rig = Rig::new();
    rig.exchange.set_index(rig.now, rig.market, Ticks::new(100), &mut rig.out);
    let limit = rig.limit(rig.alice, Buy, 5, 100);
    let market = rig.market_order(rig.alice, Buy, 5);
    let sell = rig.limit(rig.alice, Sell, 5, 100);
    is_contradiction(&rig, NewOrder { is_post_only: true, ..market.clone() });
    is_contradiction(&rig, NewOrder { display: Some(Lots::new(1)), ..market.clone() });
    for lifetime in [Lifetime::Ioc, Lifetime::Fok] {
        is_contradiction(&rig, NewOrder { is_post_only: true, lifetime, ..limit.clone() });
        is_contradiction(&rig, NewOrder { display: Some(Lots::new(1)), lifetime, ..limit.clone() });
    }
    is_contradiction(&rig, NewOrder { size: Size::Quote(500), ..limit.clone() });
    is_contradiction(&rig, NewOrder { size: Size::Quote(5), side: Sell, ..market.clone() });
    is_contradiction(&rig, NewOrder { is_fee_in_base: true, ..sell });
    for display in [0, -1, 6] {
        is_contradiction(&rig, NewOrder { display: Some(Lots::new(display)), ..limit.clone() });
    }
    let trigger = |condition, limit_offset| {
        Some(Trigger { condition, reference: Reference::Index, limit_offset })
    };
    let (price, offset) = (Ticks::new(10), Some(Ticks::new(1)));
    let stop = trigger(Condition::StopLoss(price), offset);
    is_contradiction(&rig, NewOrder { trigger: stop, ..limit.clone() });
    let trailing = trigger(Condition::Trailing(price), offset);
    is_contradiction(&rig, NewOrder { trigger: trailing, ..market });
    check(&rig, Ok(()), NewOrder { trigger: trailing, ..limit.clone() });
    let nowhere = trigger(Condition::StopLoss(Ticks::ZERO), None);
    check(&rig, Err(Refusal::Tick), NewOrder { trigger: nowhere, ..limit });
}

#[test]
fn unknown_markets_and_traders_are_refused() {
    let mut rig = Rig::new();
    let order = rig.limit(rig.alice, Buy, 5, 100);
    let (market, trader) = (MarketIx::new(9), TraderIx::new(9));
    check(&rig, Err(Refusal::Unknown), NewOrder { market, ..order.clone() });
    check(&rig, Err(Refusal::Unknown), NewOrder { trader, ..order });
    rig.exchange.set_mode(market, MarketMode::Closed, &mut rig.out);
    rig.exchange.set_fees(trader, market, NO_FEES);
    rig.exchange.set_index(rig.now, market, Ticks::new(1), &mut rig.out);
    let none = rig.exchange.deposit(trader, rig.base, 1, &mut rig.out);
    assert_eq!(none, Err(Refusal::Unknown));
    assert_eq!((rig.exchange.market(market), rig.exchange.last_price(market)), (None, None));
    assert_eq!(rig.exchange.open_orders(trader, Some(market)).count(), 0);
    assert_eq!(rig.exchange.balances(trader).count(), 0);
}

#[test]
fn a_mode_allows_what_its_name_says() {
    let mut rig = Rig::new();
    rig.rest(&[(rig.bob, Sell, 5, 100)]);
    let taking = rig.limit(rig.alice, Buy, 1, 100);
    let resting = rig.limit(rig.alice, Buy, 1, 99);
    let market = rig.market_order(rig.alice, Buy, 1);
    let mut allows = |mode, expected: [bool; 3]| {
        rig.exchange.set_mode(rig.market, mode, &mut rig.out);
        for (order, is_allowed) in [&taking, &resting, &market].into_iter().zip(expected) {
            let refusal = if is_allowed { Ok(()) } else { Err(Refusal::Mode(mode)) };
            assert_eq!(rig.exchange.check(order), refusal, "{mode:?}");
        }
    };
    allows(MarketMode::Open, [true, true, true]);
    allows(MarketMode::PostOnly, [false, true, false]);
    allows(MarketMode::LimitOnly, [true, true, false]);
    allows(MarketMode::CancelOnly, [false, false, false]);
    allows(MarketMode::Closed, [false, false, false]);
}

#[test]
fn a_closed_market_refuses_its_clients_cancels_but_not_the_venues() {
    let mut rig = Rig::new();
    let no = rig.rest(&[(rig.alice, Buy, 5, 100)])[0];
    rig.exchange.set_mode(rig.market, MarketMode::Closed, &mut rig.out);
    assert_eq!(rig.cancel(rig.alice, 1), Err(Refusal::Mode(MarketMode::Closed)));
    let cause = crate::EndCause::Market;
    rig.exchange.cancel(rig.now, rig.alice, no, cause, &mut rig.out).unwrap();
    assert_eq!(rig.book(Buy), []);
}

#[test]
fn a_market_is_made_of_two_known_assets_and_sensible_steps() {
    let rig = Rig::new();
    let make = |change: &dyn Fn(&mut MarketSpec)| {
        let mut market = spec(rig.base, rig.quote);
        change(&mut market);
        rig.exchange.clone().add_market(market).map(drop)
    };
    assert_eq!(make(&|_| ()), Ok(()));
    assert!(matches!(make(&|spec| spec.base = spec.quote), Err(Refusal::Fields(_))));
    assert!(matches!(make(&|spec| spec.tick = Ticks::ZERO), Err(Refusal::Fields(_))));
    assert!(matches!(make(&|spec| spec.lot = Lots::new(-1)), Err(Refusal::Fields(_))));
    assert_eq!(make(&|spec| spec.price_decimals = 19), Err(Refusal::Range));
    assert_eq!(make(&|spec| spec.cost_min = -1), Err(Refusal::Range));
    let mut empty = Exchange::new();
    assert_eq!(empty.add_market(spec(rig.base, rig.quote)), Err(Refusal::Unknown));
    assert_eq!(empty.add_trader(Funding::Cash), TraderIx::new(0));
    assert_eq!(rig.exchange.asset(rig.quote).unwrap().name, "QUOTE");
}

#[test]
fn a_limit_above_every_range_is_refused_and_never_overflows() {
    let mut rig = Rig::with(18, 18, |spec| {
        (spec.price_decimals, spec.qty_decimals, spec.cost_decimals) = (18, 18, 18);
    });
    let crowd = |rig: &Rig, qty, price| rig.limit(rig.crowd, Sell, qty, price);
    let most = 1_000_000_000_000_000_000;
    for order in [crowd(&rig, most, most), crowd(&rig, most, 1)] {
        rig.exchange.place(rig.now, order, &mut rig.out).unwrap();
    }
    for _ in 0..20 {
        rig.rest(&[(rig.crowd, Sell, most, most)]);
    }
    assert_eq!(rig.book(Sell).last(), Some(&(most, i64::MAX)), "shown as the largest there is");
    let order = NewOrder { pricing: Pricing::Market, ..rig.limit(rig.crowd, Buy, most, 0) };
    rig.place(order.clone());
    rig.rest(&[(rig.crowd, Sell, most, 1), (rig.crowd, Sell, most, 1)]);
    let size = Size::Quote(1_000_000_000_000_000_000_000_000_000_000);
    let log = rig.place(NewOrder { size, ..order });
    assert_eq!(log.iter().filter(|line| line.contains('@')).count(), 1, "as much as one order may");
}
