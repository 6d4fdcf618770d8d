//! G05 to G07. Mid 100, 10 BTC on either side of the book, a million traded in 24 hours.

use super::{denied, gate};
use remora_domain::{Body, OrderRequest, RefusalReason as Why, SystemStatus};
use remora_risk_gate_core::Control;
use remora_testkit::{book, bps, instrument, notional, qty, request, router_ready};

fn of(id: &str, size: &str) -> OrderRequest {
    OrderRequest { qty: qty(size), ..request(id) }
}

pub(super) fn quantity_in_smallest_orders() {
    // 1,000 times 0.001 BTC.
    let mut gate = gate(|c| c.order_qty_mins_max = 1_000.into());
    gate.approved(&of("a-1", "1"));
    let no = denied(&mut gate, &of("a-2", "1.0001"), Control::G05, Why::QtyAboveMax);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("1 BTC", "1.0001 BTC"));
}

pub(super) fn value_of_one_order() {
    let mut gate = gate(|c| c.order_notional_max = notional("100"));
    gate.approved(&of("a-1", "1"));
    let no = denied(&mut gate, &of("a-2", "1.0001"), Control::G06, Why::NotionalAboveMax);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("100 USD", "100.01 USD"));
}

pub(super) fn share_of_depth_and_volume() {
    let mut by_depth = gate(|c| c.order_depth_share_max = bps("1000"));
    by_depth.approved(&of("a-1", "1"));
    let no = denied(&mut by_depth, &of("a-2", "1.0001"), Control::G07, Why::DepthShareAboveMax);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("1 BTC", "1.0001 BTC"));

    let mut by_volume = gate(|c| c.order_volume_share_max = bps("0.01"));
    by_volume.approved(&of("a-1", "1"));
    let no = denied(&mut by_volume, &of("a-2", "1.0001"), Control::G07, Why::VolumeShareAboveMax);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("1 BTC", "1.0001 BTC"));

    let mut without = gate(|c| c.order_volume_share_max = bps("0"));
    without.approved(&of("a-1", "1.0001"));
}

#[test]
fn an_order_of_a_pair_whose_volume_nobody_told_is_refused() {
    let mut gate = crate::harness::Gate::bare(crate::harness::config());
    gate.status(SystemStatus::Online);
    gate.define(instrument("BTC", "USD"));
    gate.funds();
    gate.caught_up();
    gate.control_state(router_ready(1));
    gate.book_alone(book("BTC-USD", "99", "101"));
    denied(&mut gate, &request("a-1"), Control::G09, Why::LastTradeUnknown);
    let trade = remora_domain::MarketTrade {
        instrument: remora_testkit::key("BTC-USD"),
        trade_id: 1,
        taker_side: remora_domain::Side::Buy,
        price: remora_testkit::px("100"),
        qty: qty("1"),
    };
    let said = gate.ingestor.market(gate.now, Body::Trade(trade));
    gate.say(said);
    denied(&mut gate, &request("a-2"), Control::G07, Why::VolumeUnknown);
    gate.book(book("BTC-USD", "99", "101"));
    gate.approved(&request("a-3"));
}
