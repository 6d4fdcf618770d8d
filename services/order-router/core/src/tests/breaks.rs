//! Differences between the venue's account and ours: what is one, what is only under way, and how each ends.

use super::{Input, Rig, Said, config, core_of, fee_tier, filled, open};
use remora_domain::{
    AccountBreak, Asset, Body, BreakId, BreakKind, ControlState, OrderRequest, Service,
    ServiceState, VenueReport,
};
use remora_machine::ServiceInput;
use remora_testkit::{
    Driver, Producer, account, amount, asset, at_ms, balances, control_state, fill, instrument,
    qty, request, venue,
};
use std::collections::BTreeMap;

const BTC: &str = "1";

/// A router through which orders flow, that knows what BTC-USD is and has judged the first balances.
fn begun() -> Rig {
    let mut rig = Rig::ready();
    define(&mut rig, 1_000);
    let said = rig.advance(3_000);
    let beyond = said.states.last().map(|state| state.beyond_fills.clone());
    let expected = BTreeMap::from([(asset("BTC"), amount("1")), (asset("USD"), amount("1000"))]);
    assert_eq!(beyond, Some(expected));
    rig
}

fn define(rig: &mut Rig, ms: i64) {
    assert!(rig.gate_says(ms, Body::Instrument(instrument("BTC", "USD"))).is_silent());
}

/// Tells balances, and lets the grace pass after which they are judged.
fn told(rig: &mut Rig, ms: i64, btc: &str, usd: &str) -> Vec<AccountBreak> {
    let mut said = breaks(rig.report(ms, holds(btc, usd)));
    said.extend(breaks(rig.advance(ms + 2_000)));
    said
}

fn holds(btc: &str, usd: &str) -> VenueReport {
    VenueReport::Balances(balances(&[("BTC", btc), ("USD", usd)]))
}

fn breaks(said: Said) -> Vec<AccountBreak> {
    let told = said
        .others
        .into_iter()
        .filter_map(|body| if let Body::AccountBreak(told) = body { Some(told) } else { None });
    told.collect()
}

fn is_open(rig: &Rig) -> bool {
    rig.driver.machine.breaks().next().is_some()
}

#[test]
fn a_balance_that_two_answers_show_otherwise_is_a_break_until_one_agrees() {
    let mut rig = begun();
    assert_eq!(told(&mut rig, 40_000, BTC, "900"), [], "seen once");
    let said = rig.advance(45_000);
    assert!(said.account_queries >= 1, "a suspicion is looked into at once");
    let opened = told(&mut rig, 45_000, BTC, "900");
    let [one] = opened.as_slice() else { panic!("{opened:?}") };
    assert_eq!((one.kind, one.asset.clone()), (BreakKind::Balance, Some(asset("USD"))));
    assert_eq!((one.expected, one.actual), (Some(amount("1000")), Some(amount("900"))));
    assert_eq!((one.opened_at, one.ended_at), (at_ms(42_000), None));
    assert!(one.cause.contains("900") && one.resolution.is_empty());
    assert_eq!(told(&mut rig, 60_000, BTC, "900"), [], "told once");
    let ended = told(&mut rig, 70_000, BTC, "1000");
    let [two] = ended.as_slice() else { panic!("{ended:?}") };
    assert_eq!((&two.break_id, two.ended_at), (&one.break_id, Some(at_ms(72_000))));
    assert!(!two.resolution.is_empty() && !is_open(&rig));
}

#[test]
fn an_open_break_is_in_the_routers_state_with_its_asset_and_its_age() {
    let mut rig = begun();
    told(&mut rig, 40_000, BTC, "900");
    rig.report(45_000, holds(BTC, "900"));
    let said = rig.advance(47_000);
    let state: &ControlState = said.states.last().unwrap();
    let [found] = state.breaks.as_slice() else { panic!("{state:?}") };
    assert_eq!((found.asset.clone(), found.instrument.clone()), (Some(asset("USD")), None));
    assert_eq!(found.since, at_ms(42_000));
    rig.report(60_000, holds(BTC, "1000"));
    assert_eq!(rig.advance(62_000).states.last().unwrap().breaks, []);
}

#[test]
fn balances_that_cross_a_fill_are_no_break_whichever_is_first() {
    for balances_are_first in [true, false] {
        let mut rig = begun();
        let order = request("r-1");
        rig.work(4_000, &order);
        let bought = filled(&order, fill("e-1", "100", "0.5", "0.25"), "0.5", 5_000);
        for (ms, is_fill) in [(5_000, !balances_are_first), (5_500, balances_are_first)] {
            let report = match (is_fill, balances_are_first) {
                (true, _) => bought.clone(),
                (false, true) => holds("1.5", "949.75"),
                (false, false) => holds("1", "1000"),
            };
            assert_eq!(breaks(rig.report(ms, report)), []);
        }
        assert_eq!(breaks(rig.advance(8_000)), []);
        assert_eq!(told(&mut rig, 20_000, "1.5", "949.75"), []);
        assert!(!is_open(&rig));
    }
}

