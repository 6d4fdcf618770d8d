//! Score cards, filters and selection on pairs of our own making, and on shared candles.

use crate::common::{normal, recorded};
use remora_domain::{InstrumentStatus, Timestamp};
use remora_machine::SplitMix64;
use remora_research::pairs::{
    BookSight, Card, CardSettings, Evidence, FactsRefusal, Figure, Filter, Membership, PairFacts,
    RecordingFacts, SelectSettings, Universe, candle_facts, cards, in_currency, select,
    source_rule,
};
use remora_research::{CandleReader, CandleSeries};
use std::collections::BTreeMap;

pub(crate) fn settings() -> CardSettings {
    CardSettings {
        currency: "USD".to_owned(),
        capital: 10_000.0,
        maker_fee_bps: 2.0,
        next_maker_fee_bps: Some(1.0),
        participation: 0.01,
        turnover_max: 20.0,
        inventory_share: 0.5,
        risk_aversion: 0.1,
        error_multiple: 1.0,
    }
}

pub(crate) fn facts(pair: &str, kept_bps: f64) -> PairFacts {
    PairFacts {
        pair: pair.to_owned(),
        base: pair.to_owned(),
        quote: "USD".to_owned(),
        evidence: Evidence::Recording,
        history_days: 60.0,
        coverage: 1.0,
        volume_day: Figure { value: 1e7, se: 1e6 },
        effective_half_spread_bps: Some(Figure { value: kept_bps + 3.0, se: 0.5 }),
        adverse_5s_bps: Some(Figure { value: 3.0, se: 0.5 }),
        adverse_60s_bps: None,
        kept_bps: Figure { value: kept_bps, se: 0.5 },
        spread_bps: Some(2.0 * kept_bps + 6.0),
        depth: Some([1e4, 5e4, 1e5]),
        tick_bps: Some(0.1),
        volatility_day: 0.03,
        change_24h_pct: Some(2.0),
        has_future: Some(true),
        status: Some(InstrumentStatus::Online),
        order_min: Some(10.0),
        feed_health: Some(1.0),
        listed_days: 60.0,
        record: None,
        rate: 1.0,
        returns: (0..50).map(|i| (i, f64::from(i32::try_from(i % 7).unwrap()) - 3.0)).collect(),
        notes: Vec::new(),
    }
}

fn part(card: &Card, name: &str) -> f64 {
    card.parts.iter().find(|part| part.name == name).unwrap().value
}

#[test]
fn parts_of_every_score_add_up_to_it() {
    let mut random = SplitMix64::new(1);
    for run in 0..50 {
        let all: Vec<PairFacts> = (0..1 + run % 6)
            .map(|i| {
                let mut facts = facts(&format!("P{i}"), 5.0 * random.next_unit_est());
                facts.volume_day.value *= 10.0 * random.next_unit_est();
                facts.volatility_day *= random.next_unit_est();
                if i % 2 == 0 {
                    facts.effective_half_spread_bps = None;
                }
                facts
            })
            .collect();
        for card in cards(all, &settings()) {
            let total: f64 = card.parts.iter().map(|part| part.value).sum();
            assert!((total / 10_000.0 * 1e4 - card.score_bps).abs() < 1e-9);
            assert!((total - part(&card, "uncertainty") - card.expected_day).abs() < 1e-9);
        }
    }
}

#[test]
fn a_card_by_hand() {
    let card = cards(vec![facts("P", 5.0)], &settings()).remove(0);
    // 1 % of 10 M is 100,000, below 20 times the capital; 3 bps of it are 30.
    assert!(!card.is_bound_by_capital && (card.fills_day - 1e5).abs() < 1e-6);
    assert!((card.edge_bps - 3.0).abs() < 1e-12);
    assert!((part(&card, "spread captured") - 80.0).abs() < 1e-9);
    assert!((part(&card, "adverse selection") + 30.0).abs() < 1e-9);
    assert!((part(&card, "maker fee") + 20.0).abs() < 1e-9);
    // A tenth of 3 % of 5,000.
    assert!((part(&card, "inventory risk") + 15.0).abs() < 1e-9);
    // √((0.5 bps of 100,000)² + (3 bps of 10,000)²) = √(25 + 9).
    assert!((part(&card, "uncertainty") + 34f64.sqrt()).abs() < 1e-9);
    assert!((card.score_bps - (15.0 - 34f64.sqrt())).abs() < 1e-9);
    // One basis point less is 10 more a day.
    assert!((card.next_tier_score_bps.unwrap() - card.score_bps - 10.0).abs() < 1e-9);
}

