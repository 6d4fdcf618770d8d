//! Refusals of the risk gate: which control, which limit, which value.

use crate::{AccountId, ClOrdId, InstrumentKey};

/// Names a control of the risk gate's catalogue (G01 to G41).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControlId(u8);

impl ControlId {
    /// Takes the number of a control.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Gives the number of the control.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl std::fmt::Display for ControlId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "G{:02}", self.0)
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $control:literal, $text:literal;)*) => {
        /// Says why an order was refused by the gate. Each belongs to one control.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        pub enum RefusalReason {
            $($(#[$doc])* $name,)*
        }

        impl RefusalReason {
            /// All reasons, in the order of their controls.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Gives the control the reason belongs to.
            #[must_use]
            pub const fn control(self) -> ControlId {
                match self { $(Self::$name => ControlId::new($control),)* }
            }

            /// Gives the word used in metrics, reports and storage.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// The account or strategy is not one of ours.
    AccountUnknown = 1, "account_unknown";
    /// No definition of the instrument is known.
    InstrumentUnknown = 2, "instrument_unknown";
    /// The venue does not allow new orders of this kind now.
    InstrumentNotTradable = 2, "instrument_not_tradable";
    /// The instrument is not on the list of those we may trade.
    InstrumentNotPermitted = 2, "instrument_not_permitted";
    /// The price is not on the tick.
    PriceOffTick = 3, "price_off_tick";
    /// The quantity is not on the lot.
    QtyOffLot = 3, "qty_off_lot";
    /// The quantity is below the venue's minimum.
    QtyBelowMin = 3, "qty_below_min";
    /// The order value is below the venue's minimum.
    CostBelowMin = 3, "cost_below_min";
    /// The venue has not said what its minimum order value is.
    CostMinUnknown = 3, "cost_min_unknown";
    /// An amount left the exact range.
    AmountRange = 3, "amount_range";
    /// The request was read after its deadline.
    RequestExpired = 4, "request_expired";
    /// The client order id was used before.
    DuplicateClOrdId = 4, "duplicate_cl_ord_id";
    /// The order whose place it is to take is not open on that side of the pair.
    OrigOrderNotOpen = 4, "orig_order_not_open";
    /// The quantity is above the limit.
    QtyAboveMax = 5, "qty_above_max";
    /// The order value is above the limit.
    NotionalAboveMax = 6, "notional_above_max";
    /// No conversion rate to the reporting currency is configured.
    ConversionUnknown = 6, "conversion_unknown";
    /// The quantity is too large a share of what the book shows.
    DepthShareAboveMax = 7, "depth_share_above_max";
    /// The quantity is too large a share of the volume of 24 hours.
    VolumeShareAboveMax = 7, "volume_share_above_max";
    /// The volume of 24 hours is not known.
    VolumeUnknown = 7, "volume_unknown";
    /// The price is too far from the reference.
    PriceOutsideCollar = 8, "price_outside_collar";
    /// The price is too far from the last trade.
    PriceOutsideTradeBand = 9, "price_outside_trade_band";
    /// No trade of the instrument is known.
    LastTradeUnknown = 9, "last_trade_unknown";
    /// The order would meet one of our own.
    CrossesOwnOrder = 10, "crosses_own_order";
    /// A post-only order would take.
    PostOnlyWouldCross = 11, "post_only_would_cross";
    /// No fee tier is known for the account.
    FeesUnknown = 12, "fees_unknown";
    /// What the order earns against the mid, after its fee, is below the limit.
    EdgeBelowMin = 12, "edge_below_min";
    /// The worst case of this pair would pass its limit.
    PairPositionAboveMax = 13, "pair_position_above_max";
    /// The worst case of the base asset would pass its limit.
    AssetPositionAboveMax = 14, "asset_position_above_max";
    /// The worst case of all pairs together would pass its limit.
    TotalPositionAboveMax = 15, "total_position_above_max";
    /// The worst case of the sum of longs and shorts would pass its limit.
    NetPositionAboveMax = 16, "net_position_above_max";
    /// The worst case of the venue would pass its limit.
    VenuePositionAboveMax = 17, "venue_position_above_max";
    /// The worst case of a group of assets that move together would pass its limit.
    GroupPositionAboveMax = 18, "group_position_above_max";
    /// No balance of the account is known.
    BalanceUnknown = 19, "balance_unknown";
    /// The free balance does not cover the order.
    BalanceInsufficient = 19, "balance_insufficient";
    /// Too many orders in the window.
    OrderRateAboveMax = 20, "order_rate_above_max";
    /// Too many cancels in the window.
    CancelRateAboveMax = 21, "cancel_rate_above_max";
    /// Too many orders are open.
    OpenOrdersAboveMax = 22, "open_orders_above_max";
    /// Too many orders of the day for its executions.
    UnfilledRatioAboveMax = 23, "unfilled_ratio_above_max";
    /// The same order was asked for too often in the window.
    DuplicateOrder = 24, "duplicate_order";
    /// Too many executions of the pair in the window; a person must resume it.
    ExecutionsAboveMax = 25, "executions_above_max";
    /// What the venue takes in messages is used up.
    VenueBudgetSpent = 26, "venue_budget_spent";
    /// The loss of the day passed its limit.
    DayLossAboveMax = 27, "day_loss_above_max";
    /// What the account has gained or lost cannot be told.
    EquityUnknown = 27, "equity_unknown";
    /// The fall from the highest equity passed its limit.
    DrawdownAboveMax = 28, "drawdown_above_max";
    /// The pair lost too often in a row and pauses.
    LossStreak = 29, "loss_streak";
    /// The fees of the day passed their limit.
    FeesAboveMax = 30, "fees_above_max";
    /// No book is known.
    BookUnknown = 31, "book_unknown";
    /// The book is too old.
    BookStale = 31, "book_stale";
    /// The book failed a check and is not resynchronised yet.
    BookInvalid = 32, "book_invalid";
    /// The book is crossed, locked or one-sided.
    BookCrossed = 32, "book_crossed";
    /// Two clocks disagree by more than the limit.
    ClockSkewAboveMax = 33, "clock_skew_above_max";
    /// No venue time of the pair is known.
    ClockUnknown = 33, "clock_unknown";
    /// The venues disagree about the price.
    ReferenceDisagrees = 34, "reference_disagrees";
    /// Too few venues tell a price of the pair.
    ReferenceUnknown = 34, "reference_unknown";
    /// What the request was decided on is too old.
    SignalStale = 35, "signal_stale";
    /// New orders are halted.
    Halted = 36, "halted";
    /// The gate has no router that knows its epoch yet.
    RouterNotReady = 36, "router_not_ready";
    /// Only orders that reduce a position are allowed.
    ReduceOnly = 36, "reduce_only";
    /// The venue is not open for new orders.
    VenueNotOpen = 37, "venue_not_open";
    /// Our account of orders and fills differs from the venue's.
    ReconciliationBreak = 38, "reconciliation_break";
    /// The timer that cancels our orders when we fall silent is not armed.
    DeadManNotArmed = 39, "dead_man_not_armed";
    /// The worst case would pass what is allowed so soon after the start.
    RampAboveMax = 40, "ramp_above_max";
    /// No limit is configured for what is asked.
    LimitUnknown = 41, "limit_unknown";
    /// The limits in force are not the newest, or have run out.
    LimitsNotCurrent = 41, "limits_not_current";
    /// A reason that this version does not know.
    Unknown = 0, "unknown";
}

impl std::fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Is the gate's "no": which control, which limit, which value. Limit and value are exact text with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRefusal {
    /// Which request.
    pub cl_ord_id: ClOrdId,
    /// Of which account.
    pub account: AccountId,
    /// On which instrument.
    pub instrument: InstrumentKey,
    /// Why.
    pub reason: RefusalReason,
    /// The limit in force, such as `500 USD`; empty where the control has none.
    pub limit: String,
    /// The value that met it, such as `512.40 USD`.
    pub value: String,
}
