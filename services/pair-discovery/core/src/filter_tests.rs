//! Filters that are asked only where a profile writes them, each at its limit and beyond it.

use super::tests::{core_of, pair, reason, run, settings, start};
use super::*;
use crate::{ClusterSettings, FilterSettings, PairDiscoverySettings};
use remora_domain::{ContractKind, Instrument, InstrumentStatus, InvalidBook};
use remora_testkit::{Producer, at_ms, book, fees, instrument, invalid_book, key, usd};

const DAY_MS: i64 = 86_400_000;

fn with(filters: FilterSettings) -> PairDiscoverySettings {
    PairDiscoverySettings { filters: Some(filters), ..settings() }
}

/// Gives the reason of the one pair, of 10 shown at 99.95 and at 100.05, at a maker fee of 2 bps.
fn reason_with(filters: FilterSettings, more: Vec<Body>) -> PairReason {
    let (mut feed, mut router) = (Producer::new("ingestor", 1), Producer::new("order-router", 1));
    let tier = router.input(at_ms(0), Body::AccountFees(fees("2", "8")));
    let mut inputs = vec![(at_ms(0), tier), (at_ms(0), ServiceInput::CaughtUp)];
    inputs.extend(pair(&mut feed, "AAA-USD", "99.95", "100.05", "50"));
    inputs.extend(more.into_iter().map(|body| (at_ms(1), feed.input(at_ms(1), body))));
    reason(run(core_of(&with(filters)), inputs, 2_000).last().unwrap(), "AAA-USD").1
}

#[test]
fn the_thinner_side_near_the_mid_must_show_enough() {
    // 10 at 99.95 is 999.5, 10 at 100.05 a little more.
    for (least, expected) in [("999.5", PairReason::Selected), ("999.6", PairReason::DepthTooLow)] {
        let filters =
            FilterSettings { depth_usd_min: Some(least.to_owned()), ..FilterSettings::default() };
        assert_eq!(reason_with(filters, Vec::new()), expected, "{least}");
    }
}

#[test]
fn a_tick_may_not_be_dearer_than_so_many_fees() {
    // A tick of 0.01 at 100 is 1 bps, half of the fee.
    for (most, expected) in [(0.5, PairReason::Selected), (0.49, PairReason::TickTooLarge)] {
        let filters = FilterSettings { tick_to_fee_max: Some(most), ..FilterSettings::default() };
        assert_eq!(reason_with(filters, Vec::new()), expected, "{most}");
    }
}

#[test]
fn where_futures_are_asked_for_one_must_be_listed() {
    let filters = FilterSettings { has_future: true, ..FilterSettings::default() };
    // Nobody who lists contracts was heard.
    assert_eq!(reason_with(filters.clone(), Vec::new()), PairReason::NotEnoughData);
    let contract = |base: &str, status| Instrument {
        key: key(&format!("{base}-USD-PERP")),
        kind: ContractKind::LinearPerpetual,
        status,
        ..instrument(base, "USD")
    };
    for none in
        [contract("BBB", InstrumentStatus::Online), contract("AAA", InstrumentStatus::Closed)]
    {
        let heard = vec![Body::Instrument(none)];
        assert_eq!(reason_with(filters.clone(), heard), PairReason::NoFuture);
    }
    let listed = vec![Body::Instrument(contract("AAA", InstrumentStatus::Online))];
    assert_eq!(reason_with(filters, listed), PairReason::Selected);
}

#[test]
fn a_book_that_was_often_lost_keeps_its_pair_out_although_it_is_back() {
    let filters =
        |least| FilterSettings { feed_health_min: Some(least), ..FilterSettings::default() };
    let last = |least: f64| {
        let (mut feed, mut router) =
            (Producer::new("ingestor", 1), Producer::new("order-router", 1));
        let mut inputs = start(&mut router);
        inputs.extend(pair(&mut feed, "AAA-USD", "99.9", "100.1", "50"));
        let lost = Body::Book(invalid_book("AAA-USD", InvalidBook::Crossed));
        inputs.push((at_ms(2_000), feed.input(at_ms(2_000), lost)));
        let back = Body::Book(book("AAA-USD", "99.9", "100.1"));
        inputs.push((at_ms(4_000), feed.input(at_ms(4_000), back)));
        let universes = run(core_of(&with(filters(least))), inputs, 8_000);
        reason(universes.last().unwrap(), "AAA-USD").1
    };
    // Six of eight seconds, the older ones counting a little less.
    assert_eq!(last(0.74), PairReason::Selected);
    assert_eq!(last(0.77), PairReason::FeedUnsteady);
}

