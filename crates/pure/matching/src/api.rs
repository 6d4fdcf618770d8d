//! What goes into the exchange and what comes out of it.
//!
//! Units: prices in steps of the market's last price decimal ([`Ticks`]), quantities in steps of its last quantity
//! decimal ([`Lots`]), money in steps of its asset's last decimal ([`Money`]).

use remora_domain::{DurationNs, Lots, Side, Ticks, Timestamp};

macro_rules! index {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($inner);

        impl $name {
            /// Takes the number.
            #[must_use]
            pub const fn new(number: $inner) -> Self {
                Self(number)
            }

            /// Gives the number.
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }
        }
    };
}

index!(
    /// Numbers an asset, from 0 in the order of adding.
    AssetIx(u32)
);
index!(
    /// Numbers a market, from 0 in the order of adding.
    MarketIx(u32)
);
index!(
    /// Numbers a trader: whoever owns orders and balances. From 0 in the order of adding.
    TraderIx(u32)
);
index!(
    /// Numbers an order, from 1 in the order of acceptance; never reused.
    OrderNo(u64)
);
index!(
    /// Numbers a trade of the whole exchange, from 1.
    TradeNo(u64)
);

/// Is an amount of an asset in steps of its last decimal; signed.
pub type Money = i128;

/// Is an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetSpec {
    /// Its name at the venue, for people.
    pub name: String,
    /// Decimals of balances, 0 to 18.
    pub decimals: u32,
}

/// Is what a market allows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketMode {
    /// Everything.
    Open,
    /// New orders only where they rest.
    PostOnly,
    /// No market orders.
    LimitOnly,
    /// Nothing but cancels.
    CancelOnly,
    /// Nothing at all; cancels neither.
    Closed,
}

/// Is the definition of a market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketSpec {
    /// What is traded.
    pub base: AssetIx,
    /// What it is paid in.
    pub quote: AssetIx,
    /// Decimals of prices, 0 to 18.
    pub price_decimals: u32,
    /// Decimals of quantities, 0 to 18.
    pub qty_decimals: u32,
    /// Price step that new orders must be on, in units of the last price decimal; at least 1.
    pub tick: Ticks,
    /// Quantity step that new orders must be on, in units of the last quantity decimal; at least 1.
    pub lot: Lots,
    /// Smallest order quantity.
    pub qty_min: Lots,
    /// Decimals that costs and fees are rounded to (half away from zero) before they are booked.
    pub cost_decimals: u32,
    /// Smallest price times quantity of an order, in units of `10^-cost_decimals` of the quote.
    pub cost_min: Money,
    /// What is allowed now.
    pub mode: MarketMode,
}

/// Is a fee schedule in force: millionths of the traded quote value; makers' may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeRates {
    /// For adding liquidity.
    pub maker_ppm: i64,
    /// For removing liquidity.
    pub taker_ppm: i64,
}

/// Is how a trader pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Funding {
    /// Every order must be covered: what it may cost is held until it ends.
    Cash,
    /// The crowd: unlimited, pays no fees, has no balances, is never stopped by self-trade prevention.
    Unlimited,
}

/// Is how the price of an order is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pricing {
    /// Takes whatever is there; the rest is cancelled.
    Market,
    /// Trades at this price or better.
    Limit(Ticks),
}

/// Is how much an order wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// A quantity of base.
    Base(Lots),
    /// An amount of quote to spend (market buys only), in units of `10^-cost_decimals`.
    Quote(Money),
}

/// Is how long an order lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until cancelled.
    Gtc,
    /// What fills at once.
    Ioc,
    /// All at once or nothing.
    Fok,
    /// Until then.
    Gtd(Timestamp),
}

impl Lifetime {
    /// Tells whether such an order never rests.
    #[must_use]
    pub const fn is_immediate(self) -> bool {
        matches!(self, Self::Ioc | Self::Fok)
    }
}

/// Is what happens when an order would match another one of the same trader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTrade {
    /// The arriving order is cancelled.
    CancelNewest,
    /// The resting order is cancelled.
    CancelOldest,
    /// Both are.
    CancelBoth,
}

/// Is when a dormant order wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The reference reached the price from the losing side: at or above it for a buy, at or below for a sell.
    StopLoss(Ticks),
    /// The reference reached the price from the winning side: at or below it for a buy, at or above for a sell.
    TakeProfit(Ticks),
    /// The reference moved back by this much from its best value since the order was placed.
    Trailing(Ticks),
}

