//! Scenarios of pair discovery, each through one `run`.

use super::*;
use crate::settings::PairDiscoverySettings;
use remora_domain::{
    AccountFees, AccountId, ContractKind, Instrument, InvalidBook, MarketTrade, Side,
};
use remora_testkit::{
    Driver, Producer, account, at_ms, book, contract, fees, instrument, invalid_book, key,
    published, px, qty, usd,
};

pub(super) fn settings() -> PairDiscoverySettings {
    PairDiscoverySettings {
        pairs_max: 2,
        hysteresis_ranks: 1,
        allow: vec!["*".to_owned()],
        deny: vec!["DENIED-*".to_owned()],
        observation_ms_min: 1_000,
        book_age_ms_max: 10_000,
        assess_interval_ms: 500,
        publish_interval_ms: 5_000,
        validity_ms: 20_000,
        half_life_ms: 60_000,
        volatility_sample_ms: 100,
        volume_day_usd_min: "1000".to_owned(),
        spread_bps_min: 0.0,
        spread_bps_max: 500.0,
        volatility_bps_max: 1_000.0,
        edge_bps_min: 0.0,
        adverse_bps: 0.0,
        participation_frac: 0.01,
        pair_budget_usd: "500".to_owned(),
        filters: None,
        cluster: None,
        insights: None,
    }
}

pub(super) fn core_of(settings: &PairDiscoverySettings) -> PairDiscoveryCore {
    let config = settings.validate(&account(), &usd(&[("USD", "1")])).unwrap();
    let producer = ProducerId::new("pair-discovery").unwrap();
    PairDiscoveryCore::new(config, Sequencer::new(producer, SessionId::new(1)))
}

pub(super) type Input = ServiceInput<NoLocal>;

fn trade(pair: &str, trade_id: u64, size: &str) -> Body {
    let (instrument, price, qty) = (key(pair), px("100"), qty(size));
    Body::Trade(MarketTrade { instrument, trade_id, taker_side: Side::Buy, price, qty })
}

/// Feeds one pair with a definition, a book and a trade.
pub(super) fn pair(
    feed: &mut Producer,
    name: &str,
    bid: &str,
    ask: &str,
    size: &str,
) -> Vec<(Timestamp, Input)> {
    let (base, quote) = name.split_once('-').unwrap();
    let bodies = [
        Body::Instrument(instrument(base, quote)),
        Body::Book(book(name, bid, ask)),
        trade(name, 1, size),
    ];
    let input = |body| (at_ms(0), feed.input(at_ms(0), body));
    bodies.into_iter().map(input).collect()
}

pub(super) fn start(router: &mut Producer) -> Vec<(Timestamp, Input)> {
    let tier = router.input(at_ms(0), Body::AccountFees(fees("0", "8")));
    vec![(at_ms(0), tier), (at_ms(0), ServiceInput::CaughtUp)]
}

/// Runs inputs, then time up to `until_ms`, and gives every universe.
pub(super) fn run(
    core: PairDiscoveryCore,
    inputs: Vec<(Timestamp, Input)>,
    until_ms: i64,
) -> Vec<Universe> {
    let mut driver = Driver::new(core);
    let mut outputs = Vec::new();
    for (now, input) in inputs {
        outputs.extend(driver.feed(now, input));
    }
    outputs.extend(driver.advance(at_ms(until_ms)));
    let universe = |message: std::sync::Arc<Envelope>| {
        let Body::Universe(universe) = &message.body else { panic!("unexpected {message:?}") };
        universe.clone()
    };
    published(outputs).into_iter().map(universe).collect()
}

pub(super) fn reason(universe: &Universe, pair: &str) -> (bool, PairReason) {
    let score = universe.pairs.iter().find(|score| score.instrument == key(pair)).unwrap();
    (score.is_selected, score.reason)
}

