//! Holds, fees, rounding, balances.

use super::{NO_FEES, Rig};
use crate::{
    Amend, Balance, Event, FeeRates, Lifetime, MarketSpec, Money, NewOrder, OrderNo, Refusal, Size,
};
use remora_domain::Side::{Buy, Sell};
use remora_domain::{Lots, Ticks};

/// Makes a rig where alice pays 1 % as maker and 2 % as taker, and money has two more decimals than cost.
fn with_fees() -> Rig {
    let mut rig = Rig::with(0, 2, |_| ());
    rig.set_fees(rig.alice, 10_000, 20_000);
    rig
}

fn held(rig: &Rig, order: u64) -> Money {
    rig.exchange.order(OrderNo::new(order)).unwrap().held.unwrap().1
}

#[test]
fn a_limit_buy_holds_its_cost_and_the_worst_fee() {
    let mut rig = with_fees();
    rig.place(rig.limit(rig.alice, Buy, 5, 100));
    assert_eq!(rig.money(rig.alice), [(1_000_000, 0), (1_000_000, 51_000)]);
    let post_only = NewOrder { is_post_only: true, ..rig.limit(rig.alice, Buy, 5, 100) };
    rig.place(post_only);
    assert_eq!(held(&rig, 2), 50_500);
    rig.cancel(rig.alice, 1).unwrap();
    rig.cancel(rig.alice, 2).unwrap();
    assert_eq!(rig.money(rig.alice), [(1_000_000, 0), (1_000_000, 0)]);
}

#[test]
fn a_rebate_is_never_counted_on_and_a_fee_in_base_needs_no_quote() {
    let mut rig = with_fees();
    rig.set_fees(rig.alice, -10_000, 0);
    rig.place(rig.limit(rig.alice, Buy, 5, 100));
    assert_eq!(held(&rig, 1), 50_000);
    rig.set_fees(rig.alice, 10_000, 10_000);
    let in_base = NewOrder { is_fee_in_base: true, ..rig.limit(rig.alice, Buy, 5, 100) };
    rig.place(in_base);
    assert_eq!((held(&rig, 1), held(&rig, 2)), (50_500, 50_000));
}

#[test]
fn a_sell_holds_what_it_sells() {
    let mut rig = with_fees();
    rig.place(rig.limit(rig.alice, Sell, 5, 100));
    assert_eq!(rig.money(rig.alice), [(1_000_000, 5), (1_000_000, 0)]);
}

#[test]
fn a_market_buy_is_covered_by_what_the_book_would_cost() {
    let mut rig = with_fees();
    rig.rest(&[(rig.bob, Sell, 2, 100), (rig.bob, Sell, 2, 200)]);
    let before = rig.money(rig.alice)[1].0;
    // Two at 100, one at 200, and 2 % of 400.
    let need = 40_800;
    rig.deposit(rig.alice, rig.quote, need - 1 - before);
    assert_eq!(rig.try_place(rig.market_order(rig.alice, Buy, 3)), Err(Refusal::Funds));
    rig.deposit(rig.alice, rig.quote, 1);
    rig.place(rig.market_order(rig.alice, Buy, 3));
    assert_eq!(rig.money(rig.alice), [(1_000_003, 0), (0, 0)]);
}

#[test]
fn a_hold_is_released_as_its_order_fills() {
    let mut rig = with_fees();
    rig.place(rig.limit(rig.alice, Buy, 5, 100));
    rig.place(rig.limit(rig.bob, Sell, 2, 90));
    // Two at 100 and the maker's 1 %; three are left to pay at the taker's 2 %.
    assert_eq!(rig.money(rig.alice), [(1_000_002, 0), (1_000_000 - 20_200, 30_600)]);
    rig.rest(&[(rig.bob, Sell, 5, 95)]);
    assert_eq!(rig.money(rig.alice), [(1_000_005, 0), (1_000_000 - 50_500, 0)]);
}

#[test]
fn a_better_fill_gives_back_the_difference_at_once() {
    // 2 % of 160 is 3.2, and costs have no decimals here.
    let mut rig = with_fees();
    rig.rest(&[(rig.bob, Sell, 2, 80)]);
    rig.place(rig.limit(rig.alice, Buy, 5, 100));
    assert_eq!(rig.money(rig.alice)[1], (1_000_000 - 16_300, 30_600));
}

#[test]
fn every_balance_change_says_amount_fee_and_what_is_left() {
    let mut rig = with_fees();
    rig.rest(&[(rig.alice, Buy, 2, 100)]);
    rig.out.clear();
    rig.exchange.place(rig.now, rig.limit(rig.bob, Sell, 2, 100), &mut rig.out).unwrap();
    let mut changes = Vec::new();
    for event in &rig.out {
        if let Event::BalanceChanged { trader, asset, amount, fee, balance, trade } = event {
            assert_eq!(trade.map(crate::TradeNo::get), Some(1));
            changes.push((*trader, *asset, *amount, *fee, *balance));
        }
    }
    assert_eq!(
        changes,
        [
            (rig.alice, rig.quote, -20_000, 200, 979_800),
            (rig.alice, rig.base, 2, 0, 1_000_002),
            (rig.bob, rig.base, -2, 0, 999_998),
            (rig.bob, rig.quote, 20_000, 0, 1_020_000),
        ]
    );
    assert_eq!(rig.exchange.earned(rig.quote), 200);
}

