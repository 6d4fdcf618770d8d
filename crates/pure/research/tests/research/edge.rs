//! Leads and edges on markets of our own making, whose truth is known, and on the shared recordings.

use crate::common::normal;
use flate2::read::GzDecoder;
use remora_domain::Timestamp;
use remora_machine::SplitMix64;
use remora_research::edge::{
    EdgeOutcome, EdgeReport, EdgeSettings, LeadOutcome, QuoteTape, TapeBuilder, judge_edges,
    relations, study,
};
use serde_json::Value;
use std::io::{BufRead, BufReader};

const STEP_MS: i64 = 20;

/// Two markets of one asset: the second repeats `share` of the first `lag_ms` later, and walks by itself for the rest; both are seen at
/// random instants, with the given spread.
fn markets(seed: u64, seconds: i64, lag_ms: i64, share: f64, spread_bps: f64) -> Vec<QuoteTape> {
    let mut random = SplitMix64::new(seed);
    let steps = usize::try_from(seconds * 1_000 / STEP_MS).unwrap();
    let lag = usize::try_from(lag_ms / STEP_MS).unwrap();
    let moves: Vec<f64> = (0..steps + lag).map(|_| 5e-5 * normal(&mut random)).collect();
    let mut builders =
        ["first", "second"].map(|name| (TapeBuilder::new(name, "AAA"), 100.0_f64.ln()));
    for step in 0..steps {
        let at = Timestamp::from_ns(i64::try_from(step).unwrap() * STEP_MS * 1_000_000);
        let own = (1.0 - share) * 5e-5 * normal(&mut random);
        let by = [moves[step + lag], share * moves[step] + own];
        for ((builder, price), by) in builders.iter_mut().zip(by) {
            *price += by;
            if random.next_unit_est() < 0.5 {
                let (mid, half) = (price.exp(), spread_bps / 2e4);
                builder.quote(at, mid * (1.0 - half), mid * (1.0 + half), None);
            }
        }
    }
    builders.into_iter().map(|(builder, _)| builder.finish().unwrap()).collect()
}

/// Settings under which five minutes are a long recording.
fn short(latency_ms: i64) -> EdgeSettings {
    EdgeSettings {
        lag_reach_ms: 800,
        surrogates: 39,
        thresholds_bps: vec![1.0, 2.0, 4.0],
        windows_ms: vec![100, 500],
        holds_ms: vec![200, 1_000],
        days_min: 0.0,
        events_min: 30,
        ..EdgeSettings::standard(latency_ms)
    }
}

fn judged(tapes: &[QuoteTape], fee_bps: f64, settings: &EdgeSettings) -> EdgeReport {
    let studied = relations(tapes)
        .into_iter()
        .map(|pair| study(&tapes[pair.first], &tapes[pair.second], (fee_bps, fee_bps), settings))
        .collect();
    judge_edges(tapes, studied, settings).unwrap()
}

#[test]
fn a_planted_lead_is_found_and_following_it_pays_in_that_direction_only() {
    let tapes = markets(1, 300, 200, 0.9, 0.1);
    let report = judged(&tapes, 0.0, &short(20));
    let lead = report.relations[0].lead.as_ref().unwrap();
    assert_eq!(lead.outcome, LeadOutcome::FirstLeads, "{:?}", lead.reasons);
    assert!((lead.lag_ms - 200.0).abs() <= 40.0 && (lead.fitted_lag_ms - 200.0).abs() <= 40.0);
    assert!(lead.confirmed_rho > 0.3 && lead.p_adjusted < 0.05);
    let (low, _) = report.relations[0].information_share_first.unwrap();
    assert!(low > 0.5, "{low}");
    let [there, back] = &report.directions[..] else { panic!("two directions") };
    assert_eq!((there.leader.as_str(), there.outcome), ("first", EdgeOutcome::Established));
    assert!(there.confirmed.unwrap().low_bps > 0.0 && there.confirmed.unwrap().stake > 0.0);
    assert_ne!(back.outcome, EdgeOutcome::Established);
    // The follower moves after the jump; the leader does not move after the follower's.
    let late = |direction: &remora_research::edge::DirectionReport| {
        direction.after_jump.iter().find(|point| point.after_ms == 500).unwrap().mean_bps
    };
    assert!(late(there) > 0.5 && late(back).abs() < 0.5, "{} {}", late(there), late(back));
}

