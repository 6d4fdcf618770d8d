//! G13 to G19 and G40. Mid 100; BTC-EUR is a second pair of the same base, one EUR is one USD.

use super::{denied, gate};
use crate::harness::{Gate, config};
use remora_domain::{OrderRequest, RefusalReason as Why, Side};
use remora_risk_gate_core::{AssetGroup, Control, RiskGateConfig};
use remora_testkit::{
    asset, balances, book, bps, instrument, key, notional, qty, request, submit_unknown, usd, venue,
};
use std::collections::BTreeSet;

fn of(id: &str, pair: &str, size: &str) -> OrderRequest {
    OrderRequest { instrument: key(pair), qty: qty(size), ..request(id) }
}

pub(super) fn of_a_pair() {
    let mut gate = gate(|c| c.pair_position_max = notional("100"));
    denied(&mut gate, &of("a-1", "BTC-USD", "1.0001"), Control::G13, Why::PairPositionAboveMax);
    gate.approved(&of("a-2", "BTC-USD", "1"));
}

pub(super) fn of_a_base_asset() {
    let mut config = RiskGateConfig { reporting: usd(&[("EUR", "1")]), ..config() };
    config.asset_position_max_overrides.insert(asset("BTC"), notional("200"));
    let mut gate = Gate::ready(config);
    gate.define(instrument("BTC", "EUR"));
    gate.book(book("BTC-EUR", "99", "101"));
    gate.balances(balances(&[("USD", "10000"), ("EUR", "10000")]));
    gate.approved(&of("a-1", "BTC-EUR", "1"));
    gate.approved(&of("a-2", "ETH-USD", "1"));
    let no = denied(
        &mut gate,
        &of("a-3", "BTC-USD", "1.0001"),
        Control::G14,
        Why::AssetPositionAboveMax,
    );
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("200 USD", "200.01 USD"));
    gate.approved(&of("a-4", "BTC-USD", "1"));
}

pub(super) fn gross() {
    let mut gate = gate(|c| c.total_position_max = notional("200"));
    gate.approved(&of("a-1", "ETH-USD", "1"));
    denied(&mut gate, &of("a-2", "BTC-USD", "1.0001"), Control::G15, Why::TotalPositionAboveMax);
    gate.approved(&of("a-3", "BTC-USD", "1"));
}

pub(super) fn net() {
    let mut gate = gate(|c| c.net_position_max = notional("100"));
    // What may be sold does not make room: it may not fill.
    gate.approved(&OrderRequest {
        side: Side::Sell,
        price: remora_testkit::px("101"),
        ..of("a-1", "ETH-USD", "1")
    });
    denied(&mut gate, &of("a-2", "BTC-USD", "1.0001"), Control::G16, Why::NetPositionAboveMax);
    gate.approved(&of("a-3", "BTC-USD", "1"));
}

#[test]
fn a_short_position_makes_room_for_a_long_one_in_the_net() {
    let mut gate = gate(|c| c.net_position_max = notional("100"));
    gate.hold(&OrderRequest { side: Side::Sell, ..of("a-1", "ETH-USD", "1") }, "x-1");
    denied(&mut gate, &of("a-2", "BTC-USD", "2.0001"), Control::G16, Why::NetPositionAboveMax);
    gate.approved(&of("a-3", "BTC-USD", "2"));
}

pub(super) fn of_a_venue() {
    let mut gate = gate(|c| {
        c.venue_position_max_overrides.insert(venue(), notional("200"));
    });
    gate.approved(&of("a-1", "ETH-USD", "1"));
    denied(&mut gate, &of("a-2", "BTC-USD", "1.0001"), Control::G17, Why::VenuePositionAboveMax);
    gate.approved(&of("a-3", "BTC-USD", "1"));
}

pub(super) fn of_a_group() {
    let group = |name: &str, assets: &[&str], limit| AssetGroup {
        name: name.to_owned(),
        assets: assets.iter().map(|name| asset(name)).collect::<BTreeSet<_>>(),
        position_max: notional(limit),
    };
    let mut gate = gate(|c| {
        c.groups = vec![group("alone", &["ETH"], "100"), group("majors", &["BTC", "ETH"], "200")];
    });
    gate.approved(&of("a-1", "ETH-USD", "1"));
    let no = denied(
        &mut gate,
        &of("a-2", "BTC-USD", "1.0001"),
        Control::G18,
        Why::GroupPositionAboveMax,
    );
    assert_eq!(no.limit, "200 USD for majors");
    gate.approved(&of("a-3", "BTC-USD", "1"));
}

pub(super) fn funds_cover_what_is_open_and_unknown() {
    // Two orders of 100 with the higher fee of 20 bps; nobody knows what became of the first.
    for (balance, is_enough) in [("200.4", true), ("200.3999", false)] {
        let mut gate = gate(|_| {});
        gate.balances(balances(&[("USD", balance)]));
        gate.approved(&request("a-1"));
        gate.event(submit_unknown(&request("a-1")));
        gate.wait_ms(1_000);
        gate.refresh();
        let second = of("a-2", "ETH-USD", "1");
        match is_enough {
            true => gate.approved(&second),
            false => drop(denied(&mut gate, &second, Control::G19, Why::BalanceInsufficient)),
        }
    }
}

pub(super) fn ramp_after_the_start() {
    let mut gate = gate(|c| {
        c.total_position_max = notional("1000");
        c.ramp = remora_domain::DurationNs::from_ms(1_000);
        c.ramp_start = bps("1000");
    });
    let no = denied(&mut gate, &of("a-1", "BTC-USD", "1.0001"), Control::G40, Why::RampAboveMax);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("100 USD", "100.01 USD"));
    gate.approved(&of("a-2", "BTC-USD", "1"));
    // Half way: 55 % of 1,000.
    gate.wait_ms(500);
    denied(&mut gate, &of("a-3", "ETH-USD", "4.5001"), Control::G40, Why::RampAboveMax);
    gate.approved(&of("a-4", "ETH-USD", "4.5"));
    gate.wait_ms(500);
    gate.approved(&of("a-5", "ETH-USD", "4.5"));
}
