//! The crowd watched from outside, with a book of the tests' own: what is measured is near what was configured.

use crate::plan::to_est;
use crate::values::covariance;
use crate::{
    AssetFlow, FlowAction, FlowEvent, FlowInput, FlowPair, FlowPlan, FlowSettings, Generator,
    PairFlow,
};
use proptest::prelude::*;
use remora_domain::{DurationNs, Lots, SettingProblem, Side, Ticks, Timestamp};
use remora_machine::Machine;
use std::collections::BTreeMap;

/// Is the crowd's book, matched by price then arrival; it knows nothing of the generator's own.
#[derive(Default)]
struct Book {
    bids: BTreeMap<(i64, u64), i64>,
    asks: BTreeMap<(i64, u64), i64>,
    side_of: BTreeMap<u64, (Side, (i64, u64))>,
}

impl Book {
    /// Bids are keyed by the negated price, so that the best is first on either side.
    fn side(&mut self, side: Side) -> &mut BTreeMap<(i64, u64), i64> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn bid_ask(&self) -> Option<(i64, i64)> {
        let (bid, ask) = (self.bids.first_key_value()?, self.asks.first_key_value()?);
        Some((-bid.0.0, ask.0.0))
    }

    /// Applies an event; gives how much of a taker was filled.
    fn apply(&mut self, action: FlowAction) -> i64 {
        match action {
            FlowAction::Add { side, price, qty, tag } => {
                assert!(price.get() > 0 && qty.get() > 0);
                let key = if side == Side::Buy { (-price.get(), tag) } else { (price.get(), tag) };
                assert_eq!(self.side(side).insert(key, qty.get()), None, "a tag used twice");
                self.side_of.insert(tag, (side, key));
                if let Some((bid, ask)) = self.bid_ask() {
                    assert!(bid < ask, "the crowd trades with itself: {bid} {ask}");
                }
                0
            }
            FlowAction::Remove { tag } => {
                let (side, key) = self.side_of.remove(&tag).expect("a tag that was added");
                self.side(side).remove(&key);
                0
            }
            FlowAction::Take { side, limit, qty, is_market_order: _ } => {
                self.take(side, limit.get(), qty.get())
            }
            FlowAction::Index { .. } => 0,
        }
    }

    fn take(&mut self, side: Side, limit: i64, qty: i64) -> i64 {
        let limit = if side == Side::Buy { limit } else { -limit };
        let quotes = self.side(side.opposite());
        let mut left = qty;
        while let Some(mut best) = quotes.first_entry() {
            if best.key().0 > limit || left == 0 {
                break;
            }
            let filled = left.min(*best.get());
            left -= filled;
            *best.get_mut() -= filled;
            if *best.get() == 0 {
                best.remove();
            }
        }
        qty - left
    }
}

fn asset(value_usd: f64, volatility_1s_bps: f64, factor_correlation: f64) -> AssetFlow {
    AssetFlow { value_usd, volatility_1s_bps, factor_correlation }
}

fn pair(base: &str, quote: &str, price_decimals: u32) -> FlowPair {
    FlowPair {
        symbol: format!("{base}/{quote}").into(),
        base: base.to_owned(),
        quote: quote.to_owned(),
        price_decimals,
        qty_decimals: 8,
        tick: Ticks::new(1),
        lot: Lots::new(1_000),
        qty_min: Lots::new(5_000),
    }
}

fn pairs() -> Vec<FlowPair> {
    vec![pair("BTC", "USD", 1), pair("ETH", "USD", 2), pair("ETH", "BTC", 6)]
}

fn settings() -> FlowSettings {
    let busy = PairFlow {
        half_spread_bps: 1.5,
        maker_interval_ms: 50,
        takers_per_s: 1.0,
        ..PairFlow::default()
    };
    FlowSettings {
        index_interval_ms: 100,
        assets: BTreeMap::from([
            ("BTC".to_owned(), asset(68_000.0, 1.0, 0.9)),
            ("ETH".to_owned(), asset(3_100.0, 1.4, 0.8)),
            ("USD".to_owned(), asset(1.0, 0.0, 0.0)),
        ]),
        defaults: busy,
        pairs: BTreeMap::new(),
    }
}

fn start() -> Timestamp {
    Timestamp::from_ns(1_772_460_000_000_000_000)
}

fn generator(settings: &FlowSettings, seed: u64) -> Generator {
    Generator::new(settings.validate(&pairs()).unwrap(), seed, start())
}

