//! Every table of history: each column with the value that goes into it.
//!
//! Kinds of columns in the lists below: `text`, `text_opt`, `int`, `int_opt` (63 bits), `count`, `count_opt`
//! (unsigned, refused beyond 63 bits), `truth`, `exact`, `exact_opt`, `est`, `est_opt`.

use super::{Cell, Column, ColumnKind, RowProblem, RowSet, Table, cell, words};
use remora_domain::{
    AccountBreak, AccountFees, Balance, Balances, Bar, Body, ControlCommand, ControlState,
    DecisionRecord, Envelope, Fill, Header, HourPattern, Instrument, InstrumentKey, Lead,
    NamedAccount, OrderApproval, OrderCancel, OrderEvent, OrderRefusal, OrderRequest, PairScore,
    PositionSnapshot, Universe,
};
use rust_decimal::Decimal;
use std::fmt::Write as _;

/// Gives the column kind and nullability behind a word of the lists.
macro_rules! column {
    ($name:ident, text) => { column!(@ $name, Text, false) };
    ($name:ident, text_opt) => { column!(@ $name, Text, true) };
    ($name:ident, int) => { column!(@ $name, Int, false) };
    ($name:ident, int_opt) => { column!(@ $name, Int, true) };
    ($name:ident, count) => { column!(@ $name, Int, false) };
    ($name:ident, count_opt) => { column!(@ $name, Int, true) };
    ($name:ident, truth) => { column!(@ $name, Bool, false) };
    ($name:ident, exact) => { column!(@ $name, Exact, false) };
    ($name:ident, exact_opt) => { column!(@ $name, Exact, true) };
    ($name:ident, est) => { column!(@ $name, Est, false) };
    ($name:ident, est_opt) => { column!(@ $name, Est, true) };
    (@ $name:ident, $kind:ident, $nullable:literal) => {
        Column { name: stringify!($name), kind: ColumnKind::$kind, is_nullable: $nullable }
    };
}

/// Declares a table and the function that makes the cells of its rows.
macro_rules! table {
    ($table:ident = $name:literal, $cells:ident($($arg:ident: $type:ty),*) {
        $($column:ident: $kind:ident = $value:expr;)*
    }) => {
        pub(super) static $table: Table =
            Table { name: $name, body: &[$(column!($column, $kind)),*] };

        pub(super) fn $cells($($arg: $type),*) -> Result<Vec<Cell>, RowProblem> {
            Ok(vec![$(cell::$kind(stringify!($column), $value)?),*])
        }
    };
}

// The columns with which every table begins; not a table of its own.
table!(HEADER = "header", header_cells(h: &Header) {
    producer: text = &h.producer;
    session: text = h.session;
    sequence: count = h.sequence;
    cause: text_opt = h.cause.as_ref();
    publish_time_ns: int = h.publish_time;
    receive_time_ns: int_opt = h.receive_time;
    venue_time_ns: int_opt = h.venue_time;
});

/// Gives what the order whose place is asked for had filled; nothing where there is none.
fn orig_cum_qty(request: &OrderRequest) -> Option<Decimal> {
    request.orig_cl_ord_id.as_ref().map(|_| request.orig_cum_qty.to_decimal())
}

table!(ORDER_REQUESTS = "order_requests", request_cells(m: &OrderRequest) {
    cl_ord_id: text = &m.cl_ord_id;
    account: text = &m.account;
    strategy: text = &m.strategy;
    venue: text = &m.instrument.venue;
    instrument: text = &m.instrument.instrument;
    side: text = m.side;
    price: exact = m.price.to_decimal();
    qty: exact = m.qty.to_decimal();
    tif: text = words::tif(m.tif);
    is_post_only: truth = m.is_post_only;
    deadline_ns: int = m.deadline;
    orig_cl_ord_id: text_opt = m.orig_cl_ord_id.as_ref();
    orig_cum_qty: exact_opt = orig_cum_qty(m);
});

table!(ORDER_APPROVALS = "order_approvals", approval_cells(m: &OrderApproval) {
    cl_ord_id: text = &m.fields.request.cl_ord_id;
    account: text = &m.fields.request.account;
    strategy: text = &m.fields.request.strategy;
    venue: text = &m.fields.request.instrument.venue;
    instrument: text = &m.fields.request.instrument.instrument;
    side: text = m.fields.request.side;
    price: exact = m.fields.request.price.to_decimal();
    qty: exact = m.fields.request.qty.to_decimal();
    tif: text = words::tif(m.fields.request.tif);
    is_post_only: truth = m.fields.request.is_post_only;
    deadline_ns: int = m.fields.request.deadline;
    epoch: count = m.fields.epoch;
    gate_session: text = m.fields.gate_session;
    approval_sequence: count = m.fields.approval_sequence;
    expires_at_ns: int = m.fields.expires_at;
    signature: text = hex(&m.signature);
    orig_cl_ord_id: text_opt = m.fields.request.orig_cl_ord_id.as_ref();
    orig_cum_qty: exact_opt = orig_cum_qty(&m.fields.request);
});

