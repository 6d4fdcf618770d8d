//! Every message survives the wire; stored bytes of this version decode for ever; any bytes give a value or an error.

#![expect(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test fails by panicking; the samples are one long list on purpose"
)]

use proptest::prelude::*;
use remora_domain::{
    AccountFees, AccountId, Amount, ApprovalFields, Asset, Balance, Balances, Bar, Body, BookState,
    BookTop, Bps, CancelReason, ClOrdId, ContractKind, ContractTicker, ControlAction,
    ControlCommand, ControlScope, ControlState, DecisionReason, DecisionRecord, DurationNs,
    Envelope, EquityMarks, ExecId, ExecType, Fee, FeeSchedule, FeedCounters, FeedStatus, Fill,
    Funding, Header, Heartbeat, HourPattern, Instrument, InstrumentId, InstrumentKey,
    InstrumentStatus, InvalidBook, Lead, Level, LimitsChange, Liquidity, MarketStatus, MarketTrade,
    MessageId, NamedAccount, Notional, OrdStatus, OrderApproval, OrderCancel, OrderEvent,
    OrderEventReason, OrderId, OrderRefusal, OrderRequest, PairInsight, PairReason, PairScore,
    PatternTarget, Position, PositionSnapshot, Price, ProducerId, Qty, QuoteTarget,
    ReconciliationBreak, RefusalReason, ServiceState, SessionId, Side, StrategyId, SystemStatus,
    Ticker, TimeInForce, Timestamp, Universe, VenueId,
};
use remora_wire::{WireError, decode, encode};
use std::collections::BTreeMap;
use std::fmt::Write as _;

fn px(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}

fn key() -> InstrumentKey {
    InstrumentKey::new(VenueId::new("kraken-spot").unwrap(), InstrumentId::new("BTC-USD").unwrap())
}

fn account() -> AccountId {
    AccountId::new("paper").unwrap()
}

fn level(price: &str, size: &str) -> Level {
    Level { price: px(price), qty: qty(size) }
}

fn request() -> OrderRequest {
    OrderRequest {
        cl_ord_id: ClOrdId::new("r00000007-1").unwrap(),
        account: account(),
        strategy: StrategyId::new("glft").unwrap(),
        instrument: key(),
        side: Side::Sell,
        price: px("61000.10"),
        qty: qty("0.00100000"),
        tif: TimeInForce::Gtc,
        is_post_only: true,
        deadline: Timestamp::from_ns(1_700_000_000_500_000_000),
        orig_cl_ord_id: None,
        orig_cum_qty: Qty::ZERO,
    }
}

fn market() -> Vec<Body> {
    let venue = VenueId::new("kraken-spot").unwrap();
    vec![
        Body::Book(BookTop {
            instrument: key(),
            book_sequence: 9,
            state: BookState::Live,
            bids: vec![level("61000.0", "0.50000000"), level("60999.9", "1.20000000")],
            asks: vec![level("61000.1", "0.00000001")],
        }),
        Body::Book(BookTop {
            instrument: key(),
            book_sequence: 10,
            state: BookState::Invalid(InvalidBook::Checksum),
            bids: vec![],
            asks: vec![],
        }),
        Body::Trade(MarketTrade {
            instrument: key(),
            trade_id: u64::MAX,
            taker_side: Side::Buy,
            price: px("61000.1"),
            qty: qty("0.25"),
        }),
        Body::Ticker(Ticker {
            instrument: key(),
            bid: px("61000.0"),
            ask: px("61000.1"),
            last: px("61000.1"),
            volume_24h: qty("1234.5"),
            vwap_24h: Some(px("60500")),
            low_24h: px("59000"),
            high_24h: px("62000"),
            contract: None,
        }),
        Body::MarketStatus(MarketStatus { venue, status: SystemStatus::PostOnly }),
        Body::FeedStatus(FeedStatus {
            instrument: key(),
            counters: FeedCounters {
                frames: 6,
                checksums_passed: 5,
                checksums_failed: 1,
                trades: 2,
                resyncs: 1,
                malformed: 0,
            },
            state: BookState::Live,
            last_frame_time: Some(Timestamp::from_ns(-1)),
        }),
        Body::Instrument(Instrument {
            key: key(),
            symbol: "BTC/USD".to_owned(),
            base: Asset::new("BTC").unwrap(),
            quote: Asset::new("USD").unwrap(),
            kind: ContractKind::Spot,
            status: InstrumentStatus::Online,
            tick: px("0.1"),
            price_decimals: 1,
            lot: qty("0.00000001"),
            qty_decimals: 8,
            qty_min: qty("0.00005"),
            cost_min: Some(Notional::parse("0.5").unwrap()),
            multiplier: qty("1"),
            version: 2,
            receive_time: Timestamp::from_ns(5),
            is_synthetic: false,
        }),
        Body::Bar(Bar {
            instrument: key(),
            open_time: Timestamp::from_ns(60_000_000_000),
            open: px("1"),
            high: px("3"),
            low: px("0.5"),
            close: px("2"),
            volume: qty("10"),
            turnover: Notional::parse("15.5").unwrap(),
            trades: 4,
            spread_bps_est: 1.25,
            touch_qty_est: 3.5,
        }),
    ]
}

