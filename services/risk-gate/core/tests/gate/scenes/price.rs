//! G08 to G12. Mid and last trade 100, maker fee 10 bps, taker fee 20 bps.

use super::{denied, gate};
use remora_domain::{OrderRequest, RefusalReason as Why, Side};
use remora_risk_gate_core::Control;
use remora_testkit::{book, bps, key, px, request};

fn buy(id: &str, price: &str) -> OrderRequest {
    OrderRequest { price: px(price), ..request(id) }
}

fn sell(id: &str, price: &str) -> OrderRequest {
    OrderRequest { side: Side::Sell, ..buy(id, price) }
}

pub(super) fn distance_from_the_mid() {
    let mut gate = gate(|_| {});
    gate.approved(&buy("a-1", "99"));
    denied(&mut gate, &buy("a-2", "98.99"), Control::G08, Why::PriceOutsideCollar);
    gate.approved(&sell("a-3", "101"));
    denied(&mut gate, &sell("a-4", "101.01"), Control::G08, Why::PriceOutsideCollar);
}

pub(super) fn distance_from_the_last_trade() {
    let mut gate = gate(|c| c.last_trade_band = bps("100"));
    // The book has left the last trade at 100.
    gate.book_alone(book("BTC-USD", "98.9", "99.1"));
    gate.approved(&buy("a-1", "99"));
    let no = denied(&mut gate, &buy("a-2", "98.99"), Control::G09, Why::PriceOutsideTradeBand);
    assert_eq!(
        (no.limit.as_str(), no.value.as_str()),
        ("100 bps of last trade 100", "1.01 USD away")
    );
    gate.ticker(&key("BTC-USD"), px("99"));
    gate.approved(&buy("a-3", "98.99"));
}

pub(super) fn own_orders_do_not_meet() {
    let mut gate = gate(|_| {});
    gate.approved(&sell("a-1", "100.05"));
    gate.approved(&buy("a-2", "100.04"));
    denied(&mut gate, &buy("a-3", "100.05"), Control::G10, Why::CrossesOwnOrder);
}

pub(super) fn post_only_takes_nothing() {
    let mut gate = gate(|_| {});
    gate.book(book("BTC-USD", "99.9", "100.1"));
    gate.approved(&buy("a-1", "100.09"));
    denied(&mut gate, &buy("a-2", "100.1"), Control::G11, Why::PostOnlyWouldCross);
}

pub(super) fn edge_after_the_fee() {
    let mut gate = gate(|c| c.edge_min = bps("-10"));
    gate.approved(&buy("a-1", "100"));
    let no = denied(&mut gate, &buy("a-2", "100.01"), Control::G12, Why::EdgeBelowMin);
    assert_eq!(
        (no.limit.as_str(), no.value.as_str()),
        ("-10 bps of mid 100", "-0.11001 USD after the fee")
    );
    // One that may take is charged the higher fee: 20 bps of 99.9 are 0.1998, of 99.89 0.19978.
    let taker = |id, price| OrderRequest { is_post_only: false, ..buy(id, price) };
    gate.approved(&taker("a-3", "99.9"));
    denied(&mut gate, &taker("a-4", "99.91"), Control::G12, Why::EdgeBelowMin);
}

#[test]
fn an_order_that_only_reduces_may_lose_its_edge() {
    let mut gate = gate(|c| c.edge_min = bps("-10"));
    gate.hold(&request("a-1"), "x-1");
    gate.approved(&sell("a-2", "99.5"));
    let more = OrderRequest { qty: remora_testkit::qty("0.01"), ..sell("a-3", "99.5") };
    denied(&mut gate, &more, Control::G12, Why::EdgeBelowMin);
}
