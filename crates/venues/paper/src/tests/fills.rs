//! Queues, prints, crossings, takers and races (quant-methods, section 21, B3 to B7), in numbers of our own.

use super::{Rig, buy, config, ioc, sell};
use crate::{PaperConfig, QueueModel};
use remora_domain::{
    InstrumentStatus, InvalidBook, Liquidity, OrderEventReason, OrderRequest, Qty, Side,
    VenueReport,
};
use remora_testkit::{cl_ord_id, instrument, invalid_book, px, qty};

const USUAL_ASKS: &[(&str, &str)] = &[("100.1", "4"), ("100.2", "8")];

#[test]
fn an_order_joins_behind_what_is_displayed_when_it_arrives() {
    let mut rig = Rig::usual();
    rig.submit(100, buy("r-1", "100", "1"));
    rig.book(105, &[("100", "7")], USUAL_ASKS);
    rig.run(110);
    assert_eq!(rig.front("r-1"), Some(qty("7")));
    rig.trade(120, Side::Sell, "100", "6.5");
    rig.trade(121, Side::Sell, "100", "0.8");
    rig.run(200);
    assert_eq!(rig.filled(), ["r-1 0.3@100"]);
    assert_eq!(rig.fills()[0].0, 126, "heard after the way back");
}

#[test]
fn at_the_same_instant_the_market_comes_before_our_order() {
    let mut rig = Rig::usual();
    rig.submit(100, buy("r-1", "100", "1"));
    rig.run(109);
    let top = remora_testkit::book_of("BTC-USD", &[("100", "3")], USUAL_ASKS);
    let input = remora_venue_api::VenueInput::Book { top, venue_time: None };
    use remora_machine::Machine as _;
    rig.driver.machine.handle(remora_testkit::at_ms(110), input, &mut Vec::new());
    rig.run(110);
    assert_eq!(rig.front("r-1"), Some(qty("3")));
}

#[test]
fn a_touch_that_leaves_the_queue_ahead_fills_nothing() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "1"));
    rig.trade(50, Side::Sell, "100", "5");
    rig.trade(51, Side::Buy, "100", "9");
    rig.run(100);
    assert!(rig.fills().is_empty());
    assert_eq!(rig.front("r-1"), Some(Qty::ZERO));
}

#[test]
fn a_trade_through_our_price_fills_the_rest_at_our_price() {
    let mut rig = Rig::usual();
    rig.submit(0, sell("r-1", "100.1", "2"));
    rig.trade(50, Side::Buy, "100.2", "0.1");
    rig.run(100);
    assert_eq!(rig.filled(), ["r-1 2@100.1"]);
    let [(_, _, fill)] = rig.fills().try_into().unwrap();
    assert_eq!(fill.liquidity, Liquidity::Maker);
    assert_eq!(fill.fee.amount.to_decimal().normalize().to_string(), "0.04004");
}

#[test]
fn orders_of_ours_share_one_print_in_the_order_of_arrival() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-2", "100", "1"));
    rig.submit(1, buy("r-1", "100", "1"));
    rig.trade(50, Side::Sell, "100", "6.4");
    rig.run(100);
    assert_eq!(rig.filled(), ["r-2 1@100", "r-1 0.4@100"]);
}

#[test]
fn what_our_better_priced_order_took_is_not_there_for_the_next() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100.05", "2"));
    rig.submit(0, buy("r-2", "100", "2"));
    rig.trade(50, Side::Sell, "100", "7.5");
    rig.run(100);
    assert_eq!(rig.filled(), ["r-1 2@100.05", "r-2 0.5@100"]);
}

#[test]
fn a_crossing_quote_without_a_print_fills_what_it_displays_and_only_once() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "3"));
    let crossed = |size| [("100", size), ("100.2", "8")];
    rig.book(50, &[("99.9", "9")], &crossed("1"));
    rig.book(51, &[("99.9", "8")], &crossed("1"));
    rig.book(52, &[("99.9", "8")], &crossed("1.5"));
    rig.run(100);
    assert_eq!(rig.filled(), ["r-1 1@100", "r-1 0.5@100"]);
}

#[test]
fn the_front_never_exceeds_what_is_displayed() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "1"));
    rig.book(50, &[("100", "2"), ("99.9", "9")], USUAL_ASKS);
    assert_eq!(rig.front("r-1"), Some(qty("2")));
    rig.book(51, &[("100", "9"), ("99.9", "9")], USUAL_ASKS);
    assert_eq!(rig.front("r-1"), Some(qty("2")), "newcomers join behind us");
}