fn orders() -> Vec<Body> {
    let fill = Fill {
        exec_id: ExecId::new("T1-1").unwrap(),
        last_px: px("61000.10"),
        last_qty: qty("0.0004"),
        liquidity: Liquidity::Maker,
        cost: None,
        fee: Fee {
            asset: Asset::new("USD").unwrap(),
            amount: Amount::parse("-0.0610001").unwrap(),
        },
    };
    let fields = ApprovalFields {
        request: request(),
        epoch: 3,
        gate_session: SessionId::new(u64::MAX),
        approval_sequence: 12,
        expires_at: Timestamp::from_ns(1_700_000_001_000_000_000),
    };
    vec![
        Body::OrderRequest(request()),
        Body::OrderApproval(OrderApproval { fields, signature: [7; 64] }),
        Body::OrderRefusal(OrderRefusal {
            cl_ord_id: request().cl_ord_id,
            account: account(),
            instrument: key(),
            reason: RefusalReason::NotionalAboveMax,
            limit: "500 USD".to_owned(),
            value: "512.40 USD".to_owned(),
        }),
        Body::OrderCancel(OrderCancel {
            cl_ord_id: request().cl_ord_id,
            account: account(),
            instrument: key(),
            reason: CancelReason::Requote,
        }),
        Body::OrderEvent(OrderEvent {
            cl_ord_id: request().cl_ord_id,
            order_id: Some(OrderId::new("O1").unwrap()),
            account: account(),
            instrument: key(),
            side: Side::Sell,
            price: px("61000.10"),
            order_qty: qty("0.00100000"),
            exec_type: ExecType::Trade,
            ord_status: OrdStatus::Working,
            cum_qty: qty("0.0004"),
            leaves_qty: qty("0.0006"),
            fill: Some(fill),
            reason: OrderEventReason::None,
            venue_time: Some(Timestamp::from_ns(77)),
            orig_cl_ord_id: None,
        }),
    ]
}