#[test]
fn a_fill_that_is_told_too_late_is_a_break_until_it_is_told() {
    let mut rig = begun();
    let order = request("r-1");
    rig.work(4_000, &order);
    assert_eq!(told(&mut rig, 10_000, "1.5", "949.75"), []);
    assert_eq!(told(&mut rig, 15_000, "1.5", "949.75").len(), 2, "base and quote");
    let late = filled(&order, fill("e-1", "100", "0.5", "0.25"), "0.5", 9_000);
    rig.report(18_000, late);
    let ended = told(&mut rig, 20_000, "1.5", "949.75");
    assert!(ended.len() == 2 && ended.iter().all(|one| one.ended_at.is_some()), "{ended:?}");
}

#[test]
fn an_order_that_only_the_venue_knows_is_a_break_of_its_pair_until_a_list_agrees() {
    let mut rig = begun();
    rig.advance(31_000);
    let stray = request("r-9");
    let opened = breaks(rig.open_orders(31_100, vec![open(&stray, "0")]));
    let [one] = opened.as_slice() else { panic!("{opened:?}") };
    assert_eq!(
        (one.kind, one.cl_ord_id.clone()),
        (BreakKind::Order, Some(stray.cl_ord_id.clone()))
    );
    assert_eq!(one.instrument, Some(stray.instrument.clone()));
    rig.advance(45_000);
    let ended = breaks(rig.open_orders(45_100, vec![open(&stray, "0")]));
    assert_eq!(ended.len(), 1, "it is known now, and being taken back");
    assert!(ended[0].ended_at.is_some() && !is_open(&rig));
}

#[test]
fn an_order_that_the_venue_lists_no_more_is_told_with_its_end() {
    let mut rig = begun();
    let order = request("r-1");
    rig.work(4_000, &order);
    rig.advance(31_000);
    assert_eq!(breaks(rig.open_orders(31_100, vec![])), []);
    rig.advance(34_000);
    let ended = breaks(rig.open_orders(34_100, vec![]));
    let [one] = ended.as_slice() else { panic!("{ended:?}") };
    assert!(one.ended_at.is_some() && one.resolution.contains("closed here"));
    assert!(!is_open(&rig));
}

#[test]
fn a_fill_that_only_a_list_shows_is_a_break_after_the_second_list() {
    let mut rig = begun();
    let order = request("r-1");
    rig.work(4_000, &order);
    rig.advance(31_000);
    assert_eq!(breaks(rig.open_orders(31_100, vec![open(&order, "0.25")])), []);
    rig.advance(34_000);
    let opened = breaks(rig.open_orders(34_100, vec![open(&order, "0.25")]));
    assert_eq!(opened.iter().map(|one| one.kind).collect::<Vec<_>>(), [BreakKind::Execution]);
    assert_eq!((opened[0].expected, opened[0].actual), (Some(amount("0")), Some(amount("0.25"))));
    rig.report(34_200, filled(&order, fill("e-1", "100", "0.25", "0"), "0.25", 34_000));
    rig.advance(50_000);
    let ended = breaks(rig.open_orders(50_100, vec![open(&order, "0.25")]));
    assert!(ended.iter().any(|one| one.break_id == opened[0].break_id && one.ended_at.is_some()));
    assert_eq!(qty("0.25").as_amount(), amount("0.25"));
}

#[test]
fn a_difference_is_not_over_because_news_of_its_order_may_be_under_way() {
    let mut rig = begun();
    let order = request("r-1");
    rig.work(4_000, &order);
    rig.advance(31_000);
    rig.open_orders(31_100, vec![open(&order, "0.25")]);
    rig.advance(34_000);
    let opened = breaks(rig.open_orders(34_100, vec![open(&order, "0.25")]));
    assert_eq!(opened.len(), 1);
    // The list itself is news of the order: the next one comes before that has settled.
    for ms in [34_600, 35_100] {
        assert_eq!(breaks(rig.open_orders(ms, vec![open(&order, "0.25")])), []);
        assert!(is_open(&rig));
    }
}

#[test]
fn what_is_not_certain_of_every_asset_is_not_written_down() {
    let mut rig = Rig::ready();
    define(&mut rig, 1_000);
    let order = request("r-1");
    rig.work(1_100, &order);
    rig.report(1_500, filled(&order, fill("e-1", "100", "0.5", "0.25"), "0.5", 1_400));
    // Whether the first balances had the fill in them, nobody knows.
    let said = rig.advance(3_000);
    assert!(said.states.iter().all(|state| state.beyond_fills.is_empty()), "{:?}", said.states);
    rig.report(20_000, holds("1.5", "949.75"));
    let state = rig.advance(22_000).states.last().unwrap().clone();
    let expected = BTreeMap::from([(asset("BTC"), amount("1")), (asset("USD"), amount("1000"))]);
    assert_eq!(state.beyond_fills, expected);
}

