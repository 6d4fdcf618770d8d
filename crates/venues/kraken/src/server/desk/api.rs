//! What a client of the venue can ask, typed; and what the venue tells it, typed. The REST and WebSocket codecs on top
//! only read and write text.

use crate::server::error::KrakenError;
use remora_domain::{Side, Timestamp};
use remora_matching::{MarketIx, OrderNo, TradeNo, TraderIx};
use rust_decimal::Decimal;
use std::sync::Arc;

/// Is an order type of the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderKind {
    /// `market`
    Market,
    /// `limit`
    Limit,
    /// `iceberg`
    Iceberg,
    /// `stop-loss`
    StopLoss,
    /// `stop-loss-limit`
    StopLossLimit,
    /// `take-profit`
    TakeProfit,
    /// `take-profit-limit`
    TakeProfitLimit,
    /// `trailing-stop`
    TrailingStop,
    /// `trailing-stop-limit`
    TrailingStopLimit,
    /// `settle-position`
    SettlePosition,
}

impl OrderKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Market,
        Self::Limit,
        Self::Iceberg,
        Self::StopLoss,
        Self::StopLossLimit,
        Self::TakeProfit,
        Self::TakeProfitLimit,
        Self::TrailingStop,
        Self::TrailingStopLimit,
        Self::SettlePosition,
    ];

    /// Gives the name that REST and WebSocket v2 share, such as `stop-loss-limit`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Limit => "limit",
            Self::Iceberg => "iceberg",
            Self::StopLoss => "stop-loss",
            Self::StopLossLimit => "stop-loss-limit",
            Self::TakeProfit => "take-profit",
            Self::TakeProfitLimit => "take-profit-limit",
            Self::TrailingStop => "trailing-stop",
            Self::TrailingStopLimit => "trailing-stop-limit",
            Self::SettlePosition => "settle-position",
        }
    }

    /// Tells whether its trigger follows the market.
    #[must_use]
    pub const fn is_trailing(self) -> bool {
        match self {
            Self::TrailingStop | Self::TrailingStopLimit => true,
            Self::Market
            | Self::Limit
            | Self::Iceberg
            | Self::StopLoss
            | Self::StopLossLimit
            | Self::TakeProfit
            | Self::TakeProfitLimit
            | Self::SettlePosition => false,
        }
    }

    /// Finds a type by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Is a price as a client may write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceSpec {
    /// The price itself.
    Static(Decimal),
    /// So much away from the reference price: `+`, `-` in the sign; `is_toward_worse` for `#`.
    Quote {
        /// Signed distance in quote currency.
        offset: Decimal,
        /// Written with `#`: the venue chooses the direction by side and type.
        is_auto: bool,
    },
    /// So many percent away from the reference price.
    Percent {
        /// Signed distance in percent.
        offset: Decimal,
        /// Written with `#`.
        is_auto: bool,
    },
}

/// Is `time_in_force`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tif {
    /// Good till cancelled.
    Gtc,
    /// Immediate or cancel.
    Ioc,
    /// Fill or kill.
    Fok,
    /// Good till date.
    Gtd,
}

/// Is a start or expiry time as a client may write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSpec {
    /// At this instant.
    At(Timestamp),
    /// So many seconds from now (`+n`).
    InSeconds(i64),
}

/// Is `stp_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stp {
    /// `cancel-newest`
    #[default]
    CancelNewest,
    /// `cancel-oldest`
    CancelOldest,
    /// `cancel-both`
    CancelBoth,
}

/// Is how a client names an order of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderRef {
    /// The venue's id, `O.....-.....-......`.
    Txid(String),
    /// The client's id.
    ClOrdId(String),
    /// The client's number; names every open order with it.
    UserRef(i32),
}

/// Is `reference` of a trigger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TriggerReference {
    /// The last trade.
    #[default]
    Last,
    /// The index.
    Index,
}

/// Is a conditional close order; placed when the first one fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contingent {
    /// Its type.
    pub kind: OrderKind,
    /// Its first price (trigger, or limit for `limit`).
    pub price: Option<PriceSpec>,
    /// Its second price.
    pub price2: Option<PriceSpec>,
}