fn others() -> Vec<Body> {
    let venue = VenueId::new("kraken-spot").unwrap();
    let target = QuoteTarget { price: px("60990.5"), qty: qty("0.001") };
    vec![
        Body::Universe(Universe {
            version: 4,
            valid_until: Timestamp::from_ns(99),
            pairs: vec![PairScore {
                instrument: key(),
                is_selected: true,
                rank: Some(1),
                reason: PairReason::Selected,
                spread_bps_est: Some(1.5),
                volume_day_est: None,
                volatility_bps_est: Some(2.5),
                edge_bps_est: Some(-0.25),
                score_est: Some(10.0),
                known_since: None,
            }],
            insights: Vec::new(),
        }),
        Body::Balances(Balances {
            account: account(),
            venue: venue.clone(),
            entries: vec![Balance {
                asset: Asset::new("USD").unwrap(),
                total: Amount::parse("10000.00").unwrap(),
                held: Amount::parse("61.0001").unwrap(),
            }],
        }),
        Body::Position(PositionSnapshot {
            account: account(),
            instrument: key(),
            position: Position::parse("-0.5").unwrap(),
            realised_pnl: Notional::parse("-1.25").unwrap(),
            fees: Notional::parse("0.75").unwrap(),
        }),
        Body::AccountFees(AccountFees {
            account: account(),
            venue: venue.clone(),
            schedule: FeeSchedule {
                maker_bps: Bps::parse("-1.5").unwrap(),
                taker_bps: Bps::parse("8").unwrap(),
            },
        }),
        Body::DecisionRecord(DecisionRecord {
            instrument: key(),
            reason: DecisionReason::QuotingBidOnly,
            bid: Some(target),
            ask: None,
            position: Position::parse("0.25").unwrap(),
            fair_value_est: Some(61_000.05),
            volatility_est: Some(3.5),
            bid_offset_est: Some(9.5),
            ask_offset_est: None,
        }),
        Body::ControlCommand(ControlCommand {
            action: ControlAction::Halt,
            scope: ControlScope::Instrument(key()),
            actor: "ops".to_owned(),
            reason: "drill".to_owned(),
            limits: None,
            account: None,
        }),
        Body::ControlState(ControlState {
            service: "order-router".to_owned(),
            account: account(),
            venue: Some(venue.clone()),
            state: ServiceState::Halted,
            epoch: 3,
            halted: vec![ControlScope::Global, ControlScope::Venue(venue)],
            reason: "drill".to_owned(),
            orders_open: None,
            restricted: Vec::new(),
            is_guarded: None,
            breaks: Vec::new(),
            equity: None,
            beyond_fills: BTreeMap::new(),
            account_cancelled: None,
        }),
        Body::Heartbeat(Heartbeat {
            service: "decision".to_owned(),
            version: "0.1.0".to_owned(),
            state: ServiceState::Active,
            data_age: Some(DurationNs::from_ms(5)),
        }),
    ]
}

fn samples() -> Vec<Envelope> {
    let producer = ProducerId::new("ingestor-kraken-spot-0").unwrap();
    let bodies = market().into_iter().chain(orders()).chain(others());
    let wrap = |(index, body): (usize, Body)| {
        let sequence = u64::try_from(index).unwrap() + 1;
        let cause = (index % 2 == 0).then(|| MessageId {
            producer: producer.clone(),
            session: SessionId::new(1),
            sequence,
        });
        let header = Header {
            producer: producer.clone(),
            session: SessionId::new(0xfeed),
            sequence,
            cause,
            venue_time: (index % 3 == 0).then(|| Timestamp::from_ns(3)),
            receive_time: (index % 2 == 1).then(|| Timestamp::from_ns(4)),
            publish_time: Timestamp::from_ns(5),
        };
        Envelope { header, body }
    };
    bodies.enumerate().map(wrap).collect()
}

/// A perpetual and a dated future of a venue that does not say the average price.
fn contracts() -> Vec<Envelope> {
    let ticker = |body| if let Body::Ticker(ticker) = body { Some(ticker) } else { None };
    let spot = market().into_iter().find_map(ticker).unwrap();
    let funding = Funding {
        rate_frac: Amount::parse("-0.00000138").unwrap(),
        next_rate_frac: Amount::ZERO,
        next_time: Some(Timestamp::from_ns(9)),
    };
    let of = |funding| {
        let (mark, index) = (px("61000.123456789"), px("60999.5"));
        let contract = ContractTicker { mark, index, open_interest: qty("30072580"), funding };
        Body::Ticker(Ticker { vwap_24h: None, contract: Some(Box::new(contract)), ..spot.clone() })
    };
    let header = samples().swap_remove(0).header;
    let wrap = |body| Envelope { header: header.clone(), body };
    [of(Some(funding)), of(Some(Funding { next_time: None, ..funding })), of(None)].map(wrap).into()
}

