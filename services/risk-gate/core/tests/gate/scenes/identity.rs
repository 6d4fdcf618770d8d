//! G01 to G04.

use super::{denied, gate};
use remora_domain::{
    DurationNs, OrderRequest, RefusalReason as Why, Side, StrategyId, TimeInForce,
};
use remora_risk_gate_core::{Control, Permitted};
use remora_testkit::{key, px, qty, request};
use std::collections::BTreeSet;

pub(super) fn account_and_strategy_are_ours() {
    let mut gate = gate(|_| {});
    gate.approved(&request("a-1"));
    let account = "other".parse().unwrap();
    let foreign = OrderRequest { account, ..request("a-2") };
    denied(&mut gate, &foreign, Control::G01, Why::AccountUnknown);
    let strategy = StrategyId::new("stranger").unwrap();
    let strange = OrderRequest { strategy, ..request("a-3") };
    denied(&mut gate, &strange, Control::G01, Why::AccountUnknown);
}

pub(super) fn the_instrument_is_permitted() {
    let instruments = BTreeSet::from([key("BTC-USD")]);
    let mut gate = gate(|c| c.permitted = Permitted { instruments, ..Permitted::default() });
    gate.approved(&request("a-1"));
    let eth = OrderRequest { instrument: key("ETH-USD"), ..request("a-2") };
    denied(&mut gate, &eth, Control::G02, Why::InstrumentNotPermitted);
}

pub(super) fn price_and_quantity_are_on_their_steps() {
    let mut gate = gate(|_| {});
    gate.approved(&OrderRequest { price: px("99.99"), ..request("a-1") });
    let off = OrderRequest { price: px("99.995"), ..request("a-2") };
    denied(&mut gate, &off, Control::G03, Why::PriceOffTick);
}

pub(super) fn a_request_is_answered_once_and_in_time() {
    let mut gate = gate(|_| {});
    let deadline = gate.now;
    gate.approved(&OrderRequest { deadline, ..request("a-1") });
    denied(&mut gate, &request("a-1"), Control::G04, Why::DuplicateClOrdId);
    let deadline = deadline.saturating_sub(DurationNs::from_ns(1));
    let late = OrderRequest { deadline, ..request("a-2") };
    denied(&mut gate, &late, Control::G04, Why::RequestExpired);
    // The place of another is taken only where it may be open, on the same side of the same pair.
    let instead = |id: &str, orig: &str| {
        let orig_cl_ord_id = Some(orig.parse().unwrap());
        OrderRequest { orig_cl_ord_id, ..request(id) }
    };
    gate.approved(&instead("a-3", "a-1"));
    denied(&mut gate, &instead("a-4", "a-9"), Control::G04, Why::OrigOrderNotOpen);
    let sell = OrderRequest { side: Side::Sell, price: px("100.5"), ..instead("a-5", "a-1") };
    denied(&mut gate, &sell, Control::G04, Why::OrigOrderNotOpen);
    let eth = OrderRequest { instrument: key("ETH-USD"), ..instead("a-6", "a-1") };
    denied(&mut gate, &eth, Control::G04, Why::OrigOrderNotOpen);
    let ioc = OrderRequest { tif: TimeInForce::Ioc, is_post_only: false, ..instead("a-7", "a-1") };
    denied(&mut gate, &ioc, Control::G04, Why::OrigOrderNotOpen);
    // What it is said to have filled is added at the venue: no more than was booked.
    let orig_cum_qty = qty("0.00000001");
    let more = OrderRequest { orig_cum_qty, ..instead("a-8", "a-1") };
    denied(&mut gate, &more, Control::G04, Why::OrigOrderNotOpen);
}