/// Is a new order as asked for, over whichever door it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddOrder {
    /// The pair in any of the venue's spellings.
    pub pair: String,
    /// Which way.
    pub side: Side,
    /// Type.
    pub kind: OrderKind,
    /// Quantity in base, or in quote with `is_qty_in_quote`.
    pub qty: Decimal,
    /// `viqc` / `cash_order_qty`: the quantity is an amount of quote (market buys).
    pub is_qty_in_quote: bool,
    /// Shown quantity of an iceberg.
    pub display_qty: Option<Decimal>,
    /// Limit price.
    pub limit: Option<PriceSpec>,
    /// Trigger price.
    pub trigger: Option<PriceSpec>,
    /// What the trigger watches.
    pub trigger_reference: TriggerReference,
    /// How long it lives.
    pub tif: Tif,
    /// When it becomes active.
    pub start: Option<TimeSpec>,
    /// When it expires.
    pub expire: Option<TimeSpec>,
    /// `post`
    pub is_post_only: bool,
    /// `fcib` (true), `fciq` (false), or the venue's default.
    pub is_fee_in_base: Option<bool>,
    /// Exclusive with `cl_ord_id`.
    pub userref: Option<i32>,
    /// Exclusive with `userref`.
    pub cl_ord_id: Option<String>,
    /// Self-trade prevention.
    pub stp: Stp,
    /// Margin only; refused where there is no position.
    pub is_reduce_only: bool,
    /// Margin only.
    pub is_margin: bool,
    /// Conditional close.
    pub contingent: Option<Contingent>,
    /// Refuse it when the engine sees it later than this.
    pub deadline: Option<Timestamp>,
    /// Check it only.
    pub is_validate_only: bool,
}

/// Is what an accepted order is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The venue's id; none when it was only checked.
    pub txid: Option<String>,
    /// `descr.order`, such as `buy 0.05000000 XBTUSD @ limit 61000.0`.
    pub descr: String,
    /// `descr.close`; empty without conditional close.
    pub close: String,
    /// As given.
    pub cl_ord_id: Option<String>,
    /// As given.
    pub userref: Option<i32>,
}

/// Is new orders on one pair, in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddBatch {
    /// The pair of all of them, in any of the venue's spellings.
    pub pair: String,
    /// The orders, 2 to 15; what they say about pair, deadline and checking only is ignored.
    pub orders: Vec<AddOrder>,
    /// Refuse all when the engine sees them later than this.
    pub deadline: Option<Timestamp>,
    /// Check them only.
    pub is_validate_only: bool,
}

/// Is a change of a live order as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmendOrder {
    /// Which.
    pub order: OrderRef,
    /// New total quantity.
    pub qty: Option<Decimal>,
    /// New shown quantity.
    pub display_qty: Option<Decimal>,
    /// New limit.
    pub limit: Option<PriceSpec>,
    /// New trigger.
    pub trigger: Option<PriceSpec>,
    /// Whether it must not take at the new price.
    pub is_post_only: bool,
    /// Refuse it when the engine sees it later than this.
    pub deadline: Option<Timestamp>,
}

/// Is the legacy replace: a new order instead of an old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditOrder {
    /// Which.
    pub order: OrderRef,
    /// The pair, which must be the order's.
    pub pair: String,
    /// New total quantity.
    pub qty: Option<Decimal>,
    /// New shown quantity.
    pub display_qty: Option<Decimal>,
    /// New limit.
    pub limit: Option<PriceSpec>,
    /// New trigger.
    pub trigger: Option<PriceSpec>,
    /// `post` must be repeated.
    pub is_post_only: bool,
    /// The new order's number.
    pub userref: Option<i32>,
    /// Refuse it when the engine sees it later than this.
    pub deadline: Option<Timestamp>,
    /// Check it only.
    pub is_validate_only: bool,
}

/// Is what a replaced order is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The new order.
    pub added: Added,
    /// The id of the old one.
    pub original_txid: String,
    /// The old one's number.
    pub old_userref: Option<i32>,
    /// Quantity, limit and trigger of the new one, in the pair's decimals.
    pub volume: String,
    /// Limit, or trigger where there is one.
    pub price: String,
    /// Limit where there is a trigger.
    pub price2: String,
}