#[test]
fn every_message_survives_the_wire() {
    for sample in samples().into_iter().chain(contracts()) {
        let back = decode(&encode(&sample)).unwrap();
        assert_eq!(back, sample);
        // Equality of amounts ignores trailing zeros; the text must survive too.
        assert_eq!(format!("{back:?}"), format!("{sample:?}"));
    }
}

/// The bytes of version 1, one message a line in hexadecimal, written by `REMORA_BLESS=1`.
const STORED: &str = include_str!("../fixtures/synthetic_envelopes_v1.hex");

#[test]
fn stored_bytes_of_the_previous_version_still_decode() {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    };
    let now: Vec<String> = samples().iter().map(|sample| hex(&encode(sample))).collect();
    if std::env::var_os("REMORA_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/synthetic_envelopes_v1.hex");
        std::fs::write(path, now.join("\n") + "\n").unwrap();
        return;
    }
    let stored: Vec<&str> = STORED.lines().collect();
    assert_eq!(stored.len(), samples().len());
    for (line, sample) in stored.iter().zip(samples()) {
        let bytes: Vec<u8> = (0..line.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(decode(&bytes).unwrap(), sample);
    }
}

/// Gives the sample of a kind with another body.
fn survives(body: Body) {
    let sample = samples().remove(0);
    let message = Envelope { body, ..sample };
    assert_eq!(decode(&encode(&message)).unwrap(), message);
}

#[test]
fn a_change_of_limits_survives_the_wire() {
    let limits =
        std::collections::BTreeMap::from([("order_notional_usd_max".to_owned(), "500".to_owned())]);
    for action in [ControlAction::ChangeLimits, ControlAction::ConfirmLimits, ControlAction::Reduce]
    {
        survives(Body::ControlCommand(ControlCommand {
            action,
            scope: ControlScope::Strategy(StrategyId::new("glft").unwrap()),
            actor: "ops".to_owned(),
            reason: "drill".to_owned(),
            limits: Some(LimitsChange { version: 7, limits: limits.clone() }),
            account: None,
        }));
    }
}

#[test]
fn which_account_loses_every_order_survives_the_wire() {
    let venue = Some(VenueId::new("kraken-spot").unwrap());
    survives(Body::ControlCommand(ControlCommand {
        action: ControlAction::CancelAccount,
        scope: ControlScope::Global,
        actor: "ops".to_owned(),
        reason: "drill".to_owned(),
        limits: None,
        account: Some(NamedAccount { id: account(), venue }),
    }));
}

#[test]
fn since_when_a_pair_is_known_survives_the_wire() {
    let is_universe = |sample: &&Envelope| matches!(&sample.body, Body::Universe(_));
    let sample = samples().iter().find(is_universe).unwrap().clone();
    let Body::Universe(mut universe) = sample.body else { panic!("not a universe") };
    universe.pairs[0].known_since = Some(Timestamp::from_ns(7));
    survives(Body::Universe(universe));
}

#[test]
fn restrictions_guards_breaks_and_equity_survive_the_wire() {
    for (is_guarded, instrument) in [(Some(true), Some(key())), (Some(false), None)] {
        survives(Body::ControlState(ControlState {
            service: "risk-gate".to_owned(),
            account: account(),
            venue: None,
            state: ServiceState::Active,
            epoch: 3,
            halted: Vec::new(),
            reason: String::new(),
            orders_open: None,
            restricted: vec![ControlScope::Global],
            is_guarded,
            breaks: vec![ReconciliationBreak {
                asset: instrument.is_none().then(|| Asset::new("USD").unwrap()),
                instrument,
                since: Timestamp::from_ns(5),
                what: "a balance".to_owned(),
            }],
            equity: Some(EquityMarks {
                day: 20_000,
                day_open: Notional::parse("-1.5").unwrap(),
                peak: Notional::parse("2").unwrap(),
            }),
            beyond_fills: BTreeMap::from([(
                Asset::new("USD").unwrap(),
                Amount::parse("-1.50").unwrap(),
            )]),
            account_cancelled: is_guarded.map(|_| samples()[0].header.message_id()),
        }));
    }
}