table!(ORDER_REFUSALS = "order_refusals", refusal_cells(m: &OrderRefusal) {
    cl_ord_id: text = &m.cl_ord_id;
    account: text = &m.account;
    venue: text = &m.instrument.venue;
    instrument: text = &m.instrument.instrument;
    control: text = m.reason.control();
    reason: text = m.reason;
    limit_text: text = &m.limit;
    value_text: text = &m.value;
});

table!(ORDER_CANCELS = "order_cancels", cancel_cells(m: &OrderCancel) {
    cl_ord_id: text = &m.cl_ord_id;
    account: text = &m.account;
    venue: text = &m.instrument.venue;
    instrument: text = &m.instrument.instrument;
    reason: text = words::cancel_reason(m.reason);
});

table!(ORDER_EVENTS = "order_events", event_cells(m: &OrderEvent) {
    cl_ord_id: text = &m.cl_ord_id;
    order_id: text_opt = m.order_id.as_ref();
    account: text = &m.account;
    venue: text = &m.instrument.venue;
    instrument: text = &m.instrument.instrument;
    side: text = m.side;
    price: exact = m.price.to_decimal();
    order_qty: exact = m.order_qty.to_decimal();
    exec_type: text = words::exec_type(m.exec_type);
    ord_status: text = words::ord_status(m.ord_status);
    cum_qty: exact = m.cum_qty.to_decimal();
    leaves_qty: exact = m.leaves_qty.to_decimal();
    reason: text = words::event_reason(m.reason);
    exec_id: text_opt = m.fill.as_ref().map(|fill| &fill.exec_id);
    exec_time_ns: int_opt = m.venue_time;
    orig_cl_ord_id: text_opt = m.orig_cl_ord_id.as_ref();
});

table!(FILLS = "fills", fill_cells(m: &OrderEvent, fill: &Fill) {
    cl_ord_id: text = &m.cl_ord_id;
    order_id: text_opt = m.order_id.as_ref();
    account: text = &m.account;
    venue: text = &m.instrument.venue;
    instrument: text = &m.instrument.instrument;
    side: text = m.side;
    exec_id: text = &fill.exec_id;
    last_px: exact = fill.last_px.to_decimal();
    last_qty: exact = fill.last_qty.to_decimal();
    liquidity: text = words::liquidity(fill.liquidity);
    fee_asset: text = &fill.fee.asset;
    fee_amount: exact = fill.fee.amount.to_decimal();
    cum_qty: exact = m.cum_qty.to_decimal();
    exec_time_ns: int_opt = m.venue_time;
    cost: exact_opt = fill.cost.map(|cost| cost.to_decimal());
});

table!(BALANCES = "balances", balance_cells(m: &Balances, at: u32, entry: &Balance) {
    item: int = at;
    account: text = &m.account;
    venue: text = &m.venue;
    asset: text = &entry.asset;
    total: exact = entry.total.to_decimal();
    held: exact = entry.held.to_decimal();
});

table!(POSITIONS = "positions", position_cells(m: &PositionSnapshot) {
    account: text = &m.account;
    venue: text = &m.instrument.venue;
    instrument: text = &m.instrument.instrument;
    position: exact = m.position.to_decimal();
    realised_pnl: exact = m.realised_pnl.to_decimal();
    fees: exact = m.fees.to_decimal();
});

table!(ACCOUNT_FEES = "account_fees", fee_cells(m: &AccountFees) {
    account: text = &m.account;
    venue: text = &m.venue;
    maker_bps: exact = m.schedule.maker_bps.to_decimal();
    taker_bps: exact = m.schedule.taker_bps.to_decimal();
});

table!(ACCOUNT_BREAKS = "account_breaks", break_cells(m: &AccountBreak) {
    break_id: text = &m.break_id;
    account: text = &m.account;
    venue: text = &m.venue;
    kind: text = words::break_kind(m.kind);
    instrument: text_opt = m.instrument.as_ref().map(|key| &key.instrument);
    asset: text_opt = m.asset.as_ref();
    cl_ord_id: text_opt = m.cl_ord_id.as_ref();
    cause_text: text = &m.cause;
    expected: exact_opt = m.expected.map(|amount| amount.to_decimal());
    actual: exact_opt = m.actual.map(|amount| amount.to_decimal());
    opened_ns: int = m.opened_at;
    ended_ns: int_opt = m.ended_at;
    resolution: text = &m.resolution;
});

