//! What an event costs each streamed estimator, and how long the batches take: `cargo bench -p remora-estimators`.
//!
//! `stream/<estimator>/<n>` feeds `n` events made from a seed to a fresh estimator and reports events per second: the same figure at 1,000
//! and at 100,000 events shows that an event costs the same whatever came before. The floor beside them is the cost of making and reading
//! the same events with nothing estimated. `batch/...` reports what one whole batch costs, lead–lag in ticks per second and lag.
#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot set up its inputs has nothing to measure"
)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use remora_domain::{DurationNs, Side, Timestamp};
use remora_estimators::{
    BucketFamily, EwmaVariance, FillIntensity, FlowWindows, LagGrid, MarkoutSettings, Markouts,
    MicroPrice, MicroPriceShape, NetBasis, OrderFlow, PairModel, Scale, SeasonBuilder, Surrogate,
    TickSeries, TimeWeightedMean, TradeFlow, Vpin, examine_pattern, lead_lag, model_score,
    null_test, robust_correlation,
};
use remora_machine::SplitMix64;
use remora_quoting::Touch;
use std::hint::black_box;

const SIZES: [u32; 2] = [1_000, 100_000];
const HALF_LIFE: DurationNs = DurationNs::from_s(60);

/// Is one book event.
#[derive(Clone, Copy)]
struct Event {
    at: Timestamp,
    touch: Touch,
    mid: f64,
    unit: f64,
}

fn events(n: u32) -> Vec<Event> {
    let mut random = SplitMix64::new(1);
    let (mut bid, mut ns) = (10_000.0, 0);
    let mut next = || {
        ns += 1_000_000 + i64::try_from(random.next_below(20_000_000)).expect("below 2^63");
        let unit = random.next_unit_est();
        bid += if unit < 0.1 { 1.0 } else { 0.0 } - if unit > 0.9 { 1.0 } else { 0.0 };
        let size = 1.0 + 9.0 * random.next_unit_est();
        let touch = Touch {
            bid_est: bid * 0.01,
            bid_qty_est: size,
            ask_est: bid * 0.01 + 0.01,
            ask_qty_est: 11.0 - size,
        };
        Event { at: Timestamp::from_ns(ns), touch, mid: bid * 0.01 + 0.005, unit }
    };
    (0..n).map(|_| next()).collect()
}