/// Is one thing told on the private channels of one account, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountEvent {
    /// Whose.
    pub trader: TraderIx,
    /// When, by the venue's clock.
    pub time: Timestamp,
    /// What.
    pub what: AccountFact,
}

/// Is what can be told on the private channels. The codec reads the order from [`super::Desk::order`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountFact {
    /// `pending_new`
    PendingNew(OrderNo),
    /// `new`
    New(OrderNo),
    /// `trade`; the fill itself.
    Trade(OrderNo, Arc<Execution>),
    /// `filled`
    Filled(OrderNo),
    /// `iceberg_refill`
    IcebergRefill(OrderNo),
    /// `amended`
    Amended(OrderNo),
    /// `restated` by the engine; why.
    Restated(OrderNo, &'static str),
    /// `status`: a trigger moved or fired.
    Status(OrderNo),
    /// `canceled`; why, in the venue's words.
    Canceled(OrderNo, &'static str),
    /// `expired`; why, in the venue's words.
    Expired(OrderNo, &'static str),
    /// A ledger entry (`balances`).
    Ledger(Arc<LedgerEntry>),
}

/// Is a fill of one account's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// `T.....-.....-......`
    pub exec_id: String,
    /// The pair's number of the trade.
    pub trade_id: u64,
    /// The exchange's number of the trade.
    pub trade: TradeNo,
    /// The order.
    pub order: OrderNo,
    /// Which way the order goes. Kept here because fills are remembered longer than ended orders.
    pub side: Side,
    /// The order's type.
    pub kind: OrderKind,
    /// Where.
    pub market: MarketIx,
    /// Price.
    pub price: Decimal,
    /// Quantity.
    pub qty: Decimal,
    /// Price times quantity, rounded to the pair's cost decimals.
    pub cost: Decimal,
    /// `m` (true) or `t`.
    pub is_maker: bool,
    /// v2 name of the asset the fee is taken in.
    pub fee_asset: Arc<str>,
    /// The fee.
    pub fee: Decimal,
    /// The order's quantity filled so far, this fill included.
    pub cum_qty: Decimal,
    /// The order's cost so far.
    pub cum_cost: Decimal,
    /// When.
    pub time: Timestamp,
}

/// Is one change of one balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// `L.....-.....-......`
    pub ledger_id: String,
    /// Trade id, or the deposit's reference.
    pub ref_id: String,
    /// `trade`, `deposit`, ...
    pub kind: &'static str,
    /// REST asset id, such as `XXBT`.
    pub asset: Arc<str>,
    /// v2 asset id, such as `BTC`.
    pub asset_v2: Arc<str>,
    /// Change without the fee.
    pub amount: Decimal,
    /// Fee taken with it.
    pub fee: Decimal,
    /// Balance after it.
    pub balance: Decimal,
    /// When.
    pub time: Timestamp,
}

/// Is one thing told on the public channels, in order. All money in the pair's decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicFact {
    /// The shown quantity of a level changed; many may belong to one step.
    Level {
        /// Where.
        market: MarketIx,
        /// Which side.
        side: Side,
        /// Price in units of the last decimal.
        price: i64,
        /// Quantity in units of the last decimal; 0 when gone.
        qty: i64,
    },
    /// An order's place changed (level 3).
    Queue {
        /// Where.
        market: MarketIx,
        /// Which side.
        side: Side,
        /// Price in units of the last decimal.
        price: i64,
        /// Which order.
        order: OrderNo,
        /// How.
        change: remora_matching::QueueChange,
        /// Quantity shown now.
        qty: i64,
    },
    /// Somebody traded.
    Trade {
        /// Where.
        market: MarketIx,
        /// The pair's number of it.
        trade_id: u64,
        /// The taker's side.
        side: Side,
        /// Price in units of the last decimal.
        price: i64,
        /// Quantity in units of the last decimal.
        qty: i64,
        /// Whether the taker was a market order.
        is_market_order: bool,
    },
    /// A pair's definition or status changed.
    Instrument(MarketIx),
    /// The whole exchange's status changed.
    System,
}

/// Is what a call gives: the venue's error, or the answer.
pub type DeskResult<T> = Result<T, KrakenError>;