table!(INSTRUMENTS = "instruments", instrument_cells(m: &Instrument) {
    venue: text = &m.key.venue;
    instrument: text = &m.key.instrument;
    symbol: text = &m.symbol;
    base: text = &m.base;
    quote: text = &m.quote;
    kind: text = words::contract_kind(m.kind);
    status: text = words::instrument_status(m.status);
    tick: exact = m.tick.to_decimal();
    price_decimals: int = m.price_decimals;
    lot: exact = m.lot.to_decimal();
    qty_decimals: int = m.qty_decimals;
    qty_min: exact = m.qty_min.to_decimal();
    cost_min: exact_opt = m.cost_min.map(|cost| cost.to_decimal());
    multiplier: exact = m.multiplier.to_decimal();
    version: int = m.version;
    definition_time_ns: int = m.receive_time;
    is_synthetic: truth = m.is_synthetic;
});

table!(BARS = "bars", bar_cells(m: &Bar) {
    venue: text = &m.instrument.venue;
    instrument: text = &m.instrument.instrument;
    open_time_ns: int = m.open_time;
    open: exact = m.open.to_decimal();
    high: exact = m.high.to_decimal();
    low: exact = m.low.to_decimal();
    close: exact = m.close.to_decimal();
    volume: exact = m.volume.to_decimal();
    turnover: exact = m.turnover.to_decimal();
    trades: count = m.trades;
    spread_bps_est: est = m.spread_bps_est;
    touch_qty_est: est = m.touch_qty_est;
});

table!(UNIVERSE_PAIRS = "universe_pairs", pair_cells(m: &Universe, at: u32, pair: &PairScore) {
    item: int = at;
    version: count = m.version;
    valid_until_ns: int = m.valid_until;
    venue: text = &pair.instrument.venue;
    instrument: text = &pair.instrument.instrument;
    is_selected: truth = pair.is_selected;
    rank: int_opt = pair.rank;
    reason: text = pair.reason;
    spread_bps_est: est_opt = pair.spread_bps_est;
    volume_day_est: est_opt = pair.volume_day_est;
    volatility_bps_est: est_opt = pair.volatility_bps_est;
    edge_bps_est: est_opt = pair.edge_bps_est;
    score_est: est_opt = pair.score_est;
});

table!(HOUR_PATTERNS = "hour_patterns",
    pattern_cells(version: u64, at: u32, key: &InstrumentKey, m: &HourPattern) {
    item: int = at;
    version: count = version;
    venue: text = &key.venue;
    instrument: text = &key.instrument;
    target: text = words::pattern_target(m.target);
    p_value_est: est = m.p_value_est;
    factors_est: text = factors(&m.factors_est);
});

table!(PAIR_LEADS = "pair_leads", lead_cells(version: u64, at: u32, key: &InstrumentKey, m: &Lead) {
    item: int = at;
    version: count = version;
    venue: text = &key.venue;
    instrument: text = &key.instrument;
    leader_venue: text = &m.leader.venue;
    leader_instrument: text = &m.leader.instrument;
    is_significant: truth = m.is_significant;
    lag_ns: int = m.lag;
    share_est: est = m.share_est;
    p_value_est: est = m.p_value_est;
    parts: int = m.parts;
});

table!(DECISION_RECORDS = "decision_records", decision_cells(m: &DecisionRecord) {
    venue: text = &m.instrument.venue;
    instrument: text = &m.instrument.instrument;
    reason: text = m.reason;
    bid_px: exact_opt = m.bid.map(|bid| bid.price.to_decimal());
    bid_qty: exact_opt = m.bid.map(|bid| bid.qty.to_decimal());
    ask_px: exact_opt = m.ask.map(|ask| ask.price.to_decimal());
    ask_qty: exact_opt = m.ask.map(|ask| ask.qty.to_decimal());
    position: exact = m.position.to_decimal();
    fair_value_est: est_opt = m.fair_value_est;
    volatility_est: est_opt = m.volatility_est;
    bid_offset_est: est_opt = m.bid_offset_est;
    ask_offset_est: est_opt = m.ask_offset_est;
});

// A row holds either a command or a state. Account and venue of a command are those whose every order it takes back.
table!(CONTROL_EVENTS = "control_events",
    control_cells(word: &str, command: Option<&ControlCommand>, state: Option<&ControlState>) {
    kind: text = word;
    action: text_opt = command.map(|m| words::control_action(m.action));
    scope: text_opt = command.map(|m| words::scope(&m.scope));
    actor: text_opt = command.map(|m| &m.actor);
    service: text_opt = state.map(|m| &m.service);
    account: text_opt = state.map(|m| &m.account).or(named(command).map(|named| &named.id));
    venue: text_opt =
        state.map_or(named(command).and_then(|named| named.venue.as_ref()), |m| m.venue.as_ref());
    state: text_opt = state.map(|m| words::service_state(m.state));
    epoch: count_opt = state.map(|m| m.epoch);
    halted: text_opt = state.map(halted);
    reason: text = command.map(|m| &m.reason).or(state.map(|m| &m.reason)).map_or("", |r| r);
});

