//! What a decision of the gate costs: `cargo bench -p remora-risk-gate-core`.
//!
//! One account with 100 pairs and 2,000 working orders, every control on. Measured are the decision alone (no signature,
//! nothing reserved), the whole answer to a request with its signature, and signing and verifying beside it. The decision
//! is measured twice: after 2,000 orders and after 20,000 more have come and gone, because its cost must not follow
//! history. Beside the means of criterion, percentiles of single decisions are printed; the floor is the same loop around
//! nothing but two readings of the clock.
#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures time and prints it, and has nothing to measure when its set-up fails"
)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use remora_approval::Verifier;
use remora_domain::{
    Body, DurationNs, InstrumentId, OrderRequest, Sequencer, SessionId, Side, SystemStatus,
    Timestamp,
};
use remora_machine::{Machine as _, ServiceInput, TermInput};
use remora_risk_gate_core::{RiskGateConfig, RiskGateCore, RiskGateSettings};
use remora_testkit::{
    Producer, account, approval, at_ms, balances, book, cancelled, fees, instrument, qty, request,
    router_ready, signer, usd, venue_status,
};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const PAIRS: usize = 100;
const ORDERS_PER_PAIR: usize = 20;
const NOW_MS: i64 = 1_000;
/// Single decisions timed for the percentiles.
const SAMPLES: usize = 20_000;

const LIMITS: &str = r#"
    version = 1
    valid_until = "2030-12-31"
    raising_needs_two = false
    strategies = ["glft"]
    instruments = ["sim-spot/*"]
    order_qty_mins_max = 100000
    order_notional_usd_max = "1000"
    order_depth_share_bps_max = 10000
    order_volume_share_bps_max = 10000
    price_collar_bps = "500"
    last_trade_band_bps = "500"
    edge_bps_min = "-50"
    pair_position_usd_max = "100000"
    asset_position_usd_max = "100000"
    total_position_usd_max = "10000000"
    net_position_usd_max = "10000000"
    venue_position_usd_max = "10000000"
    groups = { majors = { assets = ["A0", "A1", "A2"], position_usd_max = "1000000" } }
    orders_per_window_max = 100000
    cancels_per_window_max = 100000
    order_window_ms = 1000
    open_orders_max = 10000
    open_orders_pair_max = 1000
    unfilled_orders_max = 1000000
    orders_per_fill_max = 100
    duplicates_max = 10000
    duplicate_window_ms = 1
    executions_per_window_max = 1000
    execution_window_ms = 1000
    venue_budget_messages = 100000
    venue_budget_window_ms = 1
    loss_day_usd_max = "100000"
    loss_day_reduce_usd = "50000"
    drawdown_usd_max = "100000"
    stale_mark_haircut_bps = 500
    loss_streak_max = 100
    loss_streak_pause_ms = 60000
    fees_day_usd_max = "10000"
    book_age_ms_max = 60000
    clock_skew_ms_max = 500
    reference_venues_min = 1
    reference_disagreement_bps_max = 100
    signal_age_ms_max = 60000
    mark_age_ms_max = 60000
    approval_ttl_ms = 500
    router_silence_ms_max = 60000
    dead_man_venues = []
    ramp_ms = 0
    ramp_start_bps = 10000
"#;

/// Is a gate at work, and everybody who speaks to it.
struct Bench {
    gate: RiskGateCore,
    decision: Producer,
    router: Producer,
    number: u64,
}

fn config() -> RiskGateConfig {
    let settings: RiskGateSettings = toml::from_str(LIMITS).expect("limits");
    settings.validate(&account(), &usd(&[])).expect("sound limits")
}

fn now() -> Timestamp {
    at_ms(NOW_MS)
}

impl Bench {
    fn new() -> Self {
        let sequencer = Sequencer::new("risk-gate-0".parse().expect("a name"), SessionId::new(1));
        let gate = RiskGateCore::new(config(), signer(), sequencer);
        let decision = Producer::new("decision-0", 1);
        let mut bench =
            Self { gate, decision, router: Producer::new("order-router-sim-0", 1), number: 0 };
        bench.set_up();
        bench
    }

    fn set_up(&mut self) {
        let mut feed = Producer::new("ingestor-sim-0", 1);
        self.say(feed.wrap(now(), Body::MarketStatus(venue_status(SystemStatus::Online))));
        let mut held = vec![("USD".to_owned(), "100000000".to_owned())];
        for n in 0..PAIRS {
            let base = format!("A{n}");
            self.say(feed.market(now(), Body::Instrument(instrument(&base, "USD"))));
            let top = book(&format!("{base}-USD"), "99.9", "100.1");
            let mid = top.mid().expect("a mid");
            let ticker = remora_domain::Ticker {
                instrument: top.instrument.clone(),
                bid: mid,
                ask: mid,
                last: mid,
                volume_24h: qty("1000000"),
                vwap_24h: Some(mid),
                low_24h: mid,
                high_24h: mid,
                contract: None,
            };
            self.say(feed.market(now(), Body::Ticker(ticker)));
            self.say(feed.market(now(), Body::Book(top)));
            held.push((base, "100000".to_owned()));
        }
        let held: Vec<(&str, &str)> = held.iter().map(|(a, t)| (a.as_str(), t.as_str())).collect();
        let told = self.router.wrap(now(), Body::AccountFees(fees("10", "20")));
        self.say(told);
        let told = self.router.wrap(now(), Body::Balances(balances(&held)));
        self.say(told);
        self.gate.handle(now(), ServiceInput::CaughtUp, &mut Vec::new());
        let leads = TermInput::Leads { epoch: 1, until: Timestamp::MAX };
        self.gate.handle(now(), ServiceInput::Local(leads), &mut Vec::new());
        let told = self.router.wrap(now(), Body::ControlState(router_ready(1)));
        self.say(told);
        for _ in 0..PAIRS * ORDERS_PER_PAIR {
            self.ask();
        }
    }