#[test]
fn the_source_rule_gives_its_known_points_and_hardly_sees_the_spread() {
    // 12·log10(100) = 24, 30 − 3/3 = 29, 4·2 = 8, 10.
    assert!((source_rule(1e8, 3.0, -2.0, true) - 71.0).abs() < 1e-9);
    let (tight, wide) = (source_rule(1e8, 3.0, 0.0, false), source_rule(1e8, 30.0, 0.0, false));
    assert!((tight - wide - 9.0).abs() < 1e-9);
    assert!((source_rule(1e12, 1e3, 99.0, true) - 70.0).abs() < 1e-9);
    let mut blind = facts("P", 5.0);
    blind.change_24h_pct = None;
    assert_eq!(cards(vec![blind], &settings())[0].source_score, None);
}

#[test]
fn the_best_of_noisy_edges_is_drawn_towards_the_others() {
    let all: Vec<PairFacts> = (0..20)
        .map(|i| {
            let mut facts = facts(&format!("P{i:02}"), 3.0);
            // All alike; what differs is noise of its size.
            facts.kept_bps = Figure { value: 3.0 + (f64::from(i) - 9.5) / 10.0, se: 0.6 };
            facts
        })
        .collect();
    let cards = cards(all, &settings());
    let best = cards.iter().max_by(|a, b| a.edge_bps.total_cmp(&b.edge_bps)).unwrap();
    assert!(best.edge_bps > 1.9 && best.shrunk_edge_bps < 1.3, "{}", best.shrunk_edge_bps);
}

pub(crate) fn select_settings(filters: Vec<Filter>) -> SelectSettings {
    SelectSettings { pairs_max: 3, slack: 2, correlation_weight: 1.0, filters, cluster: None }
}

pub(crate) fn standing<'a>(universe: &'a Universe, pair: &str) -> (&'a Membership, String) {
    let place = universe.places.iter().find(|place| place.pair == pair).unwrap();
    (&place.membership, place.reasons.join("; "))
}

#[test]
fn a_pair_like_a_better_one_gives_way_to_a_different_one() {
    let mut other = facts("OTHER", 4.9);
    other.returns = (0..50).map(|i| (i, if i % 2 == 0 { 1.0 } else { -1.0 })).collect();
    let all = vec![facts("BEST", 5.2), facts("TWIN", 5.0), other];
    let cards = cards(all, &settings());
    let choose = |weight: f64| {
        let one = SelectSettings {
            pairs_max: 2,
            correlation_weight: weight,
            ..select_settings(Vec::new())
        };
        select(&cards, &one, 10_000.0, None)
    };
    assert_eq!(standing(&choose(0.0), "TWIN").0, &Membership::In);
    let diverse = choose(0.5);
    assert_eq!(standing(&diverse, "OTHER").0, &Membership::In);
    assert!(standing(&diverse, "TWIN").1.contains("correlation with better ones costs"));
    // What correlation costs more than the score is not chosen, whatever the rank.
    let dear = standing(&choose(9.0), "TWIN").1;
    assert!(dear.contains("nothing is left of its score"), "{dear}");
}

/// Cards of ten pairs whose edges lie 0.1 bps apart, with noise of that size on top.
fn noisy(random: &mut SplitMix64, noise_bps: f64) -> Vec<Card> {
    let all = (0..10)
        .map(|i| facts(&format!("P{i}"), 5.0 - 0.1 * f64::from(i) + noise_bps * normal(random)))
        .collect();
    cards(all, &settings())
}

#[test]
fn noise_turns_the_universe_over_far_less_than_the_ranking() {
    let settings = SelectSettings { correlation_weight: 0.0, ..select_settings(Vec::new()) };
    let mut random = SplitMix64::new(3);
    let (mut with, mut without) = (0.0, 0.0);
    let first = noisy(&mut random, 0.1);
    let (mut steady, mut plain) =
        (select(&first, &settings, 1e4, None), select(&first, &settings, 1e4, None));
    for _ in 0..200 {
        let cards = noisy(&mut random, 0.1);
        let next = select(&cards, &settings, 1e4, Some(&steady));
        with += next.turnover(&steady);
        steady = next;
        let next = select(&cards, &settings, 1e4, None);
        without += next.turnover(&plain);
        plain = next;
    }
    // Shares of new members, summed over 200 runs: two of three without hysteresis, about one in nine with it.
    assert!(with < 0.25 * without && with < 30.0, "{with} {without}");
}