#[test]
fn the_best_pairs_are_selected_and_every_other_one_has_its_reason() {
    let (mut feed, mut router) = (Producer::new("ingestor", 1), Producer::new("order-router", 1));
    let mut inputs = start(&mut router);
    inputs.extend(pair(&mut feed, "AAA-USD", "99.9", "100.1", "50"));
    inputs.extend(pair(&mut feed, "BBB-USD", "99.9", "100.1", "40"));
    inputs.extend(pair(&mut feed, "CCC-USD", "99.9", "100.1", "30"));
    inputs.extend(pair(&mut feed, "DENIED-USD", "99.9", "100.1", "30"));
    inputs.extend(pair(&mut feed, "EEE-EUR", "99.9", "100.1", "30"));
    inputs.extend(pair(&mut feed, "FFF-USD", "90", "110", "30"));
    let universes = run(core_of(&settings()), inputs, 2_000);
    let last = universes.last().unwrap();
    assert_eq!(reason(last, "AAA-USD"), (true, PairReason::Selected));
    assert_eq!(reason(last, "BBB-USD"), (true, PairReason::Selected));
    assert_eq!(reason(last, "CCC-USD"), (false, PairReason::RankTooLow));
    assert_eq!(reason(last, "DENIED-USD"), (false, PairReason::Denied));
    assert_eq!(reason(last, "EEE-EUR"), (false, PairReason::ConversionUnknown));
    assert_eq!(reason(last, "FFF-USD"), (false, PairReason::SpreadTooWide));
    let versions: Vec<u64> = universes.iter().map(|universe| universe.version).collect();
    assert_eq!(versions, (1..).take(versions.len()).collect::<Vec<u64>>());
}

#[test]
fn without_a_fee_tier_nothing_is_selected() {
    let mut feed = Producer::new("ingestor", 1);
    let mut inputs = vec![(at_ms(0), ServiceInput::CaughtUp)];
    inputs.extend(pair(&mut feed, "AAA-USD", "99.9", "100.1", "50"));
    let universes = run(core_of(&settings()), inputs, 2_000);
    assert_eq!(reason(universes.last().unwrap(), "AAA-USD"), (false, PairReason::FeesUnknown));
}

#[test]
fn half_the_spread_must_pay_the_maker_fee_and_adverse_selection() {
    // Spread 20 bps: half is 10, the fee is 0, so exactly 10 bps remain before adverse selection.
    for (adverse_bps, expected) in [(9.9, PairReason::Selected), (10.1, PairReason::EdgeTooSmall)] {
        let (mut feed, mut router) =
            (Producer::new("ingestor", 1), Producer::new("order-router", 1));
        let mut inputs = start(&mut router);
        inputs.extend(pair(&mut feed, "AAA-USD", "99.9", "100.1", "50"));
        let settings = PairDiscoverySettings { adverse_bps, ..settings() };
        let universes = run(core_of(&settings), inputs, 2_000);
        assert_eq!(reason(universes.last().unwrap(), "AAA-USD").1, expected);
    }
}

#[test]
fn a_book_that_failed_takes_its_pair_out_at_the_next_assessment() {
    let (mut feed, mut router) = (Producer::new("ingestor", 1), Producer::new("order-router", 1));
    let mut inputs = start(&mut router);
    inputs.extend(pair(&mut feed, "AAA-USD", "99.9", "100.1", "50"));
    let failed =
        feed.input(at_ms(2_100), Body::Book(invalid_book("AAA-USD", InvalidBook::Checksum)));
    inputs.push((at_ms(2_100), failed));
    let universes = run(core_of(&settings()), inputs, 2_600);
    let reasons: Vec<_> = universes.iter().map(|u| reason(u, "AAA-USD")).collect();
    assert!(reasons.contains(&(true, PairReason::Selected)), "{reasons:?}");
    assert_eq!(reasons.last(), Some(&(false, PairReason::FeedUnhealthy)));
}

#[test]
fn a_book_that_is_not_told_again_takes_its_pair_out_whatever_became_of_its_withdrawal() {
    let (mut feed, mut router) = (Producer::new("ingestor", 1), Producer::new("order-router", 1));
    let mut inputs = start(&mut router);
    inputs.extend(pair(&mut feed, "AAA-USD", "99.9", "100.1", "50"));
    let universes = run(core_of(&settings()), inputs, 600_000);
    let reasons: Vec<_> = universes.iter().map(|u| reason(u, "AAA-USD")).collect();
    assert!(reasons.contains(&(true, PairReason::Selected)), "{reasons:?}");
    assert_eq!(reasons.last(), Some(&(false, PairReason::FeedUnhealthy)));
}

#[test]
fn the_fee_tier_of_another_account_is_not_ours() {
    let (mut feed, mut router) = (Producer::new("ingestor", 1), Producer::new("order-router", 1));
    let theirs = AccountFees { account: AccountId::new("theirs").unwrap(), ..fees("0", "8") };
    let tier = router.input(at_ms(0), Body::AccountFees(theirs));
    let mut inputs = vec![(at_ms(0), tier), (at_ms(0), ServiceInput::CaughtUp)];
    inputs.extend(pair(&mut feed, "AAA-USD", "99.9", "100.1", "50"));
    let universes = run(core_of(&settings()), inputs, 2_000);
    assert_eq!(reason(universes.last().unwrap(), "AAA-USD"), (false, PairReason::FeesUnknown));
}

