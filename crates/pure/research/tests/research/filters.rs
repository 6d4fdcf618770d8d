//! Hard filters and the limit of a cluster: each passes at its limit and names limit and value beyond it.

use crate::pairs::{facts, select_settings, settings, standing};
use remora_domain::InstrumentStatus;
use remora_research::pairs::{
    CardSettings, ClusterLimit, Filter, Membership, PairFacts, Pattern, Realised, Record,
    RecordSettings, SelectSettings, Universe, cards, select,
};

#[test]
fn filters_name_what_is_wrong_and_missing_data_fail_the_filter_that_needs_them() {
    let mut blind = facts("BLIND", 9.0);
    blind.depth = None;
    let mut small = facts("SMALL", 9.0);
    small.volume_day.value = 1e4;
    let cards = cards(vec![facts("GOOD", 9.0), blind, small, facts("XUP", 9.0)], &settings());
    let filters = vec![
        Filter::of("volume_min", 5e6).unwrap(),
        Filter::of("depth_min", 1e4).unwrap(),
        Filter::of("tick_bps_max", 1.0).unwrap(),
        Filter::HasFuture,
        Filter::Deny(vec![Pattern("*up".to_owned())]),
    ];
    let universe = select(&cards, &select_settings(filters), 10_000.0, None);
    assert_eq!(standing(&universe, "GOOD").0, &Membership::In);
    let check = |pair: &str, wanted: &str| {
        let (membership, reasons) = standing(&universe, pair);
        assert_eq!(membership, &Membership::Out);
        assert!(reasons.contains(wanted), "{reasons}");
    };
    check("BLIND", "depth_min: depth is not in this data");
    check("SMALL", "volume_min: volume 10000, want 5.0 M");
    check("XUP", "deny: on the list");
    assert_eq!(Filter::of("spread", 1.0), None);
    assert!(Filter::NAMES.iter().all(|name| Filter::of(name, 1.0).unwrap().name() == *name));
}

/// Asks one filter about a good pair after a change.
fn asked(filter: &Filter, change: impl FnOnce(&mut PairFacts)) -> Option<String> {
    let mut facts = facts("P", 9.0);
    facts.record = Some(Record::NoRecord);
    change(&mut facts);
    let card = cards(vec![facts], &settings()).remove(0);
    filter.refusal(&card.filter_facts()).map(|why| why.to_string())
}

#[test]
fn every_filter_passes_at_its_limit_and_names_limit_and_value_beyond_it() {
    let check = |name: &str, good: f64, bad: f64, said: &str| {
        let of = |limit| asked(&Filter::of(name, limit).unwrap(), |_| ());
        assert_eq!(of(good), None, "{name}");
        assert_eq!(of(bad).as_deref(), Some(said), "{name}");
    };
    check("volume_min", 1e7, 2e7, "volume 10.0 M, want 20.0 M");
    check("spread_bps_min", 24.0, 25.0, "spread 24.000 bps, want 25.000 bps");
    check("spread_bps_max", 24.0, 23.0, "spread 24.000 bps, at most 23.000 bps");
    check("edge_bps_min", 7.0, 7.5, "edge 7.000 bps, want 7.500 bps");
    check("depth_min", 5e4, 6e4, "depth 50000, want 60000");
    check("tick_bps_max", 0.1, 0.05, "tick 0.100 bps, at most 0.050 bps");
    // A tenth of a basis point against a fee of two.
    check(
        "tick_to_fee_max",
        0.05,
        0.04,
        "tick 0.050 times the maker fee, at most 0.040 times the maker fee",
    );
    check("minimum_order_max", 10.0, 9.0, "smallest order 10.000, at most 9.000");
    check("volatility_pct_min", 3.0, 4.0, "volatility 3.000 %, want 4.000 %");
    check("volatility_pct_max", 3.0, 2.0, "volatility 3.000 %, at most 2.000 %");
    check("history_days_min", 60.0, 61.0, "history 60.000 days, want 61.000 days");
    check("listing_age_days_min", 60.0, 61.0, "known listing age 60.000 days, want 61.000 days");
    check("coverage_min", 1.0, 1.5, "coverage 1.000, want 1.500");
    check("feed_health_min", 1.0, 1.5, "share of time with a usable book 1.000, want 1.500");
}

#[test]
fn what_a_pair_is_now_and_what_is_not_known_of_it_keeps_it_out() {
    let status = |status| asked(&Filter::Status, |facts| facts.status = status);
    let quotable =
        [InstrumentStatus::Online, InstrumentStatus::PostOnly, InstrumentStatus::LimitOnly];
    assert!(quotable.into_iter().all(|word| status(Some(word)).is_none()));
    for (word, said) in [
        (InstrumentStatus::Closed, "status is closed"),
        (InstrumentStatus::CancelOnly, "status is cancel_only"),
        (InstrumentStatus::ReduceOnly, "status is reduce_only"),
    ] {
        assert!(status(Some(word)).unwrap().contains(said));
    }
    assert_eq!(status(None).unwrap(), "status is not in this data");
    let unknown = |name: &str, change: fn(&mut PairFacts)| {
        asked(&Filter::of(name, 1e9).unwrap(), change).unwrap()
    };
    assert!(
        unknown("minimum_order_max", |facts| facts.order_min = None).contains("not in this data")
    );
    assert!(
        unknown("feed_health_min", |facts| facts.feed_health = None).contains("not in this data")
    );
    assert!(unknown("tick_to_fee_max", |facts| facts.tick_bps = None).contains("not in this data"));
    let rebate = CardSettings { maker_fee_bps: -1.0, ..settings() };
    let card = cards(vec![facts("P", 9.0)], &rebate).remove(0);
    let said = Filter::TickToFeeMax(9.0).refusal(&card.filter_facts()).unwrap().to_string();
    assert_eq!(said, "the maker fee is -1.000 bps: no tick is small against it");
}

