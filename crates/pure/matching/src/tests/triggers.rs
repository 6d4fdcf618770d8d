//! Sleeping orders: when they wake, in which order, and what they find.

use super::Rig;
use crate::{
    Amend, Condition, EndCause, Lifetime, MarketMode, NewOrder, OrderNo, OrderState, Pricing,
    Reference, Refusal, Size, TraderIx, Trigger,
};
use remora_domain::Side::{self, Buy, Sell};
use remora_domain::{Lots, Ticks, Timestamp};

fn on(condition: Condition) -> Option<Trigger> {
    Some(Trigger { condition, reference: Reference::Last, limit_offset: None })
}

fn stop(at: i64) -> Option<Trigger> {
    on(Condition::StopLoss(Ticks::new(at)))
}

fn profit(at: i64) -> Option<Trigger> {
    on(Condition::TakeProfit(Ticks::new(at)))
}

fn trailing(by: i64, limit_offset: Option<i64>) -> Option<Trigger> {
    let condition = Condition::Trailing(Ticks::new(by));
    let limit_offset = limit_offset.map(Ticks::new);
    Some(Trigger { condition, reference: Reference::Last, limit_offset })
}

fn on_index(at: i64) -> Option<Trigger> {
    let condition = Condition::StopLoss(Ticks::new(at));
    Some(Trigger { condition, reference: Reference::Index, limit_offset: None })
}

/// Makes a rig whose last trade was at 100, with a wide book of bob's: bids 50 and asks 200, a thousand each.
fn traded() -> Rig {
    let mut rig = Rig::new();
    print(&mut rig, 100);
    rig.rest(&[(rig.bob, Buy, 1_000, 50), (rig.bob, Sell, 1_000, 200)]);
    rig
}

/// Makes a trade of the crowd with itself and gives what else happened.
fn print(rig: &mut Rig, price: i64) -> Vec<String> {
    rig.rest(&[(rig.crowd, Sell, 1, price)]);
    let log = rig.place(rig.limit(rig.crowd, Buy, 1, price));
    log.into_iter().skip(3).filter(|line| !line.contains("level")).collect()
}

fn sleeper(rig: &Rig, trader: TraderIx, side: Side, trigger: Option<Trigger>) -> NewOrder {
    NewOrder { trigger, ..rig.market_order(trader, side, 1) }
}

impl Rig {
    /// Places an order and gives its number.
    fn number(&mut self, order: NewOrder) -> u64 {
        self.exchange.place(self.now, order, &mut self.out).unwrap().get()
    }
}

fn trigger_price(rig: &Rig, order: u64) -> i64 {
    rig.exchange.order(OrderNo::new(order)).unwrap().trigger_price.unwrap().get()
}

#[test]
fn a_stop_wakes_from_the_losing_side_and_a_take_profit_from_the_winning_side() {
    let check = |side, trigger: Option<Trigger>, sleeps_at: i64, wakes_at: i64| {
        let mut rig = traded();
        let order = rig.number(sleeper(&rig, rig.alice, side, trigger));
        assert_eq!(rig.log().last().unwrap(), &format!("accepted {order}"));
        print(&mut rig, sleeps_at);
        assert_eq!(rig.state(order), OrderState::Dormant);
        let log = print(&mut rig, wakes_at);
        assert_eq!(log[..2], [format!("triggered {order}"), format!("opened {order}")]);
        assert_eq!(rig.state(order), OrderState::Filled);
    };
    check(Buy, stop(110), 109, 110);
    check(Sell, stop(90), 91, 90);
    check(Buy, profit(90), 91, 90);
    check(Sell, profit(110), 109, 110);
}

#[test]
fn a_trigger_that_is_already_reached_fires_at_once() {
    let mut rig = traded();
    let log = rig.place(sleeper(&rig, rig.alice, Buy, stop(100)));
    assert_eq!(
        log,
        ["accepted 5", "triggered 5", "opened 5", "5 buy 1@200 of 4", "sell level 200 = 999"]
    );
}

