//! How many orders a second the engine matches on one core: `cargo bench -p remora-matching`.
//!
//! Every case runs one fixed history of [`ORDERS`] calls over a fresh copy of a book with 1,000 orders on 100 levels, and
//! reports calls per second. The floor beside each is the same run's cost of writing the same events into an empty list:
//! no engine that tells what happened can be faster.
#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot set up its book has nothing to measure"
)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use remora_domain::{Lots, Side, Ticks, Timestamp};
use remora_machine::SplitMix64;
use remora_matching::{
    Amend, AssetSpec, EndCause, Event, Exchange, FeeRates, Funding, Lifetime, MarketIx, MarketMode,
    MarketSpec, NewOrder, OrderNo, Pricing, SelfTrade, Size, TraderIx,
};
use std::hint::black_box;

const ORDERS: u32 = 10_000;
/// Prices lie around this, in units of 0.1.
const MIDDLE: i64 = 600_000;

/// Is one call of a history.
#[derive(Clone)]
enum Call {
    Place(NewOrder),
    Amend(OrderNo, i64),
    Cancel(OrderNo),
    Level(Side, i64, i64),
}

/// Is a book to start from: like BTC/USD, with two cash traders and a crowd.
#[derive(Clone)]
struct Start {
    exchange: Exchange,
    market: MarketIx,
    maker: TraderIx,
    taker: TraderIx,
    crowd: TraderIx,
}

fn start() -> Start {
    let mut exchange = Exchange::new();
    let mut asset =
        |name: &str, decimals| exchange.add_asset(AssetSpec { name: name.to_owned(), decimals });
    let (base, quote) = (asset("XXBT", 10), asset("ZUSD", 4));
    let spec = MarketSpec {
        base,
        quote,
        price_decimals: 1,
        qty_decimals: 8,
        tick: Ticks::new(1),
        lot: Lots::new(1),
        qty_min: Lots::new(10_000),
        cost_decimals: 5,
        cost_min: 50_000,
        mode: MarketMode::Open,
    };
    let market = exchange.add_market(spec).expect("a market");
    let [maker, taker] = [Funding::Cash; 2].map(|funding| exchange.add_trader(funding));
    let crowd = exchange.add_trader(Funding::Unlimited);
    let mut out = Vec::new();
    for trader in [maker, taker] {
        exchange.set_fees(trader, market, FeeRates { maker_ppm: 2_500, taker_ppm: 4_000 });
        for asset in [base, quote] {
            let amount = 1_000_000_000_000_000_000;
            exchange.deposit(trader, asset, amount, &mut out).expect("a deposit");
        }
    }
    let mut start = Start { exchange, market, maker, taker, crowd };
    for number in 0..500 {
        let away = 1 + number % 50;
        for (side, price) in [(Side::Buy, MIDDLE - away), (Side::Sell, MIDDLE + away)] {
            let order = limit(&start, start.maker, side, price, 1_000_000);
            start.exchange.place(Timestamp::EPOCH, order, &mut out).expect("a resting order");
        }
    }
    start
}

fn limit(start: &Start, trader: TraderIx, side: Side, price: i64, qty: i64) -> NewOrder {
    NewOrder {
        trader,
        market: start.market,
        side,
        pricing: Pricing::Limit(Ticks::new(price)),
        size: Size::Base(Lots::new(qty)),
        lifetime: Lifetime::Gtc,
        is_post_only: false,
        self_trade: SelfTrade::CancelNewest,
        display: None,
        trigger: None,
        is_fee_in_base: false,
    }
}

/// Gives a number below `bound`.
fn below(chance: &mut SplitMix64, bound: u64) -> i64 {
    i64::try_from(chance.next_below(bound)).unwrap_or(0)
}

fn side(chance: &mut SplitMix64) -> Side {
    if chance.next_below(2) == 0 { Side::Buy } else { Side::Sell }
}

fn at(side: Side, away: i64) -> i64 {
    match side {
        Side::Buy => MIDDLE - away,
        Side::Sell => MIDDLE + away,
    }
}