#[test]
fn a_maker_rebate_is_paid_by_the_exchange() {
    let mut rig = with_fees();
    rig.set_fees(rig.alice, -10_000, 20_000);
    rig.rest(&[(rig.alice, Sell, 2, 100)]);
    rig.place(rig.limit(rig.bob, Buy, 2, 100));
    assert_eq!(rig.money(rig.alice)[1].0, 1_000_000 + 20_000 + 200);
    assert_eq!(rig.exchange.earned(rig.quote), -200);
    assert_eq!(rig.exchange.order(OrderNo::new(1)).unwrap().cum_fee, -2);
}

#[test]
fn a_fee_in_base_comes_off_what_is_received() {
    let mut rig = Rig::new();
    rig.set_fees(rig.alice, 10_000, 20_000);
    rig.rest(&[(rig.bob, Sell, 1_000, 2)]);
    let order = NewOrder { is_fee_in_base: true, ..rig.limit(rig.alice, Buy, 1_000, 2) };
    rig.place(order);
    assert_eq!(rig.money(rig.alice), [(1_000_980, 0), (998_000, 0)]);
    assert_eq!((rig.exchange.earned(rig.base), rig.exchange.earned(rig.quote)), (20, 0));
}

#[test]
fn an_amount_of_quote_is_held_with_its_fee() {
    let mut rig = with_fees();
    rig.rest(&[(rig.bob, Sell, 9, 100)]);
    let order = NewOrder { size: Size::Quote(500), ..rig.market_order(rig.alice, Buy, 0) };
    rig.deposit(rig.alice, rig.quote, 50_999 - 1_000_000);
    assert_eq!(rig.try_place(order.clone()), Err(Refusal::Funds));
    rig.deposit(rig.alice, rig.quote, 1);
    rig.place(order);
    assert_eq!(rig.money(rig.alice), [(1_000_005, 0), (0, 0)]);
}

#[test]
fn an_order_beyond_the_available_balance_is_refused() {
    let mut rig = Rig::new();
    rig.place(rig.limit(rig.alice, Buy, 9_999, 100));
    assert_eq!(rig.try_place(rig.limit(rig.alice, Buy, 2, 100)), Err(Refusal::Funds));
    rig.place(rig.limit(rig.alice, Buy, 1, 100));
    assert_eq!(rig.try_place(rig.limit(rig.alice, Sell, 1_000_001, 100)), Err(Refusal::Funds));
}

#[test]
fn a_withdrawal_never_touches_what_is_held() {
    let mut rig = Rig::new();
    rig.place(rig.limit(rig.alice, Buy, 9_999, 100));
    let mut withdraw =
        |amount: Money| rig.exchange.deposit(rig.alice, rig.quote, -amount, &mut rig.out);
    assert_eq!(withdraw(101), Err(Refusal::Funds));
    assert_eq!(withdraw(100), Ok(()));
    let left = Balance { total: 999_900, held: 999_900 };
    assert_eq!(rig.exchange.balance(rig.alice, rig.quote), left);
    assert_eq!(rig.exchange.balances(rig.alice).last(), Some((rig.quote, left)));
    let to_crowd = rig.exchange.deposit(rig.crowd, rig.quote, 1, &mut rig.out);
    assert!(matches!(to_crowd, Err(Refusal::Fields(_))));
}

#[test]
fn without_fee_rates_nobody_trades_and_rates_beyond_everything_are_none() {
    let mut rig = Rig::new();
    let stranger = rig.exchange.add_trader(crate::Funding::Cash);
    let refused = Err(Refusal::Fields("no fee rates"));
    assert_eq!(rig.exchange.check(&rig.limit(stranger, Buy, 1, 100)), refused);
    rig.set_fees(rig.alice, 0, 1_000_001);
    assert_eq!(rig.exchange.check(&rig.limit(rig.alice, Buy, 1, 100)), refused);
}

#[test]
fn open_orders_go_over_to_higher_fees_only_if_they_can_be_held() {
    let mut rig = Rig::new();
    rig.deposit(rig.alice, rig.quote, 1_005 - 1_000_000);
    rig.rest(&[(rig.alice, Buy, 5, 100), (rig.alice, Buy, 5, 100)]);
    rig.set_fees(rig.alice, 10_000, 10_000);
    assert_eq!((held(&rig, 1), held(&rig, 2)), (505, 500));
    rig.place(rig.limit(rig.bob, Sell, 10, 100));
    assert_eq!(rig.money(rig.alice)[1], (0, 0), "the second kept its old rates");
    assert_eq!(rig.exchange.earned(rig.quote), 5);
}

