//! Ways in which risk engines were seen to let orders pass: each must end in a refusal here.

use crate::harness::{Gate, answer_of, config};
use remora_domain::{
    Body, ControlScope, Kind, OrderRequest, Qty, RefusalReason as Why, Service, Side, Subject,
};
use remora_risk_gate_core::{RiskGateConfig, RiskGateSettings};
use remora_testkit::{
    balances, book, fees, instrument, key, notional, px, qty, reduce, request, router_ready, usd,
};

fn sell(id: &str, size: &str) -> OrderRequest {
    OrderRequest { side: Side::Sell, qty: qty(size), price: px("100.5"), ..request(id) }
}

#[test]
fn path_1_no_account_at_the_venue_is_not_a_licence() {
    let mut gate = Gate::bare(config());
    gate.market();
    gate.fees(fees("10", "20"));
    gate.caught_up();
    gate.control_state(router_ready(1));
    gate.refused(&request("a-1"), Why::BalanceUnknown);
}

#[test]
fn path_2_an_order_that_nothing_prices_is_refused() {
    let mut gate = Gate::bare(config());
    gate.market();
    gate.funds();
    gate.define(instrument("XRP", "USD"));
    gate.caught_up();
    gate.control_state(router_ready(1));
    // There are no orders without a price; the nearest is one where no quote and no trade is known.
    let xrp = |id| OrderRequest { instrument: key("XRP-USD"), is_post_only: false, ..request(id) };
    gate.refused(&xrp("a-1"), Why::BookUnknown);
    gate.book_alone(book("XRP-USD", "99", "101"));
    gate.refused(&xrp("a-2"), Why::LastTradeUnknown);
}

#[test]
fn path_3_an_asset_missing_in_the_balances_is_an_asset_we_have_none_of() {
    let mut gate = Gate::ready(config());
    gate.balances(balances(&[("BTC", "5")]));
    gate.refused(&request("a-1"), Why::BalanceInsufficient);
}

#[test]
fn path_4_a_sum_that_cannot_be_computed_is_not_zero() {
    let mut gate = Gate::ready(RiskGateConfig { reporting: usd(&[("EUR", "1")]), ..config() });
    gate.define(instrument("BTC", "GBP"));
    gate.book(book("BTC-GBP", "99", "101"));
    let pounds = OrderRequest { instrument: key("BTC-GBP"), ..request("a-1") };
    gate.refused(&pounds, Why::ConversionUnknown);
    let huge = OrderRequest { qty: qty("7922816251426433759354395.0335"), ..request("a-2") };
    gate.refused(&huge, Why::AmountRange);
}

#[test]
fn path_5_reducing_while_flat_opens_nothing_and_a_larger_order_turns_nothing() {
    let mut gate = Gate::ready(config());
    gate.command(reduce(ControlScope::Global));
    gate.refused(&request("a-1"), Why::ReduceOnly);
    gate.refused(&sell("a-2", "1"), Why::ReduceOnly);
    gate.command(remora_testkit::resume(ControlScope::Global));
    gate.hold(&request("h-1"), "h-1");
    gate.command(reduce(ControlScope::Global));
    gate.refused(&sell("a-3", "1.0001"), Why::ReduceOnly);
    gate.approved(&sell("a-4", "1"));
    // What is open on the side counts: both together would turn the position.
    gate.refused(&sell("a-5", "0.01"), Why::ReduceOnly);
}

#[test]
fn path_6_each_order_of_a_batch_counts_by_its_own_instrument() {
    let total_position_max = notional("1100");
    let mut gate = Gate::ready(RiskGateConfig { total_position_max, ..config() });
    gate.book(book("ETH-USD", "9.9", "10.1"));
    let btc = request("a-1");
    let eth = |id, size| OrderRequest {
        instrument: key("ETH-USD"),
        price: px("10"),
        qty: qty(size),
        ..request(id)
    };
    // Published in one go: 100 of BTC and 999.5 of ETH fit; 0.6 more of ETH do not.
    let asked: Vec<_> = [btc, eth("a-2", "99.95"), eth("a-3", "0.06")]
        .map(|order| gate.decision.wrap(gate.now, Body::OrderRequest(order)))
        .into_iter()
        .collect();
    let mut answers = Vec::new();
    for request in asked {
        answers.extend(gate.say(request).iter().filter_map(answer_of));
    }
    assert!(answers[0].is_ok() && answers[1].is_ok(), "{answers:?}");
    assert_eq!(answers[2].as_ref().unwrap_err().reason, Why::PairPositionAboveMax);
    gate.refused(
        &OrderRequest { qty: qty("1.0002"), ..request("a-4") },
        Why::TotalPositionAboveMax,
    );
}

#[test]
fn path_7_no_setting_switches_the_controls_off() {
    let text = "version = 1\nbypass = true\n";
    let problem = toml::from_str::<RiskGateSettings>(text).unwrap_err().to_string();
    assert!(problem.contains("unknown field `bypass`"), "{problem}");
}

#[test]
fn path_8_every_approval_is_published_to_the_durable_log() {
    let mut gate = Gate::ready(config());
    let asked = gate.decision.wrap(gate.now, Body::OrderRequest(request("a-1")));
    let said = gate.say(asked);
    let approval = said.iter().find(|e| matches!(e.body, Body::OrderApproval(_))).unwrap();
    assert_eq!(Subject::of(approval).kind, Kind::OrderApproval);
    assert!(Kind::OrderApproval.is_durable());
    assert!(Service::Persister.reads().contains(&Kind::OrderApproval));
    assert!(gate.open_buys() == "1" && Qty::ZERO.is_zero());
}