/// Every second order takes all of the one before it: each pair is one trade between two cash traders.
fn crossing(start: &Start) -> Vec<Call> {
    let mut chance = SplitMix64::new(1);
    let pair = |_| {
        let side = side(&mut chance);
        let rest = limit(start, start.maker, side, MIDDLE, 1_000_000);
        let take = limit(start, start.taker, side.opposite(), MIDDLE, 1_000_000);
        [Call::Place(rest), Call::Place(take)]
    };
    (0..ORDERS / 2).flat_map(pair).collect()
}

/// What a market maker does: places, amends, cancels near the middle; one order in eight takes.
fn quoting(start: &Start) -> Vec<Call> {
    let mut chance = SplitMix64::new(2);
    let mut newest = 1_000_u64;
    let call = |_| match chance.next_below(8) {
        0 => {
            newest += 1;
            let side = side(&mut chance);
            let qty = 10_000 * (1 + below(&mut chance, 300));
            let price = at(side.opposite(), 2);
            Call::Place(NewOrder {
                lifetime: Lifetime::Ioc,
                ..limit(start, start.taker, side, price, qty)
            })
        }
        1..=3 => {
            newest += 1;
            let side = side(&mut chance);
            let price = at(side, 1 + below(&mut chance, 50));
            Call::Place(limit(start, start.maker, side, price, 1_000_000))
        }
        4..=5 => {
            let order = OrderNo::new(newest - chance.next_below(500));
            Call::Amend(order, 10_000 * (1 + below(&mut chance, 100)))
        }
        _ => Call::Cancel(OrderNo::new(newest - chance.next_below(1_000))),
    };
    (0..ORDERS).map(call).collect()
}

/// What a recorded feed does: levels change near the middle.
fn recorded() -> Vec<Call> {
    let mut chance = SplitMix64::new(3);
    let call = |_| {
        let side = side(&mut chance);
        let price = at(side, 1 + below(&mut chance, 100));
        Call::Level(side, price, 1_000_000 * below(&mut chance, 5))
    };
    (0..ORDERS).map(call).collect()
}

/// Runs a history and counts what was not refused; refusals (an amend of an order that is gone) are part of it.
fn run(start: &mut Start, calls: &[Call], out: &mut Vec<Event>) -> usize {
    let Start { exchange, market, maker, crowd, .. } = start;
    let now = Timestamp::EPOCH;
    let mut one = |call: &Call| match call {
        Call::Place(order) => exchange.place(now, order.clone(), out).is_ok(),
        Call::Amend(order, qty) => {
            let amend = Amend { qty: Some(Lots::new(*qty)), ..Amend::default() };
            exchange.amend(now, *maker, *order, amend, out).is_ok()
        }
        Call::Cancel(order) => {
            exchange.cancel(now, *maker, *order, EndCause::Requested, out).is_ok()
        }
        Call::Level(side, price, qty) => {
            let (price, qty) = (Ticks::new(*price), Lots::new(*qty));
            exchange.set_crowd_level(now, *crowd, *market, *side, price, qty, out);
            true
        }
    };
    calls.iter().filter(|call| one(call)).count()
}

fn matching(criterion: &mut Criterion) {
    let start = start();
    let histories =
        [("crossing", crossing(&start)), ("quoting", quoting(&start)), ("recorded", recorded())];
    for (name, calls) in histories {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(ORDERS.into()));
        let mut events = Vec::new();
        run(&mut start.clone(), &calls, &mut events);
        let with_room = || Vec::with_capacity(events.len());
        group.bench_function("engine", |bencher| {
            bencher.iter_batched_ref(
                || (start.clone(), with_room()),
                |(start, out)| run(start, &calls, out),
                BatchSize::LargeInput,
            );
        });
        group.bench_function("floor", |bencher| {
            bencher.iter_batched_ref(
                with_room,
                |out| out.extend(events.iter().map(|event| black_box(event).clone())),
                BatchSize::LargeInput,
            );
        });
        group.finish();
    }
}

criterion_group!(benches, matching);
criterion_main!(benches);