impl Condition {
    /// Tells whether it follows its reference.
    #[must_use]
    pub const fn is_trailing(self) -> bool {
        matches!(self, Self::Trailing(_))
    }
}

/// Is which price a condition watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The last trade.
    Last,
    /// The index, given by [`crate::Exchange::set_index`].
    Index,
}

/// Is a dormant order's trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// When it wakes.
    pub condition: Condition,
    /// What it watches.
    pub reference: Reference,
    /// For trailing limits: the limit's distance from the trigger price, towards a worse price when positive.
    /// The order's own limit is ignored then.
    pub limit_offset: Option<Ticks>,
}

/// Is an order as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Whose.
    pub trader: TraderIx,
    /// Where.
    pub market: MarketIx,
    /// Which way.
    pub side: Side,
    /// At which price.
    pub pricing: Pricing,
    /// How much.
    pub size: Size,
    /// How long.
    pub lifetime: Lifetime,
    /// Whether it must not take.
    pub is_post_only: bool,
    /// Against own orders.
    pub self_trade: SelfTrade,
    /// Shown quantity of an iceberg; it is refilled from the hidden rest and loses its place then.
    pub display: Option<Lots>,
    /// Sleeps until triggered.
    pub trigger: Option<Trigger>,
    /// Whether the fee is charged in base (buys only; the fee is taken from what is received).
    pub is_fee_in_base: bool,
}

impl NewOrder {
    /// Makes a plain limit order that rests until somebody ends it.
    #[must_use]
    pub const fn limit(
        market: MarketIx,
        trader: TraderIx,
        side: Side,
        price: Ticks,
        qty: Lots,
    ) -> Self {
        Self {
            trader,
            market,
            side,
            pricing: Pricing::Limit(price),
            size: Size::Base(qty),
            lifetime: Lifetime::Gtc,
            is_post_only: false,
            self_trade: SelfTrade::CancelNewest,
            display: None,
            trigger: None,
            is_fee_in_base: false,
        }
    }
}

/// Is a change of a live order; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amend {
    /// New limit; the order goes to the back of its new level, also when it is the same.
    pub limit: Option<Ticks>,
    /// New **total** quantity, fills included. Down keeps the place, up goes to the back, at or below what is
    /// filled ends the order.
    pub qty: Option<Lots>,
    /// New shown quantity: down keeps the place, up counts from the next refill.
    pub display: Option<Lots>,
    /// New trigger price of a dormant order.
    pub trigger: Option<Ticks>,
    /// Whether the amend must not make the order take.
    pub is_post_only: bool,
}

/// Says why an order or change is refused; nothing has happened then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such market, trader or order, or the order belongs to somebody else or has ended.
    #[error("unknown market, trader or order")]
    Unknown,
    /// The market allows less now.
    #[error("the market is {0:?}")]
    Mode(MarketMode),
    /// The price is zero, negative or off the tick.
    #[error("price off the tick")]
    Tick,
    /// The quantity is off the lot.
    #[error("quantity off the lot")]
    Lot,
    /// The quantity is below the smallest.
    #[error("quantity below the minimum")]
    QtyMin,
    /// Price times quantity is below the smallest.
    #[error("cost below the minimum")]
    CostMin,
    /// The balance less holds does not cover it.
    #[error("insufficient funds")]
    Funds,
    /// It would take although it must not.
    #[error("a post-only order would take")]
    PostOnly,
    /// The fields contradict each other (a market order that must not take, a shown quantity above the whole,
    /// a trigger without a reference price yet, ...); says which.
    #[error("contradictory fields: {0}")]
    Fields(&'static str),
    /// A number does not fit.
    #[error("a number out of range")]
    Range,
}

/// Says why an order ended without being filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// Its owner cancelled it.
    Requested,
    /// It would have taken although it must not (only where `would_take` was not asked before placing).
    PostOnly,
    /// Self-trade prevention.
    SelfTrade,
    /// What was left of an order that lives only at once, or all of one that had to fill at once.
    Unfilled,
    /// Its time came.
    Expired,
    /// Amended to or below what it had filled.
    AmendedBelowFilled,
    /// Woken without the funds or liquidity to trade.
    NotExecutable,
    /// The venue closed or restarted its market.
    Market,
}