#[test]
fn how_many_orders_are_open_survives_the_wire_and_is_unknown_where_it_was_not_told() {
    let is_state = |sample: &&Envelope| matches!(sample.body, Body::ControlState(_));
    let Envelope { header, body } = samples().iter().find(is_state).unwrap().clone();
    let Body::ControlState(state) = body else { panic!("not a state") };
    for orders_open in [None, Some(0), Some(3)] {
        let body = Body::ControlState(ControlState { orders_open, ..state.clone() });
        let told = Envelope { header: header.clone(), body };
        assert_eq!(decode(&encode(&told)).unwrap(), told);
    }
}

#[test]
fn the_venues_cost_of_a_fill_survives_the_wire_and_is_never_below_zero() {
    let is_fill = |sample: &&Envelope| matches!(&sample.body, Body::OrderEvent(event) if event.fill.is_some());
    let Envelope { header, body } = samples().iter().find(is_fill).unwrap().clone();
    let Body::OrderEvent(mut event) = body else { panic!("not an event") };
    for cost in [None, Some("0"), Some("24.40004")] {
        let cost = cost.map(|text| Notional::parse(text).unwrap());
        event.fill.as_mut().unwrap().cost = cost;
        let told = Envelope { header: header.clone(), body: Body::OrderEvent(event.clone()) };
        assert_eq!(decode(&encode(&told)).unwrap(), told);
    }
    event.fill.as_mut().unwrap().cost = Some(Notional::parse("-0.00001").unwrap());
    let told = Envelope { header, body: Body::OrderEvent(event) };
    assert_eq!(decode(&encode(&told)), Err(WireError::Negative { field: "fill.cost" }));
}

/// Gives the bytes of the first sample that `is_it`, with one run of bytes in them changed.
fn changed(is_it: impl Fn(&Body) -> bool, from: &[u8], to: &[u8]) -> Vec<u8> {
    let sample = samples().into_iter().find(|sample| is_it(&sample.body)).unwrap();
    let bytes = encode(&sample);
    let mut found = bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from);
    let (at, _) = found.next().unwrap();
    assert!(found.next().is_none(), "the bytes to change are not unique");
    let (before, after) = bytes.split_at(at);
    [before, to, after.split_at(from.len()).1].concat()
}

#[test]
fn a_fill_with_a_reason_of_a_later_version_is_still_a_fill() {
    let is_fill = |body: &Body| matches!(body, Body::OrderEvent(event) if event.fill.is_some());
    // Field 13, the reason: `none` becomes 99.
    let bytes = changed(is_fill, &[0x68, 1], &[0x68, 99]);
    let Body::OrderEvent(event) = decode(&bytes).unwrap().body else { panic!("not an event") };
    assert!(event.fill.is_some());
    assert_eq!(event.reason, OrderEventReason::Unknown);
    let bytes = changed(is_fill, &[0x68, 1], &[0x68, 0]);
    assert!(matches!(decode(&bytes), Err(WireError::Enum { value: 0, .. })));
}

#[test]
fn what_money_depends_on_is_refused_when_it_is_unknown() {
    let is_fill = |body: &Body| matches!(body, Body::OrderEvent(event) if event.fill.is_some());
    // Field 8, what happened: a trade becomes 99.
    let bytes = changed(is_fill, &[0x40, 4], &[0x40, 99]);
    assert!(matches!(decode(&bytes), Err(WireError::Enum { value: 99, .. })));
}

