//! One message of every kind that is history, for the tests of both stores.

use remora_domain::{
    AccountBreak, Bar, Body, BreakId, BreakKind, CancelReason, ContractKind, ControlScope,
    DecisionReason, DecisionRecord, DurationNs, Envelope, HourPattern, InstrumentKey, Lead,
    OrderEvent, OrderRefusal, OrderRequest, PairInsight, PairReason, PairScore, PatternTarget,
    PositionSnapshot, QuoteTarget, RefusalReason, ServiceState, Side, Timestamp, Universe,
};
use remora_history_store::past::PastFill;
use remora_testkit as kit;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many rows `story` makes.
pub(crate) const STORY_ROWS: u64 = 24;

fn record() -> DecisionRecord {
    DecisionRecord {
        instrument: kit::key("BTC-USD"),
        reason: DecisionReason::QuotingBidOnly,
        bid: Some(QuoteTarget { price: kit::px("60999.90"), qty: kit::qty("0.00100000") }),
        ask: None,
        position: kit::position("-0.25"),
        fair_value_est: Some(61_000.123_456_789),
        volatility_est: Some(0.1),
        bid_offset_est: Some(1.0 / 3.0),
        ask_offset_est: None,
    }
}

fn universe() -> Universe {
    let pair = |name: &str, rank, reason| PairScore {
        instrument: kit::key(name),
        is_selected: rank == Some(1),
        rank,
        reason,
        spread_bps_est: Some(2.5),
        volume_day_est: Some(1e9),
        volatility_bps_est: None,
        edge_bps_est: Some(-0.75),
        score_est: None,
        known_since: None,
    };
    Universe {
        version: 3,
        valid_until: kit::at_ms(60_000),
        pairs: vec![
            pair("BTC-USD", Some(1), PairReason::Selected),
            pair("ETH-USD", None, PairReason::SpreadTooTight),
        ],
        insights: vec![insight()],
    }
}

/// Is a volume pattern that was found, a spread that has none, and a lead.
fn insight() -> PairInsight {
    let pattern = |target, factors_est| HourPattern { target, p_value_est: 0.01, factors_est };
    let lead = Lead {
        leader: kit::key("BTC-EUR"),
        is_significant: false,
        lag: DurationNs::from_ms(120),
        share_est: 0.25,
        p_value_est: 1.0,
        parts: 16,
    };
    PairInsight {
        instrument: kit::key("BTC-USD"),
        patterns: vec![
            pattern(PatternTarget::Volume, (0_i32..24).map(|h| 1.0 + f64::from(h) / 8.0).collect()),
            pattern(PatternTarget::Spread, Vec::new()),
        ],
        leads: vec![lead],
    }
}

fn bar() -> Bar {
    Bar {
        instrument: kit::key("BTC-USD"),
        open_time: kit::at_ms(60_000),
        open: kit::px("61000.05"),
        high: kit::px("61001.00"),
        low: kit::px("60990.0"),
        close: kit::px("61000"),
        volume: kit::qty("12.34567890"),
        turnover: kit::notional("753086.4129"),
        trades: 42,
        spread_bps_est: 0.5,
        touch_qty_est: 3.25,
    }
}

fn refusal(request: &OrderRequest) -> OrderRefusal {
    OrderRefusal {
        cl_ord_id: request.cl_ord_id.clone(),
        account: request.account.clone(),
        instrument: request.instrument.clone(),
        reason: RefusalReason::NotionalAboveMax,
        limit: "500 USD".to_owned(),
        value: "512.40 USD".to_owned(),
    }
}

fn account_break(now: Timestamp) -> AccountBreak {
    AccountBreak {
        break_id: BreakId::new("0000000000000005-1").unwrap(),
        account: kit::account(),
        venue: kit::venue(),
        kind: BreakKind::Balance,
        instrument: None,
        asset: Some(kit::asset("USD")),
        cl_ord_id: None,
        cause: "another balance at the venue".to_owned(),
        expected: Some(kit::amount("10000.00")),
        actual: Some(kit::amount("9999.5")),
        opened_at: now,
        ended_at: None,
        resolution: String::new(),
    }
}