/// All tables of history.
pub static TABLES: [&Table; 17] = [
    &ORDER_REQUESTS,
    &ORDER_APPROVALS,
    &ORDER_REFUSALS,
    &ORDER_CANCELS,
    &ORDER_EVENTS,
    &FILLS,
    &BALANCES,
    &POSITIONS,
    &ACCOUNT_FEES,
    &ACCOUNT_BREAKS,
    &INSTRUMENTS,
    &BARS,
    &UNIVERSE_PAIRS,
    &HOUR_PATTERNS,
    &PAIR_LEADS,
    &DECISION_RECORDS,
    &CONTROL_EVENTS,
];

/// Adds the rows of one message.
pub(super) fn add_rows(set: &mut RowSet, message: &Envelope) -> Result<(), RowProblem> {
    let header = &message.header;
    let mut add = |table, cells| set.add(table, header, cells);
    match &message.body {
        Body::OrderRequest(m) => add(&ORDER_REQUESTS, request_cells(m)?),
        Body::OrderApproval(m) => add(&ORDER_APPROVALS, approval_cells(m)?),
        Body::OrderRefusal(m) => add(&ORDER_REFUSALS, refusal_cells(m)?),
        Body::OrderCancel(m) => add(&ORDER_CANCELS, cancel_cells(m)?),
        Body::OrderEvent(m) => {
            add(&ORDER_EVENTS, event_cells(m)?)?;
            m.fill.as_ref().map_or(Ok(()), |fill| add(&FILLS, fill_cells(m, fill)?))
        }
        Body::Balances(m) => {
            let mut entries = (0..).zip(&m.entries);
            entries.try_for_each(|(at, entry)| add(&BALANCES, balance_cells(m, at, entry)?))
        }
        Body::Position(m) => add(&POSITIONS, position_cells(m)?),
        Body::AccountFees(m) => add(&ACCOUNT_FEES, fee_cells(m)?),
        Body::AccountBreak(m) => add(&ACCOUNT_BREAKS, break_cells(m)?),
        Body::Instrument(m) => add(&INSTRUMENTS, instrument_cells(m)?),
        Body::Bar(m) => add(&BARS, bar_cells(m)?),
        Body::Universe(m) => {
            let mut pairs = (0..).zip(&m.pairs);
            pairs.try_for_each(|(at, pair)| add(&UNIVERSE_PAIRS, pair_cells(m, at, pair)?))?;
            // What was tested and is no pattern would be most of all rows, and changes nothing: it is left out.
            let patterns = m.insights.iter().flat_map(|of| {
                let found = of.patterns.iter().filter(|it| !it.factors_est.is_empty());
                found.map(|pattern| (&of.instrument, pattern))
            });
            for (at, (key, pattern)) in (0..).zip(patterns) {
                add(&HOUR_PATTERNS, pattern_cells(m.version, at, key, pattern)?)?;
            }
            let leads =
                m.insights.iter().flat_map(|of| of.leads.iter().map(|it| (&of.instrument, it)));
            (0..).zip(leads).try_for_each(|(at, (key, lead))| {
                add(&PAIR_LEADS, lead_cells(m.version, at, key, lead)?)
            })
        }
        Body::DecisionRecord(m) => add(&DECISION_RECORDS, decision_cells(m)?),
        Body::ControlCommand(m) => add(&CONTROL_EVENTS, control_cells("command", Some(m), None)?),
        Body::ControlState(m) => add(&CONTROL_EVENTS, control_cells("state", None, Some(m))?),
        // Market data and heartbeats are not history.
        Body::Book(_)
        | Body::Trade(_)
        | Body::Ticker(_)
        | Body::MarketStatus(_)
        | Body::FeedStatus(_)
        | Body::Heartbeat(_) => Ok(()),
    }
}

/// Writes 24 factors, midnight first, with commas.
fn factors(factors: &[f64]) -> String {
    factors.iter().map(f64::to_string).collect::<Vec<_>>().join(",")
}

/// Gives whose every order a command takes back, if it does.
fn named(command: Option<&ControlCommand>) -> Option<&NamedAccount> {
    command.and_then(|command| command.account.as_ref())
}

fn halted(state: &ControlState) -> String {
    state.halted.iter().map(words::scope).collect::<Vec<_>>().join(",")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