#[test]
fn a_trigger_needs_a_reference_price() {
    let rig = Rig::new();
    let refusal = rig.exchange.check(&sleeper(&rig, rig.alice, Buy, stop(100))).unwrap_err();
    assert_eq!(refusal, Refusal::Fields("a trigger without a reference price yet"));
}

#[test]
fn the_index_wakes_only_who_watches_it() {
    let mut rig = traded();
    let refused = rig.exchange.check(&sleeper(&rig, rig.alice, Buy, on_index(110)));
    assert!(matches!(refused, Err(Refusal::Fields(_))), "no index yet");
    let index = |rig: &mut Rig, price| {
        rig.out.clear();
        rig.exchange.set_index(rig.now, rig.market, Ticks::new(price), &mut rig.out);
        rig.log().first().cloned()
    };
    index(&mut rig, 100);
    assert_eq!(rig.exchange.index_price(rig.market), Some(Ticks::new(100)));
    let order = rig.number(sleeper(&rig, rig.alice, Buy, on_index(110)));
    print(&mut rig, 120);
    assert_eq!(rig.state(order), OrderState::Dormant);
    assert_eq!(index(&mut rig, 110), Some(format!("triggered {order}")));
}

#[test]
fn a_trailing_order_follows_its_best_price_and_never_back() {
    let mut rig = traded();
    let sell = rig.number(sleeper(&rig, rig.alice, Sell, trailing(10, None)));
    let buy = rig.number(sleeper(&rig, rig.alice, Buy, trailing(10, None)));
    assert_eq!((trigger_price(&rig, sell), trigger_price(&rig, buy)), (90, 110));
    assert_eq!(print(&mut rig, 105), [format!("trigger {sell} to 95")]);
    assert!(print(&mut rig, 97).first().unwrap().starts_with(&format!("trigger {buy} to 107")));
    let log = print(&mut rig, 95);
    assert_eq!(log[..2], [format!("trigger {buy} to 105"), format!("triggered {sell}")]);
    assert_eq!(print(&mut rig, 105)[0], format!("triggered {buy}"));
}

#[test]
fn a_trailing_limit_order_rests_at_its_offset_from_where_it_woke() {
    let mut rig = traded();
    let order = NewOrder {
        pricing: Pricing::Limit(Ticks::new(1)),
        ..sleeper(&rig, rig.alice, Sell, trailing(10, Some(-5)))
    };
    let order = rig.number(order);
    print(&mut rig, 120);
    print(&mut rig, 109);
    assert_eq!(rig.queue(Sell, 115), [(order, 1)], "110 less minus 5 for a sell");
    let order = NewOrder {
        pricing: Pricing::Limit(Ticks::new(1)),
        ..sleeper(&rig, rig.alice, Sell, trailing(49, Some(70)))
    };
    let order = rig.number(order);
    print(&mut rig, 60);
    let ended = OrderState::Ended(EndCause::NotExecutable);
    assert_eq!(rig.state(order), ended, "60 less 70 is no price");
}

#[test]
fn a_trailing_limit_buy_holds_its_first_limit_until_it_wakes() {
    let mut rig = traded();
    let order = NewOrder {
        pricing: Pricing::Limit(Ticks::new(1)),
        ..sleeper(&rig, rig.alice, Buy, trailing(10, Some(5)))
    };
    rig.number(order);
    assert_eq!(rig.money(rig.alice)[1].1, 115);
    print(&mut rig, 80);
    assert_eq!(rig.money(rig.alice)[1].1, 115);
    print(&mut rig, 90);
    assert_eq!(rig.money(rig.alice)[1].1, 95);
}

#[test]
fn woken_orders_run_in_the_order_the_price_passed_them_and_then_by_age() {
    let mut rig = traded();
    let places = [(Buy, stop(112)), (Buy, stop(111)), (Buy, stop(111)), (Sell, profit(110))];
    let numbers: Vec<u64> = places
        .into_iter()
        .map(|(side, trigger)| rig.number(sleeper(&rig, rig.alice, side, trigger)))
        .collect();
    let log = print(&mut rig, 120);
    let woken: Vec<&str> = log.iter().filter_map(|line| line.strip_prefix("triggered ")).collect();
    let expected = [numbers[3], numbers[1], numbers[2], numbers[0]];
    assert_eq!(woken, expected.map(|number| number.to_string()));
}

