//! Price-time priority, lifetimes, icebergs, self-trade prevention.

use super::{Rig, queue_lines};
use crate::{
    EndCause, Event, Lifetime, MarketSpec, NewOrder, OrderNo, OrderState, Refusal, SelfTrade, Size,
};
use remora_domain::Side::{Buy, Sell};
use remora_domain::{Lots, Ticks, Timestamp};

#[test]
fn an_order_that_meets_nobody_rests_and_is_shown() {
    let mut rig = Rig::new();
    let log = rig.place(rig.limit(rig.alice, Buy, 5, 100));
    assert_eq!(log, ["accepted 1", "opened 1", "buy level 100 = 5"]);
    assert_eq!((rig.book(Buy), rig.book(Sell)), (vec![(100, 5)], vec![]));
    assert_eq!(rig.state(1), OrderState::Resting);
}

#[test]
fn the_better_price_trades_first_and_the_older_order_at_the_same_price() {
    let mut rig = Rig::new();
    let (alice, bob) = (rig.alice, rig.bob);
    rig.rest(&[(alice, Sell, 5, 101), (alice, Sell, 2, 100), (alice, Sell, 3, 100)]);
    let log = rig.place(rig.limit(bob, Buy, 7, 101));
    assert_eq!(
        log,
        [
            "accepted 4",
            "opened 4",
            "4 buy 2@100 of 2",
            "4 buy 3@100 of 3",
            "sell level 100 = 0",
            "4 buy 2@101 of 1",
            "sell level 101 = 3",
        ]
    );
    assert_eq!(rig.state(4), OrderState::Filled);
    assert_eq!(rig.exchange.last_price(rig.market), Some(Ticks::new(101)));
}

#[test]
fn what_is_left_of_a_limit_order_rests_at_its_limit() {
    let mut rig = Rig::new();
    rig.rest(&[(rig.alice, Buy, 2, 100)]);
    let log = rig.place(rig.limit(rig.bob, Sell, 5, 99));
    assert_eq!(log[2..], ["2 sell 2@100 of 1", "buy level 100 = 0", "sell level 99 = 3"]);
}

#[test]
fn a_market_order_takes_what_is_there_and_the_rest_ends() {
    let mut rig = Rig::new();
    rig.rest(&[(rig.alice, Sell, 2, 100), (rig.alice, Sell, 2, 250)]);
    let log = rig.place(rig.market_order(rig.bob, Buy, 9));
    assert_eq!(log.last().unwrap(), "ended 3 Unfilled");
    assert_eq!((rig.cum_qty(3), rig.book(Sell)), (4, vec![]));
    let log = rig.place(rig.market_order(rig.bob, Buy, 9));
    assert_eq!(log, ["accepted 4", "ended 4 Unfilled"]);
}

#[test]
fn an_immediate_order_never_rests() {
    let mut rig = Rig::new();
    rig.rest(&[(rig.alice, Sell, 2, 100)]);
    let ioc = NewOrder { lifetime: Lifetime::Ioc, ..rig.limit(rig.bob, Buy, 5, 100) };
    let log = rig.place(ioc.clone());
    assert_eq!(log[2..], ["2 buy 2@100 of 1", "sell level 100 = 0", "ended 2 Unfilled"]);
    assert_eq!(rig.place(ioc), ["accepted 3", "ended 3 Unfilled"]);
}

#[test]
fn a_fill_or_kill_order_fills_completely_or_not_at_all() {
    let mut rig = Rig::new();
    rig.rest(&[(rig.alice, Sell, 2, 100), (rig.alice, Sell, 2, 101)]);
    let order = |rig: &Rig, qty, price| NewOrder {
        lifetime: Lifetime::Fok,
        ..rig.limit(rig.bob, Buy, qty, price)
    };
    assert_eq!(rig.place(order(&rig, 5, 101)), ["accepted 3", "ended 3 Unfilled"]);
    assert_eq!(rig.place(order(&rig, 4, 100)), ["accepted 4", "ended 4 Unfilled"]);
    rig.place(order(&rig, 4, 101));
    assert_eq!((rig.state(5), rig.book(Sell)), (OrderState::Filled, vec![]));
}

