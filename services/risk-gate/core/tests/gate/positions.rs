//! Limits on positions: the worst case at the limit and one lot beyond, and the way back from above it.

use crate::harness::{Gate, config};
use remora_domain::{OrderRequest, Qty, RefusalReason as Why, Side};
use remora_risk_gate_core::RiskGateConfig;
use remora_testkit::{accepted, book, cancelled, filled, key, notional, px, qty, request};
use std::collections::BTreeMap;

fn buy(id: &str, size: &str) -> OrderRequest {
    OrderRequest { qty: qty(size), ..request(id) }
}

fn sell(id: &str, size: &str) -> OrderRequest {
    OrderRequest { side: Side::Sell, price: px("100.5"), ..buy(id, size) }
}

fn eth(order: OrderRequest) -> OrderRequest {
    OrderRequest { instrument: key("ETH-USD"), ..order }
}

#[test]
fn position_and_open_orders_together_may_reach_the_limit_of_the_pair() {
    for (size, is_allowed) in [("2", true), ("2.0001", false)] {
        let mut gate = Gate::ready(config());
        gate.hold(&buy("a-1", "5"), "x-1");
        gate.approved(&buy("a-2", "3"));
        match is_allowed {
            true => gate.approved(&buy("a-3", size)),
            false => {
                let no = gate.refused(&buy("a-3", size), Why::PairPositionAboveMax);
                assert_eq!((no.limit.as_str(), no.value.as_str()), ("1000 USD", "1000.01 USD"));
            }
        }
    }
}

#[test]
fn a_short_position_is_limited_alike() {
    for (size, is_allowed) in [("2", true), ("2.0001", false)] {
        let mut gate = Gate::ready(config());
        gate.hold(&sell("a-1", "5"), "x-1");
        gate.approved(&sell("a-2", "3"));
        match is_allowed {
            true => gate.approved(&sell("a-3", size)),
            false => drop(gate.refused(&sell("a-3", size), Why::PairPositionAboveMax)),
        }
    }
}

#[test]
fn orders_of_the_other_side_make_no_room() {
    let room = notional("9000");
    let mut gate = Gate::ready(RiskGateConfig {
        order_notional_max: room,
        total_position_max: room,
        ..config()
    });
    gate.approved(&buy("a-1", "10"));
    gate.approved(&sell("a-2", "10"));
    gate.refused(&buy("a-3", "0.01"), Why::PairPositionAboveMax);
    gate.refused(&sell("a-4", "0.01"), Why::PairPositionAboveMax);
}

#[test]
fn a_pair_may_have_a_limit_of_its_own() {
    let overrides = BTreeMap::from([(key("BTC-USD"), notional("200"))]);
    let mut gate =
        Gate::ready(RiskGateConfig { pair_position_max_overrides: overrides, ..config() });
    gate.refused(&buy("a-1", "2.0001"), Why::PairPositionAboveMax);
    gate.approved(&buy("a-2", "2"));
    gate.approved(&eth(buy("a-3", "2.0001")));
}

#[test]
fn a_limit_of_zero_lets_nothing_open() {
    let mut gate = Gate::ready(RiskGateConfig { pair_position_max: notional("0"), ..config() });
    gate.refused(&buy("a-1", "0.01"), Why::PairPositionAboveMax);
}

#[test]
fn a_position_above_the_limit_can_be_reduced_but_not_raised_or_turned_too_far() {
    let mut gate = Gate::ready(RiskGateConfig { order_notional_max: notional("9000"), ..config() });
    gate.hold(&buy("a-1", "10"), "x-1");
    // The price moved: 10 BTC are worth 2,000.
    let reopen = |gate: &mut Gate| gate.book(book("BTC-USD", "199", "201"));
    let at = |order| OrderRequest { price: px("200"), ..order };
    reopen(&mut gate);
    gate.refused(&at(buy("a-2", "0.01")), Why::PairPositionAboveMax);
    gate.refused(&at(sell("a-3", "15.0001")), Why::PairPositionAboveMax);
    gate.approved(&at(sell("a-4", "10")));
    gate.approved(&at(sell("a-5", "5")));
    gate.refused(&at(sell("a-6", "0.01")), Why::PairPositionAboveMax);
}

#[test]
fn all_pairs_together_may_reach_the_total() {
    for (size, is_allowed) in [("5", true), ("5.0001", false)] {
        let mut gate = Gate::ready(config());
        gate.hold(&buy("a-1", "10"), "x-1");
        match is_allowed {
            true => gate.approved(&eth(sell("a-2", size))),
            false => {
                let no = gate.refused(&eth(sell("a-2", size)), Why::TotalPositionAboveMax);
                assert_eq!((no.limit.as_str(), no.value.as_str()), ("1500 USD", "1500.01 USD"));
            }
        }
    }
}

#[test]
fn an_order_that_only_reduces_is_allowed_above_the_total() {
    let mut gate = Gate::ready(config());
    gate.hold(&buy("a-1", "10"), "x-1");
    gate.hold(&eth(buy("a-2", "5")), "x-2");
    gate.book(book("BTC-USD", "199", "201"));
    gate.refused(&eth(buy("a-3", "0.01")), Why::TotalPositionAboveMax);
    gate.approved(&eth(sell("a-4", "5")));
}

#[test]
fn a_pair_without_a_mid_stops_orders_that_raise_the_total() {
    let mut gate = Gate::ready(config());
    gate.hold(&buy("a-1", "1"), "x-1");
    // Books are not kept by the bus: a new run hears them only from now on.
    gate.log.retain(|envelope| !matches!(envelope.body, remora_domain::Body::Book(_)));
    let mut next = gate.restarted(config(), 2);
    next.caught_up();
    next.control_state(remora_testkit::router_ready(2));
    next.book(book("ETH-USD", "99", "101"));
    let no = next.refused(&eth(buy("b-1", "1")), Why::BookUnknown);
    assert_eq!(no.value, "no mid of sim-spot/BTC-USD was seen");
    assert_eq!(next.driver.machine.exposure().total, None);
    next.book(book("BTC-USD", "99", "101"));
    next.approved(&eth(buy("b-2", "1")));
}

#[test]
fn a_lost_book_still_values_what_is_held() {
    let mut gate = Gate::ready(config());
    gate.hold(&buy("a-1", "10"), "x-1");
    gate.book(remora_testkit::invalid_book("BTC-USD", remora_domain::InvalidBook::Disconnected));
    gate.refused(&sell("a-2", "1"), Why::BookInvalid);
    gate.refused(&eth(buy("a-3", "5.0001")), Why::TotalPositionAboveMax);
    gate.approved(&eth(buy("a-4", "5")));
}

#[test]
fn an_ended_order_makes_room_again() {
    let mut gate = Gate::ready(config());
    let order = buy("a-1", "10");
    gate.approved(&order);
    gate.event(accepted(&order));
    gate.event(filled(&order, "x-1", Qty::ZERO, qty("4")));
    gate.refused(&buy("a-2", "0.01"), Why::PairPositionAboveMax);
    gate.event(cancelled(&order, qty("4")));
    gate.refused(&buy("a-3", "6.0001"), Why::PairPositionAboveMax);
    gate.approved(&buy("a-4", "6"));
}