#[test]
fn a_woken_order_that_moves_the_price_wakes_the_next_one() {
    let mut rig = traded();
    rig.rest(&[(rig.crowd, Buy, 1, 90), (rig.crowd, Buy, 1, 80), (rig.crowd, Buy, 1, 70)]);
    let stops = [95, 90, 80].map(|at| rig.number(sleeper(&rig, rig.alice, Sell, stop(at))));
    rig.rest(&[(rig.crowd, Buy, 1, 94)]);
    rig.out.clear();
    let log = rig.place(rig.limit(rig.bob, Sell, 1, 94));
    let traded: Vec<&String> = log.iter().filter(|line| line.contains('@')).collect();
    assert_eq!(traded.len(), 4);
    for (line, (stop, price)) in traded[1..].iter().zip(stops.iter().zip([90, 80, 70])) {
        assert!(line.starts_with(&format!("{stop} sell 1@{price}")), "{line}");
    }
}

#[test]
fn a_woken_limit_order_rests_and_a_woken_market_order_without_liquidity_ends() {
    let mut rig = Rig::new();
    print(&mut rig, 100);
    let limit = NewOrder { trigger: stop(110), ..rig.limit(rig.alice, Buy, 1, 111) };
    let limit = rig.number(limit);
    let market = rig.number(sleeper(&rig, rig.alice, Buy, stop(110)));
    print(&mut rig, 110);
    assert_eq!(rig.queue(Buy, 111), [(limit, 1)]);
    assert_eq!(rig.state(market), OrderState::Ended(EndCause::NotExecutable));
}

#[test]
fn a_sleeping_market_buy_holds_its_trigger_price_and_needs_the_books_when_it_wakes() {
    let mut rig = traded();
    let order = rig.number(sleeper(&rig, rig.alice, Buy, stop(110)));
    assert_eq!(rig.money(rig.alice)[1], (1_000_000, 110));
    rig.deposit(rig.alice, rig.quote, 199 - 1_000_000);
    print(&mut rig, 110);
    assert_eq!(rig.state(order), OrderState::Ended(EndCause::NotExecutable), "it costs 200");
    assert_eq!(rig.money(rig.alice)[1], (199, 0));
    rig.deposit(rig.alice, rig.quote, 1);
    let order = rig.number(sleeper(&rig, rig.alice, Buy, stop(110)));
    assert_eq!((rig.state(order), rig.money(rig.alice)[1]), (OrderState::Filled, (0, 0)));
}

#[test]
fn a_sleeping_amount_of_quote_is_spent_when_it_wakes() {
    let mut rig = traded();
    let order = NewOrder { size: Size::Quote(500), ..sleeper(&rig, rig.alice, Buy, stop(110)) };
    let order = rig.number(order);
    assert_eq!(rig.money(rig.alice)[1].1, 500);
    print(&mut rig, 110);
    assert_eq!((rig.cum_qty(order), rig.money(rig.alice)[1]), (2, (1_000_000 - 400, 0)));
}

#[test]
fn a_woken_post_only_order_that_would_take_ends() {
    let mut rig = traded();
    let order =
        NewOrder { is_post_only: true, trigger: stop(110), ..rig.limit(rig.alice, Buy, 1, 200) };
    let order = rig.number(order);
    print(&mut rig, 110);
    assert_eq!(rig.state(order), OrderState::Ended(EndCause::PostOnly));
}

#[test]
fn a_sleeping_order_can_be_cancelled_and_expires() {
    let mut rig = traded();
    let order = rig.number(sleeper(&rig, rig.alice, Sell, stop(90)));
    assert_eq!(rig.cancel(rig.alice, order).unwrap(), [format!("ended {order} Requested")]);
    let until = Timestamp::from_ns(5);
    let order = NewOrder {
        lifetime: Lifetime::Gtd(until),
        trigger: stop(90),
        ..rig.limit(rig.alice, Sell, 1, 80)
    };
    let order = rig.number(order);
    rig.exchange.expire(until, &mut rig.out);
    assert_eq!(rig.state(order), OrderState::Ended(EndCause::Expired));
    assert_eq!(print(&mut rig, 60), [""; 0]);
    assert_eq!(rig.money(rig.alice)[0], (1_000_000, 0));
}