#[test]
fn a_fill_or_kill_order_counts_hidden_quantity_but_not_its_own_traders() {
    let mut rig = Rig::new();
    let iceberg = NewOrder { display: Some(Lots::new(1)), ..rig.limit(rig.alice, Sell, 4, 100) };
    rig.place(iceberg);
    rig.rest(&[(rig.bob, Sell, 1, 100)]);
    let fok = |rig: &Rig, self_trade| NewOrder {
        lifetime: Lifetime::Fok,
        self_trade,
        ..rig.limit(rig.bob, Buy, 4, 100)
    };
    // The hidden part would join behind bob's own order, where the arriving one stops.
    assert_eq!(rig.place(fok(&rig, SelfTrade::CancelNewest)).last().unwrap(), "ended 3 Unfilled");
    assert_eq!(rig.state(2), OrderState::Resting);
    rig.place(fok(&rig, SelfTrade::CancelOldest));
    assert_eq!((rig.state(4), rig.state(1)), (OrderState::Filled, OrderState::Filled));
    assert_eq!(rig.state(2), OrderState::Ended(EndCause::SelfTrade));
}

#[test]
fn a_post_only_order_that_would_take_is_accepted_and_ends() {
    let mut rig = Rig::new();
    rig.rest(&[(rig.alice, Sell, 2, 100)]);
    let order =
        |rig: &Rig, price| NewOrder { is_post_only: true, ..rig.limit(rig.bob, Buy, 1, price) };
    assert!(rig.exchange.would_take(rig.market, Buy, Ticks::new(100)));
    assert_eq!(rig.place(order(&rig, 100)), ["accepted 2", "ended 2 PostOnly"]);
    assert_eq!(rig.place(order(&rig, 99)), ["accepted 3", "opened 3", "buy level 99 = 1"]);
}

#[test]
fn an_order_expires_when_its_time_comes() {
    let mut rig = Rig::new();
    let until = Timestamp::from_ns(10);
    let order = NewOrder { lifetime: Lifetime::Gtd(until), ..rig.limit(rig.alice, Buy, 1, 100) };
    rig.place(order.clone());
    assert_eq!(rig.exchange.next_expiry(), Some(until));
    rig.exchange.expire(Timestamp::from_ns(9), &mut rig.out);
    assert!(rig.log().is_empty());
    rig.exchange.expire(until, &mut rig.out);
    assert_eq!(rig.log(), ["ended 1 Expired", "buy level 100 = 0"]);
    assert_eq!(rig.exchange.next_expiry(), None);
    rig.now = until;
    assert_eq!(rig.place(order), ["accepted 2", "ended 2 Expired"]);
}

#[test]
fn an_iceberg_shows_one_slice_and_loses_its_place_with_each_refill() {
    let mut rig = Rig::new();
    let iceberg = NewOrder { display: Some(Lots::new(2)), ..rig.limit(rig.alice, Sell, 5, 100) };
    rig.place(iceberg);
    rig.rest(&[(rig.alice, Sell, 3, 100)]);
    assert_eq!(rig.book(Sell), [(100, 5)]);
    rig.out.clear();
    rig.exchange.place(rig.now, rig.limit(rig.bob, Buy, 3, 100), &mut rig.out).unwrap();
    assert_eq!(
        queue_lines(&rig.out),
        ["sell 100 delete 1 0", "sell 100 add 1 2", "sell 100 modify 2 2"]
    );
    let log = rig.log();
    assert_eq!(
        log[2..],
        ["3 buy 2@100 of 1", "refilled 1", "3 buy 1@100 of 2", "sell level 100 = 4"]
    );
    assert_eq!(rig.queue(Sell, 100), [(2, 2), (1, 2)]);
    rig.place(rig.limit(rig.bob, Buy, 9, 100));
    assert_eq!((rig.state(1), rig.cum_qty(1)), (OrderState::Filled, 5));
}