#[test]
fn how_long_a_pair_is_known_survives_a_restart() {
    let filters = FilterSettings { listing_age_days_min: Some(1.0), ..FilterSettings::default() };
    let run_after = |known_since: Option<Timestamp>, heard_ms: i64| {
        let (mut feed, mut router) =
            (Producer::new("ingestor", 1), Producer::new("order-router", 1));
        let mut first = Producer::new("pair-discovery", 7);
        let mut inputs = Vec::new();
        if let Some(since) = known_since {
            let score = PairScore {
                instrument: key("AAA-USD"),
                is_selected: false,
                rank: None,
                reason: PairReason::ListedTooBriefly,
                spread_bps_est: None,
                volume_day_est: None,
                volatility_bps_est: None,
                edge_bps_est: None,
                score_est: None,
                known_since: Some(since),
            };
            let pairs = vec![score];
            let old = Universe { version: 3, valid_until: at_ms(0), pairs, insights: Vec::new() };
            inputs.push((at_ms(0), first.input(at_ms(heard_ms), Body::Universe(old))));
        }
        inputs.extend(start(&mut router));
        inputs.extend(pair(&mut feed, "AAA-USD", "99.9", "100.1", "50"));
        let universes = run(core_of(&with(filters.clone())), inputs, 2_000);
        let last = universes.last().unwrap();
        let told = last.pairs.iter().find(|pair| pair.instrument == key("AAA-USD")).unwrap();
        (reason(last, "AAA-USD").1, told.known_since)
    };
    let now = Some(at_ms(0));
    assert_eq!(run_after(None, 0), (PairReason::ListedTooBriefly, now));
    let yesterday = Some(at_ms(-DAY_MS));
    assert_eq!(run_after(yesterday, -1_000), (PairReason::Selected, yesterday));
}

#[test]
fn of_pairs_that_move_together_only_as_many_are_selected_as_are_allowed() {
    let last = |pairs_max: u32, cluster: Option<ClusterSettings>| {
        let (mut feed, mut router) =
            (Producer::new("ingestor", 1), Producer::new("order-router", 1));
        let mut inputs = start(&mut router);
        for name in ["AAA-USD", "BBB-USD", "CCC-USD"] {
            inputs.extend(pair(&mut feed, name, "99.9", "100.1", "50"));
        }
        for step in 1..80_i64 {
            let swing = (step * step) % 7;
            let of = |base: i64| (format!("{base}.9"), format!("{}.1", base + 1));
            // CCC goes the other way.
            for (name, base) in
                [("AAA-USD", 99 + swing), ("BBB-USD", 99 + swing), ("CCC-USD", 99 - swing)]
            {
                let (bid, ask) = of(base);
                let at = at_ms(step * 500);
                inputs.push((at, feed.input(at, Body::Book(book(name, &bid, &ask)))));
            }
        }
        let wild = PairDiscoverySettings {
            pairs_max,
            volatility_bps_max: 100_000.0,
            cluster,
            ..settings()
        };
        let universes = run(core_of(&wild), inputs, 40_000);
        let last = universes.last().unwrap().clone();
        ["AAA-USD", "BBB-USD", "CCC-USD"].map(|name| reason(&last, name).1)
    };
    let cluster =
        ClusterSettings { correlation: 0.8, pairs_max: 1, return_ms: 500, returns_max: 50 };
    assert_eq!(last(3, None), [PairReason::Selected; 3]);
    // Who is passed over takes no place from the next one.
    assert_eq!(
        last(2, Some(cluster)),
        [PairReason::Selected, PairReason::ClusterFull, PairReason::Selected]
    );
}

#[test]
fn wrong_filters_are_named() {
    let filters = FilterSettings {
        depth_usd_min: Some("-1".to_owned()),
        feed_health_min: Some(1.5),
        ..FilterSettings::default()
    };
    let cluster = ClusterSettings { correlation: 2.0, pairs_max: 0, return_ms: 1, returns_max: 1 };
    let wrong = PairDiscoverySettings { cluster: Some(cluster), ..with(filters) };
    let problems = wrong.validate(&remora_testkit::account(), &usd(&[("USD", "1")])).unwrap_err();
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    let wanted = ["filters.depth_usd_min", "filters.feed_health_min", "cluster.correlation"];
    for want in wanted.iter().chain(&["cluster.pairs_max", "cluster.returns_max"]) {
        assert!(keys.contains(&format!("pair_discovery.{want}").as_str()), "{want}: {keys:?}");
    }
}
