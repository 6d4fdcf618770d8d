//! What venues say about orders, and what the router tells everybody.

use crate::{
    AccountId, Amount, AmountError, Asset, Balances, ClOrdId, ExecId, Fee, FeeSchedule,
    InstrumentKey, Liquidity, Notional, OrdStatus, OrderId, Price, Qty, Side, Timestamp,
};

/// Says what happened to an order (FIX 150, with our own steps before the venue knows it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExecType {
    /// The router is about to send it; durable before the bytes leave.
    Sending,
    /// No answer came in time.
    SubmitUnknown,
    /// The venue accepted it.
    New,
    /// A fill.
    Trade,
    /// A cancel is under way.
    CancelPending,
    /// The venue refused the cancel (too late, usually).
    CancelRejected,
    /// Cancelled.
    Cancelled,
    /// Refused by the venue.
    Rejected,
    /// Expired at the venue.
    Expired,
    /// Ended because another order of ours took its place at the venue.
    Replaced,
    /// Never sent: the router refused the approval.
    RouterRefused,
}

/// Says why, as far as anybody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderEventReason {
    /// Nothing to add.
    None,
    /// The signature does not fit the fields.
    BadSignature,
    /// The approval came too late.
    ApprovalExpired,
    /// The gate that signed has been replaced.
    OldEpoch,
    /// The client order id was used before.
    Reused,
    /// The router is halted.
    Halted,
    /// The instrument is not of this router's venue or account.
    WrongVenue,
    /// A post-only order would have taken.
    PostOnlyWouldCross,
    /// The account cannot pay for it.
    InsufficientFunds,
    /// The venue's own rules refuse it (tick, lot, minimum).
    InstrumentRule,
    /// The venue limits our message rate.
    RateLimited,
    /// The venue does not know the order.
    UnknownOrder,
    /// We asked for it.
    UserRequested,
    /// The venue gave another reason.
    VenueOther,
    /// A reason that this version does not know.
    Unknown,
}

/// Is one statement about one order, published by the router of its venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEvent {
    /// Our id.
    pub cl_ord_id: ClOrdId,
    /// The venue's id, once known.
    pub order_id: Option<OrderId>,
    /// Of which account.
    pub account: AccountId,
    /// On which instrument.
    pub instrument: InstrumentKey,
    /// Which way.
    pub side: Side,
    /// Limit price.
    pub price: Price,
    /// Asked quantity.
    pub order_qty: Qty,
    /// What happened.
    pub exec_type: ExecType,
    /// Where the order stands now.
    pub ord_status: OrdStatus,
    /// Filled so far.
    pub cum_qty: Qty,
    /// Still open: asked − filled while live, 0 when terminal.
    pub leaves_qty: Qty,
    /// The fill, when this is one.
    pub fill: Option<Fill>,
    /// Why.
    pub reason: OrderEventReason,
    /// When the venue says it happened, when it says so.
    pub venue_time: Option<Timestamp>,
    /// The order whose place it took or is to take, as its request says.
    pub orig_cl_ord_id: Option<ClOrdId>,
}

/// Is one execution of ours.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fill {
    /// The venue's id of it; booked once per id.
    pub exec_id: ExecId,
    /// Price.
    pub last_px: Price,
    /// Quantity.
    pub last_qty: Qty,
    /// Added or removed liquidity.
    pub liquidity: Liquidity,
    /// What it moved in the quote asset by the venue's own reckoning, never negative and without the fee; `None` where
    /// the venue tells none. Read it through [`Fill::value`].
    pub cost: Option<Notional>,
    /// What it cost.
    pub fee: Fee,
}

/// Is an order that the venue says is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOrder {
    /// Our id, if it carries one.
    pub cl_ord_id: Option<ClOrdId>,
    /// The venue's id.
    pub order_id: OrderId,
    /// On which instrument.
    pub instrument: InstrumentKey,
    /// Which way.
    pub side: Side,
    /// Limit price.
    pub price: Price,
    /// Asked quantity.
    pub order_qty: Qty,
    /// Filled so far.
    pub cum_qty: Qty,
}

/// Is anything a venue's order-entry session tells the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VenueReport {
    /// The venue accepted an order.
    Accepted {
        /// Which.
        cl_ord_id: ClOrdId,
        /// The venue's id.
        order_id: OrderId,
        /// When.
        venue_time: Timestamp,
    },
    /// An order took the place of another; the other's fills were reported before, or are told of the one that stands now.
    Replaced {
        /// The order that has ended by this.
        orig_cl_ord_id: ClOrdId,
        /// The order that stands now.
        cl_ord_id: ClOrdId,
        /// The venue's id.
        order_id: OrderId,
        /// What is open of it, at most what was asked for: less where the other filled meanwhile.
        order_qty: Qty,
        /// When.
        venue_time: Timestamp,
    },
    /// The venue refused an order.
    Rejected {
        /// Which.
        cl_ord_id: ClOrdId,
        /// Why.
        reason: OrderEventReason,
        /// When.
        venue_time: Timestamp,
    },
    /// An order traded.
    Filled {
        /// Which.
        cl_ord_id: ClOrdId,
        /// The venue's id.
        order_id: OrderId,
        /// The execution.
        fill: Fill,
        /// Filled so far, this fill included.
        cum_qty: Qty,
        /// When.
        venue_time: Timestamp,
    },
    /// An order ended without (further) fills.
    Cancelled {
        /// Which.
        cl_ord_id: ClOrdId,
        /// Why.
        reason: OrderEventReason,
        /// When.
        venue_time: Timestamp,
    },
    /// A cancel failed: the order is already terminal or unknown.
    CancelRejected {
        /// Which.
        cl_ord_id: ClOrdId,
        /// Why.
        reason: OrderEventReason,
        /// When.
        venue_time: Timestamp,
    },
    /// No answer came in time.
    SubmitUnknown {
        /// Which.
        cl_ord_id: ClOrdId,
    },
    /// The answer to a query of open orders: all of them.
    OpenOrders {
        /// What is open.
        orders: Vec<OpenOrder>,
        /// How many more are open that cannot be read, such as on a pair that is not listed; none of them is ours.
        unread: u64,
        /// When it was asked, as the query said: the newest query of those that had been made when the question left for
        /// the venue, where one answer stands for several. What happened later may be missing.
        asked_at: Timestamp,
        /// When the venue made the list.
        venue_time: Timestamp,
    },
    /// The account's balances, complete.
    Balances(Balances),
    /// The fee tier in force.
    Fees(FeeSchedule),
    /// The order-entry session came up or went down.
    Session {
        /// Whether orders can be sent.
        is_up: bool,
    },
    /// Whether our orders end at the venue without us should this session fall silent. Told of a session that is up, at
    /// once and whenever it changes; nothing is known of it any more when the session goes down.
    Guard {
        /// Whether the venue's timer is armed, or no order can outlive the session at all.
        is_guarded: bool,
    },
}

impl Fill {
    /// Gives what the trade moved in the quote asset, without its sign and its fee: what the venue says, because venues
    /// round it; where it says nothing, exactly price × quantity × multiplier. Every balance is booked by this.
    ///
    /// # Errors
    /// Refuses a result outside the exact range.
    pub fn value(&self, multiplier: Qty) -> Result<Notional, AmountError> {
        match self.cost {
            Some(cost) => Ok(cost),
            None => self.last_px.checked_notional(self.last_qty, multiplier),
        }
    }

    /// Gives the fee amount when it was charged in `asset`.
    #[must_use]
    pub fn fee_in(&self, asset: &Asset) -> Option<Amount> {
        (self.fee.asset == *asset).then_some(self.fee.amount)
    }
}
