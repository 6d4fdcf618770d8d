//! How long research takes once its files are read: `cargo bench -p remora-research`.
//!
//! `temporal/candles/<n>` examines and judges pairs of 60,480 one-minute candles (six weeks), `n` candles in all, on one core: every target
//! and family that six weeks allow, and funding times. `edge/quotes/<n>` studies two markets with `n` quotes together over 345 s in both
//! directions, 99 surrogates and 90 rules. `pairs/score/<n>` makes `n` cards from facts and chooses ten.
#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot set up its inputs has nothing to measure"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use remora_domain::{InstrumentStatus, Timestamp};
use remora_machine::SplitMix64;
use remora_research::edge::{EdgeSettings, QuoteTape, TapeBuilder, judge_edges, study};
use remora_research::pairs::{
    CardSettings, Evidence, Figure, PairFacts, SelectSettings, cards, select,
};
use remora_research::temporal::{TemporalSettings, examine, judge};
use remora_research::{CandleReader, CandleSeries};
use std::collections::BTreeMap;
use std::hint::black_box;

fn candles(seed: u64, minutes: i64) -> CandleSeries {
    let mut random = SplitMix64::new(seed);
    let mut reader = CandleReader::new("t,o,h,l,c,v".split(',')).expect("a header");
    let mut price = 100.0;
    for i in 0..minutes {
        let open = price;
        price *= 1.0 + 1e-3 * (random.next_unit_est() - 0.5);
        let (high, low) = (open.max(price), open.min(price));
        let numbers = [open, high, low, price, 1.0 + random.next_unit_est()];
        let row: Vec<String> = std::iter::once((1_704_067_200 + 60 * i).to_string())
            .chain(numbers.iter().map(f64::to_string))
            .collect();
        let line = u64::try_from(i).expect("above zero");
        reader.row(line, row.iter().map(String::as_str)).expect("a row");
    }
    reader.finish(0.9).expect("a series")
}

fn tape(seed: u64, quotes: i64) -> QuoteTape {
    let mut random = SplitMix64::new(seed);
    let mut builder = TapeBuilder::new(&format!("m{seed}"), "AAA");
    let (mut ns, mut bid) = (0, 60_000.0);
    for _ in 0..quotes {
        let unit = random.next_unit_est();
        ns += 345_000_000_000 / quotes;
        bid += if unit < 0.05 { 0.1 } else { 0.0 } - if unit > 0.95 { 0.1 } else { 0.0 };
        builder.quote(Timestamp::from_ns(ns), bid, bid + 0.1, None);
    }
    builder.finish().expect("a tape")
}

fn facts(number: u32) -> PairFacts {
    let kept = f64::from(number % 97) / 10.0;
    PairFacts {
        pair: format!("P{number}"),
        base: format!("P{number}"),
        quote: "USD".to_owned(),
        evidence: Evidence::Recording,
        history_days: 60.0,
        coverage: 1.0,
        volume_day: Figure { value: 1e7, se: 1e6 },
        effective_half_spread_bps: Some(Figure { value: kept + 3.0, se: 0.5 }),
        adverse_5s_bps: Some(Figure { value: 3.0, se: 0.5 }),
        adverse_60s_bps: None,
        kept_bps: Figure { value: kept, se: 0.5 },
        spread_bps: Some(10.0),
        depth: None,
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
        returns: BTreeMap::new(),
        notes: Vec::new(),
    }
}

fn temporal(criterion: &mut Criterion) {
    let settings =
        TemporalSettings { q: 0.05, permutations: 199, seed: 1, funding_hours: vec![0, 8, 16] };
    let series: Vec<CandleSeries> = (0..4).map(|seed| candles(seed, 60_480)).collect();
    let mut group = criterion.benchmark_group("temporal/candles");
    group.sample_size(10).throughput(Throughput::Elements(4 * 60_480));
    group.bench_function("241920", |bencher| {
        bencher.iter(|| {
            let examined: Vec<_> =
                series.iter().map(|series| examine("pair", black_box(series), &settings)).collect();
            judge(&examined, &settings).expect("a report")
        });
    });
    group.finish();
}

fn edge(criterion: &mut Criterion) {
    let settings = EdgeSettings::standard(100);
    let (first, second) = (tape(1, 66_000), tape(2, 28_000));
    let mut group = criterion.benchmark_group("edge/quotes");
    group.sample_size(10).throughput(Throughput::Elements(94_000));
    group.bench_function("94000", |bencher| {
        bencher.iter(|| {
            let studied = study(black_box(&first), black_box(&second), (5.0, 10.0), &settings);
            judge_edges(&[], vec![studied], &settings).expect("a report")
        });
    });
    group.finish();
}

fn pairs(criterion: &mut Criterion) {
    let settings = CardSettings {
        currency: "USD".to_owned(),
        capital: 10_000.0,
        maker_fee_bps: 2.0,
        next_maker_fee_bps: None,
        participation: 0.01,
        turnover_max: 20.0,
        inventory_share: 0.5,
        risk_aversion: 0.1,
        error_multiple: 1.0,
    };
    let chosen = SelectSettings {
        pairs_max: 10,
        slack: 3,
        correlation_weight: 1.0,
        filters: Vec::new(),
        cluster: None,
    };
    let mut group = criterion.benchmark_group("pairs/score");
    for count in [300, 10_000] {
        let all: Vec<PairFacts> = (0..count).map(facts).collect();
        group.throughput(Throughput::Elements(u64::from(count)));
        group.bench_function(count.to_string(), |bencher| {
            bencher.iter(|| {
                let cards = cards(black_box(all.clone()), &settings);
                select(&cards, &chosen, settings.capital, None)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, temporal, edge, pairs);
criterion_main!(benches);