#[test]
fn the_other_order_turns_the_lead() {
    let mut tapes = markets(1, 300, 200, 0.9, 0.1);
    tapes.reverse();
    let report = judged(&tapes, 0.0, &short(20));
    let lead = report.relations[0].lead.as_ref().unwrap();
    assert_eq!(lead.outcome, LeadOutcome::SecondLeads, "{:?}", lead.reasons);
    assert!((lead.lag_ms + 200.0).abs() <= 40.0);
}

#[test]
fn fees_and_latency_end_an_edge_that_is_there_without_them() {
    let tapes = markets(2, 300, 200, 0.9, 0.1);
    let free = judged(&tapes, 0.0, &short(20)).directions[0].clone();
    let dear = judged(&tapes, 10.0, &short(20)).directions[0].clone();
    assert_eq!(dear.outcome, EdgeOutcome::NoEdge, "{:?}", dear.reasons);
    // The same events: the mean falls by both fees.
    let same_rule = free.rule == dear.rule;
    let fall = free.confirmed.unwrap().mean_bps - dear.confirmed.unwrap().mean_bps;
    assert!(!same_rule || (fall - 20.0).abs() < 1e-9);
    let late = judged(&tapes, 0.0, &short(1_000)).directions[0].clone();
    assert_ne!(late.outcome, EdgeOutcome::Established);
    assert!(free.break_even_latency_ms.is_none_or(|ms| ms > 50));
}

#[test]
fn independent_markets_seldom_lead_and_seldom_pay() {
    let (mut leads, mut edges) = (0, 0);
    for seed in 0..40 {
        let tapes = markets(500 + seed, 200, 0, 0.0, 0.001);
        let report = judged(&tapes, 0.0, &EdgeSettings { surrogates: 19, ..short(20) });
        let lead = report.relations[0].lead.as_ref().unwrap();
        leads += usize::from(lead.outcome != LeadOutcome::NotEstablished);
        let is_edge =
            |d: &remora_research::edge::DirectionReport| d.outcome == EdgeOutcome::Established;
        edges += usize::from(report.directions.iter().any(is_edge));
    }
    // At 5 % two of 40 are expected, and three standard deviations are four.
    assert!(leads <= 6 && edges <= 6, "{leads} leads and {edges} edges of 40");
}

#[test]
fn a_short_recording_gets_numbers_and_no_verdict() {
    let tapes = markets(1, 300, 200, 0.9, 0.1);
    let settings = EdgeSettings { days_min: 20.0, ..short(20) };
    let report = judged(&tapes, 0.0, &settings);
    let lead = report.relations[0].lead.as_ref().unwrap();
    assert_eq!(lead.outcome, LeadOutcome::NotEstablished);
    assert!((lead.lag_ms - 200.0).abs() <= 40.0);
    let there = &report.directions[0];
    assert_eq!(there.outcome, EdgeOutcome::NotEstablished);
    assert!(there.confirmed.unwrap().mean_bps > 0.0);
    assert!(
        there.reasons.iter().any(|reason| reason.contains("of 20 days")),
        "{:?}",
        there.reasons
    );
}

