//! What can be read from the desk: rows and the questions that give them.

use super::api::{Contingent, Execution, OrderKind, PriceSpec, Stp, Tif, TriggerReference};
use super::ids::IdText;
use crate::server::auth::Permission;
use crate::server::catalogue::{AssetDef, PairDef};
use remora_domain::{Side, Timestamp};
use remora_matching::{OrderNo, TraderIx};
use rust_decimal::Decimal;
use std::sync::Arc;

/// The rows of a page of closed orders, trades or ledger entries.
pub const PAGE_ROWS: usize = 50;

/// Is what an account owns of an asset, in the asset's decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceRow<'a> {
    /// Of what.
    pub asset: &'a AssetDef,
    /// Everything, holds included.
    pub total: Decimal,
    /// Held for open orders (`hold_trade`).
    pub held: Decimal,
}

/// Is where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderStatus {
    /// Waits for its start time: REST `pending`, v2 `pending_new`.
    Pending,
    /// Live without a fill: REST `open`, v2 `new`. A trigger may still be asleep.
    Open,
    /// Live with fills: REST `open`, v2 `partially_filled`.
    PartiallyFilled,
    /// REST `closed`, v2 `filled`.
    Filled,
    /// `canceled`
    Canceled,
    /// `expired`
    Expired,
}

/// Is the trigger of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TriggerFacts {
    /// What it watches.
    pub reference: TriggerReference,
    /// As the client wrote it.
    pub written: PriceSpec,
    /// Where it stands now; moves with trailing stops.
    pub price: Decimal,
    /// Whether it fired.
    pub is_triggered: bool,
}

/// Is everything that is told about an order. Money in the pair's decimals.
#[derive(Clone, Debug)]
pub struct OrderFacts<'a> {
    /// Its number.
    pub order: OrderNo,
    /// Whose.
    pub trader: TraderIx,
    /// Where.
    pub pair: &'a PairDef,
    /// `O.....-.....-......`
    pub txid: IdText,
    /// As given.
    pub cl_ord_id: Option<&'a str>,
    /// As given.
    pub userref: Option<i32>,
    /// The order whose fill placed this one as its conditional close (`refid`).
    pub parent: Option<IdText>,
    /// Which way.
    pub side: Side,
    /// Type.
    pub kind: OrderKind,
    /// How long it lives.
    pub tif: Tif,
    /// Where it stands.
    pub status: OrderStatus,
    /// Total quantity in base; none for an order by quote amount.
    pub qty: Option<Decimal>,
    /// Amount of quote to spend (`viqc`, `cash_order_qty`).
    pub cash_qty: Option<Decimal>,
    /// Shown quantity of an iceberg.
    pub display_qty: Option<Decimal>,
    /// What of it is shown and still open.
    pub display_remaining: Option<Decimal>,
    /// Limit price now.
    pub limit: Option<Decimal>,
    /// The limit as the client wrote it.
    pub limit_written: Option<PriceSpec>,
    /// Its trigger.
    pub trigger: Option<TriggerFacts>,
    /// Conditional close.
    pub contingent: Option<&'a Contingent>,
    /// `post`
    pub is_post_only: bool,
    /// `fcib` (true) or `fciq`.
    pub is_fee_in_base: bool,
    /// Self-trade prevention.
    pub stp: Stp,
    /// Filled so far.
    pub cum_qty: Decimal,
    /// Sum of the costs of its fills.
    pub cum_cost: Decimal,
    /// Average fill price, in price decimals; 0 without fills.
    pub avg_price: Decimal,
    /// Sum of its fees in the quote asset.
    pub fee: Decimal,
    /// The same in US dollars, where the rate is known.
    pub fee_usd: Option<Decimal>,
    /// When it was accepted.
    pub opened: Timestamp,
    /// When it starts, where that was asked.
    pub starts: Option<Timestamp>,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// When it ended.
    pub closed: Option<Timestamp>,
    /// Why it ended, in the venue's words.
    pub reason: Option<&'static str>,
    /// Whether its owner amended it.
    pub is_amended: bool,
    /// Fills of it, oldest first, as far as they are kept.
    pub trades: &'a [Arc<Execution>],
}

