//! Orders that take the place of others.

use super::{Rig, buy};
use remora_domain::{OrderEventReason, OrderRequest, Qty, Side, VenueReport};
use remora_testkit::{book_of, cl_ord_id, instrument, key, qty};
use remora_venue_api::VenueInput;

fn instead(request: OrderRequest, orig: &str) -> OrderRequest {
    OrderRequest { orig_cl_ord_id: Some(cl_ord_id(orig)), ..request }
}

/// What took whose place, with what is open of it.
fn replaced(rig: &Rig) -> Vec<(String, String, Qty)> {
    let replaced = |(_, report): &(i64, VenueReport)| {
        let VenueReport::Replaced { orig_cl_ord_id, cl_ord_id, order_qty, .. } = report else {
            return None;
        };
        Some((orig_cl_ord_id.to_string(), cl_ord_id.to_string(), *order_qty))
    };
    rig.heard.iter().filter_map(replaced).collect()
}

#[test]
fn a_smaller_order_at_the_same_price_keeps_the_place_in_the_queue() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "2"));
    rig.trade(50, Side::Sell, "100", "4");
    rig.submit(100, instead(buy("r-2", "100", "1"), "r-1"));
    rig.run(200);
    assert_eq!(replaced(&rig), [("r-1".to_owned(), "r-2".to_owned(), qty("1"))]);
    assert_eq!(rig.front("r-2"), Some(qty("1")));
    rig.trade(250, Side::Sell, "100", "1.5");
    rig.run(300);
    assert_eq!(rig.filled(), ["r-2 0.5@100"]);
}

#[test]
fn a_larger_order_or_another_price_goes_to_the_end_of_the_queue() {
    for (price, size, front) in [("100", "3", "5"), ("99.9", "1", "9")] {
        let mut rig = Rig::usual();
        rig.submit(0, buy("r-1", "100", "2"));
        rig.trade(50, Side::Sell, "100", "4");
        rig.submit(100, instead(buy("r-2", price, size), "r-1"));
        rig.book(105, &[("100", "5"), ("99.9", "9")], &[("100.1", "4")]);
        rig.run(200);
        assert_eq!(rig.front("r-2"), Some(qty(front)), "{price}");
    }
}

#[test]
fn what_filled_on_the_way_comes_off_the_order_that_takes_the_place() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "2"));
    rig.run(50);
    rig.submit(100, instead(buy("r-2", "99.9", "1.5"), "r-1"));
    rig.trade(105, Side::Sell, "100", "5.4");
    rig.run(200);
    assert_eq!(replaced(&rig), [("r-1".to_owned(), "r-2".to_owned(), qty("1.1"))]);
    assert_eq!(rig.filled(), ["r-1 0.4@100"]);
}

#[test]
fn the_place_of_an_order_that_has_ended_cannot_be_taken() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "1"));
    rig.cancel(50, "r-1");
    rig.submit(100, instead(buy("r-2", "99.9", "1"), "r-1"));
    rig.run(200);
    assert_eq!(rig.rejections(), [(cl_ord_id("r-2"), OrderEventReason::UnknownOrder)]);
}

#[test]
fn a_change_that_the_venue_refuses_leaves_the_order_as_it_was() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "1"));
    rig.run(50);
    rig.submit(100, instead(buy("r-2", "100.1", "1"), "r-1"));
    rig.run(200);
    assert_eq!(rig.rejections(), [(cl_ord_id("r-2"), OrderEventReason::PostOnlyWouldCross)]);
    assert_eq!(rig.front("r-1"), Some(qty("5")));
    let open = rig.balances(300);
    let usd = open.entries.iter().find(|entry| entry.asset.as_str() == "USD").unwrap();
    assert!(usd.held > remora_testkit::amount("100"), "the order is still open");
}

#[test]
fn the_place_of_an_order_of_another_instrument_is_not_given() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "2"));
    rig.run(50);
    rig.input(60, VenueInput::Instrument(instrument("ETH", "USD")));
    rig.top(70, book_of("ETH-USD", &[("99", "5")], &[("101", "5")]));
    let other = OrderRequest { instrument: key("ETH-USD"), ..buy("r-2", "99", "1") };
    rig.submit(100, instead(other, "r-1"));
    rig.run(200);
    assert_eq!(replaced(&rig), []);
}