#[test]
fn bad_quotes_are_left_out_or_refuse_the_market_and_a_slow_clock_is_named() {
    let at = |ms: i64| Timestamp::from_ns(ms * 1_000_000);
    let mut builder = TapeBuilder::new("m", "AAA");
    for i in 0..200 {
        builder.quote(at(i * 10), 1.0, 1.01, Some(at(i * 10 + 1_270)));
    }
    for (bid, ask) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (-1.0, 1.0)] {
        builder.quote(at(3_000), bid, ask, None);
    }
    let tape = builder.clone().finish().unwrap();
    assert_eq!((tape.quotes.len(), tape.unusable), (200, 4));
    let report = judge_edges(&[tape], Vec::new(), &short(20)).unwrap();
    assert!(report.markets[0].problems.iter().any(|p| p.contains("1270 ms behind")));
    builder.quote(at(10), 1.0, 1.01, None);
    assert!(builder.finish().unwrap_err().to_string().contains("quote 205"));
    assert!(
        TapeBuilder::new("m", "AAA")
            .finish()
            .unwrap_err()
            .to_string()
            .contains("want at least 100")
    );
}

/// Reads the best quotes of one symbol.
fn recorded(data: &std::path::Path, venue: &str, symbol: &str) -> QuoteTape {
    let file = std::fs::File::open(data.join(format!("raw/{venue}_20240808.jsonl.gz"))).unwrap();
    let base = remora_binance::base_asset(symbol).unwrap();
    let mut builder = TapeBuilder::new(&format!("{venue} {symbol}"), base);
    for line in BufReader::new(GzDecoder::new(file)).lines().map(Result::unwrap) {
        if !line.contains("@bookTicker") {
            continue;
        }
        let record: Value = serde_json::from_str(&line).unwrap();
        let frame = line.split_once("\"frame\":").unwrap().1;
        let Some(quote) = remora_binance::quote(frame.strip_suffix('}').unwrap()).unwrap() else {
            continue;
        };
        if quote.symbol == symbol {
            let t = Timestamp::from_ns(record["t"].as_i64().unwrap());
            builder.quote(t, quote.bid_est, quote.ask_est, quote.exchange_time);
        }
    }
    builder.finish().unwrap()
}

#[test]
fn the_recorded_lead_of_spot_over_the_coin_margined_perpetual_is_seen_but_not_established_oracle() {
    let Some(data) = remora_testkit::shared("data") else { return };
    let facts = std::fs::read_to_string(data.join("oracles/binance_20240808.json")).unwrap();
    let facts: Value = serde_json::from_str(&facts).unwrap();
    let tapes = [
        recorded(&data, "binance_coinm", "BTCUSD_PERP"),
        recorded(&data, "binance_spot", "BTCUSDT"),
    ];
    let count = |market: &str, symbol: &str| {
        facts["markets"][market][symbol]["counts"]["bookTicker"].as_u64().unwrap()
    };
    let quotes = tapes.iter().map(|tape| u64::try_from(tape.quotes.len()).unwrap());
    let counts = [count("coinm", "BTCUSD_PERP"), count("spot", "BTCUSDT")];
    assert_eq!(quotes.collect::<Vec<_>>(), counts);
    let report =
        judged(&tapes, 5.0, &EdgeSettings { surrogates: 19, ..EdgeSettings::standard(100) });
    let lead = report.relations[0].lead.as_ref().unwrap();
    let known =
        facts["lead_lag_mid_returns"]["BTC_coinm_vs_spot"]["at_20ms"]["peak_lag_ms"].as_f64();
    assert!((lead.lag_ms - known.unwrap()).abs() <= 40.0, "{} {known:?}", lead.lag_ms);
    assert!(lead.lag_ms <= 0.0 && lead.rho > 0.3 && lead.p_adjusted <= 0.05, "{lead:?}");
    assert_eq!(lead.outcome, LeadOutcome::NotEstablished);
    assert!(report.directions.iter().all(|d| d.outcome == EdgeOutcome::NotEstablished));
    assert!(report.directions.iter().all(|d| d.confirmed.is_some_and(|v| v.mean_bps < 0.0)));
}