#[test]
fn a_cancel_and_a_refusal_with_a_reason_of_a_later_version_are_still_read() {
    let is_cancel = |body: &Body| matches!(body, Body::OrderCancel(_));
    let sample = samples().into_iter().find(|sample| is_cancel(&sample.body)).unwrap();
    let Body::OrderCancel(cancel) = &sample.body else { panic!("not a cancel") };
    // Field 4, the last of the message.
    let mut bytes = encode(&sample).to_vec();
    let at = bytes.iter().rposition(|byte| *byte == 0x20).unwrap();
    bytes[at + 1] = 99;
    let Body::OrderCancel(read) = decode(&bytes).unwrap().body else { panic!("not a cancel") };
    assert_eq!(read, OrderCancel { reason: CancelReason::Unknown, ..cancel.clone() });

    let is_refusal = |body: &Body| matches!(body, Body::OrderRefusal(_));
    let sample = samples().into_iter().find(|sample| is_refusal(&sample.body)).unwrap();
    let Body::OrderRefusal(refusal) = &sample.body else { panic!("not a refusal") };
    let word = refusal.reason.as_str();
    let bytes = changed(is_refusal, word.as_bytes(), "z".repeat(word.len()).as_bytes());
    let Body::OrderRefusal(read) = decode(&bytes).unwrap().body else { panic!("not a refusal") };
    assert_eq!(read.reason, RefusalReason::Unknown);
    assert_eq!(read.cl_ord_id, refusal.cl_ord_id);
}

#[test]
fn fields_of_a_later_version_are_ignored() {
    for sample in samples() {
        let mut bytes = encode(&sample).to_vec();
        // Field 1000 of the envelope, length-delimited: unknown to this version.
        bytes.extend_from_slice(&[0xc2, 0x3e, 0x02, 0x01, 0x02]);
        assert_eq!(decode(&bytes).unwrap(), sample);
    }
}

#[test]
fn a_message_without_a_body_or_header_is_refused() {
    assert_eq!(decode(&[]), Err(WireError::Missing { field: "header" }));
    let oversize = vec![0; remora_wire::MESSAGE_BYTES_MAX + 1];
    assert!(matches!(decode(&oversize), Err(WireError::Oversize { .. })));
}

proptest! {
    #[test]
    fn any_bytes_give_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn a_damaged_message_gives_a_message_or_an_error(which in 0_usize..21, at in 0_usize..2_000, with in any::<u8>(), cut in 0_usize..2_000) {
        let samples = samples();
        let mut bytes = encode(&samples[which % samples.len()]).to_vec();
        let at = at % bytes.len();
        bytes[at] = with;
        let _ = decode(&bytes);
        bytes.truncate(cut % bytes.len());
        let _ = decode(&bytes);
    }
}

fn insight(factors_est: Vec<f64>, lag: DurationNs, share_est: f64) -> Body {
    let pattern = |target, factors_est| HourPattern { target, p_value_est: 0.001, factors_est };
    let lead =
        Lead { leader: key(), is_significant: true, lag, share_est, p_value_est: 0.004, parts: 16 };
    let insight = PairInsight {
        instrument: key(),
        patterns: vec![
            pattern(PatternTarget::Spread, factors_est),
            pattern(PatternTarget::Volume, Vec::new()),
        ],
        leads: vec![lead],
    };
    let (version, valid_until) = (1, Timestamp::from_ns(9));
    Body::Universe(Universe { version, valid_until, pairs: Vec::new(), insights: vec![insight] })
}

#[test]
fn insights_survive_and_numbers_that_could_not_be_used_are_refused() {
    let lag = DurationNs::from_ms(200);
    survives(insight(vec![1.5; 24], lag, 0.6));
    let sample = samples().remove(0);
    let refuse = |body, want: &str| {
        let error = decode(&encode(&Envelope { body, ..sample.clone() })).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
    };
    refuse(insight(vec![1.5; 23], lag, 0.6), "factors_est: out of range");
    refuse(insight(vec![0.0; 24], lag, 0.6), "factors_est: out of range");
    refuse(insight(vec![f64::NAN; 24], lag, 0.6), "factors_est: out of range");
    refuse(insight(vec![1.5; 24], DurationNs::from_ms(-1), 0.6), "lag_ns: below zero");
    refuse(insight(vec![1.5; 24], lag, 1.1), "share_est: out of range");
    refuse(insight(vec![1.5; 24], lag, f64::NAN), "share_est");
}
