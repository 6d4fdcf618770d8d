//! Money: holds, fees, refusals, what earlier runs left, contracts.

use super::{Rig, buy, config, ioc, sell};
use crate::{PaperConfig, PaperVenue};
use remora_domain::{
    ContractKind, FeeSchedule, InstrumentKey, OrderEventReason, OrderRequest, SessionId, Side,
    VenueReport,
};
use remora_machine::Machine as _;
use remora_testkit::{amount, asset, at_ms, bps, cl_ord_id, filled, instrument, qty, request};
use remora_venue_api::{VenueCommand, VenueInput};

fn funded(btc: &str, usd: &str) -> PaperConfig {
    let balances = [(asset("BTC"), amount(btc)), (asset("USD"), amount(usd))].into();
    PaperConfig { balances, ..config() }
}

#[test]
fn open_orders_bind_value_and_fee_and_give_both_back() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "2"));
    rig.submit(0, sell("r-2", "101", "3"));
    assert_eq!(rig.balance(100, "USD"), (amount("100000"), amount("200.04")));
    assert_eq!(rig.balance(2_000, "BTC"), (amount("100"), amount("3")));
    rig.cancel(4_000, "r-1");
    rig.cancel(4_000, "r-2");
    assert_eq!(rig.balance(5_000, "USD"), (amount("100000"), amount("0")));
}

#[test]
fn the_whole_account_is_taken_back_at_once_and_what_has_ended_stays_so() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "2"));
    rig.submit(0, sell("r-2", "101", "3"));
    rig.run(1_000);
    rig.input(1_000, VenueInput::Command(VenueCommand::CancelAccount));
    rig.cancel(1_000, "r-1");
    assert_eq!(rig.open_orders(2_000), []);
    let count = |wanted: fn(&VenueReport) -> bool| {
        rig.heard.iter().filter(|(_, report)| wanted(report)).count()
    };
    assert_eq!(count(|report| matches!(report, VenueReport::Cancelled { .. })), 2);
    assert_eq!(count(|report| matches!(report, VenueReport::CancelRejected { .. })), 1);
    assert_eq!(rig.balance(4_000, "USD"), (amount("100000"), amount("0")));
}

#[test]
fn no_order_outlives_the_session_and_that_is_told_at_its_start() {
    let rig = Rig::usual();
    let told: Vec<&VenueReport> = rig.heard.iter().map(|(_, report)| report).take(2).collect();
    let wanted = [VenueReport::Session { is_up: true }, VenueReport::Guard { is_guarded: true }];
    assert_eq!(told, wanted.iter().collect::<Vec<_>>());
}

#[test]
fn a_fill_moves_base_quote_and_fee_exactly() {
    let mut rig = Rig::usual();
    rig.submit(0, buy("r-1", "100", "2"));
    rig.trade(50, Side::Sell, "100", "5.5");
    rig.run(100);
    assert_eq!(rig.balance(100, "BTC").0, amount("100.5"));
    assert_eq!(rig.balance(2_000, "USD"), (amount("99949.99"), amount("150.03")));
}

#[test]
fn an_order_the_account_cannot_pay_for_is_refused() {
    let mut rig = Rig::new(funded("1", "300"));
    rig.submit(0, buy("r-1", "100", "2"));
    rig.submit(1, buy("r-2", "99", "1"));
    rig.submit(2, buy("r-3", "90", "1"));
    rig.submit(3, sell("r-4", "101", "1.0001"));
    rig.submit(4, buy("r-5", "0.9", "1"));
    rig.run(100);
    let poor = OrderEventReason::InsufficientFunds;
    assert_eq!(rig.rejections(), [(cl_ord_id("r-3"), poor), (cl_ord_id("r-4"), poor)]);
    rig.submit(200, buy("r-6", "0.5", "1"));
    rig.run(300);
    assert_eq!(rig.rejections().last(), Some(&(cl_ord_id("r-6"), poor)));
}

#[test]
fn fees_are_rounded_up_over_the_order_not_over_each_fill() {
    let config = PaperConfig { fee_decimals: 2, ..config() };
    let mut rig = Rig::new(config);
    rig.submit(0, buy("r-1", "100", "1"));
    rig.trade(50, Side::Sell, "100", "5.1");
    rig.trade(51, Side::Sell, "100", "0.4");
    rig.trade(52, Side::Sell, "100", "0.5");
    rig.run(100);
    let fees: Vec<_> = rig.fills().into_iter().map(|(_, _, fill)| fill.fee.amount).collect();
    assert_eq!(fees, [amount("0.01"), amount("0.00"), amount("0.01")]);
}

#[test]
fn a_rebate_is_received() {
    let fees = FeeSchedule { maker_bps: bps("-1"), taker_bps: bps("5") };
    let mut rig = Rig::new(PaperConfig { fees, ..config() });
    rig.submit(0, buy("r-1", "100", "1"));
    rig.trade(50, Side::Sell, "100", "6");
    assert_eq!(rig.balance(100, "USD").0, amount("99900.01"));
}