fn stream<T>(
    criterion: &mut Criterion,
    name: &str,
    fresh: impl Fn() -> T,
    take: impl Fn(&mut T, &Event),
) {
    let mut group = criterion.benchmark_group(format!("stream/{name}"));
    for n in SIZES {
        let events = events(n);
        group.throughput(Throughput::Elements(u64::from(n)));
        group.bench_function(n.to_string(), |bench| {
            bench.iter_batched(
                &fresh,
                |mut estimator| {
                    events.iter().for_each(|event| take(&mut estimator, event));
                    black_box(estimator)
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn streams(c: &mut Criterion) {
    stream(c, "floor", || 0.0, |sum, e| *sum += black_box(e.mid) + e.touch.bid_qty_est);
    let mean = || TimeWeightedMean::new(HALF_LIFE);
    stream(c, "time_weighted_spread", mean, |mean, e| {
        mean.observe(e.at, e.touch.ask_est - e.touch.bid_est);
    });
    let variance = || EwmaVariance::new(HALF_LIFE, DurationNs::ZERO);
    stream(c, "ewma_variance", variance, |v, e| v.observe(e.at, e.mid));
    let started = |mut flow: TradeFlow| {
        flow.begin(Timestamp::EPOCH);
        flow
    };
    let flow = || started(TradeFlow::new(HALF_LIFE));
    stream(c, "trade_flow", flow, |flow, e| flow.observe(e.at, e.unit));
    let intensity = || FillIntensity::new(HALF_LIFE, 0.0);
    stream(c, "fill_intensity", intensity, |i, e| i.observe(e.at, e.unit));
    let order_flow = || OrderFlow::new(HALF_LIFE);
    stream(c, "order_flow", order_flow, |flow, e| {
        black_box(flow.observe(e.at, &e.touch));
    });
    let windows = || FlowWindows::new(DurationNs::from_s(10), 0.01).expect("a window and a tick");
    stream(c, "flow_windows", windows, |w, e| {
        black_box(w.observe(e.at, &e.touch));
    });
    let shape = MicroPriceShape { buckets: 10, spread_ticks_max: 3, tick: 0.01 };
    let price = || MicroPrice::new(shape, HALF_LIFE).expect("a shape");
    stream(c, "micro_price", price, |price, e| price.observe(e.at, &e.touch));
    let settings = MarkoutSettings {
        horizons: remora_estimators::MARKOUT_HORIZONS.to_vec(),
        half_life: HALF_LIFE,
        mid_age_max: HALF_LIFE,
        pending_max: 100_000,
    };
    let markouts = || Markouts::new(&settings).expect("horizons");
    stream(c, "markouts_with_a_fill_each", markouts, |markouts, e| {
        black_box(markouts.fill(e.at, Side::Buy, e.touch.bid_est, 1.0).is_ok());
        markouts.mid(e.at, e.mid);
    });
    let vpin = || Vpin::new(50.0, 50).expect("buckets");
    stream(c, "vpin", vpin, |vpin, e| {
        black_box(vpin.observe(e.unit - 0.5));
    });
    let basis = || NetBasis::new(HALF_LIFE);
    stream(c, "net_basis", basis, |basis, e| {
        black_box(basis.observe(e.at, e.mid, e.mid + 0.1, None).is_ok());
    });
}

fn ticks(seed: u64, n: u32) -> TickSeries {
    let mut random = SplitMix64::new(seed);
    let (mut ns, mut value) = (0, 0.0);
    let tick = |_| {
        ns += 1_000_000 + i64::try_from(random.next_below(100_000_000)).expect("below 2^63");
        value += random.next_unit_est() - 0.5;
        (Timestamp::from_ns(ns), value)
    };
    TickSeries::new((0..n).map(tick)).expect("rising times")
}

fn leads(criterion: &mut Criterion) {
    let grid = LagGrid::symmetric(DurationNs::from_s(1), DurationNs::from_ms(20)).expect("a grid");
    let lags = u64::try_from(grid.lags().len()).expect("few lags");
    let mut group = criterion.benchmark_group("batch/lead_lag_101_lags");
    group.sample_size(10);
    for n in [10_000, 330_000] {
        let (x, y) = (ticks(1, n), ticks(2, n));
        group.throughput(Throughput::Elements(2 * u64::from(n) * lags));
        group.bench_function(n.to_string(), |bench| {
            bench.iter(|| black_box(lead_lag(&x, &y, &grid)));
        });
    }
    let (x, y) = (ticks(1, 2_000), ticks(2, 2_000));
    group.throughput(Throughput::Elements(4_000 * lags * 99));
    group.bench_function("null_test_99_of_2000", |bench| {
        bench.iter(|| black_box(null_test(&x, &y, &grid, Surrogate::Rotate, 99, 1)));
    });
    group.finish();
}

fn batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch");
    group.sample_size(10);
    let mut random = SplitMix64::new(3);
    let minutes = 100_000_i64;
    let volumes: Vec<f64> = (0..minutes).map(|_| 0.1 + random.next_unit_est()).collect();
    for family in [BucketFamily::MinuteOfHour, BucketFamily::HourOfWeek] {
        group.throughput(Throughput::Elements(u64::try_from(minutes).expect("above zero")));
        group.bench_function(format!("pattern_of_100000_candles/{family:?}"), |bench| {
            bench.iter(|| {
                let builder = SeasonBuilder::new(family, Scale::Log, 1, 500);
                let mut builder = builder.expect("a builder");
                for (minute, volume) in (0_i64..).zip(&volumes) {
                    let at = Timestamp::from_ns(minute * 60_000_000_000);
                    builder.observe(at, *volume).expect("rising times");
                }
                black_box(examine_pattern(&builder.finish(), 199, 1))
            });
        });
    }
    let series: Vec<Vec<Option<f64>>> =
        (0..100).map(|_| (0..2_016).map(|_| Some(random.next_unit_est())).collect()).collect();
    group.throughput(Throughput::Elements(4_950));
    group.bench_function("robust_correlation_100_series", |bench| {
        bench.iter(|| black_box(robust_correlation(&series, 100)));
    });
    let pair = PairModel {
        price: 100.0,
        sigma: 0.02,
        a_per_s: 0.2,
        k: 30.0,
        half_spread: 0.05,
        adverse_bps: 1.0,
        maker_fee_bps: 1.0,
        lot: 1.0,
        gamma: 0.001,
        limit_lots: 10,
    };
    group.throughput(Throughput::Elements(1));
    group.bench_function("model_score", |bench| {
        bench.iter(|| black_box(model_score(black_box(&pair))))
    });
    group.finish();
}

criterion_group!(benches, streams, leads, batches);
criterion_main!(benches);
