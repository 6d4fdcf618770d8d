//! Patterns by the clock on markets of our own making, and on the shared candles with what `data/oracles/candle_facts.json` knows of them.

use crate::common::{Market, market, recorded};
use remora_estimators::spearman;
use remora_machine::SplitMix64;
use remora_research::temporal::{
    Examined, PatternReport, Target, TemporalReport, TemporalSettings, Verdict, examine, judge,
};
use remora_research::{Bar, CandleSeries};
use serde_json::Value;

fn settings(permutations: usize) -> TemporalSettings {
    TemporalSettings { q: 0.05, permutations, seed: 1, funding_hours: vec![0, 8, 16] }
}

fn judged(series: &[(&str, CandleSeries)], permutations: usize) -> TemporalReport {
    let settings = settings(permutations);
    let examined: Vec<Examined> =
        series.iter().map(|(name, series)| examine(name, series, &settings)).collect();
    judge(&examined, &settings).unwrap()
}

fn pattern<'a>(
    report: &'a TemporalReport,
    pair: &str,
    target: Target,
    family: &str,
) -> &'a PatternReport {
    let is_it = |p: &&PatternReport| p.pair == pair && p.target == target && p.family == family;
    report.patterns.iter().find(is_it).unwrap()
}

fn seasons(pattern: &PatternReport) -> Vec<f64> {
    pattern.numbers.as_ref().unwrap().buckets.iter().map(|bucket| bucket.season).collect()
}

fn busiest(pattern: &PatternReport) -> usize {
    let seasons = seasons(pattern);
    (0..seasons.len()).max_by(|a, b| seasons[*a].total_cmp(&seasons[*b])).unwrap()
}

const HOURS: Market = Market { days: 63, bar_s: 3_600, wave: 0.0, memory: 0.8 };

#[test]
fn planted_hours_are_found_with_their_height_and_pairs_without_have_no_pattern() {
    let wavy = market(1, Market { wave: 0.5, ..HOURS });
    let loud = market(4, Market { wave: 1.2, ..HOURS });
    let (plain, other) = (market(2, HOURS), market(3, HOURS));
    let series = [("wavy", wavy), ("loud", loud), ("plain", plain), ("other", other)];
    let report = judged(&series, 199);
    for target in [Target::Volume, Target::Volatility] {
        let found = pattern(&report, "wavy", target, "hour_of_day");
        assert_eq!(found.verdict, Verdict::Pattern, "{:?}", found.reasons);
        let buckets = &found.numbers.as_ref().unwrap().buckets;
        // e^0.5 = 1.65 at 14 UTC, 0.61 at 2 UTC, drawn a little towards 1.
        assert!((buckets[14].multiplier.unwrap() - 1.6).abs() < 0.35, "{:?}", buckets[14]);
        assert!((buckets[2].multiplier.unwrap() - 0.62).abs() < 0.15, "{:?}", buckets[2]);
        // Among 1,800 buckets half a wave stands out in none alone; the loud one does.
        let loud = pattern(&report, "loud", target, "hour_of_day").numbers.as_ref().unwrap();
        assert!(loud.buckets[14].is_significant && loud.buckets[2].is_significant, "{loud:?}");
    }
    let has_none = |p: &&PatternReport| {
        ["plain", "other"].contains(&p.pair.as_str()) || p.target == Target::Drift
    };
    let others = report.patterns.iter().filter(has_none);
    for other in others {
        assert_ne!(other.verdict, Verdict::Pattern, "{other:?}");
        let buckets = other.numbers.iter().flat_map(|numbers| &numbers.buckets);
        assert!(buckets.into_iter().all(|b| b.multiplier.is_none() && !b.is_significant));
    }
}

#[test]
fn markets_without_hours_seldom_get_one_whatever_their_memory() {
    // Every run asks every target of four pairs at once: of runs with nothing in them at most about 5 % may find something.
    for memory in [0.0, 0.8] {
        let found = (0..60).filter(|run| {
            // Seven weeks: hours of the day are tested, weeks are too short.
            let made = Market { days: 49, memory, ..HOURS };
            let series: Vec<(&str, CandleSeries)> = ["a", "b", "c", "d"]
                .into_iter()
                .zip(0..)
                .map(|(name, i)| (name, market(10_000 + run * 4 + i, made)))
                .collect();
            judged(&series, 39).patterns_found > 0
        });
        let found = found.count();
        assert!(found <= 6, "memory {memory}: {found} of 60");
    }
}