#[test]
fn triggers_sleep_while_the_market_does_not_match() {
    let mut rig = traded();
    rig.exchange.set_index(rig.now, rig.market, Ticks::new(100), &mut rig.out);
    let order = rig.number(sleeper(&rig, rig.alice, Sell, on_index(90)));
    rig.exchange.set_mode(rig.market, MarketMode::CancelOnly, &mut rig.out);
    rig.exchange.set_index(rig.now, rig.market, Ticks::new(80), &mut rig.out);
    assert_eq!(rig.state(order), OrderState::Dormant);
    rig.exchange.set_mode(rig.market, MarketMode::Open, &mut rig.out);
    assert_eq!(rig.state(order), OrderState::Filled);
}

#[test]
fn a_market_order_that_wakes_in_a_limit_only_market_ends() {
    let mut rig = traded();
    let market = rig.number(sleeper(&rig, rig.alice, Sell, stop(90)));
    let limit = NewOrder { trigger: stop(90), ..rig.limit(rig.alice, Sell, 1, 50) };
    let limit = rig.number(limit);
    rig.exchange.set_mode(rig.market, MarketMode::LimitOnly, &mut rig.out);
    print(&mut rig, 90);
    assert_eq!(rig.state(market), OrderState::Ended(EndCause::NotExecutable));
    assert_eq!(rig.state(limit), OrderState::Filled);
}

#[test]
fn amending_a_trigger_moves_it_and_may_fire_it() {
    let mut rig = traded();
    let amend = |rig: &mut Rig, order, trigger| {
        let amend = Amend { trigger: Some(Ticks::new(trigger)), ..Amend::default() };
        rig.exchange.amend(rig.now, rig.alice, OrderNo::new(order), amend, &mut rig.out)
    };
    let order = rig.number(sleeper(&rig, rig.alice, Sell, stop(90)));
    amend(&mut rig, order, 95).unwrap();
    assert_eq!((trigger_price(&rig, order), rig.state(order)), (95, OrderState::Dormant));
    print(&mut rig, 96);
    amend(&mut rig, order, 96).unwrap();
    assert_eq!(rig.state(order), OrderState::Filled);
    let order = rig.number(sleeper(&rig, rig.alice, Sell, trailing(10, None)));
    assert!(matches!(amend(&mut rig, order, 96), Err(Refusal::Fields(_))), "not beyond its peak");
    let last = rig.exchange.last_price(rig.market).unwrap().get();
    amend(&mut rig, order, last - 3).unwrap();
    let asked = &rig.exchange.order(OrderNo::new(order)).unwrap().asked;
    assert_eq!(asked.trigger, trailing(3, None));
    let resting = rig.rest(&[(rig.alice, Buy, 1, 20)])[0].get();
    assert!(matches!(amend(&mut rig, resting, 90), Err(Refusal::Fields(_))));
}

#[test]
fn amending_a_sleeping_order_changes_what_wakes() {
    let mut rig = traded();
    let order = NewOrder { trigger: stop(110), ..rig.limit(rig.alice, Buy, 1, 120) };
    let order = rig.number(order);
    let (limit, qty) = (Some(Ticks::new(130)), Some(Lots::new(3)));
    let amend = Amend { limit, qty, ..Amend::default() };
    rig.exchange.amend(rig.now, rig.alice, OrderNo::new(order), amend, &mut rig.out).unwrap();
    assert_eq!(rig.money(rig.alice)[1].1, 390);
    print(&mut rig, 110);
    assert_eq!(rig.queue(Buy, 130), [(order, 3)]);
    let market = rig.number(sleeper(&rig, rig.alice, Buy, stop(150)));
    let no_limit =
        rig.exchange.amend(rig.now, rig.alice, OrderNo::new(market), amend, &mut rig.out);
    assert!(matches!(no_limit, Err(Refusal::Fields(_))));
}