#[test]
fn self_trade_prevention_cancels_the_newest_the_oldest_or_both() {
    let check = |self_trade, expected: &[&str]| {
        let mut rig = Rig::new();
        rig.rest(&[(rig.bob, Sell, 1, 99), (rig.alice, Sell, 2, 100), (rig.bob, Sell, 3, 100)]);
        let order = NewOrder { self_trade, ..rig.limit(rig.alice, Buy, 9, 100) };
        assert_eq!(rig.place(order)[2..], *expected);
    };
    let first = ["4 buy 1@99 of 1", "sell level 99 = 0"];
    check(SelfTrade::CancelNewest, &[first[0], first[1], "ended 4 SelfTrade"]);
    check(
        SelfTrade::CancelOldest,
        &[
            first[0],
            first[1],
            "ended 2 SelfTrade",
            "4 buy 3@100 of 3",
            "sell level 100 = 0",
            "buy level 100 = 5",
        ],
    );
    check(
        SelfTrade::CancelBoth,
        &[first[0], first[1], "ended 2 SelfTrade", "sell level 100 = 3", "ended 4 SelfTrade"],
    );
}

#[test]
fn the_crowd_may_trade_with_itself() {
    let mut rig = Rig::new();
    rig.rest(&[(rig.crowd, Sell, 2, 100)]);
    let log = rig.place(rig.limit(rig.crowd, Buy, 2, 100));
    assert_eq!(log[2..], ["2 buy 2@100 of 1", "sell level 100 = 0"]);
    assert!(!rig.out.iter().any(|event| matches!(event, Event::BalanceChanged { .. })));
}

#[test]
fn only_the_owner_cancels_and_only_once() {
    let mut rig = Rig::new();
    rig.rest(&[(rig.alice, Buy, 5, 100)]);
    assert_eq!(rig.cancel(rig.bob, 1), Err(Refusal::Unknown));
    assert_eq!(rig.cancel(rig.alice, 1).unwrap(), ["ended 1 Requested", "buy level 100 = 0"]);
    assert_eq!(rig.cancel(rig.alice, 1), Err(Refusal::Unknown));
    assert_eq!(rig.cancel(rig.alice, 7), Err(Refusal::Unknown));
}

#[test]
fn ended_orders_are_kept_until_they_are_forgotten() {
    let mut rig = Rig::new();
    let no = rig.rest(&[(rig.alice, Buy, 5, 100)])[0];
    rig.exchange.forget(no);
    assert!(rig.exchange.order(no).is_some(), "an open order is not forgotten");
    let open = |rig: &Rig| rig.exchange.open_orders(rig.alice, None).collect::<Vec<OrderNo>>();
    assert_eq!(open(&rig), [no]);
    rig.cancel(rig.alice, 1).unwrap();
    assert_eq!(open(&rig), []);
    assert_eq!(rig.state(1), OrderState::Ended(EndCause::Requested));
    rig.exchange.forget(no);
    assert_eq!(rig.exchange.order(no), None);
}

#[test]
fn an_amount_of_quote_buys_whole_lots_until_it_buys_no_more() {
    let mut rig = Rig::with(0, 0, |spec: &mut MarketSpec| spec.lot = Lots::new(2));
    rig.rest(&[(rig.alice, Sell, 4, 10), (rig.alice, Sell, 10, 20)]);
    let order = NewOrder { size: Size::Quote(130), ..rig.market_order(rig.bob, Buy, 0) };
    let log = rig.place(order.clone());
    assert_eq!(log[2..4], ["3 buy 4@10 of 1", "sell level 10 = 0"]);
    assert_eq!(log[4..], ["3 buy 4@20 of 2", "sell level 20 = 6"]);
    assert_eq!(rig.state(3), OrderState::Filled, "10 left buy no lot at 20");
    assert_eq!(rig.exchange.order(OrderNo::new(3)).unwrap().cum_cost, 120);
    let small = NewOrder { size: Size::Quote(39), ..order };
    assert_eq!(rig.place(small), ["accepted 4", "ended 4 Unfilled"]);
}