#[test]
fn pairs_enter_and_leave_after_two_runs_and_drain_at_once_when_a_filter_fails() {
    let universe_of = |edges: [f64; 7], before: Option<&Universe>, volume: f64| {
        let all = edges.iter().enumerate().map(|(i, edge)| {
            let mut facts = facts(&format!("P{i}"), *edge);
            if i == 1 {
                facts.volume_day.value = volume;
            }
            facts
        });
        let filters = vec![Filter::VolumeMin(5e6)];
        let one = SelectSettings { correlation_weight: 0.0, ..select_settings(filters) };
        select(&cards(all.collect(), &settings()), &one, 1e4, before)
    };
    let high = [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.5];
    // The first falls from rank 1 to rank 7; the fourth rises to rank 3.
    let low = [3.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.5];
    let first = universe_of(high, None, 1e7);
    assert_eq!((first.version, standing(&first, "P0").0), (1, &Membership::In));
    let second = universe_of(low, Some(&first), 1e7);
    assert_eq!(standing(&second, "P0").0, &Membership::In);
    assert_eq!(standing(&second, "P3").0, &Membership::Entering);
    let third = universe_of(low, Some(&second), 1e7);
    assert_eq!(standing(&third, "P0").0, &Membership::Drain);
    assert_eq!(standing(&third, "P3").0, &Membership::In);
    // Back for one run changes nothing.
    let fourth = universe_of(high, Some(&third), 1e7);
    assert_eq!(standing(&fourth, "P0").0, &Membership::Drain);
    let failed = universe_of(low, Some(&third), 1e3);
    assert_eq!((standing(&failed, "P1").0, failed.version), (&Membership::Drain, 4));
}

/// Candles of a walk seen through trades at bid and ask, `spread_bps` apart.
fn bouncing(seed: u64, days: i64, spread_bps: f64) -> CandleSeries {
    let mut random = SplitMix64::new(seed);
    let mut reader = CandleReader::new("t,o,h,l,c,v".split(',')).unwrap();
    let mut middle = 100.0_f64.ln();
    for i in 0..days * 1_440 {
        let mut prices = [0.0; 20];
        for price in &mut prices {
            middle += 1.5e-4 * normal(&mut random);
            let side = if random.next_unit_est() < 0.5 { 1.0 } else { -1.0 };
            *price = (middle + side * spread_bps / 2e4).exp();
        }
        let fold = |f: fn(f64, f64) -> f64| prices.iter().copied().reduce(f).unwrap();
        let row = [prices[0], fold(f64::max), fold(f64::min), prices[19], 10.0];
        let cells: Vec<String> = std::iter::once((1_704_067_200 + 60 * i).to_string())
            .chain(row.iter().map(f64::to_string))
            .collect();
        reader.row(u64::try_from(i + 2).unwrap(), cells.iter().map(String::as_str)).unwrap();
    }
    reader.finish(0.9).unwrap()
}

#[test]
fn candles_tell_a_planted_spread_within_its_error_and_none_where_there_is_none() {
    for spread_bps in [0.0, 6.0, 20.0] {
        let got = candle_facts("A_USD", ("A", "USD"), &bouncing(1, 30, spread_bps), 1.0).unwrap();
        let off = (got.kept_bps.value - spread_bps / 2.0).abs();
        assert!(off < 3.0 * got.kept_bps.se + 0.1 * spread_bps, "{spread_bps}: {:?}", got.kept_bps);
        // 20 trades a minute, 1.5e-4 each: √(1.5e-4² · 28,800) = 2.5 % a day; ranges seen through the bounce read more.
        assert!((0.02..0.04).contains(&got.volatility_day), "{}", got.volatility_day);
        assert!((got.volume_day.value / 1.44e6 - 1.0).abs() < 0.5 && got.history_days > 29.9);
    }
    let short = candle_facts("A_USD", ("A", "USD"), &bouncing(1, 2, 5.0), 1.0);
    assert!(matches!(short, Err(FactsRefusal::TooShort { days: 2, want: 3 })));
}