#[test]
fn past_losses_beyond_chance_keep_a_pair_out_and_no_record_is_said_and_nothing_else() {
    let realised = |low: f64, high: f64| {
        let net_day = f64::midpoint(low, high);
        Record::Realised(Realised {
            net_day,
            low,
            high,
            net_bps: 1.0,
            fills: 40,
            days: 9,
            unmarked: 2,
        })
    };
    let filter = Filter::RealisedDayMin(0.0);
    let of = |record| asked(&filter, |facts| facts.record = record);
    assert_eq!(of(Some(realised(-3.0, 0.0))), None);
    let said = of(Some(realised(-3.0, -1.0))).unwrap();
    assert_eq!(said, "realised -2.000 a day [-3.000, -1.000] in 40 fills on 9 days, want 0");
    assert!(of(None).unwrap().contains("a history of our own is not in this data"));
    let want = RecordSettings { fills_min: 30, days_min: 5 };
    let short = Record::TooShort { fills: 4, days: 1, want };
    for (record, said) in [
        (Record::NoRecord, "no record of our own"),
        (short, "no record of our own yet: 4 fills on 1 days, want 30 on 5"),
    ] {
        let card = |record| {
            cards(vec![PairFacts { record: Some(record), ..facts("P", 9.0) }], &settings())
        };
        let universe = select(&card(record), &select_settings(vec![filter.clone()]), 1e4, None);
        let (membership, reasons) = standing(&universe, "P");
        assert_eq!(membership, &Membership::In);
        assert!(reasons.contains(said), "{reasons}");
        // Asked for, a record must be there.
        let strict = asked(&Filter::HasRecord, |facts| facts.record = Some(record));
        assert_eq!(strict.as_deref(), Some(said));
    }
    assert_eq!(asked(&Filter::HasRecord, |f| f.record = Some(realised(-3.0, -1.0))), None);
}

#[test]
fn a_full_cluster_passes_over_whatever_moves_with_it_and_lets_others_in() {
    let mut other = facts("OTHER", 4.0);
    other.returns = (0..50).map(|i| (i, if i % 2 == 0 { 1.0 } else { -1.0 })).collect();
    let mut unknown = facts("UNKNOWN", 4.5);
    unknown.returns.clear();
    let all = vec![facts("BEST", 5.2), facts("TWIN", 5.0), unknown, other];
    let cards = cards(all, &settings());
    let choose = |pairs_max: Option<usize>, before: Option<&Universe>| {
        let cluster = pairs_max.map(|pairs_max| ClusterLimit { correlation: 0.9, pairs_max });
        let one =
            SelectSettings { correlation_weight: 0.0, cluster, ..select_settings(Vec::new()) };
        select(&cards, &one, 1e4, before)
    };
    let free = choose(None, None);
    assert_eq!(standing(&free, "TWIN").0, &Membership::In);
    let limited = choose(Some(1), None);
    assert_eq!(
        (standing(&limited, "BEST").0, standing(&limited, "OTHER").0),
        (&Membership::In, &Membership::In)
    );
    let (membership, reasons) = standing(&limited, "TWIN");
    assert_eq!(membership, &Membership::Out);
    let said =
        "cluster_max: moves with BEST (correlation at least 0.9), at most 1 of them together";
    assert!(reasons.contains(said), "{reasons}");
    // What is not known to move apart is taken to move together.
    assert_eq!(standing(&limited, "UNKNOWN").0, &Membership::Out);
    assert_eq!(standing(&choose(Some(2), None), "TWIN").0, &Membership::In);
    // A member leaves after two runs, not at once.
    let first = choose(Some(1), Some(&free));
    assert_eq!(standing(&first, "TWIN").0, &Membership::In);
    assert_eq!(standing(&choose(Some(1), Some(&first)), "TWIN").0, &Membership::Drain);
}

#[test]
fn patterns_match_whole_names() {
    let fits = |pattern: &str, name: &str| Pattern(pattern.to_owned()).fits(name);
    assert!(fits("*_usdt", "BTC_USDT") && fits("BTC*", "BTC_USDT") && fits("B*_*T", "BTC_USDT"));
    assert!(!fits("UP", "JUP") && !fits("*UP", "SUPER") && !fits("BTC", "BTC_USDT"));
    assert!(fits("*", "") && !fits("a*b*c", "acb"));
}