/// Everything the services say while one order fills and one is refused, in order.
pub(crate) fn story() -> Vec<Arc<Envelope>> {
    let mut ingestor = kit::Producer::new("ingestor-kraken-spot-0", 1);
    let mut discovery = kit::Producer::new("pair-discovery", 2);
    let mut decision = kit::Producer::new("decision", u64::MAX);
    let mut gate = kit::Producer::new("risk-gate", 4);
    let mut router = kit::Producer::new("order-router-kraken-spot", 5);
    let mut console = kit::Producer::new("console", 6);
    let now = kit::at_ms(1_700_000_000_000);

    let mut perpetual = kit::instrument("BTC", "USD");
    perpetual.kind = ContractKind::LinearPerpetual;
    perpetual.cost_min = None;
    let bought = kit::request("story-1");
    let refused = kit::request("story-2");
    let signed = kit::approval(bought.clone(), 7, 1, kit::at_ms(1_700_000_002_000));
    let (half, none) = (kit::qty("0.004"), kit::qty("0"));
    let position = PositionSnapshot {
        account: kit::account(),
        instrument: kit::key("BTC-USD"),
        position: kit::position("0.01"),
        realised_pnl: kit::notional("-1.230"),
        fees: kit::notional("0.15"),
    };
    let ask = decision.wrap(now, Body::OrderRequest(bought.clone()));
    vec![
        ingestor.market(now, Body::Instrument(perpetual)),
        ingestor.market(now, Body::Bar(bar())),
        ingestor.market(now, Body::Book(kit::book("BTC-USD", "60999.9", "61000.1"))),
        discovery.wrap(now, Body::Universe(universe())),
        console.wrap(now, Body::ControlCommand(kit::halt(ControlScope::Venue(kit::venue())))),
        gate.wrap(now, Body::ControlState(kit::router_state(ServiceState::Active, 7))),
        router.wrap(now, Body::AccountFees(kit::fees("25", "-0.5"))),
        router.wrap(now, Body::Balances(kit::balances(&[("BTC", "0.5"), ("USD", "10000.00")]))),
        decision.wrap(now, Body::DecisionRecord(record())),
        gate.reply(now, &ask, Body::OrderApproval(signed)),
        ask,
        decision.wrap(now, Body::OrderRequest(refused.clone())),
        gate.wrap(now, Body::OrderRefusal(refusal(&refused))),
        router.wrap(now, Body::OrderEvent(kit::sending(&bought))),
        router.wrap(now, Body::OrderEvent(kit::accepted(&bought))),
        router.wrap(now, Body::OrderEvent(kit::filled(&bought, "T-1", none, half))),
        decision.wrap(now, Body::OrderCancel(kit::cancel(&bought, CancelReason::Requote))),
        router.wrap(now, Body::OrderEvent(kit::cancelled(&bought, half))),
        router.wrap(now, Body::Position(position)),
        router.wrap(now, Body::AccountBreak(account_break(now))),
    ]
}

/// Cancels, as many as wanted: filler for batches.
pub(crate) fn many(count: u64) -> Vec<Arc<Envelope>> {
    let mut decision = kit::Producer::new("decision", 9);
    let one = |n| {
        let request = kit::request(&format!("many-{n}"));
        let body = Body::OrderCancel(kit::cancel(&request, CancelReason::Shutdown));
        decision.wrap(Timestamp::from_ns(1), body)
    };
    (0..count).map(one).collect()
}

/// Two fills: one with a whole minute after it in the history, one without. A bar of another pair and one that began before it prove nothing.
pub(crate) fn fills_with_bars() -> Vec<Arc<Envelope>> {
    let mut ingestor = kit::Producer::new("ingestor-kraken-spot-0", 11);
    let mut router = kit::Producer::new("order-router-kraken-spot", 12);
    let minute = |minute: i64, pair: &str, close: &str| {
        let (instrument, open_time) = (kit::key(pair), kit::at_ms(60_000 * minute));
        Body::Bar(Bar { instrument, open_time, close: kit::px(close), ..bar() })
    };
    let fill = |id: &str, at_ms: i64| {
        let request = kit::request(id);
        let event = kit::filled(&request, id, kit::qty("0"), kit::qty("0.25"));
        Body::OrderEvent(OrderEvent { venue_time: Some(kit::at_ms(at_ms)), ..event })
    };
    let now = kit::at_ms(1_000_000);
    vec![
        ingestor.market(now, Body::Instrument(kit::instrument("BTC", "USD"))),
        ingestor.market(now, minute(1, "BTC-USD", "90")),
        ingestor.market(now, minute(2, "ETH-USD", "91")),
        ingestor.market(now, minute(2, "BTC-USD", "100.5")),
        ingestor.market(now, minute(3, "BTC-USD", "92")),
        // In the minute of 1 to 2: the first whole minute after it is that of 2 to 3.
        router.wrap(now, fill("past-1", 61_000)),
        router.wrap(now, fill("past-2", 300_000)),
    ]
}

/// Checks what a store answers about [`fills_with_bars`].
pub(crate) fn check_past(fills: &[PastFill], known: &BTreeMap<InstrumentKey, Timestamp>) {
    let seen: Vec<_> = fills.iter().map(|fill| (fill.at, fill.mid_after)).collect();
    let mid = Some(kit::px("100.5"));
    assert_eq!(seen, [(kit::at_ms(61_000), mid), (kit::at_ms(300_000), None)]);
    let first = fills.first().unwrap();
    assert_eq!(first.assets, Some((kit::asset("BTC"), kit::asset("USD"))));
    assert_eq!((first.side, first.price, first.qty), (Side::Buy, kit::px("100"), kit::qty("0.25")));
    assert_eq!(known.get(&kit::key("BTC-USD")), Some(&kit::at_ms(1_000_000)));
}
