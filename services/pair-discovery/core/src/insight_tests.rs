//! Patterns and leads as the service finds, tells, keeps and forgets them: planted ones, and markets that have none.

use super::tests::{Input, core_of, run, settings, start};
use super::*;
use crate::InsightSettings;
use crate::settings::PairDiscoverySettings;
use remora_domain::{Bar, HourPattern, Lead, Notional, PairInsight, PatternTarget};
use remora_machine::SplitMix64;
use remora_testkit::{Producer, at_ms, book, instrument, key, px, qty};

const MINUTE_MS: i64 = 60_000;
/// Midnight of a Monday, ms.
const MONDAY_MS: i64 = 1_704_067_200_000;
const LAG_MS: i64 = 300;

fn wanted() -> PairDiscoverySettings {
    let insights = InsightSettings {
        false_share_max: 0.05,
        pattern_interval_ms: 60_000,
        pattern_days_max: 60,
        lead_part_ms: 20_000,
        lead_parts: 16,
        lead_reach_ms: 1_000,
        lead_step_ms: 50,
        lead_couples_max: 4,
        seed: 1,
    };
    PairDiscoverySettings { insights: Some(insights), ..settings() }
}

fn normal(random: &mut SplitMix64) -> f64 {
    (0..12).map(|_| random.next_unit_est()).sum::<f64>() - 6.0
}

/// Gives bars of a walk whose volume follows the hour by `wave`, highest at 14 UTC.
fn bars(feed: &mut Producer, name: &str, days: i64, wave: f64) -> Vec<(Timestamp, Input)> {
    let mut random = SplitMix64::new(u64::try_from(name.len()).unwrap());
    let mut price = 100.0_f64;
    let bar = |minute: i64| {
        let hour = i32::try_from(minute / 60 % 24).unwrap();
        let angle = std::f64::consts::TAU * f64::from(hour - 14) / 24.0;
        price *= (2e-4 * normal(&mut random)).exp();
        let volume = 10.0 * (wave * angle.cos() + 0.3 * normal(&mut random)).exp();
        let close = px(&format!("{price:.6}"));
        Body::Bar(Bar {
            instrument: key(name),
            open_time: at_ms(MONDAY_MS + minute * MINUTE_MS),
            open: close,
            high: close,
            low: close,
            close,
            volume: qty(&format!("{volume:.6}")),
            turnover: Notional::ZERO,
            trades: 1,
            spread_bps_est: 5.0 * (0.1 * normal(&mut random)).exp(),
            touch_qty_est: 1.0,
        })
    };
    let bodies: Vec<Body> = (0..days * 1_440).map(bar).collect();
    bodies.into_iter().map(|body| (at_ms(0), feed.input(at_ms(0), body))).collect()
}

fn insight<'a>(universe: &'a Universe, name: &str) -> Option<&'a PairInsight> {
    universe.insights.iter().find(|insight| insight.instrument == key(name))
}

/// Runs a core over bars of the log and, once it is caught up, over ten seconds of a calm market.
fn after_bars(settings: &PairDiscoverySettings, days: i64) -> Universe {
    let (mut feed, mut router) = (Producer::new("ingestor", 1), Producer::new("order-router", 1));
    let mut inputs = vec![
        (at_ms(0), feed.input(at_ms(0), Body::Instrument(instrument("BUSY", "USD")))),
        (at_ms(0), feed.input(at_ms(0), Body::Instrument(instrument("PLAIN", "USD")))),
    ];
    inputs.extend(bars(&mut feed, "BUSY-USD", days, 0.5));
    inputs.extend(bars(&mut feed, "PLAIN-USD", days, 0.0));
    inputs.extend(start(&mut router));
    run(core_of(settings), inputs, 12_000).pop().unwrap()
}

#[test]
fn an_hour_that_is_busier_is_told_and_noise_is_not() {
    let universe = after_bars(&wanted(), 40);
    let found = |name: &str, target| -> HourPattern {
        let patterns = &insight(&universe, name).unwrap().patterns;
        patterns.iter().find(|pattern| pattern.target == target).unwrap().clone()
    };
    let volume = found("BUSY-USD", PatternTarget::Volume);
    let at = |hour: i64| volume.factor_est(at_ms(MONDAY_MS + hour * 60 * MINUTE_MS)).unwrap();
    assert!(volume.p_value_est < 0.05 && at(14) > 1.3 && at(2) < 0.8, "{volume:?}");
    let others = [
        ("BUSY-USD", PatternTarget::Volatility),
        ("BUSY-USD", PatternTarget::Spread),
        ("PLAIN-USD", PatternTarget::Volume),
        ("PLAIN-USD", PatternTarget::Volatility),
        ("PLAIN-USD", PatternTarget::Spread),
    ];
    for (name, target) in others {
        let pattern = found(name, target);
        assert!(pattern.factors_est.is_empty(), "{name} {pattern:?}");
    }
    // Three weeks are no history, and without the section nothing is looked for.
    assert_eq!(after_bars(&wanted(), 21).insights, []);
    assert_eq!(after_bars(&settings(), 21).insights, []);
}