#[test]
fn a_smallest_order_that_is_unknown_or_above_the_budget_keeps_a_pair_out() {
    let unknown = Instrument { cost_min: None, ..instrument("AAA", "USD") };
    let dear = Instrument { qty_min: qty("5.1"), ..instrument("AAA", "USD") };
    let fits = Instrument { qty_min: qty("4.9"), ..instrument("AAA", "USD") };
    for (definition, expected) in [
        (unknown, PairReason::CostMinUnknown),
        (dear, PairReason::MinimumAboveBudget),
        (fits, PairReason::Selected),
    ] {
        let (mut feed, mut router) =
            (Producer::new("ingestor", 1), Producer::new("order-router", 1));
        let mut inputs = start(&mut router);
        inputs.extend(pair(&mut feed, "AAA-USD", "99.9", "100.1", "50"));
        inputs.push((at_ms(1), feed.input(at_ms(1), Body::Instrument(definition))));
        let universes = run(core_of(&settings()), inputs, 2_000);
        assert_eq!(reason(universes.last().unwrap(), "AAA-USD").1, expected);
    }
}

#[test]
fn a_pair_without_a_volatility_is_not_selected() {
    let (mut feed, mut router) = (Producer::new("ingestor", 1), Producer::new("order-router", 1));
    let mut inputs = start(&mut router);
    inputs.extend(pair(&mut feed, "AAA-USD", "99.9", "100.1", "50"));
    let settings = PairDiscoverySettings { volatility_sample_ms: 60_000, ..settings() };
    let universes = run(core_of(&settings), inputs, 5_000);
    assert_eq!(reason(universes.last().unwrap(), "AAA-USD"), (false, PairReason::NotEnoughData));
}

#[test]
fn a_perpetual_is_reference_only() {
    let (mut feed, mut router) = (Producer::new("ingestor", 1), Producer::new("order-router", 1));
    let mut inputs = start(&mut router);
    let perpetual = Instrument { kind: ContractKind::LinearPerpetual, ..instrument("AAA", "USD") };
    inputs.push((at_ms(0), feed.input(at_ms(0), Body::Instrument(perpetual))));
    let universes = run(core_of(&settings()), inputs, 2_000);
    assert_eq!(reason(universes.last().unwrap(), "AAA-USD"), (false, PairReason::ReferenceOnly));
}

#[test]
fn versions_go_on_after_a_restart() {
    let mut earlier = Producer::new("pair-discovery", 7);
    let (mut feed, mut router) = (Producer::new("ingestor", 1), Producer::new("order-router", 1));
    let old =
        Universe { version: 41, valid_until: at_ms(0), pairs: Vec::new(), insights: Vec::new() };
    let mut inputs = vec![(at_ms(0), earlier.input(at_ms(0), Body::Universe(old)))];
    inputs.extend(start(&mut router));
    inputs.extend(pair(&mut feed, "AAA-USD", "99.9", "100.1", "50"));
    let universes = run(core_of(&settings()), inputs, 600);
    assert_eq!(universes.first().unwrap().version, 42);
}

#[test]
fn the_contract_of_a_core_is_kept() {
    let (mut feed, mut router) = (Producer::new("ingestor", 1), Producer::new("order-router", 1));
    let mut inputs = start(&mut router);
    inputs.extend(pair(&mut feed, "AAA-USD", "99.9", "100.1", "50"));
    for step in 1..40_i64 {
        let body = match step % 3 {
            0 => trade("AAA-USD", u64::try_from(step).unwrap() + 1, "2"),
            1 => Body::Book(book("AAA-USD", "99.8", "100.2")),
            _ => Body::Book(invalid_book("AAA-USD", InvalidBook::Crossed)),
        };
        inputs.push((at_ms(step * 150), feed.input(at_ms(step * 150), body)));
    }
    contract::check(|| core_of(&settings()), &inputs);
}

#[test]
fn settings_name_every_problem_at_once() {
    let wrong = PairDiscoverySettings {
        pairs_max: 0,
        validity_ms: 1,
        spread_bps_max: f64::NAN,
        pair_budget_usd: "much".to_owned(),
        ..settings()
    };
    let problems = wrong.validate(&account(), &usd(&[("USD", "1")])).unwrap_err();
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "pair_discovery.pairs_max",
            "pair_discovery.validity_ms",
            "pair_discovery.spread_bps_max",
            "pair_discovery.pair_budget_usd"
        ]
    );
}