/// Gives every event of so many seconds with its time, ticking at each deadline.
fn events(generator: &mut Generator, seconds: i64) -> Vec<(Timestamp, FlowEvent)> {
    let end = start().saturating_add(DurationNs::from_s(seconds));
    let (mut all, mut out) = (Vec::new(), Vec::new());
    while let Some(due) = generator.next_deadline().filter(|due| *due <= end) {
        generator.tick(due, &mut out);
        assert!(generator.next_deadline().is_none_or(|next| next > due));
        all.extend(out.drain(..).map(|event| (due, event)));
    }
    all
}

/// Is what one pair looked like on a grid of time.
#[derive(Default)]
struct Seen {
    mids: Vec<f64>,
    indexes: Vec<f64>,
    spreads_bps: Vec<f64>,
    takes: Vec<(Timestamp, Side)>,
}

fn mean(of: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in of {
        sum += value;
        count += 1.0;
    }
    sum / count
}

/// Plays the events of a run against books and looks at each pair once a step.
fn watch(settings: &FlowSettings, seconds: i64, step: DurationNs) -> BTreeMap<String, Seen> {
    let mut books: BTreeMap<String, (Book, f64)> = BTreeMap::new();
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut next = start().saturating_add(step);
    for (at, FlowEvent { symbol, action }) in events(&mut generator(settings, 7), seconds) {
        while at >= next {
            for (symbol, (book, index)) in &books {
                let (bid, ask) = book.bid_ask().expect("both sides, always");
                let mid = to_est(bid + ask) / 2.0;
                let seen = seen.entry(symbol.clone()).or_default();
                seen.spreads_bps.push(to_est(ask - bid) / mid * 1e4);
                seen.mids.push(mid.ln());
                seen.indexes.push(index.ln());
            }
            next = next.saturating_add(step);
        }
        let (book, index) = books.entry(symbol.to_string()).or_default();
        let filled = book.apply(action);
        match action {
            FlowAction::Take { side, .. } => {
                assert!(filled > 0, "a taker of the crowd finds something");
                seen.entry(symbol.to_string()).or_default().takes.push((at, side));
            }
            FlowAction::Index { price } => *index = to_est(price.get()),
            FlowAction::Add { .. } | FlowAction::Remove { .. } => {}
        }
    }
    seen
}