    fn say(&mut self, envelope: Arc<remora_domain::Envelope>) {
        self.gate.handle(now(), ServiceInput::Message(envelope), &mut Vec::new());
    }

    /// Makes the next order: pairs in turn, both sides, never crossing.
    fn next(&mut self) -> OrderRequest {
        self.number += 1;
        let pair = self.number % 100;
        let side = if self.number % 200 < 100 { Side::Buy } else { Side::Sell };
        let price = if side == Side::Buy { "99.95" } else { "100.05" };
        let base = instrument("A0", "USD").key;
        let name = InstrumentId::of_pair(&format!("A{pair}"), "USD").expect("a name");
        OrderRequest {
            instrument: remora_domain::InstrumentKey::new(base.venue, name),
            side,
            price: remora_testkit::px(price),
            qty: qty("0.01"),
            ..request(&format!("b-{}", self.number))
        }
    }

    fn ask(&mut self) -> OrderRequest {
        let order = self.next();
        let asked = self.decision.wrap(now(), Body::OrderRequest(order.clone()));
        self.say(asked);
        order
    }

    /// Lets orders come and go: history grows, what works does not.
    fn live_through(&mut self, orders: usize) {
        for _ in 0..orders {
            let order = self.ask();
            let end = cancelled(&order, remora_domain::Qty::ZERO);
            let said = self.router.wrap(now(), Body::OrderEvent(end));
            self.say(said);
        }
    }
}

fn percentiles(name: &str, mut one: impl FnMut()) {
    let taken = (0..SAMPLES).map(|_| {
        let start = Instant::now();
        one();
        start.elapsed().as_nanos()
    });
    tell(name, taken.collect());
}

fn tell(name: &str, mut taken: Vec<u128>) {
    taken.sort_unstable();
    let at = |share: usize| taken.get(taken.len() * share / 1_000).copied().unwrap_or(0);
    println!("{name}: p50 {} ns, p99 {} ns, p99.9 {} ns", at(500), at(990), at(999));
}

fn decide(c: &mut Criterion) {
    let mut bench = Bench::new();
    let order = bench.next();
    let refused = bench.gate.verdict(now(), &order);
    assert!(refused.is_none(), "the order to measure with is refused: {refused:?}");
    percentiles("floor (clock)", || {});
    for (history, label) in
        [(0, "2,000 orders working"), (20_000, "after 20,000 more came and went")]
    {
        bench.live_through(history);
        let order = bench.next();
        assert_eq!(bench.gate.verdict(now(), &order), None);
        percentiles(&format!("decision, {label}"), || {
            black_box(bench.gate.verdict(black_box(now()), black_box(&order)));
        });
        c.bench_function(&format!("decision, {label}"), |b| {
            b.iter(|| black_box(bench.gate.verdict(black_box(now()), black_box(&order))));
        });
    }
    tell("request to approval, signed and reserved", answers(&mut bench));
}

/// Times whole answers; each order is taken back between two of them, so that as many work throughout.
fn answers(bench: &mut Bench) -> Vec<u128> {
    let mut out = Vec::new();
    let one = |_| {
        let order = bench.next();
        let asked = bench.decision.wrap(now(), Body::OrderRequest(order.clone()));
        out.clear();
        let start = Instant::now();
        bench.gate.handle(now(), ServiceInput::Message(asked), &mut out);
        let taken = start.elapsed().as_nanos();
        let end = cancelled(&order, remora_domain::Qty::ZERO);
        let said = bench.router.wrap(now(), Body::OrderEvent(end));
        bench.gate.handle(now(), ServiceInput::Message(said), &mut Vec::new());
        taken
    };
    (0..SAMPLES).map(one).collect()
}

fn sign(c: &mut Criterion) {
    let expires = now().saturating_add(DurationNs::from_s(3_600));
    c.bench_function("signature", |b| {
        b.iter(|| black_box(approval(request("b-1"), 1, 1, expires)));
    });
    let signed = approval(request("b-1"), 1, 1, expires);
    c.bench_function("verification", |b| {
        b.iter_batched(
            || Verifier::new(signer().verifying_key()),
            |mut verifier| black_box(verifier.verify(now(), &signed).is_ok()),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, decide, sign);
criterion_main!(benches);