#[test]
fn the_break_of_an_asset_that_is_gone_as_a_whole_ends_when_a_person_accepts_that() {
    let (rig, ended) = restarted_with(true, "900", "DOGE");
    assert!(ended.iter().any(|one| one.asset == Some(asset("DOGE"))), "{ended:?}");
    assert!(!is_open(&rig));
}

/// Starts a router on a log in which an earlier run left a break of USD open; gives what the first balances led to.
fn restarted(accept: bool, usd: &str) -> (Rig, Vec<AccountBreak>) {
    restarted_with(accept, usd, "USD")
}

/// The same for a break of any asset; the balances name BTC and USD only.
fn restarted_with(accept: bool, usd: &str, of: &str) -> (Rig, Vec<AccountBreak>) {
    let settings = crate::OrderRouterConfig { is_account_accepted: accept, ..config() };
    let mut rig = Rig { driver: Driver::new(core_of(settings, 2)), ..Rig::new() };
    let mut earlier = Producer::new("order-router-sim-spot", 1);
    let left = AccountBreak {
        break_id: BreakId::new("0000000000000001-1").unwrap(),
        account: account(),
        venue: venue(),
        kind: BreakKind::Balance,
        instrument: None,
        asset: Some(asset(of)),
        cl_ord_id: None,
        cause: "USD is 900 at the venue and 1000 by our books".to_owned(),
        expected: Some(amount("1000")),
        actual: Some(amount("900")),
        opened_at: at_ms(1),
        ended_at: None,
        resolution: String::new(),
    };
    let beyond: BTreeMap<Asset, _> =
        BTreeMap::from([(asset("BTC"), amount("1")), (asset("USD"), amount("1000"))]);
    let state = control_state(Service::OrderRouter, ServiceState::Active, 3);
    let state = ControlState { beyond_fills: beyond, ..state };
    for body in [Body::AccountBreak(left), Body::ControlState(state)] {
        let message: Input = ServiceInput::Message(earlier.wrap(at_ms(2), body));
        assert!(rig.input(5, message).is_silent());
    }
    define(&mut rig, 6);
    rig.report(10, VenueReport::Session { is_up: true });
    let said = rig.input(10, ServiceInput::CaughtUp);
    assert_eq!(said.states.last().unwrap().breaks.len(), 1, "it is open from the start");
    rig.open_orders(20, vec![]);
    rig.report(20, fee_tier());
    let ended = told(&mut rig, 30, BTC, usd);
    (rig, ended)
}

#[test]
fn a_break_of_an_earlier_run_ends_with_the_first_answer_that_agrees() {
    let (rig, ended) = restarted(false, "1000");
    assert_eq!(ended.len(), 1);
    assert!(ended[0].resolution.contains("later run") && !is_open(&rig), "{ended:?}");
}

#[test]
fn a_break_of_an_earlier_run_that_is_still_there_stays_open() {
    let (rig, ended) = restarted(false, "900");
    assert_eq!(ended, []);
    assert!(is_open(&rig));
}

#[test]
fn what_a_person_accepts_is_what_a_run_compares_with() {
    let (mut rig, ended) = restarted(true, "900");
    assert_eq!(ended.len(), 1);
    assert_eq!(told(&mut rig, 10_000, BTC, "900"), []);
    assert_eq!(told(&mut rig, 20_000, BTC, "1000"), []);
    assert_eq!(told(&mut rig, 30_000, BTC, "1000").len(), 1, "what was before is a difference now");
}

#[test]
fn a_fill_of_the_log_is_part_of_what_is_expected() {
    let mut rig = Rig { driver: Driver::new(core_of(config(), 2)), ..Rig::new() };
    let mut earlier = Producer::new("order-router-sim-spot", 1);
    let order: OrderRequest = request("r-1");
    let event = remora_testkit::filled(&order, "e-1", qty("0"), qty("1"));
    let state = control_state(Service::OrderRouter, ServiceState::Active, 3);
    let beyond_fills =
        BTreeMap::from([(asset("BTC"), amount("1")), (asset("USD"), amount("1000"))]);
    let state = ControlState { beyond_fills, ..state };
    for body in
        [Body::ControlState(state), Body::OrderEvent(event.clone()), Body::OrderEvent(event)]
    {
        rig.input(5, ServiceInput::Message(earlier.wrap(at_ms(2), body)));
    }
    define(&mut rig, 6);
    rig.report(10, VenueReport::Session { is_up: true });
    rig.input(10, ServiceInput::CaughtUp);
    // Bought one at 100 in the earlier run, told twice by the log.
    assert_eq!(told(&mut rig, 30, "2", "900"), []);
    assert_eq!(told(&mut rig, 5_000, "2", "900"), []);
    assert!(!is_open(&rig));
}