/// Is one line of an order's history of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmendRow {
    /// `T.....-.....-......`
    pub amend_id: IdText,
    /// `original` (false) or `user`.
    pub is_by_user: bool,
    /// Total quantity after it.
    pub order_qty: Decimal,
    /// Shown quantity after it.
    pub display_qty: Option<Decimal>,
    /// What was open after it.
    pub remaining_qty: Decimal,
    /// Limit after it.
    pub limit_price: Option<Decimal>,
    /// Trigger after it.
    pub trigger_price: Option<Decimal>,
    /// Whether it had to rest.
    pub is_post_only: bool,
    /// When.
    pub time: Timestamp,
}

/// Is one page of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// At most [`PAGE_ROWS`], newest first.
    pub rows: Vec<T>,
    /// How many there are on all pages.
    pub count: usize,
}

/// Is one end of a span of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// An instant.
    At(Timestamp),
    /// The time of the order, trade or ledger entry of this id.
    Id(String),
}

/// Is which time of an order a span is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloseTime {
    /// When it was opened.
    Open,
    /// When it was closed.
    Close,
    /// Either.
    #[default]
    Both,
}

/// Is a span of history: after `start` (exclusive), up to `end` (inclusive), without the newest `offset` rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// From.
    pub start: Option<Bound>,
    /// To.
    pub end: Option<Bound>,
    /// `ofs`
    pub offset: usize,
}

/// Is a question for closed orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosedQuery {
    /// When.
    pub span: Span,
    /// Which time that is.
    pub close_time: CloseTime,
    /// With this number only.
    pub userref: Option<i32>,
    /// With this client id only.
    pub cl_ord_id: Option<String>,
}

/// Is a question for executions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionQuery {
    /// When.
    pub span: Span,
    /// `consolidate_taker`: the taker fills of one order become one row.
    pub is_taker_consolidated: bool,
}

/// Is a question for ledger entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerQuery {
    /// When.
    pub span: Span,
    /// Of these assets (any spelling); all when empty.
    pub assets: Vec<String>,
    /// `trade`, `deposit`, ...; all when none.
    pub kind: Option<String>,
}

/// Is one fee as `TradeVolume` tells it, in percent and US dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeRow {
    /// In force.
    pub fee: Decimal,
    /// The lowest of the schedule.
    pub min: Decimal,
    /// The highest of the schedule.
    pub max: Decimal,
    /// The next step's; none on the last.
    pub next: Option<Decimal>,
    /// Where that step starts.
    pub next_volume: Option<Decimal>,
    /// Where the step in force started.
    pub tier_volume: Decimal,
}

/// Is the fees of one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFees<'a> {
    /// Where.
    pub pair: &'a PairDef,
    /// For makers.
    pub maker: FeeRow,
    /// For takers.
    pub taker: FeeRow,
}

/// Is what an account traded in 30 days and what it pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeFacts<'a> {
    /// In US dollars.
    pub volume: Decimal,
    /// Of the pairs asked for, in that order.
    pub fees: Vec<PairFees<'a>>,
}

/// Is an API key as `GetApiKeyInfo` tells it. The secret stays inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFacts<'a> {
    /// The name its owner gave it.
    pub name: &'a str,
    /// The public part.
    pub key: &'a str,
    /// The largest accepted so far.
    pub nonce: u64,
    /// Tolerance in units of the nonce.
    pub nonce_window: u64,
    /// What it may do.
    pub permissions: &'a [Permission],
    /// When it was made.
    pub created: Timestamp,
    /// When it was used last.
    pub last_used: Option<Timestamp>,
}

/// Is how much history was dropped because the configured bounds were reached; all 0 means nothing was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Ended orders.
    pub orders: u64,
    /// Executions.
    pub executions: u64,
    /// Ledger entries.
    pub ledger: u64,
    /// Changes of orders.
    pub amends: u64,
}