#[test]
fn a_decrease_that_a_trade_explains_is_not_counted_again() {
    let mut rig = Rig::new(PaperConfig { queue_model: QueueModel::Proportional, ..config() });
    rig.submit(0, buy("r-1", "100", "1"));
    rig.book(40, &[("100", "20"), ("99.9", "9")], USUAL_ASKS);
    rig.trade(50, Side::Sell, "100", "2");
    assert_eq!(rig.front("r-1"), Some(qty("3")));
    rig.book(50, &[("100", "18"), ("99.9", "9")], USUAL_ASKS);
    assert_eq!(rig.front("r-1"), Some(qty("3")));
    // Of six more, none traded: a sixth of them (3 of 18) was ahead.
    rig.book(60, &[("100", "12"), ("99.9", "9")], USUAL_ASKS);
    assert_eq!(rig.front("r-1"), Some(qty("2")));
}

#[test]
fn a_print_heard_after_the_decrease_it_caused_is_not_counted_again() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "1"));
    rig.book(50, &[("100", "2"), ("99.9", "9")], USUAL_ASKS);
    rig.trade_stamped(51, 50, Side::Sell, "100", "3");
    rig.run(60);
    assert_eq!(rig.front("r-1"), Some(qty("2")));
    assert!(rig.fills().is_empty());
    rig.trade(70, Side::Sell, "100", "2.5");
    rig.run(100);
    assert_eq!(rig.filled(), ["r-1 0.5@100"]);
}

#[test]
fn beyond_the_visible_levels_only_a_trade_through_fills() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "99", "1"));
    rig.submit(0, buy("r-2", "98", "1"));
    rig.run(20);
    assert_eq!(rig.front("r-1"), None);
    rig.trade(30, Side::Sell, "99", "50");
    rig.run(40);
    assert!(rig.fills().is_empty(), "nobody knows how many were ahead");
    rig.book(50, &[("99", "6")], USUAL_ASKS);
    assert_eq!(rig.front("r-1"), Some(qty("6")), "all that is displayed may be ahead");
    rig.trade(60, Side::Sell, "97.9", "0.01");
    rig.run(100);
    assert_eq!(rig.filled(), ["r-1 1@99", "r-2 1@98"]);
}

#[test]
fn nothing_fills_while_the_book_is_invalid() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "1"));
    rig.run(30);
    rig.top(40, invalid_book("BTC-USD", InvalidBook::Checksum));
    rig.trade(50, Side::Sell, "99", "50");
    rig.submit(50, buy("r-2", "100", "1"));
    rig.run(100);
    assert!(rig.fills().is_empty());
    assert_eq!(rig.rejections(), [(cl_ord_id("r-2"), OrderEventReason::VenueOther)]);
    rig.book(110, &[("100", "3")], USUAL_ASKS);
    rig.trade(120, Side::Sell, "100", "3.5");
    rig.run(200);
    assert_eq!(rig.filled(), ["r-1 0.5@100"]);
}

#[test]
fn an_order_that_arrives_at_a_silent_book_is_refused() {
    let mut rig = Rig::usual();
    rig.submit(60_000, buy("r-1", "100", "1"));
    rig.run(61_000);
    assert_eq!(rig.rejections(), [(cl_ord_id("r-1"), OrderEventReason::VenueOther)]);
}

#[test]
fn trades_alone_neither_keep_a_book_fresh_nor_fill_from_a_stale_one() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "1"));
    rig.run(59_000);
    rig.trade(59_000, Side::Buy, "100.1", "1");
    // The book came at 0 ms: a minute later a print through our price says nothing about our place.
    rig.trade(60_001, Side::Sell, "99", "50");
    rig.run(60_100);
    assert_eq!(rig.filled(), Vec::<String>::new());
    rig.book(60_200, &[("100", "2")], USUAL_ASKS);
    rig.trade(60_300, Side::Sell, "99", "50");
    rig.run(60_400);
    assert_eq!(rig.filled(), ["r-1 1@100"]);
}

#[test]
fn an_order_is_fillable_until_its_cancel_arrives_and_then_the_cancel_is_too_late() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "1"));
    rig.cancel(50, "r-1");
    rig.trade(57, Side::Sell, "100", "6");
    rig.run(100);
    assert_eq!(rig.filled(), ["r-1 1@100"]);
    let last = rig.heard.iter().rev().find(|(_, r)| !matches!(r, VenueReport::Balances(_)));
    let (63, VenueReport::CancelRejected { reason, .. }) = last.unwrap() else {
        panic!("{last:?}");
    };
    assert_eq!(*reason, OrderEventReason::UnknownOrder);
}

#[test]
fn a_cancel_that_arrives_first_wins() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "1"));
    rig.cancel(50, "r-1");
    rig.trade(59, Side::Sell, "100", "60");
    rig.run(100);
    assert!(rig.fills().is_empty());
    assert!(matches!(rig.heard.last(), Some((63, VenueReport::Cancelled { .. }))));
}

#[test]
fn a_post_only_order_that_would_take_on_arrival_is_refused() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100.1", "1"));
    rig.submit(40, buy("r-2", "100.1", "1"));
    rig.book(45, &[("100", "5")], &[("100.2", "8")]);
    rig.run(100);
    assert_eq!(rig.rejections(), [(cl_ord_id("r-1"), OrderEventReason::PostOnlyWouldCross)]);
    assert_eq!(rig.front("r-2"), Some(Qty::ZERO), "it improves the market");
    rig.submit(110, sell("r-3", "100.1", "1"));
    rig.run(200);
    let why = (cl_ord_id("r-3"), OrderEventReason::PostOnlyWouldCross);
    assert_eq!(rig.rejections().last(), Some(&why), "it would meet our own bid");
}