#[test]
fn the_unit_of_rounding_that_nobody_holds_is_the_exchanges() {
    // One lot costs 2.5 cost units and is rounded to 3; two together cost 5.
    let mut rig = Rig::with(0, 0, |spec: &mut MarketSpec| spec.price_decimals = 1);
    rig.deposit(rig.alice, rig.quote, 5 - 1_000_000);
    rig.rest(&[(rig.alice, Buy, 2, 25)]);
    rig.rest(&[(rig.bob, Sell, 1, 25)]);
    assert_eq!(rig.money(rig.alice)[1], (2, 2));
    rig.rest(&[(rig.bob, Sell, 1, 25)]);
    assert_eq!(rig.money(rig.alice), [(1_000_002, 0), (0, 0)]);
    assert_eq!(rig.money(rig.bob)[1].0, 1_000_006);
    assert_eq!(rig.exchange.earned(rig.quote), -1);
}

#[test]
fn a_quantity_finer_than_its_asset_is_booked_rounded_on_both_sides() {
    let mut rig = Rig::with(0, 0, |spec: &mut MarketSpec| spec.qty_decimals = 1);
    rig.place(rig.limit(rig.alice, Sell, 15, 100));
    assert_eq!(rig.money(rig.alice)[0], (1_000_000, 2));
    rig.place(rig.limit(rig.bob, Buy, 15, 100));
    assert_eq!(rig.money(rig.alice), [(999_998, 0), (1_000_150, 0)]);
    assert_eq!(rig.money(rig.bob), [(1_000_002, 0), (999_850, 0)]);
}

#[test]
fn an_amend_changes_the_hold_or_is_refused() {
    let mut rig = Rig::new();
    let no = rig.rest(&[(rig.alice, Buy, 5, 100)])[0];
    let mut amend = |limit, qty| {
        let (limit, qty) = (Some(Ticks::new(limit)), Some(Lots::new(qty)));
        let amend = Amend { limit, qty, ..Amend::default() };
        rig.exchange.amend(rig.now, rig.alice, no, amend, &mut rig.out)
    };
    assert_eq!(amend(200, 5_001), Err(Refusal::Funds));
    assert_eq!(amend(200, 5_000), Ok(()));
    assert_eq!(held(&rig, 1), 1_000_000);
}

#[test]
fn a_post_only_order_amended_to_take_must_hold_the_takers_fee() {
    let mut rig = with_fees();
    rig.rest(&[(rig.bob, Sell, 5, 110)]);
    rig.deposit(rig.alice, rig.quote, 55_550 - 1_000_000);
    let order = NewOrder { is_post_only: true, ..rig.limit(rig.alice, Buy, 5, 100) };
    let no = rig.exchange.place(rig.now, order, &mut rig.out).unwrap();
    let amend = |rig: &mut Rig, limit, is_post_only| {
        let amend = Amend { limit: Some(Ticks::new(limit)), is_post_only, ..Amend::default() };
        rig.exchange.amend(rig.now, rig.alice, no, amend, &mut rig.out)
    };
    // Five at 110 cost 55_000; the maker's 1 % of 550 is 5.5, the taker's 2 % is 11.
    assert_eq!(amend(&mut rig, 109, true), Ok(()));
    assert_eq!(held(&rig, no.get()), 55_100);
    assert_eq!(amend(&mut rig, 110, false), Err(Refusal::Funds));
    rig.deposit(rig.alice, rig.quote, 550);
    assert_eq!(amend(&mut rig, 110, false), Ok(()));
    assert_eq!(rig.money(rig.alice), [(1_000_005, 0), (0, 0)]);
}

#[test]
fn balances_stay_where_every_product_fits() {
    let mut rig = Rig::new();
    let mut deposit = |amount| rig.exchange.deposit(rig.alice, rig.quote, amount, &mut rig.out);
    assert_eq!(deposit(crate::money::MONEY_MAX), Err(Refusal::Range));
    assert_eq!(deposit(crate::money::MONEY_MAX - 1_000_000), Ok(()));
    assert_eq!(deposit(Money::MAX), Err(Refusal::Range));
    assert_eq!(deposit(Money::MIN), Err(Refusal::Funds));
}

#[test]
fn an_immediate_order_holds_nothing_when_it_is_over() {
    let mut rig = Rig::new();
    let ioc = NewOrder { lifetime: Lifetime::Ioc, ..rig.limit(rig.alice, Buy, 5, 100) };
    rig.place(ioc);
    assert_eq!(rig.money(rig.alice), [(1_000_000, 0), (1_000_000, 0)]);
    assert_eq!(NO_FEES, FeeRates { maker_ppm: 0, taker_ppm: 0 });
}