#[test]
fn recordings_tell_what_was_captured_and_what_went_against_the_maker() {
    let at = |ms: i64| Timestamp::from_ns(ms * 1_000_000);
    let mut facts = RecordingFacts::default();
    let mut mid = 100.0;
    for i in 0..600 {
        // Each second: a taker buys at the ask, 10 bps above the mid; a second later the mid is 4 bps higher.
        let sight = BookSight::of(&[(mid * 0.999, 5.0)], &[(mid * 1.001, 3.0), (mid * 1.002, 4.0)]);
        facts.book(at(i * 20_000), sight);
        facts.trade(at(i * 20_000 + 500), mid * 1.001, 2.0, true);
        mid *= 1.0004;
        let sight = BookSight::of(&[(mid * 0.999, 5.0)], &[(mid * 1.001, 3.0)]);
        facts.book(at(i * 20_000 + 1_000), sight);
    }
    let got = facts.finish("A-USD", ("A", "USD"), 2.0, Some(0.01)).unwrap();
    assert!((got.effective_half_spread_bps.unwrap().value - 10.0).abs() < 1e-6);
    assert!((got.adverse_5s_bps.unwrap().value - 4.0).abs() < 1e-6);
    assert!((got.kept_bps.value - 6.0).abs() < 1e-6);
    // Four more basis points each 20 s, the last of them half a second too late.
    assert!((got.adverse_60s_bps.unwrap().value - 12.0).abs() < 0.1);
    assert!((got.spread_bps.unwrap() - 20.0).abs() < 0.01);
    // 2 units each 20 s at about 113, in a currency of which it takes 2.
    let expected = 2.0 * 4_320.0 * 2.0 * 113.0;
    assert!((got.volume_day.value / expected - 1.0).abs() < 0.03, "{}", got.volume_day.value);
    let [five, _, wide] = got.depth.unwrap();
    assert!(five.abs() < 1e-9 && wide > 500.0);
    assert_eq!(got.coverage, 1.0);
    // Another session a month later adds its own time only, and nothing is measured from one to the other.
    facts.end_session();
    let later = 30 * 86_400_000;
    let sight = BookSight::of(&[(1.0, 5.0)], &[(1.1, 3.0)]);
    facts.book(at(later), sight);
    facts.book(at(later + 20_000), sight);
    let both = facts.finish("A-USD", ("A", "USD"), 2.0, Some(0.01)).unwrap();
    assert!((both.history_days - got.history_days - 20.0 / 86_400.0).abs() < 1e-9);
    assert_eq!((both.coverage, both.kept_bps), (1.0, got.kept_bps));
    assert!((both.volatility_day / got.volatility_day - 1.0).abs() < 0.01);
    assert!(matches!(
        RecordingFacts::default().finish("A", ("A", "USD"), 1.0, None),
        Err(FactsRefusal::NoBook)
    ));
    assert_eq!(BookSight::of(&[(2.0, 1.0)], &[(2.0, 1.0)]), None);
    assert_eq!(BookSight::of(&[], &[(2.0, 1.0)]), None);
}

#[test]
fn currencies_without_a_rate_are_refused() {
    let rates = BTreeMap::from([(("BTC".to_owned(), "USD".to_owned()), 50_000.0)]);
    assert_eq!(in_currency("BTC", "USD", &rates), Ok(50_000.0));
    assert_eq!(in_currency("USD", "BTC", &rates), Ok(1.0 / 50_000.0));
    assert_eq!(in_currency("EUR", "EUR", &rates), Ok(1.0));
    let refused = in_currency("EUR", "USD", &rates).unwrap_err().to_string();
    assert_eq!(refused, "paid in EUR, and no rate of EUR in USD in the data");
}

#[test]
fn recorded_candles_give_the_known_correlations_and_plausible_cards() {
    let Some(candles) = remora_testkit::shared("data/candles") else { return };
    let pairs = ["BTC", "ETH", "DOGE"];
    let all: Vec<PairFacts> = pairs
        .iter()
        .map(|base| {
            let series = recorded(&candles, &format!("binance_spot_1m_2021/{base}_USDT"));
            candle_facts(&format!("{base}_USDT"), (base, "USDT"), &series, 1.0).unwrap()
        })
        .collect();
    // Daily volumes of April and May 2021: billions for BTC and ETH; DOGE moved most.
    assert!(all[0].volume_day.value > 1e9 && all[1].volume_day.value > 1e9);
    assert!(all[2].volatility_day > all[0].volatility_day);
    assert!(all.iter().all(|facts| facts.kept_bps.value < 10.0 && facts.spread_bps.is_none()));
    let cards = cards(all, &settings());
    assert!(cards.iter().all(|card| card.is_bound_by_capital && card.source_score.is_none()));
}