/// Gives mids of two instruments of one asset, the second `LAG_MS` behind the first where it follows.
fn mids(seconds: i64, follows: bool) -> Vec<(Timestamp, Input)> {
    let mut feed = Producer::new("ingestor", 1);
    let mut inputs = vec![
        (at_ms(0), feed.input(at_ms(0), Body::Instrument(instrument("BTC", "EUR")))),
        (at_ms(0), feed.input(at_ms(0), Body::Instrument(instrument("BTC", "USD")))),
    ];
    let mut random = SplitMix64::new(7);
    let (step_ms, mut own) = (50, 100.0_f64);
    let mut path = vec![100.0_f64];
    let around = |mid: f64| (format!("{:.6}", mid * 0.9999), format!("{:.6}", mid * 1.0001));
    for step in 1..seconds * 1_000 / step_ms {
        let last = path[path.len() - 1];
        path.push(last * (1e-4 * normal(&mut random)).exp());
        own *= (1e-4 * normal(&mut random)).exp();
        let late = usize::try_from(step - LAG_MS / step_ms).unwrap_or(0);
        let second = if follows { path[late] } else { own };
        for (name, mid) in [("BTC-EUR", last), ("BTC-USD", second)] {
            let (bid, ask) = around(mid);
            let at = at_ms(step * step_ms);
            inputs.push((at, feed.input(at, Body::Book(book(name, &bid, &ask)))));
        }
    }
    inputs
}

fn leads(follows: bool, seconds: i64) -> Vec<PairInsight> {
    let mut router = Producer::new("order-router", 1);
    let mut inputs = start(&mut router);
    inputs.extend(mids(seconds, follows));
    run(core_of(&wanted()), inputs, seconds * 1_000 + 6_000).pop().unwrap().insights
}

#[test]
fn a_lead_is_chosen_by_the_first_parts_and_confirmed_by_the_later_ones() {
    let told = leads(true, 360);
    let [insight] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(insight.instrument, key("BTC-USD"));
    let lead = insight.lead().unwrap();
    assert_eq!((&lead.leader, lead.parts), (&key("BTC-EUR"), 16));
    assert!((lead.lag.as_ms() - LAG_MS).abs() <= 50, "{lead:?}");
    // Eight of eight parts: 1/256.
    assert!((lead.p_value_est - 1.0 / 256.0).abs() < 1e-9 && lead.share_est > 0.8, "{lead:?}");
}

#[test]
fn prices_that_go_their_own_ways_and_short_histories_give_no_lead() {
    for insight in leads(false, 360) {
        assert!(insight.lead().is_none(), "{insight:?}");
    }
    assert_eq!(leads(true, 200), []);
}

/// Is what an earlier run told.
fn told() -> PairInsight {
    let lead = Lead {
        leader: key("BTC-EUR"),
        is_significant: true,
        lag: DurationNs::from_ms(90),
        share_est: 0.5,
        p_value_est: 0.001,
        parts: 16,
    };
    PairInsight { instrument: key("BTC-USD"), patterns: Vec::new(), leads: vec![lead] }
}

/// Gives what a run tells that found a universe of an earlier one, so old, in its log.
fn after_restart(age_ms: i64, then: Vec<(Timestamp, Input)>, until_ms: i64) -> Vec<PairInsight> {
    let born = 2 * 86_400_000;
    let shift = |at: Timestamp| at.saturating_add(DurationNs::from_ms(born));
    let mut earlier = Producer::new("pair-discovery", 0);
    let mut feed = Producer::new("ingestor", 9);
    let universe =
        Universe { version: 4, valid_until: at_ms(0), pairs: Vec::new(), insights: vec![told()] };
    let old = earlier.input(at_ms(born - age_ms), Body::Universe(universe));
    let fresh = feed.input(at_ms(born), Body::Instrument(instrument("ETH", "USD")));
    let mut inputs = vec![(at_ms(born), old), (at_ms(born), fresh)];
    inputs.push((at_ms(born), ServiceInput::CaughtUp));
    inputs.extend(then.into_iter().map(|(at, input)| (shift(at), input)));
    run(core_of(&wanted()), inputs, born + until_ms).pop().unwrap().insights
}

#[test]
fn what_an_earlier_run_told_holds_until_this_one_knows_better() {
    assert_eq!(after_restart(60_000, Vec::new(), 6_000), [told()]);
    // Of yesterday and before it is forgotten.
    assert_eq!(after_restart(86_400_001, Vec::new(), 6_000), []);
    // Its own verdict takes the place of the old one, whichever way round.
    let now = after_restart(60_000, mids(360, true), 366_000);
    let [insight] = now.as_slice() else { panic!("{now:?}") };
    assert_eq!(insight.leads.len(), 1);
    assert!((insight.leads[0].lag.as_ms() - LAG_MS).abs() <= 50, "{insight:?}");
}

#[test]
fn impossible_ways_of_looking_are_refused() {
    let check = |change: fn(&mut InsightSettings), wanted_key: &str| {
        let mut settings = wanted();
        change(settings.insights.as_mut().unwrap());
        let account = remora_testkit::account();
        let problems = settings.validate(&account, &remora_testkit::usd(&[])).unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, [format!("pair_discovery.insights.{wanted_key}")]);
    };
    check(|s| s.false_share_max = f64::NAN, "false_share_max");
    check(|s| s.pattern_days_max = 27, "pattern_days_max");
    check(|s| s.lead_part_ms = 19_999, "lead_part_ms");
    check(|s| s.lead_parts = 7, "lead_parts");
    check(|s| s.lead_step_ms = 1, "lead_step_ms");
}