#[test]
fn what_cannot_be_tested_says_why_and_counts_as_no_test() {
    let report = judged(&[("short", market(1, Market { days: 20, wave: 0.5, ..HOURS }))], 39);
    assert_eq!((report.tests, report.patterns_found), (0, 0));
    let reason = |target, family| pattern(&report, "short", target, family).reasons.join("");
    assert_eq!(reason(Target::Volume, "hour_of_day"), "history too short: 2.9 of 4 weeks");
    assert!(reason(Target::Volume, "minute_of_hour").contains("bars of 3600 s"));
    assert_eq!(reason(Target::Spread, "hour_of_day"), "not in this data");
}

#[test]
fn a_spike_of_two_hours_is_one_event_in_either_direction_and_the_same_hours_each_day_are_none() {
    let calm = || market(9, Market { memory: 0.0, ..HOURS });
    let touched = |is_hour: &dyn Fn(i64) -> bool, factor: f64| {
        let mut series = calm();
        for bar in series.bars.iter_mut().filter(|bar| is_hour(bar.open_s / 3_600)) {
            bar.volume *= factor;
        }
        series
    };
    // Both hours from 14 UTC of day 40.
    let first = calm().bars[0].open_s / 3_600;
    let once = |hour: i64| (first + 40 * 24 + 14..first + 40 * 24 + 16).contains(&hour);
    let daily = |hour: i64| (14..16).contains(&hour.rem_euclid(24));
    let weekly = |hour: i64| once(hour) || (hour - first - 40 * 24 - 14).rem_euclid(168) < 2;
    let series = [
        ("up", touched(&once, 1e8)),
        ("down", touched(&once, 1e-8)),
        ("daily", touched(&daily, 3.0)),
        ("weekly", touched(&weekly, 1e3)),
    ];
    let report = judged(&series, 199);
    for (pair, is_up) in [("up", true), ("down", false)] {
        for (family, buckets) in
            [("hour_of_day", ["14h", "15h"]), ("hour_of_week", ["Sat 14h", "Sat 15h"])]
        {
            let found = pattern(&report, pair, Target::Volume, family);
            assert_eq!(found.verdict, Verdict::NoPattern, "{found:?}");
            let event = found.one_event.as_ref().unwrap();
            assert_eq!(
                (event.date.as_str(), &event.buckets[..]),
                ("2024-02-10", &buckets.map(str::to_owned)[..])
            );
            assert!(if is_up { event.furthest > 1e6 } else { event.furthest < 1e-6 }, "{event:?}");
        }
    }
    // Two hours of every day are not one event. As a profile of 24 hours they do not repeat, because ranks of the other 22 are noise:
    // that is the rule (section 15), and the hours are named.
    let found = pattern(&report, "daily", Target::Volume, "hour_of_day");
    assert_eq!(found.one_event, None, "{found:?}");
    assert_eq!(found.reasons, ["does not repeat", "alone stand out 14h, 15h"], "{found:?}");
    // Two hours of every week: nine weeks are nine events.
    let found = pattern(&report, "weekly", Target::Volume, "hour_of_week");
    assert_eq!(found.one_event, None, "{found:?}");
    let numbers = found.numbers.as_ref().unwrap();
    assert!(
        seasons(found)[5 * 24 + 14] > 5.0
            && numbers.buckets[5 * 24 + 14].p_adjusted.unwrap() < 0.05,
        "{:?}",
        numbers.buckets[5 * 24 + 14]
    );
}

#[test]
fn minutes_around_funding_are_found_where_they_differ_and_only_there() {
    let made = Market { days: 30, bar_s: 60, wave: 0.3, memory: 0.8 };
    let plain = market(5, made);
    let mut paying = plain.clone();
    for bar in &mut paying.bars {
        if bar.open_s % (8 * 3_600) < 300 {
            bar.volume *= 1.5;
        }
    }
    let report = judged(&[("paying", paying), ("plain", plain)], 39);
    let found: Vec<_> = report.events.iter().filter(|event| event.is_significant).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].pair.as_str(), found[0].event), ("paying", "funding_after"));
    assert!(found[0].target == Target::Volume && (found[0].factor - 1.5).abs() < 0.1);
}