fn changes(logs: &[f64], every: usize) -> Vec<f64> {
    let picked: Vec<f64> = logs.iter().copied().step_by(every).collect();
    picked.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn a_seed_gives_the_same_events_each_time_and_another_seed_others() {
    let run = |seed| events(&mut generator(&settings(), seed), 20);
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn ticking_late_gives_the_same_events_as_ticking_on_time() {
    let mut late = generator(&settings(), 1);
    let mut out = Vec::new();
    for step in 0..200 {
        late.tick(start().saturating_add(DurationNs::from_ms(step * 100)), &mut out);
    }
    let on_time = events(&mut generator(&settings(), 1), 20);
    let on_time: Vec<_> = on_time.into_iter().map(|(_, event)| event).collect();
    assert!(on_time.starts_with(&out) && out.len() > 3_000, "{}", out.len());
}

/// Gives the correlation of two pairs' changes that the settings come to: each pair is base less quote.
fn configured_correlation(plan: &FlowPlan, a: &str, b: &str) -> f64 {
    let legs = |symbol: &str| {
        let pair = plan.pairs.iter().find(|pair| *pair.symbol == *symbol).unwrap();
        [(pair.base, 1.0), (pair.quote, -1.0)]
    };
    let of = |one: [(usize, f64); 2], other: [(usize, f64); 2]| -> f64 {
        let of_leg = |(i, sign): (usize, f64)| {
            other
                .map(|(j, other)| sign * other * covariance(&plan.assets, i, j))
                .iter()
                .sum::<f64>()
        };
        one.map(of_leg).iter().sum()
    };
    let (a, b) = (legs(a), legs(b));
    of(a, b) / (of(a, a) * of(b, b)).sqrt()
}

#[test]
fn pairs_correlate_and_move_as_configured() {
    let settings = settings();
    let plan = settings.validate(&pairs()).unwrap();
    let seen = watch(&settings, 3_000, DurationNs::from_s(1));
    // Over 10 s the makers' reaction matters little.
    let slow = |symbol: &str| changes(&seen[symbol].mids, 10);
    for (a, b) in [("BTC/USD", "ETH/USD"), ("ETH/USD", "ETH/BTC"), ("BTC/USD", "ETH/BTC")] {
        let want = configured_correlation(&plan, a, b);
        let got = correlation(&slow(a), &slow(b));
        assert!((got - want).abs() < 0.13, "{a} {b}: {got}, configured {want}");
    }
    assert!((configured_correlation(&plan, "BTC/USD", "ETH/USD") - 0.72).abs() < 1e-12);
    let moves = slow("BTC/USD");
    let deviation = mean(moves.iter().map(|x| x * x)).sqrt();
    assert!((deviation / (1e-4 * 10_f64.sqrt()) - 1.0).abs() < 0.15, "{deviation}");
}

#[test]
fn a_cross_costs_what_the_pairs_it_is_made_of_say() {
    let seen = watch(&settings(), 300, DurationNs::from_s(1));
    let (btc, eth, cross) = (&seen["BTC/USD"], &seen["ETH/USD"], &seen["ETH/BTC"]);
    let scale = (10_f64.powi(6) / 100.0 * 10.0).ln();
    for at in 0..btc.mids.len() {
        let gap = cross.mids[at] - (eth.mids[at] - btc.mids[at] + scale);
        assert!(gap.abs() < 6e-4, "{gap}");
    }
}

#[test]
fn spreads_are_near_the_configured_ones() {
    let seen = watch(&settings(), 600, DurationNs::from_ms(100));
    for (symbol, tick_bps) in [("BTC/USD", 0.015), ("ETH/USD", 0.032), ("ETH/BTC", 0.22)] {
        // Rounding away from the middle adds half a tick a side in the mean.
        let (got, want) = (mean(seen[symbol].spreads_bps.iter().copied()), 3.0 + tick_bps);
        assert!((got / want - 1.0).abs() < 0.15, "{symbol}: {got}, configured {want}");
    }
}

#[test]
fn the_index_leads_the_book_by_the_configured_time() {
    for lead_ms in [0, 400, 1_000] {
        let mut settings = settings();
        settings.defaults.index_lead_ms = lead_ms;
        settings.defaults.maker_interval_ms = 10;
        let seen = watch(&settings, 600, DurationNs::from_ms(100));
        let btc = &seen["BTC/USD"];
        let (book, index) = (changes(&btc.mids, 1), changes(&btc.indexes, 1));
        let best = (0..30).max_by(|&a, &b| {
            let of = |lag: usize| correlation(&index, &book[lag..]);
            of(a).total_cmp(&of(b))
        });
        let measured_ms = i64::try_from(best.unwrap()).unwrap() * 100;
        assert!((measured_ms - lead_ms).abs() <= 200, "{measured_ms}, configured {lead_ms}");
    }
}

#[test]
fn takers_come_in_clusters_as_configured() {
    let dispersion = |branching_frac: f64| {
        let mut settings = settings();
        settings.defaults.branching_frac = branching_frac;
        let window = 20;
        let mut counts = vec![0.0; 300];
        for (at, _) in &watch(&settings, 6_000, DurationNs::from_s(60))["BTC/USD"].takes {
            let second = at.since(start()).as_ms() / 1_000;
            if let Some(count) = counts.get_mut(usize::try_from(second / window).unwrap()) {
                *count += 1.0;
            }
        }
        let average = mean(counts.iter().copied());
        assert!((average / 20.0 - 1.0).abs() < 0.15, "{average} takers in 20 s, configured 20");
        mean(counts.iter().map(|x| (x - average) * (x - average))) / average
    };
    // 1/(1 - n)²: 1 without branching, 4 at one half.
    let (alone, clustered) = (dispersion(0.0), dispersion(0.5));
    assert!((0.7..1.3).contains(&alone), "{alone}");
    assert!((2.9..5.1).contains(&clustered), "{clustered}");
}

#[test]
fn informed_takers_are_right_and_uninformed_ones_are_not() {
    let markout = |informed_frac: f64| {
        let mut settings = settings();
        settings.defaults.informed_frac = informed_frac;
        let seen = watch(&settings, 2_000, DurationNs::from_s(1));
        let btc = &seen["BTC/USD"];
        let gains = btc.takes.iter().filter_map(|(at, side)| {
            let second = usize::try_from(at.since(start()).as_ms() / 1_000).unwrap();
            let rise = btc.mids.get(second + 3)? - btc.mids.get(second)?;
            Some(if *side == Side::Buy { rise } else { -rise })
        });
        mean(gains) * 1e4
    };
    let (informed, uninformed) = (markout(1.0), markout(0.0));
    // They know 1.3 s of 1 bp a root-second: 0.9 bps in the mean.
    assert!(informed > 0.4, "{informed}");
    assert!(uninformed.abs() < 0.15, "{uninformed}");
}

#[test]
fn a_paused_crowd_does_nothing_and_goes_on_where_it_was() {
    let (mut crowd, mut out) = (generator(&settings(), 1), Vec::new());
    events(&mut crowd, 5);
    crowd.handle(start(), FlowInput::Pause, &mut out);
    assert_eq!(crowd.next_deadline(), None);
    let later = start().saturating_add(DurationNs::from_s(60));
    crowd.tick(later, &mut out);
    assert!(out.is_empty());
    crowd.handle(later, FlowInput::Resume, &mut out);
    assert!(crowd.next_deadline().is_some_and(|next| next > later));
    crowd.tick(later.saturating_add(DurationNs::from_s(1)), &mut out);
    assert!(out.len() > 100, "{}", out.len());
}

#[test]
fn what_a_stopped_process_missed_is_left_out_not_caught_up() {
    let (mut crowd, mut out) = (generator(&settings(), 1), Vec::new());
    events(&mut crowd, 5);
    let later = start().saturating_add(DurationNs::from_s(3_600));
    crowd.tick(later, &mut out);
    assert!(out.is_empty(), "{}", out.len());
    assert!(crowd.next_deadline().is_some_and(|next| next > later));
}

fn problems(change: impl FnOnce(&mut FlowSettings)) -> Vec<String> {
    let mut settings = settings();
    change(&mut settings);
    let problems = settings.validate(&pairs()).err().unwrap_or_default();
    problems.into_iter().map(|SettingProblem { key, .. }| key).collect()
}

#[test]
fn every_setting_out_of_range_is_named_at_once() {
    assert!(problems(|_| {}).is_empty());
    let got = problems(|settings| {
        settings.index_interval_ms = 1;
        settings.defaults.branching_frac = 1.0;
        settings.defaults.half_spread_bps = f64::NAN;
        settings.assets.insert("ETH".to_owned(), asset(1e-9, 1.0, 2.0));
        settings.assets.remove("USD");
        settings.pairs.insert("XXX/USD".to_owned(), PairFlow { quotes: 2, ..PairFlow::default() });
    });
    let want = [
        "flow.index_interval_ms",
        "flow.assets.ETH.factor_correlation",
        "flow.defaults.half_spread_bps",
        "flow.defaults.branching_frac",
        "flow.pairs.XXX/USD.quotes",
        "flow.pairs.XXX/USD",
        "flow.assets",
        "flow.assets",
        "flow.assets.ETH.value_usd",
        "flow.quote_mean_usd",
    ];
    assert_eq!(got, want);
}

#[test]
fn usual_settings_are_possible_and_keep_books_for_any_number_of_pairs() {
    for count in [3, 400] {
        let names: Vec<String> = (0..count).map(|n| format!("SIM{n}")).collect();
        let mut pairs = pairs();
        pairs.extend(names.iter().map(|name| pair(name, "USD", 4)));
        let mut values: BTreeMap<String, f64> =
            names.into_iter().map(|name| (name, 25.0)).collect();
        let known = [("BTC", 68_000.0), ("ETH", 3_100.0), ("USD", 1.0)];
        values.extend(known.map(|(name, value)| (name.to_owned(), value)));
        let plan = FlowSettings::usual(&values, &pairs).validate(&pairs).unwrap();
        let played = events(&mut Generator::new(plan, 1, start()), 20);
        // Books aside, the whole is no busier with more pairs.
        let opening = pairs.len() * 33;
        assert!(played.len() > opening && played.len() < opening + 40_000, "{}", played.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn both_sides_stay_and_never_cross_whatever_is_configured(
        half_spread_bps in 0.05..60.0f64,
        volatility in 0.0..20.0f64,
        takers_per_s in 0.1..30.0f64,
        taker_mean_usd in 10.0..1e6f64,
        informed_frac in 0.0..1.0f64,
        quotes in 3u32..40,
        seed in 0u64..1_000,
    ) {
        let mut settings = settings();
        settings.defaults = PairFlow {
            half_spread_bps, takers_per_s, taker_mean_usd, informed_frac, quotes,
            ..settings.defaults
        };
        settings.assets.insert("ETH".to_owned(), asset(3_100.0, volatility, 0.8));
        let mut books: BTreeMap<String, Book> = BTreeMap::new();
        for (_, FlowEvent { symbol, action }) in events(&mut generator(&settings, seed), 20) {
            let book = books.entry(symbol.to_string()).or_default();
            book.apply(action);
            let is_opening = book.side_of.len() < 2 * usize::try_from(quotes).unwrap();
            prop_assert!(is_opening || book.bid_ask().is_some());
        }
    }
}