/// What an earlier run said: bought 2 at 100 for a fee of 0.5.
fn earlier(exec_id: &str) -> remora_domain::OrderEvent {
    let order = OrderRequest { qty: qty("2"), ..request("r-1") };
    let mut event = filled(&order, exec_id, qty("0"), qty("2"));
    event.fill.as_mut().unwrap().fee.amount = amount("0.5");
    event
}

#[test]
fn fills_of_earlier_runs_are_in_the_balances_once() {
    let mut rig = Rig::usual();
    rig.input(1, VenueInput::Restored(earlier("x-1")));
    rig.input(1, VenueInput::Restored(earlier("x-1")));
    assert_eq!(rig.balance(10, "USD").0, amount("99799.5"));
    assert_eq!(rig.balance(2_000, "BTC").0, amount("102"));
    rig.submit(4_000, buy("r-1", "100", "1"));
    rig.run(5_000);
    assert_eq!(rig.rejections().len(), 1, "its id was used in that run");
}

#[test]
fn balances_are_not_told_before_all_earlier_fills_are_in_them() {
    let mut venue = PaperVenue::new(config(), 1);
    let mut out = Vec::new();
    venue.handle(at_ms(0), VenueInput::Restored(earlier("x-1")), &mut out);
    venue.handle(at_ms(0), VenueInput::Command(VenueCommand::QueryAccount), &mut out);
    venue.tick(at_ms(1_000), &mut out);
    assert!(out.is_empty());
    let instrument = instrument("BTC", "USD");
    venue.handle(at_ms(1_000), VenueInput::Instrument(instrument), &mut out);
    venue.tick(at_ms(2_000), &mut out);
    assert_eq!(out.len(), 2);
}

#[test]
fn execution_numbers_are_never_given_twice() {
    let mut first = Rig::usual();
    first.submit(0, ioc(buy("r-1", "100.1", "1")));
    first.run(100);
    let (_, _, fill) = first.fills().remove(0);
    let mut event = earlier("x-1");
    event.fill = Some(fill.clone());
    let mut second = Rig::usual();
    second.input(1, VenueInput::Restored(event));
    second.submit(2, ioc(buy("r-2", "100.1", "1")));
    second.run(100);
    assert_ne!(second.fills()[0].2.exec_id, fill.exec_id, "even under the same tag");
    let mut third = Rig::new(PaperConfig { run: SessionId::new(8), ..config() });
    third.submit(2, ioc(buy("r-2", "100.1", "1")));
    third.run(100);
    assert_ne!(third.fills()[0].2.exec_id, fill.exec_id);
}

fn perpetual() -> Rig {
    let spot = instrument("BTC", "USD");
    let key = InstrumentKey::new(spot.key.venue.clone(), spot.key.instrument.clone());
    // The name stays that of the rig's book; what counts is the kind.
    let contract = remora_domain::Instrument { kind: ContractKind::LinearPerpetual, key, ..spot };
    let fees = FeeSchedule { maker_bps: bps("0"), taker_bps: bps("0") };
    Rig::of(PaperConfig { fees, ..funded("0", "1000") }, contract)
}

#[test]
fn a_contract_binds_its_worst_case_and_settles_at_each_fill() {
    let mut rig = perpetual();
    rig.submit(0, sell("r-1", "100.1", "2"));
    assert_eq!(rig.balance(20, "USD"), (amount("1000"), amount("200.2")));
    rig.trade(2_000, Side::Buy, "100.2", "9");
    assert_eq!(rig.balance(2_000, "USD"), (amount("1000"), amount("200.2")), "short 2");
    // Buying back binds nothing more, and brings the difference.
    rig.submit(4_000, buy("r-2", "100", "2"));
    assert_eq!(rig.balance(4_100, "USD").1, amount("200.2"));
    rig.trade(6_000, Side::Sell, "99.9", "9");
    assert_eq!(rig.balance(6_000, "USD"), (amount("1000.2"), amount("0")));
    assert_eq!(rig.balance(8_000, "BTC").0, amount("0"), "no base changes hands");
}

#[test]
fn a_contract_needs_collateral() {
    let mut rig = perpetual();
    rig.submit(0, buy("r-1", "100", "10.1"));
    rig.run(100);
    assert_eq!(rig.rejections(), [(cl_ord_id("r-1"), OrderEventReason::InsufficientFunds)]);
}

#[test]
fn jitter_depends_on_the_seed_and_never_reorders_reports() {
    let jittery = || {
        let latency_jitter = remora_domain::DurationNs::from_ms(40);
        let mut rig = Rig::new(PaperConfig { latency_jitter, ..config() });
        for n in 0..20 {
            rig.submit(n, buy(&format!("r-{n}"), "90", "0.01"));
        }
        rig.run(500);
        rig.heard
    };
    assert_eq!(jittery(), jittery());
    let ids: Vec<String> = jittery()
        .into_iter()
        .filter_map(|(_, report)| {
            if let VenueReport::Accepted { cl_ord_id, .. } = report {
                Some(cl_ord_id.to_string())
            } else {
                None
            }
        })
        .collect();
    let expected: Vec<String> = (0..20).map(|n| format!("r-{n}")).collect();
    assert_eq!(ids, expected);
}