/// Is one of the two orders of a trade, after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeSide {
    /// Whose.
    pub trader: TraderIx,
    /// Which order.
    pub order: OrderNo,
    /// Filled so far, this trade included.
    pub cum_qty: Lots,
    /// Sum of the costs so far, this trade included, in units of `10^-cost_decimals`.
    pub cum_cost: Money,
    /// Whether nothing is left of it.
    pub is_filled: bool,
    /// The fee asset.
    pub fee_asset: AssetIx,
    /// The fee in units of `10^-cost_decimals` of the quote, or of the base's decimals when charged in base.
    pub fee: Money,
}

/// Is one thing that happened, in the order it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An order passed every check. It may rest, sleep or trade next.
    Accepted {
        /// Which.
        order: OrderNo,
    },
    /// An order became live: it rests, or its trades follow. Not sent for one that ends before.
    Opened {
        /// Which.
        order: OrderNo,
    },
    /// A dormant order woke.
    Triggered {
        /// Which.
        order: OrderNo,
    },
    /// The trigger price of a trailing order moved.
    TriggerMoved {
        /// Which.
        order: OrderNo,
        /// Where to.
        price: Ticks,
    },
    /// Two orders traded.
    Traded {
        /// The exchange's number of it.
        trade: TradeNo,
        /// The market's number of it, from 1 and without gaps.
        market_trade: u64,
        /// Where.
        market: MarketIx,
        /// At the resting order's price.
        price: Ticks,
        /// How much.
        qty: Lots,
        /// Price times quantity, rounded, in units of `10^-cost_decimals`.
        cost: Money,
        /// The arriving order's side.
        taker_side: Side,
        /// Whether the arriving order was a market order.
        is_market_order: bool,
        /// The resting order.
        maker: TradeSide,
        /// The arriving order.
        taker: TradeSide,
    },
    /// The shown part of an iceberg was filled up again.
    Refilled {
        /// Which.
        order: OrderNo,
    },
    /// An order was changed.
    Amended {
        /// Which.
        order: OrderNo,
    },
    /// An order ended without being filled completely.
    Ended {
        /// Which.
        order: OrderNo,
        /// Why.
        cause: EndCause,
    },
    /// The shown quantity of a price level changed.
    LevelChanged {
        /// Where.
        market: MarketIx,
        /// On which side.
        side: Side,
        /// At which price.
        price: Ticks,
        /// What is shown now; 0 when the level is gone.
        qty: Lots,
    },
    /// The place or shown quantity of one order in the book changed (order-level feeds).
    QueueChanged {
        /// Where.
        market: MarketIx,
        /// On which side.
        side: Side,
        /// At which price.
        price: Ticks,
        /// Which order.
        order: OrderNo,
        /// How.
        change: QueueChange,
        /// What it shows now; 0 when deleted.
        qty: Lots,
    },
    /// A balance of a trader who has them changed.
    BalanceChanged {
        /// Whose.
        trader: TraderIx,
        /// Of what.
        asset: AssetIx,
        /// By how much, the fee not included.
        amount: Money,
        /// The fee taken with it; negative for a rebate.
        fee: Money,
        /// What it is now.
        balance: Money,
        /// Because of which trade; none for deposits.
        trade: Option<TradeNo>,
    },
}

/// Says how an order's place in its queue changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueChange {
    /// Joined at the back.
    Add,
    /// Another quantity, same place; larger only for the crowd of a recording, whose pieces grow and merge.
    Modify,
    /// Gone.
    Delete,
}

/// Says what an order is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// Sleeps until triggered.
    Dormant,
    /// In the book.
    Resting,
    /// Completely filled.
    Filled,
    /// Ended otherwise.
    Ended(EndCause),
}

/// Is an order as it stands. Ended orders are kept until [`crate::Exchange::forget`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// Its number.
    pub order: OrderNo,
    /// What was asked, with amendments applied.
    pub asked: NewOrder,
    /// What it is doing.
    pub state: OrderState,
    /// Filled so far.
    pub cum_qty: Lots,
    /// Sum of the costs of its trades, in units of `10^-cost_decimals`.
    pub cum_cost: Money,
    /// Sum of its fees in the quote, in units of `10^-cost_decimals`.
    pub cum_fee: Money,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it was last amended; `created` before that.
    pub amended: Timestamp,
    /// Where its trigger stands now.
    pub trigger_price: Option<Ticks>,
    /// Asset and amount held for it.
    pub held: Option<(AssetIx, Money)>,
}

/// Is what a trader owns of an asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Everything, holds included.
    pub total: Money,
    /// Held for open orders.
    pub held: Money,
}

/// Is how old an order is for a rate counter.
#[must_use]
pub fn age(view: &OrderView, now: Timestamp) -> DurationNs {
    now.since(view.amended)
}