#[test]
fn a_taker_walks_the_displayed_book_within_its_limit() {
    let mut rig = Rig::usual();
    rig.submit(0, ioc(buy("r-1", "100.1", "5")));
    rig.run(50);
    assert_eq!(rig.filled(), ["r-1 4@100.1"]);
    assert_eq!(rig.fills()[0].2.liquidity, Liquidity::Taker);
    assert!(rig.heard.iter().any(|(_, r)| matches!(r, VenueReport::Cancelled { .. })));
    // What was taken is gone, though the replayed book still displays it.
    rig.submit(60, ioc(buy("r-2", "100.2", "1")));
    rig.run(100);
    assert_eq!(rig.filled(), ["r-1 4@100.1", "r-2 1@100.2"]);
}

#[test]
fn what_a_taker_leaves_rests_as_maker() {
    let mut rig = Rig::usual();
    rig.submit(0, OrderRequest { is_post_only: false, ..buy("r-1", "100.1", "5") });
    rig.run(50);
    assert_eq!(rig.filled(), ["r-1 4@100.1"]);
    rig.trade(60, Side::Sell, "100.1", "0.6");
    rig.run(100);
    assert_eq!(rig.filled(), ["r-1 4@100.1", "r-1 0.6@100.1"]);
    assert_eq!(rig.fills()[1].2.liquidity, Liquidity::Maker);
    assert_eq!(rig.open_orders(200)[0].cum_qty, qty("4.6"));
}

fn check_refused(request: OrderRequest, reason: OrderEventReason) {
    let mut rig = Rig::usual();
    let cl_ord_id = request.cl_ord_id.clone();
    rig.submit(0, request);
    rig.run(100);
    assert_eq!(rig.rejections(), [(cl_ord_id, reason)]);
}

#[test]
fn the_rules_of_the_instrument_hold() {
    let rule = OrderEventReason::InstrumentRule;
    check_refused(buy("r-1", "100.001", "1"), rule);
    check_refused(buy("r-1", "100", "1.00001"), rule);
    check_refused(buy("r-1", "100", "0.0009"), rule);
    check_refused(buy("r-1", "0.01", "1"), rule);
    check_refused(buy("r-1", "0", "1"), rule);
    check_refused(OrderRequest { is_post_only: true, ..ioc(buy("r-1", "100", "1")) }, rule);
}

#[test]
fn an_unknown_or_closed_instrument_is_refused() {
    let unknown =
        OrderRequest { instrument: remora_testkit::key("ETH-USD"), ..buy("r-1", "100", "1") };
    check_refused(unknown, OrderEventReason::VenueOther);
    let mut closed = instrument("BTC", "USD");
    closed.status = InstrumentStatus::CancelOnly;
    let mut rig = Rig::of(config(), closed);
    rig.submit(0, buy("r-1", "100", "1"));
    rig.run(100);
    assert_eq!(rig.rejections().len(), 1);
}

#[test]
fn an_id_is_used_once() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "1"));
    rig.cancel(50, "r-1");
    rig.submit(100, buy("r-1", "100", "1"));
    rig.run(200);
    assert_eq!(rig.rejections(), [(cl_ord_id("r-1"), OrderEventReason::VenueOther)]);
}

#[test]
fn new_orders_beyond_the_rate_are_refused_and_cancels_are_not() {
    let mut rig = Rig::new(PaperConfig { orders_per_second_max: Some(2), ..config() });
    for (ms, id) in [(0, "r-1"), (100, "r-2"), (200, "r-3")] {
        rig.submit(ms, buy(id, "100", "1"));
    }
    rig.cancel(300, "r-1");
    rig.submit(1_000, buy("r-4", "100", "1"));
    rig.run(2_000);
    assert_eq!(rig.rejections(), [(cl_ord_id("r-3"), OrderEventReason::RateLimited)]);
    assert!(rig.heard.iter().any(|(_, r)| matches!(r, VenueReport::Cancelled { .. })));
}

#[test]
fn a_query_answers_after_every_earlier_report() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "1"));
    rig.submit(0, buy("r-2", "99.9", "1"));
    rig.trade(20, Side::Sell, "100", "6");
    let open = rig.open_orders(20);
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].cl_ord_id.clone(), open[0].price), (Some(cl_ord_id("r-2")), px("99.9")));
    let place = |wanted: fn(&VenueReport) -> bool| rig.heard.iter().position(|(_, r)| wanted(r));
    let filled = place(|r| matches!(r, VenueReport::Filled { .. }));
    assert!(filled < place(|r| matches!(r, VenueReport::OpenOrders { .. })));
}