#[test]
fn equal_seeds_give_equal_reports() {
    let run = || judged(&[("a", market(1, Market { wave: 0.2, ..HOURS }))], 39);
    assert_eq!(run(), run());
}

/// Turns the clock of every day by whole hours of its own. The bars where pieces of different times meet are left out: the jump of the
/// price there, every midnight, would be an hour of its own.
fn turned(series: &CandleSeries, random: &mut SplitMix64) -> CandleSeries {
    let mut bars: Vec<Bar> = Vec::new();
    for day in series.bars.chunk_by(|a, b| a.open_s / 86_400 == b.open_s / 86_400) {
        let by = 3_600 * i64::try_from(random.next_below(24)).unwrap();
        let mut day: Vec<Bar> = day.to_vec();
        let seam = day[0].open_s;
        day.retain(|bar| bar.open_s != seam);
        for bar in &mut day {
            let start = bar.open_s / 86_400 * 86_400;
            bar.open_s = start + (bar.open_s - start + by) % 86_400;
        }
        day.sort_by_key(|bar| bar.open_s);
        bars.extend(day.into_iter().filter(|bar| bar.open_s % 86_400 != 0));
    }
    CandleSeries { bars, quality: series.quality.clone() }
}

#[test]
fn known_hours_of_recorded_candles_are_found_and_turned_days_have_none_oracle() {
    let Some(data) = remora_testkit::shared("data") else { return };
    let facts = std::fs::read_to_string(data.join("oracles/candle_facts.json")).unwrap();
    let facts: Value = serde_json::from_str(&facts).unwrap();
    let names = [
        "binance_spot_5m_2024/BTC_USDT",
        "kraken_spot_5m_2024/ETH_USD",
        "kraken_spot_5m_2024/XRP_USD",
        "kraken_spot_5m_2024/DOGE_USD",
        "binance_usdm_1m_2025/BTC_USDT",
        "binance_usdm_1m_2025/SOL_USDT",
        "binance_spot_1m_2021/BTC_USDT",
        "binance_spot_1m_2021/LINK_BTC",
    ];
    let series: Vec<(&str, CandleSeries)> =
        names.iter().map(|name| (*name, recorded(&data.join("candles"), name))).collect();
    let report = judged(&series, 199);
    let numbers = |pair: &str, key: &str| -> Vec<f64> {
        let list = facts["profiles"][pair][key].as_array().unwrap();
        list.iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let mut found = 0;
    for name in names {
        let volatility = pattern(&report, name, Target::Volatility, "hour_of_day");
        let known = numbers(name, "hour_multiplier_vs_own_day");
        let agreement = spearman(&seasons(volatility), &known).unwrap();
        assert!(agreement > 0.7, "{name}: {agreement}");
        let volume = pattern(&report, name, Target::Volume, "hour_of_day");
        let agreement =
            spearman(&seasons(volume), &numbers(name, "mean_volume_by_utc_hour")).unwrap();
        assert!(agreement > 0.6, "{name}: {agreement}");
        found += usize::from(volatility.verdict == Verdict::Pattern);
        found += usize::from(volume.verdict == Verdict::Pattern);
    }
    assert!(found >= 12, "{found} of 16");
    // The busiest hour of a year of BTC, and of five months of ETH on Kraken.
    for name in &names[..2] {
        for target in [Target::Volume, Target::Volatility] {
            let hours = pattern(&report, name, target, "hour_of_day");
            assert_eq!((busiest(hours), hours.verdict), (14, Verdict::Pattern), "{name}");
            assert!(hours.numbers.as_ref().unwrap().persistence > 0.8);
        }
    }
    let mut random = SplitMix64::new(3);
    let turned: Vec<(&str, CandleSeries)> =
        series.iter().map(|(name, series)| (*name, turned(series, &mut random))).collect();
    let null = judged(&turned, 199);
    // Weekdays and minutes stay what they were, and with them hours of the week.
    let of_hours = |p: &&PatternReport| p.family == "hour_of_day" && p.verdict == Verdict::Pattern;
    assert_eq!(null.patterns.iter().filter(of_hours).count(), 0);
}
